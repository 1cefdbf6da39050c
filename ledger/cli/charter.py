"""``ledger charter``: show the rules, say what changes, propose, sign and post a new version.

A proposal goes as a file from one member of the council to the next; each adds a signature, and
whoever has the last one posts it. Nothing about it is secret. A private key is read from its file
and never printed.
"""

import sys
import time
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from ledger.cli.authoring import GIVE_UP, KEY, RECEIPT, RECEIPT_FILE, URL, VKEY
from ledger.cli.client import Client, log_key_of
from ledger.cli.common import (
    CommandFailed,
    read_author_key,
    read_document,
    settings_with_log,
)
from ledger.cli.posting import post
from ledger.cli.proposals import (
    check,
    describe,
    parse_proposal,
    read_proposal,
    replace,
    say_count,
    write_proposal,
)
from ledger.cli.rulebook import (
    IN_FORCE,
    WHICH,
    Rulebook,
    charter_in,
    described,
    difference,
    read_rulebook,
)
from ledger.errors import LedgerError
from ledger.records.amending import amended, endorsed
from ledger.records.authoring import author_statement
from ledger.records.charter import Charter
from ledger.records.deadline import format_time, parse_time
from ledger.tlog.note import Signer
from schemas.council import CharterShown

OUT: Final = click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where the proposal goes; a file that exists is never overwritten.",
)
PROPOSAL: Final = click.argument("proposal", type=click.Path(path_type=Path))


@click.group("charter")
def charter_group() -> None:
    """Show the charter, or change it as the council: propose, sign, post.

    What a ledger shows is verified as it is read. A new version takes as many signatures of the
    council as the one in force asks for (council_threshold).
    """


@charter_group.command("show", short_help="Print the rules in force, or those of another version.")
@click.option("--at", "which", default=IN_FORCE, metavar=WHICH, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As the API has it.")
@URL
@VKEY
def show(*, which: str, as_json: bool, url: str | None, vkey: str | None) -> None:
    """Print every rule of one version, who signed it, and when it counts."""
    book = _read(url, vkey)
    version = book.find(which)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(version), indent=2).decode())
        return
    for line in described(version):
        click.echo(line)
    ahead = book.coming()
    if which == IN_FORCE and ahead is not None:
        click.echo(f"from {ahead.in_force_from} on, by entry {ahead.index}:")
        for line in difference(version, ahead, indent="  "):
            click.echo(line)


@charter_group.command("diff", short_help="Say which rules two versions have otherwise.")
@click.argument("before", metavar=f"{WHICH}|FILE")
@click.argument("after", metavar=f"{WHICH}|FILE", default=IN_FORCE)
@URL
@VKEY
def diff(*, before: str, after: str, url: str | None, vkey: str | None) -> None:
    """Print a line for each rule that differs; FILE is a proposal.

    With a proposal alone, what it changes of the version in force.
    """
    book = _read(url, vkey)
    if _is_file(before) and after == IN_FORCE:
        before, after = after, before
    for line in difference(_version(book, before), _version(book, after)):
        click.echo(line)


@charter_group.command("propose", short_help="Sign a new version as its first; write it to a file.")
@click.option(
    "--from",
    "written",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A .toml or .json file with the rules that change; the others stay as they are.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="RULE=VALUE",
    help="One rule that changes, as embargo_days=60 or quotas.member_gpus=null. May be repeated.",
)
@click.option("--in-force-from", "begins", required=True, metavar="TIME")
@KEY
@OUT
@URL
@VKEY
def propose(
    *,
    written: Path | None,
    assignments: tuple[str, ...],
    begins: str,
    key_file: Path,
    out: Path,
    url: str | None,
    vkey: str | None,
) -> None:
    """Write a proposal that starts from the newest version, signed by --key.

    TIME is like 2026-12-01T00:00:00Z, at most 366 days ahead.
    """
    signer = read_author_key(key_file)
    rules = {**(read_document(written) if written else {}), **dict(map(_assigned, assignments))}
    book = _read(url, vkey)
    _require_council(book, signer)
    base = book.newest
    if base != book.now():
        click.echo(
            f"starting from entry {base.index}, which is to be in force from {base.in_force_from}",
            err=True,
        )
    try:
        parse_time(begins)
        charter = amended(charter_in(base), rules, council=len(book.council))
        body = author_statement(
            signer=signer,
            kind="charter",
            schema="charter-version/1",
            public={
                "charter": charter.to_dict(),
                "in_force_from": begins,
                "replaces": base.index,
            },
            made_at=format_time(int(time.time())),
        )
    except LedgerError as error:
        raise CommandFailed(str(error).removeprefix("statement.public.")) from None
    write_proposal(body, book, out)


