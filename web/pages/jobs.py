"""The list of jobs, one job, and the proof of one job."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath

from ledger.reader import View
from ledger.records.lifecycle import State
from schemas.answers import JobDetail
from schemas.statements import Workload
from web import query
from web.api import BASE, JOB_FILTERS, job_filter
from web.doors import asked
from web.pages.page import Asking, page
from web.sentences import job_summary

ROWS: Final = 50
MOST_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is on, and the parameters of the same list without it."""

    name: str
    value: str
    without: Mapping[str, str]


@get("/jobs", sync_to_thread=True)
def list_jobs(request: Asking) -> Response[Any]:
    """Jobs, newest first, by member, workload and state."""
    asking = asked(request.scope)
    query.check_known(asking.params, (*JOB_FILTERS, "cursor", "limit"))
    chosen = job_filter(asking.params)
    limit = query.limit(asking.params, most=MOST_ROWS, default=ROWS)
    below = query.decode_cursor(asking.params)
    filters = {name: asking.params[name] for name in JOB_FILTERS if name in asking.params}
    with asking.view() as view:
        found = view.jobs(chosen, below=below, limit=limit + 1)
        shown = found[:limit]
        older = query.encode_cursor(shown[-1].submitted_index) if len(found) > limit else None
        return page(
            request,
            "jobs.html",
            asking,
            view,
            twin=query.address(f"{BASE}/jobs", filters),
            jobs=shown,
            now=asking.now(view),
            count=view.count_jobs(chosen),
            filters=filters,
            chips=[
                Chip(name, value, {k: v for k, v in filters.items() if k != name})
                for name, value in filters.items()
            ],
            older=older,
            is_first=below is None,
            limit=None if limit == ROWS else limit,
            members=[tally.value for tally in view.overview().members],
            workloads=list(Workload),
            states=[state for state in State if state is not State.SUBMITTED],
        )


@get("/jobs/{job_id:str}", sync_to_thread=True)
def show_job(request: Asking, job_id: FromPath[str]) -> Response[Any]:
    """Everything public about one job, and what is sealed until when."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        detail = view.job(job_id)
        return page(
            request,
            "job.html",
            asking,
            view,
            twin=f"{BASE}/jobs/{job_id}",
            now=asking.now(view),
            summary=job_summary,
            **_of_job(view, detail),
        )


@get("/jobs/{job_id:str}/proof", sync_to_thread=True)
def show_proof(request: Asking, job_id: FromPath[str]) -> Response[Any]:
    """The proof of one job's entries, step by step, for the screen and for paper."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        detail = view.job(job_id)
        return page(
            request,
            "proof.html",
            asking,
            view,
            twin=f"{BASE}/jobs/{job_id}/proof",
            proofs=view.job_proofs(job_id),
            on_the_left=_on_the_left(detail.job.submitted_index, view.size),
            origin=asking.house.origin,
            vkey=asking.house.vkey,
            **_of_job(view, detail),
        )


def _on_the_left(index: int, size: int) -> frozenset[int]:
    """Which hashes of an inclusion proof stand on the left of what they are hashed with.

    RFC 6962, section 2.1.1: up to the right border it depends on the index; above it, all do.
    """
    inner = (index ^ (size - 1)).bit_length()
    above = range(inner, inner + (index >> inner).bit_count())
    return frozenset([*(level for level in range(inner) if index >> level & 1), *above])


def _of_job(view: View, detail: JobDetail) -> dict[str, Any]:
    index = detail.job.submitted_index
    return {
        "detail": detail,
        "job": detail.job,
        "proof": view.inclusion(index),
        "entry": view.entry(index),
        "receipt": f"/jobs/{detail.job.job_id}.proof" + (f"?at={view.size}"),
    }
