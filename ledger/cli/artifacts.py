"""``ledger artifact``: bring an artifact to the door, or fetch one from it.

A statement is signed for one attempt and is worth nothing afterwards: what it debits is never given
back. So nothing here signs a second one by itself. Where the ledger asks to come back later (503),
the same statement is sent again under the same Idempotency-Key, which finds its debit.
"""

import base64
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import click
import httpx
import msgspec

from ledger.cli.authoring import URL
from ledger.cli.client import Refused, is_local, retry_after
from ledger.cli.common import CommandFailed, read_author_key
from ledger.errors import ValueRefused
from ledger.importers.ulid import RANDOM_BYTES, ulid
from ledger.records.authoring import author_statement
from ledger.records.deadline import format_time
from ledger.records.wire import convert
from ledger.settings import load_settings
from ledger.tlog.note import Signer
from schemas.artifacts import ArtifactKept
from schemas.values import ArtifactClass, Ulid, Wire

TIMEOUT_S: Final = 120.0
PIECE: Final = 1 << 20
MAX_ANSWER: Final = 1 << 20
PATIENCE_S: Final = 240.0
"""How long a ledger is asked again that answers 503: less than a statement is good for."""
PAUSE_S: Final = 1.0
_KEY_BYTES: Final = 24

_JOB = click.option("--job", "job_id", required=True, metavar="ULID", help="The job's number.")


class _Asked(Wire, frozen=True):
    job: Ulid


@click.group("artifact")
def artifact_group() -> None:
    """Bring an artifact to the ledger's one door out, or fetch one from it."""


@artifact_group.command("put", short_help="Debit an artifact and bring it in.")
@click.argument("file", type=click.Path(path_type=Path))
@_JOB
@click.option("--name", required=True, help="What it is called; public with the job's results.")
@click.option(
    "--class",
    "artifact_class",
    required=True,
    type=click.Choice([each.value for each in ArtifactClass]),
    help="What it is to the charter.",
)
@click.option(
    "--key",
    "key_file",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The egress gateway's private key.",
)
@URL
def put_command(
    file: Path, *, job_id: str, name: str, artifact_class: str, key_file: Path, url: str | None
) -> None:
    """Sign a statement for FILE, have it debited, and bring the file in.

    The debit is logged before the first byte is taken, and is never given back: if this fails on
    the way, another attempt is another debit.
    """
    _check_job(job_id)
    signer = read_author_key(key_file)
    with _opened(file) as (source, size):
        if not size:
            raise CommandFailed(f"{file} is empty: nothing is debited for nothing")
        now_s = time.time()
        artifact_id = ulid(int(now_s * 1000), os.urandom(RANDOM_BYTES))
        public = {
            "artifact_id": artifact_id,
            "artifact_class": artifact_class,
            "egress_bytes": size,
            "artifact_count": 1,
        }
        headers = _signed(signer, "artifact-write/1", public, job_id, int(now_s))
        headers |= {"Content-Length": str(size)}
        with _answered(url, "PUT", _path(job_id, name), headers, source) as answer:
            kept = _kept(answer)
    click.echo(f"artifact: {kept.artifact_id} ({kept.media_type}, {kept.bytes} bytes)")
    click.echo(f"sha256: {kept.sha256}")
    click.echo(f"debited: {size} bytes by entry {kept.index}")


@artifact_group.command("get", short_help="Fetch an artifact, or bytes of one's own.")
@click.argument("name")
@_JOB
@click.option("--out", required=True, metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--key",
    "key_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The private key of the job's member: before the results are open, for a debit.",
)
@click.option("--id", "artifact_id", metavar="ULID", help="With --key: the artifact's id.")
@click.option("--bytes", "count", type=click.IntRange(1), help="With --key: how many bytes.")
@click.option("--offset", type=click.IntRange(0), default=0, help="With --key: from which byte.")
@URL
def get_command(
    name: str,
    *,
    job_id: str,
    out: Path,
    key_file: Path | None,
    artifact_id: str | None,
    count: int | None,
    offset: int,
    url: str | None,
) -> None:
    """Write the artifact NAME of a job to a new file.

    Once the job's results are open it is everybody's. Before, its member reads it with --key: each
    byte that is asked for is debited, whether it arrives or not.
    """
    _check_job(job_id)
    headers = {}
    if key_file is not None:
        if artifact_id is None or count is None:
            raise CommandFailed("--key needs --id and --bytes: a statement says what is debited")
        public = {
            "artifact_id": artifact_id,
            "offset": offset,
            "egress_bytes": count,
            "artifact_count": 0,
        }
        signer = read_author_key(key_file)
        headers = _signed(signer, "artifact-read/1", public, job_id, int(time.time()))
    with _created(out) as target, _answered(url, "GET", _path(job_id, name), headers) as answer:
        size = 0
        for piece in answer.iter_bytes(PIECE):
            size += target.write(piece)
    click.echo(f"{out}: {size} bytes")


