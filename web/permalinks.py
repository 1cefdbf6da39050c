"""Addresses that never change and carry no language; a suffix chooses the form."""

from typing import Any, Final

from litestar import Request, Response, Router, get
from litestar.params import FromPath
from litestar.response import Redirect

from ledger.errors import NotFound
from web import dsse, query
from web.api import Asking, show
from web.doors import Asked, asked
from web.files import job_files
from web.i18n import preferred

PROOF_TYPE: Final = "text/plain"
JSON_SUFFIX: Final = ".json"
PROOF_SUFFIX: Final = ".proof"


def to_language(request: Request[Any, Any, Any], rest: str) -> Redirect:
    """Send the reader to ``rest`` in the language that the browser prefers."""
    tag = preferred(request.headers.get("accept-language", ""))
    return Redirect(
        query.address(f"/{tag}/{rest}", asked(request.scope).params),
        status_code=302,
        headers={"Vary": "Accept-Language", "Cache-Control": "no-cache"},
    )


def _receipt(asking: Asked, index: int | None, job_id: str | None, name: str) -> Response[bytes]:
    # As of a size it is what the log signed then: what witnesses say is of now.
    smallest = query.wants_cosigned(asking.params) and not asking.pinned
    with asking.view() as view:
        if index is None:
            assert job_id is not None
            index = view.submission_of(job_id)
        return Response(
            view.receipt(index, witnessed=not asking.pinned, smallest=smallest),
            media_type=PROOF_TYPE,
            headers={"Content-Disposition": f'attachment; filename="{name}.tlog-proof"'},
        )


@get("/", sync_to_thread=False)
def home(request: Asking) -> Redirect:
    """The front page, in the reader's language."""
    query.check_known(asked(request.scope).params, ())
    return to_language(request, "")


@get("/search", sync_to_thread=False)
def search(request: Asking) -> Redirect:
    """The list of jobs with the words in it, or what they name, in the reader's language."""
    query.check_known(asked(request.scope).params, ("q",))
    return to_language(request, "jobs")


@get("/jobs/{name:str}", sync_to_thread=True)
def job(request: Asking, name: FromPath[str]) -> Response[Any]:
    """A job: its page, or by its suffix one of its files.

    ``.json``, its history as ``.csv``, its citation as ``.bib`` or ``.csl.json``, the job as
    ``.intoto.json`` and ``.cdx.json``, and ``.proof``, the receipt of its submission.
    """
    asking = asked(request.scope)
    query.check_known(asking.params, query.RECEIPT if name.endswith(PROOF_SUFFIX) else ())
    for suffix, make in job_files.SUFFIXES.items():
        if name.endswith(suffix):
            with asking.view() as view:
                return make(asking, view, name.removesuffix(suffix))
    if name.endswith(JSON_SUFFIX):
        with asking.view() as view:
            return show(view, view.job(name.removesuffix(JSON_SUFFIX)))
    if name.endswith(PROOF_SUFFIX):
        job_id = name.removesuffix(PROOF_SUFFIX)
        return _receipt(asking, None, job_id, job_id)
    with asking.view() as view:
        view.submission_of(name)
    return to_language(request, f"jobs/{name}")


@get("/entries/{name:str}", sync_to_thread=True)
def entry(request: Asking, name: FromPath[str]) -> Response[Any]:
    """An entry: its page, or its JSON (``.json``), its receipt (``.proof``), its author's DSSE.

    The last is ``.dsse.json``.
    """
    asking = asked(request.scope)
    query.check_known(asking.params, query.RECEIPT if name.endswith(PROOF_SUFFIX) else ())
    if name.endswith(dsse.SUFFIX):
        number = query.parse_integer(name.removesuffix(dsse.SUFFIX), "index")
        with asking.view() as view:
            return dsse.respond(view.entry(number))
    bare = name.removesuffix(JSON_SUFFIX).removesuffix(PROOF_SUFFIX)
    if bare not in {name, name.removesuffix(JSON_SUFFIX), name.removesuffix(PROOF_SUFFIX)}:
        raise NotFound("an address has one suffix: .json, .proof or .dsse.json")
    index = query.parse_integer(bare, "index")
    if name.endswith(JSON_SUFFIX):
        with asking.view() as view:
            return show(view, view.entry(index))
    if name.endswith(PROOF_SUFFIX):
        return _receipt(asking, index, None, f"entry-{index}")
    with asking.view() as view:
        view.entry(index)
    return to_language(request, f"entries/{index}")


ROUTER: Final = Router(path="/", route_handlers=[home, search, job, entry])
