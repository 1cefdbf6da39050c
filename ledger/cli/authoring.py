"""``ledger keys``, ``submit``, ``open``, ``registry``: what an author does, on its own machine.

No database and no settings of a ledger are needed here but the address of one. A private key is
read from its file and never printed; the seed of an opening is forgotten once it is answered.
"""

import os
import time
from pathlib import Path
from typing import Any, Final

import click
from msgspec import UNSET, UnsetType

from ledger import keys
from ledger.assembly.founding import write_mldsa_key
from ledger.cli.client import Client, log_key_of
from ledger.cli.common import (
    CommandFailed,
    open_for_reading,
    read_as,
    read_author_key,
    settings_with_log,
)
from ledger.cli.posting import post
from ledger.errors import FormatError, LedgerError
from ledger.records.authoring import author_statement
from ledger.records.deadline import format_time
from ledger.records.wire import convert
from ledger.settings import load_settings
from ledger.tlog.note import Signer, VerifierKey, generate_key
from schemas.statements import SCHEMAS, RegistryAction, Role
from schemas.values import AuthorName, Slug, Time, Ulid, Wire

SEED_BYTES: Final = 32
RECEIPT: Final = ".tlog-proof"
CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

KEY = click.option(
    "--key",
    "key_file",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The author's private key, as `ledger keys new` wrote it.",
)
URL = click.option("--url", metavar="URL", help="The ledger's address; default: LEDGER_PUBLIC_URL.")
VKEY = click.option(
    "--vkey",
    metavar="VKEY",
    help="The log's key, to hold the receipt against. Without it the ledger is asked for its key.",
)
GIVE_UP = click.option(
    "--give-up-after",
    type=click.FloatRange(0, 86_400),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to go on where the ledger does not answer or takes nothing now.",
)
RECEIPT_FILE = click.option(
    "--receipt",
    "receipt_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where the receipt goes; a file that exists is never overwritten.",
)


class StatementFile(Wire, frozen=True):
    """What an author writes. ``sealed`` maps paths to values; others are sealed as null."""

    kind: Slug
    schema: str
    public: dict[str, Any]
    job_id: Ulid | UnsetType = UNSET
    made_at: Time | UnsetType = UNSET
    sealed: dict[str, Any] | UnsetType = UNSET


class _NameOfAuthor(Wire, frozen=True):
    name: AuthorName


@click.group("keys")
def keys_group() -> None:
    """Make an author's key or the log's second one, or show a public half."""


@keys_group.command("new", short_help="Make a key; print its public half.")
@click.argument("name")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where the private key goes; default: <author>.key in the working folder.",
)
def keys_new(name: str, out: Path | None) -> None:
    """Make a key of an author and print its vkey, which the council registers.

    NAME is <origin>/<author>, as in ledger.example.org/apsci/deepseek. The author alone will do
    where this machine has the ledger. The private key goes to a new file that only you can read.
    """
    author = name.rsplit("/", 1)[-1]
    try:
        full = name if "/" in name else f"{_local_origin(name)}/{name}"
        _check_author(author)
        signer, vkey = generate_key(full, os.urandom(SEED_BYTES))
    except FormatError as error:
        raise CommandFailed(f"{name[:80]}: {error}") from None
    path = out if out is not None else Path(f"{author}.key")
    keys.write_signer(path, signer)
    click.echo(vkey)
    click.echo(f"private key: {path}; whoever has it can speak as {author}", err=True)


@keys_group.command("show", short_help="Print the public half of a key.")
@click.argument("file", type=click.Path(path_type=Path))
def keys_show(file: Path) -> None:
    """Print the vkey of the private key in FILE."""
    click.echo(read_author_key(file).vkey)


@keys_group.command("mldsa", short_help="Make the log's second key; print its public half.")
def keys_mldsa() -> None:
    """Make the ML-DSA-44 key of the ledger in LEDGER_DATA_DIR, for LEDGER_MLDSA=true.

    Checkpoints then bear its line below the first one's. Readers who want to depend on it take the
    vkey that is printed into their policy, and from somewhere else than from the ledger.
    """
    settings = load_settings()
    ledger = open_for_reading(settings)
    ledger.close()
    path = write_mldsa_key(settings.key_dir, ledger.origin, seed=os.urandom(SEED_BYTES))
    click.echo(read_author_key(path).vkey)
    click.echo(f"private key: {path}; set LEDGER_MLDSA=true and start the server anew", err=True)