def _check_job(job_id: str) -> None:
    try:
        convert({"job": job_id}, _Asked, at="")
    except ValueRefused:
        raise CommandFailed("--job is no job's number (ULID)") from None


def _signed(
    signer: Signer, schema: str, public: dict[str, object], job_id: str, now_s: int
) -> dict[str, str]:
    body = author_statement(
        signer=signer,
        kind="egress",
        schema=schema,
        public=public,
        made_at=format_time(now_s),
        job_id=job_id,
    )
    return {
        "Ledger-Statement": base64.b64encode(body).decode(),
        "Idempotency-Key": secrets.token_urlsafe(_KEY_BYTES),
    }


def _path(job_id: str, name: str) -> str:
    if "/" in name or not name.isascii() or not name.isprintable():
        raise CommandFailed("an artifact's name is one part of an address")
    return f"/api/v1/jobs/{job_id}/artifacts/{name}"


@contextmanager
def _opened(file: Path) -> Iterator[tuple[Callable[[], Iterator[bytes]], int]]:
    """What gives the pieces of a file, from its beginning each time, and its size."""
    try:
        with file.open("rb") as source:
            size = os.fstat(source.fileno()).st_size

            def pieces() -> Iterator[bytes]:
                source.seek(0)
                return iter(lambda: source.read(PIECE), b"")

            yield pieces, size
    except OSError as error:
        raise CommandFailed(f"{file}: {error.strerror}") from None


@contextmanager
def _created(out: Path) -> Iterator[BinaryIO]:
    """A new file, which is gone again where it was not written whole."""
    try:
        file = out.open("xb")
    except OSError as error:
        raise CommandFailed(f"{out}: {error.strerror}") from None
    try:
        with file:
            yield file
    except BaseException:
        out.unlink(missing_ok=True)
        raise


@contextmanager
def _answered(
    url: str | None,
    method: str,
    path: str,
    headers: dict[str, str],
    content: Callable[[], Iterator[bytes]] | None = None,
) -> Iterator[httpx.Response]:
    base = (url or load_settings().public_url).rstrip("/")
    until = time.monotonic() + PATIENCE_S
    try:
        with httpx.Client(
            timeout=TIMEOUT_S,
            # Proxy variables do not lead a loopback address astray.
            trust_env=not is_local(httpx.URL(base).host),
            headers={"User-Agent": "apsci-ledger"},
        ) as client:
            while True:
                body = content() if content is not None else None
                with client.stream(method, base + path, headers=headers, content=body) as answer:
                    if answer.status_code < 300:
                        yield answer
                        return
                    trouble, pause = _problem(answer), max(PAUSE_S, retry_after(answer))
                    later = time.monotonic() + pause < until and "Idempotency-Key" in headers
                    if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or not later:
                        raise Refused(f"{base} refused: {trouble}")
                click.echo(f"{trouble}: asking again in {pause:.0f} s", err=True)
                time.sleep(pause)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CommandFailed(
            f"{base}: {type(error).__name__}: what was signed may be debited; look at"
            f" {path.rpartition('/')[0]}"
        ) from None


def _problem(answer: httpx.Response) -> str:
    try:
        found = msgspec.json.decode(_body(answer))
        return f"{found['title']}: {found['detail']}"
    except (msgspec.MsgspecError, KeyError, TypeError):
        return f"status {answer.status_code}"


def _kept(answer: httpx.Response) -> ArtifactKept:
    try:
        return msgspec.json.decode(_body(answer), type=ArtifactKept)
    except msgspec.MsgspecError:
        raise CommandFailed("the answer is no ledger's: nothing is known of the artifact") from None


def _body(answer: httpx.Response) -> bytes:
    parts = bytearray()
    for piece in answer.iter_bytes(PIECE):
        parts += piece
        if len(parts) > MAX_ANSWER:
            raise CommandFailed("the answer is larger than any ledger's")
    return bytes(parts)