@charter_group.command("sign", short_help="Add a signature of the council to a proposal.")
@PROPOSAL
@KEY
@click.option("--yes", is_flag=True, help="Sign without asking, where no terminal is there to ask.")
@URL
@VKEY
def sign(*, proposal: Path, key_file: Path, yes: bool, url: str | None, vkey: str | None) -> None:
    """Show what PROPOSAL changes, ask, and add the signature of --key to the file.

    Takes proposals of `ledger charter propose` and of `ledger registry --out`. Refuses what the
    ledger would: a charter that has been overtaken, a time that has passed, a key that is none of
    the council's.
    """
    signer = read_author_key(key_file)
    proposed = read_proposal(proposal)
    book = _read(url, vkey)
    _require_council(book, signer)
    needed = check(proposed, book)
    for line in describe(proposed, book):
        click.echo(line)
    click.echo(f"signed by: {', '.join(proposed.signers)} ({needed} needed)")
    click.echo(f"SHA-256 of what is signed: {proposed.parsed.digest.hex()}")
    if not yes:
        if not sys.stdin.isatty():
            raise CommandFailed("nobody is there to be asked: give --yes to sign it all the same")
        click.confirm(f"Sign this as {_author(signer)}?", abort=True)
    try:
        body = endorsed(proposed.body, signer)
    except LedgerError as error:
        raise CommandFailed(f"{proposal}: {error}") from None
    check(parse_proposal(body), book)
    replace(proposal, body)
    say_count(len(proposed.signers) + 1, needed, proposal)


@charter_group.command("post", short_help="Post a proposal that enough of the council have signed.")
@PROPOSAL
@URL
@VKEY
@RECEIPT_FILE
@GIVE_UP
def post_command(
    *,
    proposal: Path,
    url: str | None,
    vkey: str | None,
    receipt_file: Path | None,
    give_up_after: float,
) -> None:
    """Post PROPOSAL once it has the signatures it needs, and keep its verified receipt.

    Anybody may post it: the signatures are what counts.
    """
    start = settings_with_log()
    proposed = read_proposal(proposal)
    book = read_rulebook(url or start.public_url, vkey)
    needed = check(proposed, book)
    there = len(proposed.signers)
    if there < needed:
        raise CommandFailed(
            f"{proposal} has {there} of {needed} signatures that it needs: have it signed with"
            f" `ledger charter sign`"
        )
    click.echo(f"{there} signatures, {needed} needed")
    receipt = receipt_file if receipt_file is not None else proposal.with_suffix(RECEIPT)
    with Client(url or start.public_url, give_up_after_s=give_up_after) as client:
        log_key = log_key_of(vkey) if vkey is not None else client.vkey()
        post(client, proposed.body, log_key=log_key, receipt=receipt)


def _read(url: str | None, vkey: str | None) -> Rulebook:
    return read_rulebook(url or settings_with_log().public_url, vkey)


def _version(book: Rulebook, which: str) -> Charter | CharterShown:
    if not _is_file(which):
        return book.find(which)
    proposed = read_proposal(Path(which))
    if proposed.charter is None:
        raise CommandFailed(f"{which} is about a key and changes no rule")
    return proposed.charter


def _is_file(which: str) -> bool:
    return Path(which).is_file()


def _assigned(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise CommandFailed(f"--set {text[:60]!a}: a rule, an equals sign and a value are needed")
    if value == "null":
        return name, None
    if value.isascii() and value.isdigit() and len(value) < 17:
        return name, int(value)
    if name.endswith("_workloads"):
        return name, [each for each in value.split(",") if each]
    raise CommandFailed(f"--set {text[:60]!a}: {value[:40]!a} is neither a whole number nor null")


def _require_council(book: Rulebook, signer: Signer) -> None:
    author = _author(signer)
    if signer.name != f"{book.origin}/{author}":
        raise CommandFailed(f"the key is named {signer.name}, and the log is {book.origin}")
    if all(key.key_id != signer.key_id for key in book.council.get(author, ())):
        raise CommandFailed(
            f"the key {signer.key_id:08x} of {author} is none of the council's valid keys"
        )


def _author(signer: Signer) -> str:
    return signer.name.rsplit("/", 1)[-1]
