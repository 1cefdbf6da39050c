"""The application factory: ``granian --interface asgi --factory web.app:create_app``."""

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from time import monotonic
from typing import Any, Final

import msgspec
from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from ledger.assembly import Ledger
from ledger.assembly.announcing import announcing
from ledger.assembly.lookout import on_watch
from ledger.assembly.webhooks import delivering
from ledger.quota import Quota
from ledger.settings import load_settings
from ledger.webhooks.config import read_webhooks
from ledger.worker import Worker
from web import (
    api,
    api_browse,
    api_council,
    feeds,
    pages,
    permalinks,
    permalinks_browse,
    problems,
    query,
)
from web.answer import Answer, Scope
from web.doors import House
from web.figures import embeds, stats
from web.files import machine_files
from web.front import Front
from web.headers import is_machine
from web.i18n import preferred
from web.rates import RateLimits
from web.request_lines import RequestLines, Routes
from web.static_files import StaticFiles
from web.templating import HTML, Pages
from web.words import answers as words_api

GARBAGE: Final = 10_000
"""New objects between two looks for garbage: requests leave next to none behind."""
DEFAULT_URL: Final = "http://127.0.0.1:8000"


def create_app(
    house: House | None = None,
    *,
    public_url: str | None = None,
    contact: str | None = None,
    websub_hub: str | None = None,
    rates: RateLimits | None = None,
    log_requests: bool = False,
) -> Front:
    """The site of ``house``; without one, of the ledger that the settings name.

    A ledger that the server opens itself it also closes, and where the settings say so it runs
    the embargo worker.
    """
    static = StaticFiles()
    templates = Pages(static)
    hub = websub_hub or (None if house else load_settings().websub_hub)

    def problem_answer(scope: Scope, error: BaseException) -> Answer:
        return _problem_answer(templates, scope, error)

    def on_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        found = problem_answer(request.scope, error)  # type: ignore[arg-type] # as below
        headers = {name.decode(): value.decode("latin-1") for name, value in found.headers}
        return Response(found.body, status_code=found.status, headers=headers)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        with nullcontext(house) if house else _own_house() as opened:
            app.state.house = opened
            front.open(opened)
            templates.open(opened)
            if house is None:
                _settle_memory()
            try:
                with opened.reader.loading():
                    yield
            finally:
                front.close()

    app = Litestar(
        route_handlers=[
            permalinks.ROUTER,
            permalinks_browse.ROUTER,
            machine_files.ROUTER,
            api.ROUTER,
            api_browse.ROUTER,
            api_council.ROUTER,
            stats.ROUTER,
            embeds.ROUTER,
            feeds.ROUTER,
            words_api.ROUTER,
            *pages.routers(),
        ],
        state=State({"pages": templates, "websub_hub": hub}),
        lifespan=[lifespan],
        exception_handlers={HTTPException: on_error, Exception: on_error},
        openapi_config=None,
        logging_config=None,
    )
    front = Front(
        app,  # type: ignore[arg-type] # Litestar spells the ASGI types in its own way
        public_url=public_url or (DEFAULT_URL if house else load_settings().public_url),
        contact=contact or (None if house else load_settings().contact),
        static=static,
        problem=problem_answer,
        rates=rates or (RateLimits(0) if house else _own_rates()),
        lines=RequestLines(
            Routes(route.path for route in app.routes),
            every=log_requests or (False if house else load_settings().log_requests),
        ),
    )
    return front


def _settle_memory() -> None:
    """Keep the collector of garbage away from what this process is made of, which stays for good.

    Each look through all of it stopped every request for 55 to 120 ms. Nor is it looked through
    before: of 300,000 objects fewer than 4,000 would go.
    """
    gc.freeze()
    gc.set_threshold(GARBAGE)


def _own_rates() -> RateLimits:
    settings = load_settings()
    return RateLimits(settings.rate_per_minute, trusted=settings.proxy_networks)


@contextmanager
def _own_house() -> Iterator[House]:
    settings = load_settings()
    webhooks = read_webhooks(settings.webhooks) if settings.runs_inline_worker else ()
    ledger = Ledger(settings, authors=Quota(settings.author_per_minute, clock=monotonic))
    bulk = ledger.bulk
    worker = Worker(
        ledger.embargo,
        clock=ledger.clock,
        sweep_seconds=settings.sweep_seconds,
        nightly=bulk.make,
        nightly_at=settings.export_at,
        beside=bulk.log_manifests,
        passed=ledger.passed,
    )
    try:
        if settings.runs_inline_worker:
            worker.start()
        telling = announcing(settings, ledger.reader)
        try:
            with (
                telling if settings.runs_inline_worker else nullcontext(),
                on_watch(ledger) if settings.runs_inline_worker else nullcontext(),
                delivering(ledger, webhooks),
            ):
                yield ledger
        finally:
            if settings.runs_inline_worker:
                worker.stop()
    finally:
        ledger.close()


def _problem_answer(templates: Pages, scope: Scope, error: BaseException) -> Answer:
    path: str = scope["path"]
    problem = problems.problem_of(error)
    headers = problems.headers_of(problem)
    if isinstance(error, HTTPException) and (allowed := (error.headers or {}).get("allow")):
        # The front answers HEAD wherever there is GET; the router does not know.
        headers["Allow"] = allowed.replace("GET", "GET, HEAD")
    # Whoever asks too often gets what costs least to make.
    if is_machine(path) or problem.status == 429:
        body, media_type = msgspec.json.encode(problem), problems.MEDIA_TYPE
    else:
        try:
            params = query.parse_query(scope["query_string"])
        except query.ParameterRefused:
            params = {}
        kind = problems.kind_of(problem)
        given = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
        body = templates.problem(
            path, params, preferred=preferred(given), problem=problem, kind=kind
        )
        media_type = f"{HTML}; charset=utf-8"
    pairs = [(b"content-type", media_type.encode()), (b"cache-control", b"no-store")]
    if media_type.startswith(HTML):
        pairs.append((b"vary", b"accept-language"))
    pairs += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return Answer(problem.status, tuple(pairs), body)
