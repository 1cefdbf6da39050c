"""The sitemap: which pages there are, for whoever crawls them (sitemaps.org 0.9).

``/sitemap.xml`` is an index. Jobs are listed by where their submissions stand in the log, so many
entries to a file, so that a file whose entries are all there keeps its jobs for ever and none grows
past the limits of the format (50,000 addresses, 50 MB).
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from litestar import Response, get
from litestar.params import FromPath

from ledger.errors import NotFound
from ledger.reader import View
from ledger.storage.shapes import JobFilter
from schemas.answers import JobShown
from web import query
from web.api import Asking
from web.doors import asked
from web.i18n import DEFAULT, LANGUAGES
from web.words.library import LIBRARY

XML: Final = "application/xml"
ENTRIES_A_FILE: Final = 10_000
"""A submission and its decision are two entries: at most half as many jobs."""
SITEMAP: Final = "http://www.sitemaps.org/schemas/sitemap/0.9"
XHTML: Final = "http://www.w3.org/1999/xhtml"
DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
PAGES: Final = (
    "",
    "jobs",
    "embargo",
    "charter",
    "rejections",
    "corrections",
    "members",
    "workloads",
    "models",
    "artifacts",
    "log",
    "entries",
    "status",
    "data",
    "dictionary",
    "statistics",
    "verify",
    "docs/problems",
    *LIBRARY.documents,
)
"""Pages that stand in the sitemap whatever the log holds."""


@get("/sitemap.xml", sync_to_thread=True)
def index(request: Asking) -> Response[bytes]:
    """The list of sitemaps."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    files = -(-asking.size // ENTRIES_A_FILE)
    names = ["pages", *(f"jobs-{n}" for n in range(files))]
    lines = (
        f"<sitemap><loc>{asking.public_url}/sitemaps/{name}.xml</loc></sitemap>" for name in names
    )
    return _xml(f'<sitemapindex xmlns="{SITEMAP}">', lines, "</sitemapindex>")


@get("/sitemaps/{name:str}", sync_to_thread=True)
def part(request: Asking, name: FromPath[str]) -> Response[bytes]:
    """One sitemap: the pages that are always there, or the jobs of a stretch of the log."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        if name == "pages.xml":
            members = (f"members/{each.name}" for each in view.members())
            return _urls(asking.public_url, ((slug, None) for slug in (*PAGES, *members)))
        number = name.removeprefix("jobs-").removesuffix(".xml")
        if name != f"jobs-{number}.xml":
            raise NotFound("there is no such sitemap")
        start = query.parse_integer(number, "sitemap") * ENTRIES_A_FILE
        if start >= view.size:
            raise NotFound("the log does not go so far yet")
        jobs = _jobs(view, start, min(start + ENTRIES_A_FILE, view.size))
        return _urls(asking.public_url, ((f"jobs/{job.job_id}", _changed(job)) for job in jobs))


def _jobs(view: View, start: int, stop: int) -> Iterator[JobShown]:
    """The jobs submitted at ``start`` <= index < ``stop``, newest first."""
    found = view.search(JobFilter(), below=stop, limit=ENTRIES_A_FILE // 2)
    return (job for job in found if job.submitted_index >= start)


def _changed(job: JobShown) -> str:
    """When something was last logged about a job, as far as a list of jobs says."""
    known = (job.submitted_at, job.started_at, job.ended_at, job.disclosed_at)
    return max(time for time in known if time is not None)


def _urls(base: str, pages: Iterable[tuple[str, str | None]]) -> Response[bytes]:
    lines = (
        line
        for slug, changed in pages
        for tag in LANGUAGES
        for line in _url(base, tag, slug, changed)
    )
    return _xml(f'<urlset xmlns="{SITEMAP}" xmlns:xhtml="{XHTML}">', lines, "</urlset>")


def _url(base: str, tag: str, slug: str, changed: str | None) -> Iterator[str]:
    yield f"<url><loc>{escape(f'{base}/{tag}/{slug}')}</loc>"
    if changed is not None:
        yield f"<lastmod>{changed}</lastmod>"
    for other in (*LANGUAGES, "x-default"):
        address = f"{base}/{DEFAULT if other == 'x-default' else other}/{slug}"
        yield f'<xhtml:link rel="alternate" hreflang="{other}" href={quoteattr(address)}/>'
    yield "</url>"


def _xml(opening: str, lines: Iterable[str], closing: str) -> Response[bytes]:
    text = "\n".join((opening, *lines, closing, ""))
    return Response((DECLARATION + text).encode(), media_type=XML)


HANDLERS: Final[list[Any]] = [index, part]
