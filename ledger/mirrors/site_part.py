"""What the site says, as files: feeds with their archives, a file for each job, the schemas.

A job's file is what its permalink answered when the log had just taken the last entry about it, so
it names that tree size, and every mirror of the same log has the same bytes. The others are as of
the size of the checkpoint.
"""

from typing import Final
from urllib.parse import urlsplit

from ledger.mirrors.log_part import Progress
from ledger.mirrors.shapes import MirrorFailed
from ledger.mirrors.site import Site, ask
from ledger.mirrors.writing import Writer
from ledger.storage.store import Store
from schemas.json_schemas import read_documents

FEEDS: Final = (
    *("published", "submitted", "rejected", "findings", "corrections", "checkpoints"),
    "jobs",
)
"""The feeds of the whole ledger that have archives; each member has one too."""
OVERDUE: Final = "overdue"
ARCHIVED: Final = 256
"""As many entries as an archive of a feed is about."""
JOBS_AT_ONCE: Final = 2_048


def write_jobs(
    store: Store, site: Site, writer: Writer, *, old_size: int, size: int, progress: Progress
) -> None:
    """Write a file for each job about which an entry from ``old_size`` on says something."""

    def write(job_id: str, changed: int) -> None:
        path = f"jobs/{job_id}.json"
        writer.replace(ask(site, f"/{path}?at={changed + 1}").file(path))

    for start in range(old_size, size, JOBS_AT_ONCE):
        stop = min(start + JOBS_AT_ONCE, size)
        with store.snapshot() as reads:
            found = reads.last_about_jobs(start, stop, size=size)
        for job_id, index in found:
            writer.submit(write, job_id, index)
        progress("jobs", stop, size)
    writer.join()


def write_feeds(
    store: Store, site: Site, writer: Writer, *, old_size: int, size: int, progress: Progress
) -> None:
    """Write every feed in both forms, and the archives that are whole since ``old_size``."""
    with store.snapshot() as reads:
        members = sorted({key.name for key in reads.author_keys(size=size)})
    names = [*FEEDS, *(f"members/{name}" for name in members)]
    for done, name in enumerate(names):
        _write_archives(site, writer, name, old_size=old_size, size=size)
        progress("feeds", done, len(names))
    # An archive is there before anything leads to it.
    writer.join()
    for name in (*names, OVERDUE):
        for form in (".json", ".atom"):
            path = f"feeds/{name}{form}"
            writer.replace(ask(site, f"/{path}?at={size}").file(path))
    progress("feeds", len(names), len(names))


def write_schemas(site: Site, writer: Writer) -> None:
    """Write the JSON Schemas of all that is in a mirror."""
    for name in read_documents():
        path = f"schemas/{name}.json"
        writer.replace(ask(site, f"/{path}").file(path))


def _write_archives(site: Site, writer: Writer, name: str, *, old_size: int, size: int) -> None:
    """Follow the links from the feed back to the first archive that the mirror has already."""
    link = ask(site, f"/feeds/{name}.atom?at={size}").link("prev-archive")
    while link is not None:
        path = urlsplit(link).path.removeprefix("/")
        number = path.removeprefix(f"feeds/{name}/").removesuffix(".atom")
        if not (number.isascii() and number.isdigit()):
            raise MirrorFailed(f"the site calls an archive of the feed {name} {path[:100]!a}")
        if (int(number) + 1) * ARCHIVED <= old_size and writer.has(path):
            return
        page = ask(site, f"/{path}")
        writer.submit(writer.keep, page.file(path, is_immutable=True))
        link = page.link("prev-archive")
