"""What opened records name: models by the digest of their weights, and what jobs put out."""

from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath

from ledger.storage.shapes import JobFilter
from web import query
from web.api import BASE
from web.doors import asked
from web.pages.page import Asking, leaf, page

ROWS: Final = 50
MOST_ROWS: Final = 200
OF_ONE: Final = 50


@get("/models", sync_to_thread=True)
def list_models(request: Asking) -> Response[Any]:
    """The models that opened submissions name, the newest first."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("cursor", "limit"))
    with asking.view() as view:
        found = leaf(
            asking.params,
            lambda below, limit: view.models(below=below, limit=limit),
            lambda model: model.first_disclosed_index,
            usual=ROWS,
            most=MOST_ROWS,
        )
        return page(
            request,
            "models.html",
            asking,
            view,
            twin=f"{BASE}/models",
            models=found.rows,
            count=view.count_models(),
            sealed=view.overview().sealed,
            **found.links,
        )


@get("/models/{name:str}", sync_to_thread=True)
def show_model(request: Asking, name: FromPath[str]) -> Response[Any]:
    """One model: what is known of it, and the jobs that studied it."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    digest = query.digest(name)
    with asking.view() as view:
        return page(
            request,
            "model.html",
            asking,
            view,
            twin=f"{BASE}/models/{name}",
            model=view.model(digest),
            jobs=view.search(JobFilter(model=digest), limit=OF_ONE),
        )


@get("/artifacts", sync_to_thread=True)
def list_artifacts(request: Asking) -> Response[Any]:
    """What jobs put out, as far as their results are opened, the newest first."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("cursor", "limit"))
    with asking.view() as view:
        found = leaf(
            asking.params,
            lambda below, limit: view.artifacts(below=below, limit=limit),
            lambda artifact: artifact.place,
            usual=ROWS,
            most=MOST_ROWS,
        )
        return page(
            request,
            "artifacts.html",
            asking,
            view,
            twin=f"{BASE}/artifacts",
            artifacts=found.rows,
            count=view.count_artifacts(),
            sealed=view.overview().sealed,
            **found.links,
        )


@get("/artifacts/{name:str}", sync_to_thread=True)
def show_artifact(request: Asking, name: FromPath[str]) -> Response[Any]:
    """One artifact by its digest: every job that put out these very bytes."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    digest = query.digest(name)
    with asking.view() as view:
        found = view.artifact(digest)
        jobs = {each.job_id: view.job(each.job_id).job for each in found[:OF_ONE]}
        return page(
            request,
            "artifact.html",
            asking,
            view,
            twin=f"{BASE}/artifacts/{name}",
            digest=digest,
            artifacts=found[:OF_ONE],
            count=len(found),
            jobs=jobs,
        )
