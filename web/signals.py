"""The questions that the record asks: what was computed into the newest set of bulk files.

Nothing is computed for a request. What counts at a tree size is the file of the newest set whose
manifest the log holds below that size, so the answer is a function of the size.
"""

from typing import Final

import msgspec
from litestar import Response, get
from msgspec import Raw, Struct

from schemas.signals import Signals, SignalsFile
from web import query
from web.api import Asking, show
from web.doors import Asked, asked

_NONE: Final = SignalsFile(path=None, sha256=None, manifest_index=None, document=None)
_document: Final = msgspec.json.Decoder(Signals)


class _Verbatim(Struct, frozen=True):
    """``SignalsFile`` whose document has the very bytes of the file."""

    path: str
    sha256: str
    manifest_index: int
    document: Raw


def signals_of(asking: Asked) -> SignalsFile:
    """What counts at the size that was asked for. Raises LogUnavailable; see ``Questions.at``."""
    found = asking.house.signals_at(asking.size)
    if found is None:
        return _NONE
    return SignalsFile(
        path=found.path,
        sha256=found.sha256,
        manifest_index=found.manifest_index,
        document=_document.decode(found.data),
    )


@get("/signals", sync_to_thread=True)
def show_signals(request: Asking) -> Response[bytes]:
    """The questions with their evidence, as they stand in the bulk file."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    found = asking.house.signals_at(asking.size)
    with asking.view() as view:
        if found is None:
            return show(view, _NONE)
        data = Raw(found.data.removesuffix(b"\n"))
        return show(view, _Verbatim(found.path, found.sha256, found.manifest_index, data))
