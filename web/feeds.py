"""``/feeds``: JSON Feed 1.1 and Atom. The order is the log's, and nothing is ever dropped.

There are three ways through a feed, and each meets every item once however much is logged
meanwhile: from the newest back (``next_url``, pinned to one tree size), from an index onwards
(``since``), and in Atom by archives of fixed ranges of the log, which never change (RFC 5005).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, get
from litestar.params import FromPath

from ledger.errors import LedgerError, NotFound
from ledger.reader import View
from ledger.records.deadline import format_time, parse_time
from schemas.feeds import VERSION, Feed, FeedAuthor, FeedExtension, FeedItem, Hub
from web import atom, query
from web.atom import AtomDocument
from web.doors import Asked, asked
from web.feed_addresses import ATOM, BASE, JSON, OVERDUE, RANGE, archive_path, archive_size
from web.feed_items import about, overdue_item
from web.feed_sources import Source, known_parameters, source
from web.i18n import DEFAULT, LANGUAGES, gettext, speaking
from web.query import ParameterRefused
from web.telling.sentences import GRACE_S, calling

Asking = Request[Any, Any, Any]
Links = dict[str, str]

MEDIA_TYPE: Final = "application/feed+json"
ITEMS: Final = 50
MOST_ITEMS: Final = 100
ITEMS_BYTES: Final = 85_000
"""Keeps a page of the feed below 100 kB whatever members write: what is too much is on the next."""
PAGING: Final = ("limit", "cursor", "since", "lang")


@get("/{name:str}", sync_to_thread=True)
def feed(request: Asking, name: FromPath[str]) -> Response[bytes]:
    """One of the feeds of the whole ledger, or of a search for jobs."""
    return _feed(request, name, None)


@get("/members/{name:str}", sync_to_thread=True)
def member_feed(request: Asking, name: FromPath[str]) -> Response[bytes]:
    """The feed of one member."""
    return _feed(request, "", name)


@get("/{name:str}/{number:str}", sync_to_thread=True)
def archive(request: Asking, name: FromPath[str], number: FromPath[str]) -> Response[bytes]:
    """An archive of such a feed."""
    return _archive(request, name, None, number)


@get("/members/{name:str}/{number:str}", sync_to_thread=True)
def member_archive(request: Asking, name: FromPath[str], number: FromPath[str]) -> Response[bytes]:
    """An archive of the feed of one member."""
    return _archive(request, "", name, number)


def _feed(request: Asking, name: str, slug: str | None) -> Response[bytes]:
    asking = asked(request.scope)
    last = name if slug is None else slug
    form = next((each for each in (JSON, ATOM) if last.endswith(each)), None)
    if form is None:
        raise NotFound("a feed's address ends in .json or .atom")
    last = last.removesuffix(form)
    name, slug = (last, None) if slug is None else ("", last)
    if slug is None and name == OVERDUE:
        return _overdue(asking, form)
    query.check_known(asking.params, (*known_parameters(name, slug), *PAGING))
    limit = query.limit(asking.params, most=MOST_ITEMS, default=ITEMS)
    since = query.integer(asking.params, "since")
    below = query.decode_cursor(asking.params)
    if since is not None and below is not None:
        raise ParameterRefused("since goes forward and cursor back: give one", field="since")
    with speaking(_language(asking)), asking.view() as view, calling(view.titles()):
        found = source(asking, view, name, slug)
        page = _Page(request, asking, view, found, form)
        if since is not None:
            places = found.stream.from_(since + 1, below=view.size, limit=limit + 1)
            return page.answer(places, limit, lambda last: {"since": last})
        stop = view.size if below is None else min(below, view.size)
        if below is None and form == ATOM:
            return page.subscription(limit)
        places = found.stream.newest(below=stop, limit=limit + 1)
        return page.answer(places, limit, lambda last: {"cursor": query.encode_cursor(last)})


def _archive(request: Asking, name: str, slug: str | None, number: str) -> Response[bytes]:
    asking = asked(request.scope)
    if archive_size(asking.path) is None or (slug is None and name == OVERDUE):
        raise NotFound("an archive's address ends in a number and .atom")
    query.check_known(asking.params, (*known_parameters(name, slug), "lang"))
    with speaking(_language(asking)), asking.view() as view, calling(view.titles()):
        page = _Page(request, asking, view, source(asking, view, name, slug), ATOM)
        return page.archive(int(number.removesuffix(ATOM)))


class _Page:
    """One document of one feed."""

    def __init__(
        self, request: Asking, asking: Asked, view: View, found: Source, form: str
    ) -> None:
        self._asking, self._view, self._source, self._form = asking, view, found, form
        self._base = asking.public_url
        # The hub is told of exactly these addresses: whoever subscribed to another would wait.
        is_topic = found.is_announced and not asking.params and asking.path == found.path + form
        self._hub: str | None = request.app.state.websub_hub if is_topic else None
        self._kept: dict[str, str | int | None] = {
            **found.filters,
            "lang": asking.params.get("lang"),
        }

    def answer(
        self, places: list[int], limit: int, following: Callable[[int], Mapping[str, str | int]]
    ) -> Response[bytes]:
        """The items at ``places``, of which there is one more than fits if there are more."""
        items = self._source.tell(self._asking, self._view, places[:limit])
        shown = _fitting(items)
        links: Links = {}
        if len(places) > len(shown):
            links["next"] = self._following(following(places[len(shown) - 1]))
        return self._respond(shown, links)

    def subscription(self, limit: int) -> Response[bytes]:
        """The Atom document that a reader keeps coming back to.

        It has everything that no archive has yet, and at least ``limit`` items.
        """
        size, stream = self._view.size, self._source.stream
        edge = size // RANGE * RANGE
        places = stream.newest(below=size, limit=max(limit, RANGE))
        fresh = sum(1 for place in places if place >= edge)
        items = self._source.tell(self._asking, self._view, places[: max(limit, fresh)])
        return self._respond(items, self._before(edge))

    def archive(self, number: int) -> Response[bytes]:
        """The items of one range of indices, newest first."""
        start = number * RANGE
        places = self._source.stream.from_(start, below=start + RANGE, limit=RANGE)
        items = self._source.tell(self._asking, self._view, places[::-1])
        links = {"current": self._subscription(), **self._before(start)}
        return self._respond(items, links, is_archive=True)

    def _before(self, edge: int) -> Links:
        older = self._source.stream.newest(below=edge, limit=1)
        if not older:
            return {}
        path = archive_path(self._source.path, older[0] // RANGE)
        return {"prev-archive": self._base + query.address(path, self._kept)}

    def _subscription(self) -> str:
        return self._base + query.address(self._source.path + self._form, self._kept)

    def _following(self, where: Mapping[str, str | int]) -> str:
        params: dict[str, str | int | None] = {**self._asking.params, "at": self._view.size}
        return self._base + query.address(self._asking.path, {**params, **where})

    def _respond(
        self, items: Sequence[FeedItem], links: Links, *, is_archive: bool = False
    ) -> Response[bytes]:
        asking, state = self._asking, self._view.state()
        since: dict[str, str | int | None] = {**self._kept, "since": self._view.size - 1}
        title = gettext("%(feed)s · %(ledger)s") % {
            "feed": self._source.title,
            "ledger": asking.house.origin,
        }
        return respond(
            asking,
            Feed(
                version=VERSION,
                title=title,
                home_page_url=f"{self._base}/{_language(asking)}/{self._source.page}",
                feed_url=self._subscription(),
                description=self._source.description,
                language=_language(asking),
                authors=(FeedAuthor(name=asking.house.origin, url=f"{self._base}/"),),
                items=tuple(items),
                apsci=FeedExtension(
                    about=about(asking),
                    tree_size=state.tree_size,
                    root=state.root,
                    since_url=self._base + query.address(self._source.path + self._form, since),
                ),
                next_url=links.get("next"),
                hubs=(Hub("WebSub", self._hub),) if self._hub else (),
            ),
            self._form,
            updated=state.logged_at,
            links={**links, "hub": self._hub} if self._hub else links,
            is_archive=is_archive,
        )


def _overdue(asking: Asked, form: str) -> Response[bytes]:
    """What was not opened in time; it depends on when one looks, so that is a parameter too."""
    query.check_known(asking.params, ("limit", "cursor", "seen", "lang"))
    limit = query.limit(asking.params, most=MOST_ITEMS, default=ITEMS)
    below = query.decode_cursor(asking.params)
    tag, base = _language(asking), asking.public_url
    with speaking(tag), asking.view() as view, calling(view.titles()):
        now = _seen(asking, asking.now(view))
        found = view.overdue(now=now, grace_s=GRACE_S, below=below, limit=limit + 1)
        items = _fitting([overdue_item(asking, each) for each in found[:limit]])
        state, seen = view.state(), format_time(now)
        links: Links = {}
        if len(found) > len(items):
            cursor = query.encode_cursor(items[-1].apsci.index)
            where: dict[str, str | int | None] = {
                **asking.params,
                "at": view.size,
                "seen": seen,
                "cursor": cursor,
            }
            links["next"] = base + query.address(asking.path, where)
        here = query.address(f"{BASE}/{OVERDUE}{form}", {"lang": asking.params.get("lang")})
        content = Feed(
            version=VERSION,
            title=gettext("%(feed)s · %(ledger)s")
            % {"feed": gettext("Overdue"), "ledger": asking.house.origin},
            home_page_url=f"{base}/{tag}/embargo",
            feed_url=base + here,
            description=gettext(
                "Every sealed entry that was not open five minutes after its deadline, the latest"
                " deadline first. It stays here after it was opened, and says so."
            ),
            language=tag,
            authors=(FeedAuthor(name=asking.house.origin, url=f"{base}/"),),
            items=items,
            apsci=FeedExtension(
                about=about(asking), tree_size=state.tree_size, root=state.root, seen_at=seen
            ),
            next_url=links.get("next"),
        )
        return respond(asking, content, form, updated=state.logged_at, links=links)


def respond(
    asking: Asked,
    content: Feed,
    form: str,
    *,
    updated: str,
    links: Mapping[str, str],
    is_archive: bool = False,
) -> Response[bytes]:
    """A document in one of the two forms; ``updated`` is its time where it has no item."""
    own = asking.public_url + query.address(asking.path, asking.params)
    links = {"self": own, **links}
    headers = {"Link": ", ".join(f'<{target}>; rel="{name}"' for name, target in links.items())}
    if form == JSON:
        return Response(msgspec.json.encode(content), media_type=MEDIA_TYPE, headers=headers)
    changed = [item.date_modified or item.date_published for item in content.items]
    document = AtomDocument(
        id=content.feed_url,
        title=content.title,
        subtitle=content.description,
        language=content.language,
        home=content.home_page_url,
        updated=max(changed, default=updated),
        author=content.authors[0],
        links=links,
        is_archive=is_archive,
    )
    body = atom.write(document, content.items)
    return Response(body, media_type=f"{atom.MEDIA_TYPE}; charset=utf-8", headers=headers)


def _fitting(found: Sequence[FeedItem]) -> tuple[FeedItem, ...]:
    """The items of one page: as many of ``found`` as there is room for, and at least one."""
    items: list[FeedItem] = []
    room = ITEMS_BYTES
    for item in found:
        room -= len(msgspec.json.encode(item))
        if items and room < 0:
            break
        items.append(item)
    return tuple(items)


def _language(asking: Asked) -> str:
    tag = asking.params.get("lang", DEFAULT)
    if tag not in LANGUAGES:
        raise ParameterRefused(
            f"lang is {query.quoted(tag)}, which is none of {', '.join(LANGUAGES)}",
            field="lang",
            allowed=tuple(LANGUAGES),
        )
    return tag


def _seen(asking: Asked, now: int) -> int:
    """When one looks at what is overdue: ``now``, or what the address of a further page says."""
    text = asking.params.get("seen")
    if text is None:
        return now
    seen: int | None
    try:
        seen = parse_time(text)
    except LedgerError:
        seen = None
    if seen is None or seen > asking.house.clock():
        raise ParameterRefused(
            f"seen is {query.quoted(text)}, where a time up to now like 2026-11-21T12:00:00Z is"
            " asked for",
            field="seen",
        )
    return seen


ROUTER: Final = Router(path=BASE, route_handlers=[feed, member_feed, archive, member_archive])
