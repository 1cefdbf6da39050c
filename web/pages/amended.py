"""What was put right afterwards, and what the safeguards committee keeps closed."""

from collections.abc import Sequence
from typing import Any, Final

from litestar import Response, get

from ledger.reader import View
from schemas.answers import CorrectionShown
from web import query
from web.api import BASE
from web.doors import asked
from web.pages.page import Asking, leaf, page
from web.telling.story import Correction, tell

ROWS: Final = 25
MOST_ROWS: Final = 100
WITHHELD: Final = 50


@get("/corrections", sync_to_thread=True)
def list_corrections(request: Asking) -> Response[Any]:
    """Corrections, newest first: what was said, and what it should have been."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("cursor", "limit"))
    with asking.view() as view:
        found = leaf(
            asking.params,
            lambda below, limit: view.corrections(below=below, limit=limit),
            lambda correction: correction.index,
            usual=ROWS,
            most=MOST_ROWS,
        )
        return page(
            request,
            "corrections.html",
            asking,
            view,
            twin=f"{BASE}/corrections",
            corrections=_told(view, found.rows),
            count=view.count_corrections(),
            withheld=view.withheld(limit=WITHHELD),
            withheld_count=view.count_withheld(),
            **found.links,
        )


def _told(view: View, shown: Sequence[CorrectionShown]) -> list[tuple[CorrectionShown, Correction]]:
    """Each with the same as its job tells it, which knows the value that was corrected.

    Every job is asked once: one may have any number of corrections.
    """
    told = {
        (job_id, each.index): each
        for job_id in {each.job_id for each in shown}
        for each in tell(view.job(job_id)).corrections
    }
    return [(each, told[each.job_id, each.index]) for each in shown]
