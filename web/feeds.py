"""``/feeds``: JSON Feed 1.1. The order is the log's, and nothing is ever dropped from a feed."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, get

from schemas.answers import Published
from schemas.feeds import (
    VERSION,
    Attachment,
    Feed,
    FeedAuthor,
    FeedExtension,
    FeedItem,
    ItemExtension,
)
from web import query
from web.doors import Asked, asked
from web.i18n import DEFAULT, speaking
from web.telling.sentences import called, calling, published_text, published_title

MEDIA_TYPE: Final = "application/feed+json"
ITEMS: Final = 50
MOST_ITEMS: Final = 100
ITEMS_BYTES: Final = 90_000
"""Keeps a page of the feed below 100 kB whatever members write: what is too much is on the next."""


@get("/published.json", sync_to_thread=True)
def published(request: Request[Any, Any, Any]) -> Response[bytes]:
    """What has been opened, newest first; the older pages are pinned to the same tree size."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("limit", "cursor"))
    limit = query.limit(asking.params, most=MOST_ITEMS, default=ITEMS)
    below = query.decode_cursor(asking.params)
    with speaking(DEFAULT), asking.view() as view, calling(view.titles()):
        found = view.published(below=below, limit=limit + 1)
        items = _fitting(asking, found[:limit])
        following = None
        if len(found) > len(items):
            cursor = query.encode_cursor(items[-1].apsci.index)
            params: dict[str, str | int | None] = {
                **asking.params,
                "at": view.size,
                "cursor": cursor,
            }
            following = asking.public_url + query.address(asking.path, params)
        state = view.state()
        feed = Feed(
            version=VERSION,
            title=f"Published records of {asking.house.origin}",
            home_page_url=f"{asking.public_url}/{DEFAULT}/",
            feed_url=asking.public_url + query.address(asking.path, asking.params),
            description=(
                "Every record of the ledger whose sealed part has been opened, in the order of the"
                " log, each with its record and its proof."
            ),
            language=DEFAULT,
            authors=(FeedAuthor(name=asking.house.origin, url=f"{asking.public_url}/"),),
            items=items,
            apsci=FeedExtension(about=_about(asking), tree_size=state.tree_size, root=state.root),
            next_url=following,
        )
    return Response(msgspec.json.encode(feed), media_type=MEDIA_TYPE)


def _fitting(asking: Asked, found: Sequence[Published]) -> tuple[FeedItem, ...]:
    """The items of one page: as many of ``found`` as there is room for, and at least one."""
    items: list[FeedItem] = []
    room = ITEMS_BYTES
    for each in found:
        item = _item(asking, each)
        room -= len(msgspec.json.encode(item))
        if items and room < 0:
            break
        items.append(item)
    return tuple(items)


def _item(asking: Asked, found: Published) -> FeedItem:
    base, job, opened = asking.public_url, found.job, found.disclosure
    proof = f"{base}/entries/{found.discloses}.proof"
    return FeedItem(
        id=f"{base}/entries/{opened.index}",
        url=f"{base}/jobs/{job.job_id}",
        title=published_title(found),
        content_text=published_text(found),
        date_published=opened.logged_at,
        authors=(
            FeedAuthor(name=called(found.author), url=f"{base}/{DEFAULT}/jobs?member={job.member}"),
        ),
        tags=(job.workload_type, job.member, found.kind),
        language=DEFAULT,
        attachments=(
            Attachment(
                url=f"{base}/entries/{opened.index}.json",
                mime_type="application/json",
                title=f"Entry {opened.index}: the record as it was opened",
            ),
            Attachment(
                url=proof,
                mime_type="text/plain",
                title=f"Proof of entry {found.discloses}, with its opening (tlog-proof)",
            ),
        ),
        apsci=ItemExtension(
            about=_about(asking),
            index=opened.index,
            discloses=found.discloses,
            kind=found.kind,
            reason=opened.reason,
            job_id=job.job_id,
            member=job.member,
            workload=job.workload_type,
            gpu_seconds=job.gpu_seconds,
            proof=proof,
        ),
    )


def _about(asking: Asked) -> str:
    return f"{asking.public_url}/{DEFAULT}/about#feed"


ROUTER: Final = Router(path="/feeds", route_handlers=[published])
