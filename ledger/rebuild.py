"""``ledger rebuild``: the projections emptied and folded again from the entries, row for row.

So are the nodes that proofs are made from, of which the tiles are believed.

One transaction under the head's lock: whoever reads meanwhile sees the old rows, and a crash
leaves them.
"""

from collections.abc import Callable

from ledger.storage.nodes import drop_nodes, fill_nodes
from ledger.storage.refold import refold
from ledger.storage.store import Store


def rebuild(
    store: Store, *, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> int:
    """Fold every entry anew; the number of entries. ``progress`` is told (done, all).

    Raises LogUnavailable, having changed nothing, where an entry is missing or cannot be read.
    """
    with store.rebuilding() as connection:
        drop_nodes(connection)
        fill_nodes(connection)
        return refold(connection, progress=progress)
