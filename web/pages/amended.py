"""What was put right afterwards, and what the safeguards committee keeps closed."""

from typing import Any, Final

from litestar import Response, get

from ledger.reader import View
from schemas.answers import CorrectionShown
from web import query
from web.api import BASE
from web.doors import asked
from web.pages.page import Asking, page
from web.story import Correction, tell

ROWS: Final = 25
MOST_ROWS: Final = 100
WITHHELD: Final = 50


@get("/corrections", sync_to_thread=True)
def list_corrections(request: Asking) -> Response[Any]:
    """Corrections, newest first: what was said, and what it should have been."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("cursor", "limit"))
    limit = query.limit(asking.params, most=MOST_ROWS, default=ROWS)
    below = query.decode_cursor(asking.params)
    with asking.view() as view:
        found = view.corrections(below=below, limit=limit + 1)
        shown = found[:limit]
        return page(
            request,
            "corrections.html",
            asking,
            view,
            twin=f"{BASE}/corrections",
            corrections=[(each, _told(view, each)) for each in shown],
            count=view.count_corrections(),
            withheld=view.withheld(limit=WITHHELD),
            withheld_count=view.count_withheld(),
            older=query.encode_cursor(shown[-1].index) if len(found) > limit else None,
            is_first=below is None,
            limit=None if limit == ROWS else limit,
        )


def _told(view: View, shown: CorrectionShown) -> Correction:
    """The same correction with the value that it corrects, from the job's own entries."""
    corrections = tell(view.job(shown.job_id)).corrections
    return next(each for each in corrections if each.index == shown.index)
