"""Imports with the collector of garbage at rest, which finds nothing in them.

It would look through all that is there again and again while more and more comes: a seventh of the
time in which a command or a server starts.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """No collection while the block runs."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
