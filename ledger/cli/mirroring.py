"""``ledger mirror``: everything that is public as plain files, one's own or somebody else's."""

from collections.abc import Callable
from pathlib import Path

import click

from ledger.cli.asking import site_of
from ledger.cli.authoring import GIVE_UP
from ledger.cli.common import noted, open_for_reading, settings_with_log
from ledger.cli.pulling import Shown, keep_copy, serve
from ledger.exports import sets
from ledger.mirrors import Bucket, Folder, Target, mirror
from ledger.mirrors.bucket import SCHEME
from schemas.bulk import BulkSet


@click.command("mirror")
@click.option(
    "--to",
    "place",
    metavar="DIR|s3://BUCKET/PREFIX",
    help="Where the mirror lies, or is to lie: a folder or an object store.",
)
@click.option(
    "--s3-endpoint",
    "endpoint",
    metavar="URL",
    help="The address of an S3-compatible store other than Amazon's; over AWS_ENDPOINT_URL.",
)
@click.option(
    "--check",
    "compares",
    is_flag=True,
    help="Also read every tile and bundle that is there, and compare it.",
)
@click.option(
    "--from",
    "source",
    metavar="URL|DIR",
    help="Keep a verified copy of this ledger's log instead of one's own.",
)
@click.option("--vkey", metavar="VKEY", help="With --from: the key of that log.")
@click.option(
    "--policy",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --from: a C2SP tlog-policy that every checkpoint has to meet.",
)
@click.option(
    "--cosign",
    "witness",
    metavar="WITNESS_DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="With --from: cosign what is held, by the key and the memory of the witness in this"
    " folder.",
)
@click.option(
    "--watch",
    "every_s",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="With --from: look again every so many seconds, until stopped.",
)
@GIVE_UP
@click.option(
    "--serve",
    "served",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Serve the mirror in this folder, until stopped.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="With --serve.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
def mirror_command(
    *,
    place: str | None,
    endpoint: str | None,
    source: str | None,
    vkey: str | None,
    policy: Path | None,
    every_s: int | None,
    witness: Path | None,
    served: Path | None,
    host: str,
    port: int,
    compares: bool,
    give_up_after: float,
) -> None:
    """Write the log, the feeds, the newest bulk files and a file for each job as plain files.

    They lie under the addresses that they have on the site, so any web server or object store can
    serve them, and `verify.py` passes on the folder and on what is served. All are of one signed
    tree. A run writes what is new since the last; what can never change is never rewritten, and the
    checkpoint comes last: a run that is interrupted leaves the mirror at its old one.

    Runs beside a server. Bulk files are taken where `ledger export` has made some. An object store
    is reached with the usual AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION.

    With `--from` it is a copy of somebody else's log: nothing is kept that was not verified, and a
    log that contradicts what it signed before ends the run with status 1 and both checkpoints in
    the mirror's folder `evidence`.

    With `--cosign` the witness in WITNESS_DIR cosigns the checkpoint of the copy, by the rules of
    `ledger witness`, after every entry is on the disk, and again at each run. Its line then says:
    this witness also holds every entry up to here. That is true only of a key that signs nothing
    else: make it with `ledger witness create`, and let no server answer with it (C2SP tlog-mirror).
    """
    if served is not None:
        if place or source:
            raise click.UsageError("--serve goes with neither --to nor --from")
        serve(served, host, port)
        return
    if place is None:
        raise click.UsageError("give --to, or --serve")
    target = target_of(place, endpoint)
    if source is not None:
        keep_copy(
            source,
            target,
            vkey=vkey,
            policy=policy,
            every_s=every_s,
            witness=witness,
            give_up_after_s=give_up_after,
        )
        return
    if vkey or policy or every_s or witness:
        raise click.UsageError("--vkey, --policy, --cosign and --watch go with --from")
    _push(target, compares=compares)


def _push(target: Target, *, compares: bool) -> None:
    settings = settings_with_log()
    ledger = open_for_reading(settings)
    shown = Shown()
    try:
        with noted(settings, "mirror"), site_of(ledger) as site:
            made = mirror(
                ledger.store,
                site,
                target,
                source=settings.public_url,
                bulk=_newest_set(settings.export_dir),
                compares=compares,
                progress=shown,
            )
    finally:
        shown.finish()
        ledger.close()
    was = f", {made.old_size} before" if made.old_size else ""
    click.echo(f"{target.name}: {made.files} files written, {made.bytes} bytes")
    click.echo(f"{made.checkpoint.size} entries{was}, root {made.checkpoint.root.hex()}")


def target_of(place: str, endpoint: str | None) -> Target:
    """The folder or the bucket that ``place`` names."""
    if place.startswith(SCHEME):
        return Bucket(place, endpoint=endpoint)
    if endpoint is not None:
        raise click.UsageError("--s3-endpoint goes with --to s3://…")
    return Folder(Path(place).absolute())


def _newest_set(folder: Path) -> Callable[[int], tuple[BulkSet, Path] | None]:
    def find(size: int) -> tuple[BulkSet, Path] | None:
        for name in sets.names(folder):
            if (sets.size_of(name) or 0) <= size:
                return sets.read_set(folder / name), folder / name
        return None

    return find
