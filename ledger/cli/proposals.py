"""Proposals of the council: files with a signed statement, to which more signatures are added.

A file holds exactly what will be posted, canonical JSON: statement, signature, endorsements. It is
checked whenever it is read, as the ledger will check it, and replaced whole, so that it always
holds what it held before or what was added.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import click

from ledger.cli.common import CommandFailed, read_bytes
from ledger.cli.posting import keep
from ledger.cli.rulebook import Rulebook, charter_in, difference
from ledger.errors import LedgerError, SignatureError
from ledger.records.charter import Charter, charter_of
from ledger.records.deadline import parse_time
from ledger.records.statement import (
    MAX_STATEMENT,
    ParsedStatement,
    decode_signed,
    verify_statement,
)
from schemas.statements import CharterVersion, RegistryAction, Role
from schemas.statements import Registry as RegistryStatement


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal as its file has it; ``charter`` is what it sets, None where it is about a key."""

    body: bytes
    parsed: ParsedStatement
    charter: Charter | None

    @property
    def signers(self) -> tuple[str, ...]:
        """Who has signed so far, whose statement it is first."""
        endorsed = (each.author for each in self.parsed.endorsements)
        return (self.parsed.statement.author, *endorsed)


def read_proposal(path: Path) -> Proposed:
    """The proposal in a file. Raises CommandFailed for anything else."""
    try:
        return parse_proposal(read_bytes(path, limit=MAX_STATEMENT))
    except LedgerError as error:
        said = str(error)
        raise CommandFailed(said if said.startswith(str(path)) else f"{path}: {said}") from None


def parse_proposal(body: bytes) -> Proposed:
    """The proposal that is spelt so. Raises FormatError and CommandFailed."""
    parsed = decode_signed(body.removesuffix(b"\n"))
    match parsed.public:
        case CharterVersion() as public:
            return Proposed(body.removesuffix(b"\n"), parsed, charter_of(public.charter))
        case RegistryStatement():
            return Proposed(body.removesuffix(b"\n"), parsed, None)
    raise CommandFailed(f"a {parsed.statement.kind} statement is none that the council proposes")


def check(proposed: Proposed, book: Rulebook) -> int:
    """Check that a proposal could be logged now but for missing signatures; how many it needs.

    Raises CommandFailed, in one line: a signature that is wrong or not of the council, a charter
    that another one has overtaken, a time that has passed, a threshold that nobody could meet.
    """
    council = book.council
    signatures = [
        (proposed.parsed.statement.author, proposed.parsed.key_id, proposed.parsed.signature),
        *((each.author, each.key_id, each.signature) for each in proposed.parsed.endorsements),
    ]
    for author, key_id, signature in signatures:
        key = next((key for key in council.get(author, ()) if key.key_id == key_id), None)
        if key is None:
            raise CommandFailed(
                f"{author} has signed with the key {key_id:08x}, which is none of the council's"
            )
        try:
            verify_statement(proposed.parsed.body, public_key=key.public_key, signature=signature)
        except SignatureError:
            raise CommandFailed(f"the signature of {author} is not over this proposal") from None
    rules = charter_in(book.now())
    needed = rules.signers_needed(len(council))
    match proposed.parsed.public:
        case CharterVersion() as public:
            _check_charter(public, book)
        case RegistryStatement() as public:
            needed = _check_key(public, book, rules)
    return needed


def describe(proposed: Proposed, book: Rulebook) -> list[str]:
    """What a proposal says and changes, in lines."""
    match proposed.parsed.public:
        case CharterVersion() as public:
            assert proposed.charter is not None
            base = book.find(str(public.replaces))
            return [
                f"a charter in force from {public.in_force_from}, after entry {public.replaces}",
                *difference(base, proposed.charter, indent="  "),
            ]
        case RegistryStatement() as public:
            verb = "adds" if public.action is RegistryAction.ADD else "retires"
            return [f"{verb} a key of {public.name} ({public.role}): {public.vkey}"]
    return []


def replace(path: Path, body: bytes) -> None:
    """Put ``body`` in the place of the file at ``path``, whole. Raises CommandFailed."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(body + b"\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)


def write_proposal(body: bytes, book: Rulebook, out: Path) -> None:
    """Check a proposal, say what it changes, and write it to a new file. Raises CommandFailed."""
    proposed = parse_proposal(body)
    needed = check(proposed, book)
    for line in describe(proposed, book):
        click.echo(line)
    keep(out, body + b"\n", mode=0o644)
    say_count(1, needed, out)


def say_count(there: int, needed: int, path: Path) -> None:
    """Say how many signatures a proposal has, and what to do next."""
    if there < needed:
        follows = "`ledger charter sign` adds the next one"
    else:
        follows = "`ledger charter post` posts it"
    click.echo(f"{path}: {there} of {needed} signatures needed; {follows}")


def _check_charter(public: CharterVersion, book: Rulebook) -> None:
    if public.replaces != book.newest.index:
        raise CommandFailed(
            f"it replaces entry {public.replaces}, and the newest charter is entry"
            f" {book.newest.index} by now: propose it again on top of that"
        )
    if parse_time(public.in_force_from) < time.time():
        raise CommandFailed(
            f"it would be in force from {public.in_force_from}, which has passed: a charter never"
            f" counts backwards"
        )
    threshold = public.charter.council_threshold
    if threshold > len(book.council):
        raise CommandFailed(
            f"it asks for {threshold} signatures of a council of {len(book.council)}: nobody could"
            f" change it again"
        )


def _check_key(public: RegistryStatement, book: Rulebook, rules: Charter) -> int:
    """How many signatures a change of the registry needs: several for the council's own keys."""
    held = public.name in book.council if public.action is RegistryAction.RETIRE else False
    threshold = rules.council_threshold
    if not (held or public.role is Role.COUNCIL) or threshold is None:
        return 1
    return threshold
