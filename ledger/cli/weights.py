"""``ledger weights``: that a model's weights are what they were, for a statement to rest on."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from threading import Event
from time import time
from types import FrameType
from typing import Final

import click
import msgspec

from ledger.cli.common import CommandFailed, Disproved, Progress, read_bytes
from ledger.records.deadline import format_time
from ledger.weights import digest_file, evidence, mounts
from ledger.weights.digest_file import MAX_BYTES, compare, format_digest, parse_digest
from ledger.weights.listing import shown
from ledger.weights.mounts import MAX_MOUNTINFO, MOUNTINFO, format_report, judge_mount
from ledger.weights.oms import WeightsDigest, digest_folder
from ledger.weights.refusal import WeightsDiffer, WeightsRefused
from schemas.statements import WeightsEvidence
from schemas.values import Sha256Hex, Slug, Ulid

SHOWN: Final = 20
"""How many names of files a comparison prints of each kind."""
MAX_EVIDENCE: Final = 64 << 10
_PREFIX: Final = "sha256:"


@click.group("weights")
def weights_group() -> None:
    """Digests of a model before and after a job, and evidence for its statement.

    Names of files and paths stay on this machine: a statement carries digests alone.
    """


@weights_group.command("digest", short_help="The root digest of a folder of weights.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print each file's digest too, as JSON.")
@click.option("--expect", metavar="HEX", help="Exit with 1 where the digest is another.")
@click.option("--follow-links", is_flag=True, help="Hash what links to files point to.")
def digest_command(folder: Path, as_json: bool, expect: str | None, follow_links: bool) -> None:
    """Print `sha256:<hex>`, the root digest of OpenSSF Model Signing over DIR.

    It is the digest that `model_signing sign` signs: all files count, hidden ones too, but for
    .git, .gitattributes, .github and .gitignore at the top. Links are refused; a Hugging Face
    cache has nothing but links, and needs --follow-links. It holds no names: keep what --json
    prints before a job, and give it to `ledger weights compare` after it.
    """
    wanted = None if expect is None else _convert(expect.removeprefix(_PREFIX), Sha256Hex, "HEX")
    shows = Progress("hashing")
    try:
        with _stopped_by_ctrl_c() as stop:
            found = digest_folder(folder, follow_links=follow_links, progress=shows, stop=stop)
    finally:
        shows.finish()
    for name in found.left_out:
        click.echo(f"not counted, as OpenSSF Model Signing has it: {name}", err=True)
    click.echo(format_digest(found) if as_json else f"{_PREFIX}{found.root}", nl=not as_json)
    if wanted is not None and wanted != found.root:
        raise Disproved(f"{folder} has the digest {found.root}, and {wanted} was expected")


@weights_group.command("compare", short_help="What changed between two digests.")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
def compare_command(before: Path, after: Path) -> None:
    """Compare two files of `ledger weights digest --json`; exits with 1 where anything differs.

    Names are compared too, which the root digest does not hold: a file renamed so that it keeps
    its place among the others leaves the root as it was.
    """
    first, second = _digest_of(before), _digest_of(after)
    _require_same(first, second)
    click.echo(f"unchanged: {len(first.files)} files, {_PREFIX}{first.root}")


@weights_group.command("evidence", short_help="Make a statement's model.weights_evidence.")
@click.option("--before", type=click.Path(path_type=Path), help="A digest file from before.")
@click.option("--after", type=click.Path(path_type=Path), help="A digest file from after.")
@click.option(
    "--mount", metavar="PATH", help="A folder that the job cannot write to, as the job sees it."
)
@click.option(
    "--mountinfo",
    metavar="FILE",
    default=MOUNTINFO,
    show_default=True,
    type=click.Path(path_type=Path),
    help="What the job's own /proc/self/mountinfo says.",
)
@click.option("--job-id", metavar="ULID", help="The job that the report is about.")
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where the report of --mount is written: keep it, the statement has only its digest.",
)
@click.option(
    "--quote",
    metavar="FORMAT FILE",
    nargs=2,
    type=(str, click.Path(path_type=Path)),
    help="An attestation of confidential hardware.",
)
def evidence_command(
    *,
    before: Path | None,
    after: Path | None,
    mount: str | None,
    mountinfo: Path,
    job_id: str | None,
    report: Path | None,
    quote: tuple[str, Path] | None,
) -> None:
    """Print the JSON list that goes into a draft as sealed `model.weights_evidence`.

    Exits with 1 where the two digests differ (what is printed says so too), and where the folder
    can be written to, which is no evidence at all.
    """
    if (before is None) != (after is None):
        raise CommandFailed("--before and --after: give both, or none")
    if (mount is None) != (report is None):
        raise CommandFailed("--mount and --report: give both, or none")
    found: list[WeightsEvidence] = []
    pair: tuple[WeightsDigest, WeightsDigest] | None = None
    if before is not None and after is not None:
        pair = _digest_of(before), _digest_of(after)
        found.append(evidence.oms_root(pair[0].root, pair[1].root))
    if mount is not None and report is not None:
        found.append(_mount_evidence(mount, mountinfo, job_id, report))
    if quote is not None:
        format_ = _convert(quote[0], Slug, "FORMAT")
        data = read_bytes(quote[1], limit=evidence.MAX_QUOTE)
        found.append(evidence.tee_attestation(format_, data))
    if not found:
        raise CommandFailed("evidence of what? give --before and --after, --mount, or --quote")
    click.echo(msgspec.json.format(msgspec.json.encode(found), indent=1))
    if pair is not None:
        _require_same(*pair)


@weights_group.command("verify", short_help="Check the evidence of a disclosed statement.")
@click.argument("file", metavar="EVIDENCE", type=click.Path(path_type=Path))
@click.argument("held", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
def verify_command(file: Path, held: tuple[Path, ...]) -> None:
    """Check each piece of a `model.weights_evidence` list by the reports and quotes in FILE...

    Exits with 1 where a piece does not show what it claims, and with 2 where one cannot be
    checked here: its report is not given, or no verifier of its attestation is installed.
    """
    pieces = _evidence_of(file)
    reports = [read_bytes(path, limit=evidence.MAX_QUOTE) for path in held]
    by_digest = {sha256(data).hexdigest(): data for data in reports}
    untold: list[str] = []
    disproved: list[str] = []
    for each in pieces:
        try:
            evidence.check_evidence(each, by_digest)
        except WeightsDiffer as error:
            disproved.append(f"{each.kind}: {error}")
        except WeightsRefused as error:
            untold.append(f"{each.kind}: {error}")
        else:
            click.echo(f"{each.kind}: verified")
    if disproved:
        raise Disproved("\n".join(disproved + untold))
    if untold:
        raise CommandFailed("\n".join(untold))


def _mount_evidence(
    mount: str, mountinfo: Path, job_id: str | None, report: Path
) -> WeightsEvidence:
    known = None if job_id is None else _convert(job_id, Ulid, "--job-id")
    try:
        folder = str(Path(mount).resolve(strict=True)) if mountinfo == Path(MOUNTINFO) else mount
    except OSError as error:
        raise CommandFailed(f"{mount}: {error.strerror}") from None
    try:
        text = read_bytes(mountinfo, limit=MAX_MOUNTINFO).decode("utf-8", "surrogateescape")
        told = judge_mount(
            mounts.parse_mountinfo(text),
            PurePosixPath(folder),
            looked_at=format_time(int(time())),
            job_id=known,
        )
        data = format_report(told)
        found = evidence.readonly_mount(data)
    except WeightsDiffer as error:
        raise Disproved(f"{mount}: {error}") from None
    try:
        with report.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise CommandFailed(f"{report}: {error.strerror}") from None
    return found


def _evidence_of(path: Path) -> tuple[WeightsEvidence, ...]:
    try:
        found = msgspec.json.decode(
            read_bytes(path, limit=MAX_EVIDENCE), type=tuple[WeightsEvidence, ...]
        )
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise CommandFailed(f"{path} is not a list of evidence: {reason}") from None
    if not found:
        raise CommandFailed(f"{path} has no evidence in it")
    return found


def _digest_of(path: Path) -> WeightsDigest:
    try:
        return parse_digest(read_bytes(path, limit=MAX_BYTES))
    except WeightsRefused as error:
        raise CommandFailed(f"{path}: {error}") from None


def _require_same(before: WeightsDigest, after: WeightsDigest) -> None:
    """Raise Disproved where anything differs, after a line for each file."""
    found: digest_file.Changes = compare(before, after)
    for what, names in (
        ("changed", found.changed), ("added", found.added), ("removed", found.removed),
    ):  # fmt: skip
        for name in names[:SHOWN]:
            click.echo(f"{what}: {shown(name)}", err=True)
        if len(names) > SHOWN:
            click.echo(f"{what}: {len(names) - SHOWN} more", err=True)
    if found:
        root = "another root digest" if before.root != after.root else "the same root digest"
        raise Disproved(
            f"these are not the same files ({root}): {len(found.changed)} changed,"
            f" {len(found.added)} added, {len(found.removed)} removed"
        )


def _convert(text: str, type_: object, name: str) -> str:
    try:
        return str(msgspec.convert(text, type_))
    except msgspec.ValidationError as error:
        raise CommandFailed(f"{name}: {error}") from None


@contextmanager
def _stopped_by_ctrl_c() -> Iterator[Event]:
    """An event that Ctrl-C sets before it interrupts: threads that hash have to hear of it too."""
    stop = Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    usual = signal.getsignal(signal.SIGINT)

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupted)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, usual)