@click.command("submit")
@click.argument("file", type=click.Path(path_type=Path))
@KEY
@URL
@VKEY
@RECEIPT_FILE
@GIVE_UP
def submit(
    *,
    file: Path,
    key_file: Path,
    url: str | None,
    vkey: str | None,
    receipt_file: Path | None,
    give_up_after: float,
) -> None:
    """Sign the statement in FILE (.json or .toml), post it, and keep its verified receipt.

    FILE has kind, schema, public and, where the schema seals fields, sealed; for a new job the
    job_id is made if it is left away. The receipt goes beside FILE. What is sealed is posted with
    its opening, which the ledger keeps encrypted until the deadline; no copy of the seed stays
    here.

    Until it is answered, what was signed lies beside the receipt as FILE.tlog-proof.unanswered.
    The same command sends that again, so nothing is logged twice.
    """
    start = settings_with_log()
    statement = read_as(file, StatementFile)
    signer = read_author_key(key_file)
    receipt = receipt_file if receipt_file is not None else file.with_suffix(RECEIPT)
    body = _body(file, statement, signer)
    with Client(url or start.public_url, give_up_after_s=give_up_after) as client:
        post(client, body, log_key=_log_key(client, signer, vkey), receipt=receipt)


@click.command("open")
@click.argument("record", metavar="JOB_ID|INDEX")
@KEY
@URL
@VKEY
@RECEIPT_FILE
@GIVE_UP
def open_command(
    *,
    record: str,
    key_file: Path,
    url: str | None,
    vkey: str | None,
    receipt_file: Path | None,
    give_up_after: float,
) -> None:
    """Open what you have sealed, before its deadline and for ever.

    A JOB_ID opens everything of that job that is yours and still sealed; an INDEX, that entry.
    """
    start = settings_with_log()
    signer = read_author_key(key_file)
    author = signer.name.rsplit("/", 1)[-1]
    with Client(url or start.public_url, give_up_after_s=give_up_after) as client:
        log_key = _log_key(client, signer, vkey)
        for job_id, index in _own_sealed(client, record, author):
            body = author_statement(
                signer=signer,
                kind="open",
                schema="job-open/1",
                public={"discloses": index},
                made_at=format_time(int(time.time())),
                job_id=job_id,
            )
            default = Path(f"open-{index}{RECEIPT}")
            post(client, body, log_key=log_key, receipt=receipt_file or default)
            click.echo(f"entry {index} is open: {client.url}/en/jobs/{job_id}")


@click.command("registry")
@click.argument("action", type=click.Choice([each.value for each in RegistryAction]))
@click.option("--name", required=True, help="The author: lower case, digits, hyphens.")
@click.option("--role", required=True, type=click.Choice([each.value for each in Role]))
@click.option("--title", required=True, help="The author's name as pages show it.")
@click.option("--vkey", "author_vkey", required=True, help="The author's public key.")
@KEY
@URL
@click.option("--log-vkey", metavar="VKEY", help="The log's key, to hold the receipt against.")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Post nothing: write a proposal that others of the council sign with `ledger charter"
    " sign` and post.",
)
@RECEIPT_FILE
@GIVE_UP
def registry(
    *,
    action: str,
    name: str,
    role: str,
    title: str,
    author_vkey: str,
    key_file: Path,
    url: str | None,
    log_vkey: str | None,
    out: Path | None,
    receipt_file: Path | None,
    give_up_after: float,
) -> None:
    """Add a key to the registry in the log, or retire one; --key is the council's.

    A key counts from the entry after the one that adds it, up to the one that retires it. A key of
    the council itself takes as many signatures as the charter asks for: with --out they are
    gathered in a file.
    """
    start = settings_with_log()
    signer = read_author_key(key_file)
    body = author_statement(
        signer=signer,
        kind="registry",
        schema="registry/1",
        public={"action": action, "name": name, "role": role, "title": title, "vkey": author_vkey},
        made_at=format_time(int(time.time())),
    )
    if out is not None:
        _propose(body, url or start.public_url, log_vkey, out)
        return
    receipt = receipt_file or Path(f"registry-{action}-{name}{RECEIPT}")
    with Client(url or start.public_url, give_up_after_s=give_up_after) as client:
        log_key = _log_key(client, signer, log_vkey)
        post(client, body, log_key=log_key, receipt=receipt)


