"""One job as files: its history as CSV, its citation, and what other formats make of it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec
from litestar import Response

from ledger.reader import View
from schemas.answers import Event
from web import cyclonedx, in_toto
from web.doors import Asked
from web.files import citations, csv_text
from web.files.citations import Cited
from web.i18n import DEFAULT, speaking
from web.telling.sentences import calling

COLUMNS: Final = (
    *("index", "kind", "logged_at", "made_at", "author", "about_index", "reason"),
    *("public_json", "sealed_fields", "sealed_root", "publish_by", "findings_json", "url"),
)
_ABOUT: Final = ("discloses", "corrects", "withholds")


def cited(asking: Asked, view: View, job_id: str) -> Cited:
    """What the citations of a job as of a view are made from. Raises NotFound."""
    return Cited(
        job=view.job(job_id).job,
        state=view.state(),
        origin=asking.house.origin,
        url=f"{asking.public_url}/jobs/{job_id}",
    )


def history(asking: Asked, view: View, job_id: str) -> Response[bytes]:
    """Every entry about the job, in log order, a line each."""
    rows = (_row(asking, event) for event in view.events(job_id))
    return csv_text.respond(COLUMNS, rows, name=f"{job_id}.csv")


def bibtex(asking: Asked, view: View, job_id: str) -> Response[bytes]:
    """The citation for LaTeX."""
    with speaking(DEFAULT), calling(view.titles()):
        text = citations.bibtex(cited(asking, view, job_id))
    return _download(text, citations.BIBTEX_TYPE, f"{job_id}.bib")


def csl(asking: Asked, view: View, job_id: str) -> Response[bytes]:
    """The citation for reference managers."""
    with speaking(DEFAULT), calling(view.titles()):
        text = citations.csl_text(cited(asking, view, job_id))
    return _download(text, citations.CSL_TYPE, f"{job_id}.csl.json")


SUFFIXES: Final[Mapping[str, Callable[[Asked, View, str], Response[bytes]]]] = {
    ".csl.json": csl,
    ".intoto.json": in_toto.statement,
    ".cdx.json": cyclonedx.bill,
    ".bib": bibtex,
    ".csv": history,
}
"""The endings of a job's permalink that give one of these files."""


def _row(asking: Asked, event: Event) -> Iterator[csv_text.Cell]:
    public = event.public or {}
    about = event.refers_to if event.discloses is None else event.discloses
    for name in _ABOUT:
        about = public.get(name, about)
    yield from (event.index, event.kind, event.logged_at, event.made_at, event.author, about)
    yield event.reason
    yield None if event.public is None else msgspec.json.encode(event.public).decode()
    yield None if event.sealed is None else event.sealed.fields
    yield None if event.sealed is None else event.sealed.root
    yield event.publish_by
    yield msgspec.json.encode(event.findings).decode() if event.findings else None
    yield f"{asking.public_url}/entries/{event.index}"


def _download(text: str, media_type: str, name: str) -> Response[bytes]:
    return Response(
        text.encode(),
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
