"""``ledger mirror``: everything that is public as plain files, kept up to date."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from ledger.cli.asking import site_of
from ledger.cli.common import Progress, open_for_reading, settings_with_log
from ledger.exports import sets
from ledger.mirrors import Bucket, Folder, Target, mirror
from ledger.mirrors.bucket import SCHEME
from schemas.bulk import BulkSet


@click.command("mirror", short_help="Write everything that is public as plain files.")
@click.option(
    "--to",
    "place",
    required=True,
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
def mirror_command(place: str, endpoint: str | None, *, compares: bool) -> None:
    """Write the log, the feeds, the newest bulk files and a file for each job as plain files.

    They lie under the addresses that they have on the site, so any web server or object store can
    serve them, and `verify.py` passes on the folder and on what is served. All are of one signed
    tree. A run writes what is new since the last; what can never change is never rewritten, and the
    checkpoint comes last: a run that is interrupted leaves the mirror at its old one.

    Runs beside a server. Bulk files are taken where `ledger export` has made some. An object store
    is reached with the usual AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION.
    """
    target = target_of(place, endpoint)
    settings = settings_with_log()
    ledger = open_for_reading(settings)
    shown = Shown()
    try:
        with site_of(ledger) as site:
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


class Shown:
    """A counter for each part on a terminal; in a log, a line for each that is done."""

    def __init__(self) -> None:
        self._what = self._said = ""
        self._progress = Progress("")

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show how much of ``what`` is behind."""
        if what != self._what:
            self.finish()
            self._what, self._progress = what, Progress(what)
        self._progress(done, total)
        if done == total and self._said != what and not sys.stderr.isatty():
            self._said = what
            click.echo(f"{what}: {total:,} of {total:,}", err=True)

    def finish(self) -> None:
        """End the line."""
        self._progress.finish()
