"""The log itself: its checkpoints, its entries, its embargo."""

from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath

from web import query
from web.api import BASE
from web.doors import asked
from web.figures.charts import calendar
from web.pages.page import Asking, page, receipt_address
from web.telling.formats import json_text, today

RECENT: Final = 20
LISTED: Final = 100
COMING: Final = 25
ENTRIES: Final = 100


@get("/embargo", sync_to_thread=True)
def show_embargo(request: Asking) -> Response[Any]:
    """What opens when, and what is overdue."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        now = asking.now(view)
        found = view.embargo(now=now, limit=LISTED)
        coming = found.next[:COMING]
        return page(
            request,
            "embargo.html",
            asking,
            view,
            twin=f"{BASE}/embargo",
            embargo=found,
            coming=coming,
            jobs=view.jobs_by_id(
                [*(late.job_id for late in found.overdue), *(part.job_id for part in coming)]
            ),
            chart=calendar(found.days, first=today(now)),
            now=now,
            latest=view.published(limit=10),
        )


@get("/log", sync_to_thread=True)
def show_log(request: Asking) -> Response[Any]:
    """The newest checkpoint, the recent ones, and consistency between any two sizes."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("from", "to", "entry"))
    old_size = query.integer(asking.params, "from", least=1)
    new_size = query.integer(asking.params, "to", least=1)
    index = query.integer(asking.params, "entry")
    with asking.view() as view:
        if index is not None:
            view.entry(index)
        proof = view.consistency(old_size, new_size or view.size) if old_size else None
        checkpoints = view.checkpoints(limit=RECENT)
        return page(
            request,
            "log.html",
            asking,
            view,
            twin=f"{BASE}/checkpoint",
            checkpoints=checkpoints,
            entries=view.entries(start=max(0, view.size - RECENT), limit=RECENT)[::-1],
            proof=proof,
            old_size=old_size,
            new_size=new_size,
            origin=asking.house.origin,
            keys=asking.house.key_terms(view.size),
            witnessed=view.is_witnessed,
        )


@get("/entries", sync_to_thread=True)
def list_entries(request: Asking) -> Response[Any]:
    """Entries in log order, from ``start`` on; by default the newest."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("start",))
    start = query.integer(asking.params, "start")
    with asking.view() as view:
        if start is None:
            start = max(0, view.size - ENTRIES)
        return page(
            request,
            "entries.html",
            asking,
            view,
            twin=query.address(f"{BASE}/entries", {"start": start, "limit": ENTRIES}),
            entries=view.entries(start=start, limit=ENTRIES),
            start=start,
            before=max(0, start - ENTRIES),
            after=start + ENTRIES if start + ENTRIES < view.size else None,
        )


@get("/entries/{index:str}", sync_to_thread=True)
def show_entry(request: Asking, index: FromPath[str]) -> Response[Any]:
    """One entry: its canonical bytes, its leaf hash, its proof."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    number = query.parse_integer(index, "index")
    with asking.view() as view:
        entry = view.entry(number)
        return page(
            request,
            "entry.html",
            asking,
            view,
            twin=f"{BASE}/entries/{number}",
            entry=entry,
            raw=bytes(entry.entry).decode(),
            formatted=json_text(entry.entry),
            proof=view.proof(number),
            receipt=receipt_address(asking, view, f"/entries/{number}.proof"),
        )
