"""``/api/v1``, the reading half: the same views that the pages show, as JSON in one envelope."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request, Response, Router, get
from litestar.params import FromPath
from msgspec import Struct

from ledger.reader import View
from schemas.answers import (
    CheckpointShown,
    ConsistencyProof,
    Embargo,
    EntryShown,
    Event,
    InclusionProof,
    JobDetail,
    JobShown,
    Listed,
    Member,
    Page,
    Shown,
)
from schemas.artifacts import ArtifactListed
from web import query, rows
from web.doors import Asked, asked
from web.query import ParameterRefused
from web.search.filters import JOB_FILTERS, job_filter

T = TypeVar("T")
Asking = Request[Any, Any, Any]

BASE: Final = "/api/v1"
JSON: Final = "application/json"
TEXT: Final = "text/plain"
PAGING: Final = ("limit", "cursor", "count")
"""The parameters of every list."""
LIST: Final = (*PAGING, rows.FIELDS)
"""The same where the rows of a list have fields."""
ENTRIES_BYTES: Final = 4 * 2**20
"""Of entries one page ends at: a thousand of the largest would be 60 MB."""
ENTRIES_AT_ONCE: Final = 64


def respond(content: object, *, links: Mapping[str, str] | None = None) -> Response[bytes]:
    """JSON of a shape, with RFC 8288 links by relation."""
    headers = {}
    if links:
        headers["Link"] = ", ".join(f'<{target}>; rel="{rel}"' for rel, target in links.items())
    return Response(msgspec.json.encode(content), media_type=JSON, headers=headers)


def show(view: View, data: object) -> Response[bytes]:
    """One thing in the envelope."""
    return respond(Shown(data=data, ledger=view.state()))


def list_page(
    asking: Asked,
    view: View,
    data: Sequence[T],
    *,
    cursor: int | None,
    count: int | None,
    row: type[Struct] | None = None,
) -> Response[bytes]:
    """One page of a list; ``cursor`` is the log index that the next one begins with.

    ``row`` is the shape of what is listed, from which ``fields`` may choose. The next page's
    address names the tree size, so that a crawl sees one ledger from end to end.
    """
    opaque = None if cursor is None else query.encode_cursor(cursor)
    given: dict[str, str | int | None] = dict(asking.params)
    links = {"self": query.address(asking.path, given)}
    if "cursor" in given:
        links["first"] = query.address(asking.path, {**given, "at": view.size, "cursor": None})
    following = None
    if opaque is not None:
        following = query.address(asking.path, {**given, "at": view.size, "cursor": opaque})
        links["next"] = following
    names = rows.chosen(asking.params, row) if row else None
    shown: Sequence[Any] = data if names is None else rows.only(names, data)  # type: ignore[arg-type] # of ``row``
    page = Page(next=following, cursor=opaque, count=count)
    answer = Listed(data=tuple(shown), page=page, ledger=view.state())
    return respond(answer, links=links)


def whole_list(
    asking: Asked, view: View, data: Sequence[T], *, row: type[Struct] | None = None
) -> Response[bytes]:
    """A page of a list that is at hand whole; its cursor counts places in it, from 0.

    Such a list is short, so a page of it is as long as one can be where no limit is given.
    """
    limit = query.limit(asking.params, default=query.MAX_LIMIT)
    start = query.decode_cursor(asking.params) or 0
    wants_count = query.wants_count(asking.params)
    return list_page(
        asking,
        view,
        data[start : start + limit],
        cursor=start + limit if start + limit < len(data) else None,
        count=len(data) if wants_count else None,
        row=row,
    )


def newest_first(
    request: Asking,
    read: Callable[[View, int | None, int], Sequence[T]],
    count: Callable[[View], int],
    cursor: Callable[[T], int],
    *,
    row: type[Struct],
    known: Sequence[str] = (),
) -> Response[bytes]:
    """One page of a list that ``read`` (a view, below what, how many) returns newest first."""
    asking = asked(request.scope)
    query.check_known(asking.params, (*known, *LIST))
    limit, below = query.limit(asking.params), query.decode_cursor(asking.params)
    wants_count = query.wants_count(asking.params)
    with asking.view() as view:
        found = read(view, below, limit + 1)
        return list_page(
            asking,
            view,
            found[:limit],
            cursor=cursor(found[limit - 1]) if len(found) > limit else None,
            count=count(view) if wants_count else None,
            row=row,
        )


@get("/jobs", sync_to_thread=True)
def list_jobs(request: Asking) -> Response[bytes]:
    """Jobs, newest first."""
    params = asked(request.scope).params

    def read(view: View, below: int | None, limit: int) -> tuple[JobShown, ...]:
        return view.search(job_filter(params, view.titles()), below=below, limit=limit)

    def count(view: View) -> int:
        return view.count_jobs(job_filter(params, view.titles()))

    return newest_first(
        request, read, count, lambda job: job.submitted_index, row=JobShown, known=JOB_FILTERS
    )


@get("/facets", sync_to_thread=True)
def show_facets(request: Asking) -> Response[bytes]:
    """What a list of jobs can be narrowed to; the same filters as for the list."""
    asking = asked(request.scope)
    query.check_known(asking.params, JOB_FILTERS)
    with asking.view() as view:
        return show(view, view.facets(job_filter(asking.params, view.titles())))


@get("/jobs/{job_id:str}", sync_to_thread=True)
def show_job(request: Asking, job_id: FromPath[str]) -> Response[bytes]:
    """Everything public about one job."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        found: JobDetail = view.job(job_id)
        return show(view, found)