def _propose(body: bytes, url: str, vkey: str | None, out: Path) -> None:
    # Imported here: what only posts needs no ledger that is read and verified.
    from ledger.cli.proposals import write_proposal  # noqa: PLC0415 - as above
    from ledger.cli.rulebook import read_rulebook  # noqa: PLC0415 - as above

    write_proposal(body, read_rulebook(url, vkey), out)


def _body(file: Path, statement: StatementFile, signer: Signer) -> bytes:
    job_id = None if statement.job_id is UNSET else statement.job_id
    if job_id is None and statement.kind == "submitted":
        job_id = new_ulid(time.time_ns() // 1_000_000, os.urandom(10))
    schema = SCHEMAS.get(statement.schema)
    try:
        return author_statement(
            signer=signer,
            kind=statement.kind,
            schema=statement.schema,
            public=statement.public,
            made_at=statement.made_at
            if statement.made_at is not UNSET
            else format_time(int(time.time())),
            job_id=job_id,
            sealed=None if statement.sealed is UNSET else statement.sealed,
            seed=os.urandom(SEED_BYTES) if schema is not None and schema.sealed else None,
        )
    except LedgerError as error:
        said = str(error).removeprefix("statement.").replace("opening.fields.", "sealed.")
        raise CommandFailed(f"{file}: {said}") from None


def _log_key(client: Client, signer: Signer, given: str | None) -> VerifierKey:
    key = log_key_of(given) if given is not None else client.vkey()
    origin = signer.name.rpartition("/")[0]
    if key.name != origin:
        raise CommandFailed(
            f"the key is for the log {origin or 'without a name'}, and {client.url} is {key.name}"
        )
    return key


def _own_sealed(client: Client, record: str, author: str) -> list[tuple[str, int]]:
    """(job, index) of what ``record`` names and ``author`` can still open."""
    if record.isascii() and record.isdigit():
        entry = client.get(f"/api/v1/entries/{int(record)}")
        try:
            job_id, index = entry["job_id"], entry["index"]
        except (KeyError, TypeError):
            raise CommandFailed(f"{client.url} did not answer as a ledger does") from None
        if not isinstance(job_id, str) or not isinstance(index, int):
            raise CommandFailed(f"entry {record} is about no job: nothing in it is sealed")
        return [(job_id, index)]
    if not all(char in CROCKFORD for char in record) or len(record) != 26:
        raise CommandFailed(f"{record[:40]!a} is neither a job's ID nor an entry's index")
    job = client.get(f"/api/v1/jobs/{record}")
    try:
        found = [
            (record, part["index"])
            for part in job["sealed"]
            if part["author"] == author and part["disclosure"] is None
        ]
    except (KeyError, TypeError):
        raise CommandFailed(f"{client.url} did not answer as a ledger does") from None
    if not found:
        raise CommandFailed(f"job {record} has nothing that {author} has sealed and not opened")
    return found


def new_ulid(milliseconds: int, random: bytes) -> str:
    """A ULID: 48 bits of Unix milliseconds and ``random``, 10 bytes, in Crockford's base 32."""
    number = milliseconds << 80 | int.from_bytes(random, "big")
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def _local_origin(name: str) -> str:
    settings = load_settings()
    file = settings.sqlite_file
    if file is not None and not file.is_file():
        raise CommandFailed(
            f"{name[:80]}: there is no ledger here to take the origin from; give the whole name,"
            f" <origin>/{name[:80]}"
        )
    ledger = open_for_reading(settings)
    ledger.close()
    return ledger.origin


def _check_author(author: str) -> None:
    try:
        convert({"name": author}, _NameOfAuthor, at="")
    except FormatError:
        raise FormatError(
            "an author's name is lower case letters, digits and hyphens, beginning with a letter"
        ) from None
