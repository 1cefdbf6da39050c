"""``/embed/``: figures and jobs as pages of their own, to stand in a frame; and oEmbed.

The only addresses that other sites may frame. oEmbed (version 1.0) tells them how.
"""

import re
from dataclasses import dataclass
from html import escape
from typing import Any, Final

import msgspec
from litestar import Response, Router, get
from litestar.params import FromPath

from ledger.errors import NotFound
from ledger.reader import View
from web import query
from web.api import JSON, Asking
from web.doors import asked
from web.figures import embedding, figure_of
from web.figures.embedding import JOB_HEIGHT, WIDTH, Target
from web.figures.stats import period, shown_series
from web.i18n import LANGUAGES, speaking
from web.query import FormatNotOffered, ParameterRefused
from web.telling.plain import shown_line
from web.telling.sentences import called, calling, headline, job_summary
from web.templating import HTML, Pages

XML: Final = "text/xml"
FORMATS: Final = ("json", "xml")
LIVE_S: Final = 3_600
"""How long an answer about the newest state may be kept."""
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _page(
    request: Asking,
    template: str,
    tag: str,
    view: View,
    **context: Any,  # noqa: ANN401 - what the template names
) -> Response[bytes]:
    pages: Pages = request.app.state.pages
    body = pages.page(
        template, asked(request.scope), view.state(), names=view.titles(), tag=tag, **context
    )
    return Response(body, media_type=HTML)


def _language(tag: str) -> str:
    if tag not in LANGUAGES:
        raise NotFound(f"there is no language {tag[:20]!a}; there are {', '.join(LANGUAGES)}")
    return tag


@get("/embed/{tag:str}/{name:str}", sync_to_thread=True)
def show_series(request: Asking, tag: FromPath[str], name: FromPath[str]) -> Response[Any]:
    """One figure, alone."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("by",))
    with asking.view() as view:
        series = shown_series(view, name, period(asking.params, name))
        return _page(
            request,
            "embed_figure.html",
            _language(tag),
            view,
            series=series,
            figure_of=figure_of,
            most_panels=embedding.MOST_PANELS,
        )


@get("/embed/{tag:str}/jobs/{job_id:str}", sync_to_thread=True)
def show_job(request: Asking, tag: FromPath[str], job_id: FromPath[str]) -> Response[Any]:
    """One job, as a card."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        detail = view.job(job_id)
        return _page(
            request,
            "embed_job.html",
            _language(tag),
            view,
            detail=detail,
            job=detail.job,
            now=asking.now(view),
            summary=job_summary,
        )


@dataclass(frozen=True, slots=True)
class _Shown:
    """What an embed shows, and how high it is; ``author`` is a lab, where there is one."""

    title: str
    author: str
    height: int


@get("/oembed", sync_to_thread=True)
def oembed(request: Asking) -> Response[bytes]:
    """How to embed the page at ``url``: oEmbed 1.0, type rich."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("url", "format", "maxwidth", "maxheight"))
    form = asking.params.get("format", "json")
    if form not in FORMATS:
        raise FormatNotOffered(f"format is {form[:20]!a}; there are json and xml")
    url = asking.params.get("url")
    if url is None:
        raise ParameterRefused("url is missing: the address of the page to embed", field="url")
    most_wide = query.integer(asking.params, "maxwidth", least=1)
    most_high = query.integer(asking.params, "maxheight", least=1)
    target = embedding.parse_target(url, public_url=asking.public_url)
    if target is None:
        raise NotFound("only jobs and statistics of this ledger can be embedded")
    if target.at is not None and target.at > asking.newest:
        raise NotFound(f"the log has {asking.newest} entries; it has no size {target.at} yet")
    if target.at is not None and asking.pinned and target.at != asking.size:
        raise ParameterRefused("url and at name two tree sizes: give one of them", field="at")
    with asking.house.reader.at(target.at or asking.size, current=asking.current) as view:
        shown = _shown(view, target)
    width = min(WIDTH, most_wide or WIDTH)
    height = min(shown.height, most_high or shown.height)
    answer: dict[str, str | int] = {
        "version": "1.0",
        "type": "rich",
        "title": shown.title,
        "provider_name": "APSCI ledger",
        "provider_url": f"{asking.public_url}/",
        "width": width,
        "height": height,
        "html": embedding.frame(
            target.embed(asking.public_url), title=shown.title, width=width, height=height
        ),
    }
    if shown.author:
        answer["author_name"] = shown.author
    if target.at is None and not asking.pinned:
        answer["cache_age"] = LIVE_S
    if form == "xml":
        return Response(_xml(answer), media_type=XML)
    return Response(msgspec.json.encode(answer), media_type=JSON)


def _shown(view: View, target: Target) -> _Shown:
    with speaking(target.tag), calling(view.titles()):
        if target.kind == "job":
            job = view.job(target.name).job
            return _Shown(shown_line(headline(job)), called(job.member), JOB_HEIGHT)
        by = period(target.params, target.name)
        series = shown_series(view, target.name, by)
        figure = figure_of(series, view.state(), rows=0)
        return _Shown(figure.finding, "", embedding.height_of(figure))


def _xml(answer: dict[str, str | int]) -> bytes:
    """The same as XML, without the few characters that XML 1.0 has no way to write."""
    lines = "".join(
        f"<{name}>{escape(_NOT_XML.sub(chr(0xFFFD), str(value)), quote=False)}</{name}>\n"
        for name, value in answer.items()
    )
    head = '<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n'
    return f"{head}<oembed>\n{lines}</oembed>\n".encode()


ROUTER: Final = Router(path="/", route_handlers=[show_series, show_job, oembed])
