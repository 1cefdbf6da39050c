"""The page of one job, and the proof of it."""

from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from ledger.reader import View
from schemas.answers import JobDetail
from web import query
from web.api import BASE
from web.doors import Asked, asked
from web.files import citations, job_files, qr
from web.pages.page import Asking, page, receipt_address
from web.telling import story
from web.telling.sentences import job_summary


@get("/jobs/{job_id:str}", sync_to_thread=True)
def show_job(request: Asking, job_id: FromPath[str]) -> Response[Any]:
    """Everything public about one job, and what is sealed until when."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        detail = view.job(job_id)
        cited = job_files.cited(asking, view, job_id)
        return page(
            request,
            "job.html",
            asking,
            view,
            twin=f"{BASE}/jobs/{job_id}",
            now=asking.now(view),
            summary=job_summary,
            story=story.tell(detail),
            cited=cited,
            citations=citations,
            code=qr.encode(cited.address),
            debited=asking.house.shelf.listed(job_id, size=asking.size),
            **_of_job(asking, view, detail),
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
            **_of_job(asking, view, detail),
        )


def _on_the_left(index: int, size: int) -> frozenset[int]:
    """Which hashes of an inclusion proof stand on the left of what they are hashed with.

    RFC 6962, section 2.1.1: up to the right border it depends on the index; above it, all do.
    """
    inner = (index ^ (size - 1)).bit_length()
    above = range(inner, inner + (index >> inner).bit_count())
    return frozenset([*(level for level in range(inner) if index >> level & 1), *above])


def _of_job(asking: Asked, view: View, detail: JobDetail) -> dict[str, Any]:
    index = detail.job.submitted_index
    entry = view.entry(index)
    return {
        "detail": detail,
        "job": detail.job,
        "proof": view.proof(index),
        "entry": entry,
        "raw": bytes(entry.entry).decode(),
        "raw_bytes": len(bytes(entry.entry)),
        "receipt": receipt_address(asking, view, f"/jobs/{detail.job.job_id}.proof"),
    }
