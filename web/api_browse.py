"""``/api/v1``: members, kinds of work, rejections, models, artifacts, corrections, words, status.

The same functions make these answers and the pages, so their numbers are the same.
"""

from typing import Any, Final

from litestar import Response, Router, get
from litestar.params import FromPath

from ledger.errors import NotFound
from ledger.reader import View
from ledger.records.charter import Code
from ledger.storage.shapes import JobFilter
from schemas.answers import ArtifactShown, CorrectionShown, ModelShown
from schemas.objections import RefusedStart, RunFinding
from schemas.reference import (
    CodeCount,
    FieldShown,
    Rejection,
    Vocabulary,
    WithheldShown,
    WorkloadShown,
)
from web import browse, query
from web.api import BASE, LIST, Asking, newest_first, show, whole_list
from web.doors import asked
from web.signals import show_signals
from web.telling import dictionary, vocabulary


@get("/members/{name:str}", sync_to_thread=True)
def show_member(request: Asking, name: FromPath[str]) -> Response[bytes]:
    """One author of the registry, and what it ran."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        return show(view, browse.member(view, name, now=asking.now(view)))


@get("/workloads", sync_to_thread=True)
def list_workloads(request: Asking) -> Response[bytes]:
    """Every kind of work of the taxonomy, allowed or forbidden, and what was run under it."""
    asking = asked(request.scope)
    query.check_known(asking.params, LIST)
    with asking.view() as view:
        found: tuple[WorkloadShown, ...] = browse.workloads(view)
        return whole_list(asking, view, found, row=WorkloadShown)


@get("/rejections", sync_to_thread=True)
def list_rejections(request: Asking) -> Response[bytes]:
    """Rejected jobs, newest first, by the code that was found first."""
    code = query.code(asked(request.scope).params, "code", Code)

    def read(view: View, below: int | None, limit: int) -> tuple[Rejection, ...]:
        return browse.rejections(view, code=code, below=below, limit=limit)

    def count(view: View) -> int:
        return view.count_jobs(JobFilter(state="rejected", rejection_code=code))

    return newest_first(
        request,
        read,
        count,
        lambda each: each.submitted_index,
        row=Rejection,
        known=("code",),
    )


@get("/rejections/codes", sync_to_thread=True)
def list_codes(request: Asking) -> Response[bytes]:
    """How often each code of the rules was found."""
    asking = asked(request.scope)
    query.check_known(asking.params, LIST)
    with asking.view() as view:
        found = browse.code_counts(view)
        return whole_list(asking, view, found, row=CodeCount)


@get("/refusals", sync_to_thread=True)
def list_refusals(request: Asking) -> Response[bytes]:
    """Starts that the orchestrator refused, newest first."""

    def read(view: View, below: int | None, limit: int) -> tuple[RefusedStart, ...]:
        return view.refused_starts(below=below, limit=limit)

    def count(view: View) -> int:
        return view.count_objections("refused")

    return newest_first(request, read, count, lambda each: each.index, row=RefusedStart)


@get("/findings", sync_to_thread=True)
def list_findings(request: Asking) -> Response[bytes]:
    """What the ledger found about runs, newest first."""

    def read(view: View, below: int | None, limit: int) -> tuple[RunFinding, ...]:
        return view.run_findings(below=below, limit=limit)

    def count(view: View) -> int:
        return view.count_objections("finding")

    return newest_first(request, read, count, lambda each: each.index, row=RunFinding)


@get("/models", sync_to_thread=True)
def list_models(request: Asking) -> Response[bytes]:
    """Models that opened submissions name, the newest first."""

    def read(view: View, below: int | None, limit: int) -> tuple[ModelShown, ...]:
        return view.models(below=below, limit=limit)

    return newest_first(
        request, read, View.count_models, lambda each: each.first_disclosed_index, row=ModelShown
    )


@get("/models/{name:str}", sync_to_thread=True)
def show_model(request: Asking, name: FromPath[str]) -> Response[bytes]:
    """One model, by ``sha256:`` and the digest of its weights."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    digest = query.digest(name)
    with asking.view() as view:
        return show(view, view.model(digest))


@get("/artifacts", sync_to_thread=True)
def list_artifacts(request: Asking) -> Response[bytes]:
    """What jobs put out, as far as their results are opened, the newest first."""

    def read(view: View, below: int | None, limit: int) -> tuple[ArtifactShown, ...]:
        return view.artifacts(below=below, limit=limit)

    return newest_first(
        request, read, View.count_artifacts, lambda each: each.place, row=ArtifactShown
    )


@get("/artifacts/{name:str}", sync_to_thread=True)
def show_artifact(request: Asking, name: FromPath[str]) -> Response[bytes]:
    """Every job that put out the bytes of one digest, in log order."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    digest = query.digest(name)
    with asking.view() as view:
        return show(view, view.artifact(digest))


@get("/corrections", sync_to_thread=True)
def list_corrections(request: Asking) -> Response[bytes]:
    """Corrections, newest first."""

    def read(view: View, below: int | None, limit: int) -> tuple[CorrectionShown, ...]:
        return view.corrections(below=below, limit=limit)

    return newest_first(
        request, read, View.count_corrections, lambda each: each.index, row=CorrectionShown
    )


@get("/withheld", sync_to_thread=True)
def list_withheld(request: Asking) -> Response[bytes]:
    """What the safeguards committee keeps closed, newest first."""

    def read(view: View, below: int | None, limit: int) -> tuple[WithheldShown, ...]:
        return view.withheld(below=below, limit=limit)

    return newest_first(
        request, read, View.count_withheld, lambda each: each.index, row=WithheldShown
    )


@get("/vocab", sync_to_thread=True)
def list_vocabularies(request: Asking) -> Response[bytes]:
    """Every vocabulary of codes, with its words in every language."""
    asking = asked(request.scope)
    query.check_known(asking.params, LIST)
    found: list[Vocabulary] = [vocabulary.vocabulary(name) for name in vocabulary.NAMES]
    with asking.view() as view:
        return whole_list(asking, view, found, row=Vocabulary)


@get("/vocab/{name:str}", sync_to_thread=True)
def show_vocabulary(request: Asking, name: FromPath[str]) -> Response[bytes]:
    """The codes of one field; as ``fields`` the whole dictionary."""
    asking = asked(request.scope)
    query.check_known(asking.params, LIST if name == "fields" else ())
    with asking.view() as view:
        if name == "fields":
            fields: tuple[FieldShown, ...] = dictionary.all_shown()
            return whole_list(asking, view, fields, row=FieldShown)
        if name not in vocabulary.NAMES:
            raise NotFound(f"there is no vocabulary of that name; there are fields, {_NAMES}")
        return show(view, vocabulary.vocabulary(name))


@get("/status", sync_to_thread=True)
def show_status(request: Asking) -> Response[bytes]:
    """How fresh the ledger is, and whether its deadlines are kept."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        return show(
            view, browse.status(view, asking.house, now=asking.now(view), pinned=asking.pinned)
        )


_NAMES: Final = ", ".join(vocabulary.NAMES)
HANDLERS: Final[list[Any]] = [
    show_member,
    list_workloads,
    list_rejections,
    list_codes,
    list_refusals,
    list_findings,
    list_models,
    show_model,
    list_artifacts,
    show_artifact,
    list_corrections,
    list_withheld,
    list_vocabularies,
    show_vocabulary,
    show_status,
    show_signals,
]
ROUTER: Final = Router(path=BASE, route_handlers=HANDLERS)
