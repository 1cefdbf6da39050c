"""What is done on the cluster, and what is not let in: kinds of work, and rejections by rule."""

from typing import Any, Final

from litestar import Response, get

from ledger.records.charter import Code
from web import browse, query
from web.api import BASE
from web.doors import asked
from web.figures.bars import Shares
from web.pages.page import Asking, leaf, page

ROWS: Final = 50
MOST_ROWS: Final = 200
OBJECTIONS: Final = 50
"""Refused starts, and findings about runs, that the page shows."""


@get("/workloads", sync_to_thread=True)
def list_workloads(request: Asking) -> Response[Any]:
    """Every kind of work that the taxonomy has, allowed or forbidden, in plain words."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        found = browse.workloads(view)
        return page(
            request,
            "workloads.html",
            asking,
            view,
            twin=f"{BASE}/workloads",
            allowed=[each for each in found if each.allowed],
            forbidden=[each for each in found if not each.allowed],
            shares=Shares.of(
                {each.code: each.gpu_seconds for each in found}, whole=view.overview().gpu_seconds
            ),
        )


@get("/rejections", sync_to_thread=True)
def list_rejections(request: Asking) -> Response[Any]:
    """What was not let in or objected to, by rule and code, and each of it, newest first."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("code", "cursor", "limit"))
    code = query.code(asking.params, "code", Code)
    with asking.view() as view:
        counts = browse.code_counts(view)
        found = leaf(
            asking.params,
            lambda below, limit: browse.rejections(view, code=code, below=below, limit=limit),
            lambda rejection: rejection.submitted_index,
            usual=ROWS,
            most=MOST_ROWS,
        )
        total = sum(each.jobs for each in counts)
        return page(
            request,
            "rejections.html",
            asking,
            view,
            twin=query.address(f"{BASE}/rejections", {"code": code}),
            rules=[
                (rule, [each for each in counts if each.rule == rule])
                for rule in sorted({each.rule for each in counts})
            ],
            rejected=total,
            overview=view.overview(),
            shares=Shares.of({each.code: each.jobs for each in counts}, whole=total),
            rejections=found.rows,
            count=next(each.jobs for each in counts if each.code == code) if code else total,
            code=code,
            starts=view.refused_starts(limit=OBJECTIONS),
            starts_count=view.count_objections("refused"),
            runs=view.run_findings(limit=OBJECTIONS),
            runs_count=view.count_objections("finding"),
            **found.links,
        )
