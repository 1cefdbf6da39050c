"""Who may speak in the log: the labs with their share of the cluster, and its own systems."""

from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath

from ledger.reader.statistics import MEMBER_SHARE_PERCENT
from ledger.storage.shapes import JobFilter
from web import browse, query
from web.api import BASE
from web.doors import asked
from web.figures.bars import Shares
from web.pages.page import Asking, page

NEWEST: Final = 10


@get("/members", sync_to_thread=True)
def list_members(request: Asking) -> Response[Any]:
    """Each lab with what it ran, and each of the cluster's own systems with what it may say."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        everybody = view.members()
        labs = [each for each in everybody if browse.is_lab(each)]
        labs.sort(key=lambda lab: (-lab.gpu_seconds, lab.name))
        overview = view.overview()
        return page(
            request,
            "members.html",
            asking,
            view,
            twin=f"{BASE}/members",
            labs=labs,
            systems=[each for each in everybody if not browse.is_lab(each)],
            rejected=browse.rejected_by_member(view),
            overview=overview,
            shares=Shares.of(
                {lab.name: lab.gpu_seconds for lab in labs},
                whole=overview.gpu_seconds,
                line=MEMBER_SHARE_PERCENT,
            ),
        )


@get("/members/{name:str}", sync_to_thread=True)
def show_member(request: Asking, name: FromPath[str]) -> Response[Any]:
    """One author: what it ran, what is sealed of it, and its keys."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        now = asking.now(view)
        found = browse.member(view, name, now=now)
        return page(
            request,
            "member.html",
            asking,
            view,
            twin=f"{BASE}/members/{name}",
            member=found,
            is_lab=browse.is_lab(found),
            jobs=view.search(JobFilter(author=name), limit=NEWEST) if found.jobs else (),
            now=now,
            shares=Shares.of(
                {tally.value: tally.gpu_seconds for tally in found.workloads},
                whole=found.gpu_seconds,
            ),
            whole_share=Shares.of(
                {found.name: found.gpu_seconds},
                whole=found.gpu_seconds_of_all,
                line=MEMBER_SHARE_PERCENT,
            ),
        )
