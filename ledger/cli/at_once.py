"""Answers what needs no waiting in the thread that took the request, past the event loop.

The HTTP server hands each request from a thread of its own to the event loop: a wake-up, a task and
two turns at the interpreter's lock, which cost more than all that a tile needs. An application that
has a method ``at_once(scope, send)`` is asked there first; what it does not answer, returning
False, goes its usual way. It must never wait: nobody else's request is taken meanwhile.

The place where the server schedules a request is not among what it promises to keep. Where it is no
longer found everything goes the usual way, and only the time is lost.
"""

import logging
from collections.abc import Callable, MutableMapping
from typing import Any, Final

from granian import _futures

AtOnce = Callable[[MutableMapping[str, Any], Callable[[MutableMapping[str, Any]], object]], bool]

_PLACE: Final = "_cbsched_aioschedule"
"""What makes the function that takes each request, from the loop, a context and the application."""

log = logging.getLogger(__name__)


def answer_at_once(at_once: AtOnce) -> bool:
    """Ask ``at_once`` first, in this process, for whatever the server takes once it starts.

    False where the server has no place for it.
    """
    known = getattr(_futures, _PLACE, None)
    if known is None:
        log.info("this HTTP server answers everything in its event loop")
        return False

    def made(loop: object, context: object, application: object) -> Callable[[Any], None]:
        later: Callable[[Any], None] = known(loop, context, application)

        def take(request: Any) -> None:  # noqa: ANN401 - the server's own type
            if not _answered(at_once, request):
                later(request)

        return take

    setattr(_futures, _PLACE, made)
    return True


def _answered(at_once: AtOnce, request: Any) -> bool:  # noqa: ANN401 - the same
    try:
        return at_once(request.scope, request.proto.send)
    except Exception as error:
        log.warning("an answer at once failed: %s", type(error).__name__, exc_info=True)
        return False
