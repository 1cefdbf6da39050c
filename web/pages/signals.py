"""The page of the questions that the record asks, each with its evidence."""

from typing import Any

from litestar import Response, get

from web import query
from web.api import BASE
from web.doors import asked
from web.pages.page import Asking, page
from web.signals import signals_of
from web.telling import signal_words

ROWS = 10
"""Of each question; the bulk file has up to a hundred."""


@get("/signals", sync_to_thread=True)
def show_signals(request: Asking) -> Response[Any]:
    """Every question, what raised it, how it is computed, and what only looks like it."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    found = signals_of(asking)
    with asking.view() as view:
        return page(
            request,
            "signals.html",
            asking,
            view,
            twin=f"{BASE}/signals",
            found=found,
            rows=ROWS,
            public_url=asking.public_url,
            words_of=signal_words.words_of,
            columns_of=signal_words.columns_of,
            measure_label=signal_words.measure_label,
            cell=signal_words.cell,
            times=signal_words.times,
        )
