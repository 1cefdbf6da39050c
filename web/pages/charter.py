"""The page of the charter: the version in force, what is about to change, and all before it."""

from itertools import pairwise
from typing import Any, Final

from litestar import Response, get

from ledger.records.charters_shown import counts
from schemas.council import CharterShown
from web import council, query
from web.api import BASE
from web.doors import asked
from web.pages.page import Asking, page, receipt_address
from web.telling import rules

SHOWN: Final = 100
"""Versions of the history that one page shows, the newest."""


@get("/charter", sync_to_thread=True)
def show_charter(request: Asking) -> Response[Any]:
    """The rules in force, who signed them, what comes next, and what each version changed."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        versions = view.charters()
        found = council.charter_now(view, now=asking.now(view))
        return page(
            request,
            "charter.html",
            asking,
            view,
            twin=f"{BASE}/charter",
            charter=found.in_force,
            coming=found.coming,
            rules_of=rules.rules,
            changed=rules.changed,
            counts=counts,
            now=found.now,
            before=dict(_before(versions)),
            history=versions[::-1][:SHOWN],
            older=max(0, len(versions) - SHOWN),
            receipt=receipt_address(asking, view, f"/entries/{found.in_force.index}.proof"),
        )


def _before(versions: tuple[CharterShown, ...]) -> list[tuple[int, CharterShown]]:
    """The version that each one replaces, by the index of the later one."""
    return [(later.index, earlier) for earlier, later in pairwise(versions)]