@get("/jobs/{job_id:str}/events", sync_to_thread=True)
def list_events(request: Asking, job_id: FromPath[str]) -> Response[bytes]:
    """The history of one job, in log order."""
    asking = asked(request.scope)
    query.check_known(asking.params, LIST)
    limit, start = query.limit(asking.params), query.decode_cursor(asking.params) or 0
    wants_count = query.wants_count(asking.params)
    with asking.view() as view:
        events: tuple[Event, ...] = view.events(job_id)
        rest = [event for event in events if event.index >= start]
        return list_page(
            asking,
            view,
            rest[:limit],
            cursor=rest[limit].index if len(rest) > limit else None,
            count=len(events) if wants_count else None,
            row=Event,
        )


@get("/jobs/{job_id:str}/proof", sync_to_thread=True)
def prove_job(request: Asking, job_id: FromPath[str]) -> Response[bytes]:
    """The inclusion proof of every entry about one job."""
    asking = asked(request.scope)
    query.check_known(asking.params, LIST)
    with asking.view() as view:
        proofs: tuple[InclusionProof, ...] = view.job_proofs(job_id)
        return whole_list(asking, view, proofs, row=InclusionProof)


@get("/jobs/{job_id:str}/artifacts", sync_to_thread=True)
def list_job_artifacts(request: Asking, job_id: FromPath[str]) -> Response[bytes]:
    """Every artifact that was debited to one job; named once the job's results are open."""
    asking = asked(request.scope)
    query.check_known(asking.params, LIST)
    found = [
        ArtifactListed(
            artifact_id=each.artifact_id,
            artifact_class=each.artifact_class,
            egress_bytes=each.egress_bytes,
            index=each.index,
            name=each.kept.name if each.kept else None,
            media_type=each.kept.media_type if each.kept else None,
            bytes=each.kept.bytes if each.kept else None,
            sha256=each.kept.sha256 if each.kept else None,
        )
        for each in asking.house.shelf.listed(job_id, size=asking.size)
    ]
    with asking.view() as view:
        return whole_list(asking, view, found, row=ArtifactListed)


@get("/jobs/{job_id:str}/admission", sync_to_thread=True)
def show_admission(request: Asking, job_id: FromPath[str]) -> Response[bytes]:
    """The receipt that lets a scheduler start a job, as a ``.tlog-proof``."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        # As of a size it is what the log signed then: what witnesses say is of now.
        receipt = view.admission_receipt(job_id, signed_only=asking.pinned)
    name = f"{job_id}.admission.tlog-proof"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(receipt, media_type=TEXT, headers=headers)


@get("/entries", sync_to_thread=True)
def list_entries(request: Asking) -> Response[bytes]:
    """Entries, in log order, from ``start`` on; fewer than ``limit`` where they are large."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("start", *LIST))
    limit = query.limit(asking.params)
    first = query.integer(asking.params, "start") or 0
    following = query.decode_cursor(asking.params)
    start = first if following is None else following
    wants_count = query.wants_count(asking.params)
    with asking.view() as view:
        entries = _entries(view, start=start, limit=limit)
        following = start + len(entries)
        return list_page(
            asking,
            view,
            entries,
            cursor=following if following < view.size else None,
            count=view.size if wants_count else None,
            row=EntryShown,
        )


def _entries(view: View, *, start: int, limit: int) -> list[EntryShown]:
    """Up to ``limit`` entries from ``start`` on, as far as there is room for on one page."""
    found: list[EntryShown] = []
    room = ENTRIES_BYTES
    while room > 0 and len(found) < limit:
        most = min(ENTRIES_AT_ONCE, limit - len(found))
        some = view.entries(start=start + len(found), limit=most)
        if not some:
            break
        found += some
        room -= sum(len(bytes(each.entry)) for each in some)
    return found


@get("/entries/{index:str}", sync_to_thread=True)
def show_entry(request: Asking, index: FromPath[str]) -> Response[bytes]:
    """One entry: its canonical bytes and its leaf hash."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    number = query.parse_integer(index, "index")
    with asking.view() as view:
        return show(view, view.entry(number))


@get("/entries/{index:str}/proof", sync_to_thread=True)
def prove_entry(request: Asking, index: FromPath[str]) -> Response[bytes]:
    """The proof that an entry is in the tree of ``size`` entries (default: the newest)."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("size",))
    number = query.parse_integer(index, "index")
    size = query.integer(asking.params, "size", least=1)
    if size is not None and asking.pinned:
        raise ParameterRefused("size and at say the same: give one of them", field="size")
    with asking.house.reader.at(size or asking.size, current=asking.current) as view:
        return show(view, view.proof(number))


@get("/consistency", sync_to_thread=True)
def prove_consistency(request: Asking) -> Response[bytes]:
    """The proof that the tree of ``to`` entries begins with the tree of ``from`` entries."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("from", "to"))
    old_size = query.integer(asking.params, "from", least=1)
    new_size = query.integer(asking.params, "to", least=1)
    if old_size is None:
        raise ParameterRefused("from is missing: the smaller of two tree sizes", field="from")
    with asking.view() as view:
        proof: ConsistencyProof = view.consistency(old_size, new_size or view.size)
        return show(view, proof)


@get("/checkpoint", sync_to_thread=True)
def show_checkpoint(request: Asking) -> Response[bytes]:
    """The newest published checkpoint, or with ``at`` the one of exactly that size."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        checkpoints: tuple[CheckpointShown, ...] = view.checkpoints(limit=1)
        return show(view, checkpoints[0])


@get("/embargo", sync_to_thread=True)
def show_embargo(request: Asking) -> Response[bytes]:
    """What is sealed, what opens when, what is overdue."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("limit",))
    with asking.view() as view:
        found: Embargo = view.embargo(
            now=asking.now(view), limit=query.limit(asking.params, default=100)
        )
        return show(view, found)


@get("/members", sync_to_thread=True)
def list_members(request: Asking) -> Response[bytes]:
    """Every registered author and its keys."""
    asking = asked(request.scope)
    query.check_known(asking.params, LIST)
    with asking.view() as view:
        members: tuple[Member, ...] = view.members()
        return whole_list(asking, view, members, row=Member)


ROUTER: Final = Router(
    path=BASE,
    route_handlers=[
        list_jobs,
        show_facets,
        show_job,
        list_events,
        prove_job,
        list_job_artifacts,
        show_admission,
        list_entries,
        show_entry,
        prove_entry,
        prove_consistency,
        show_checkpoint,
        show_embargo,
        list_members,
    ],
)
