"""A second judge of the root: merkletools, another's code, where it is installed.

As published it does not keep leaves and inner nodes apart; given leaf hashes and a hash function
that puts 0x01 in front, it computes RFC 6962 roots. It holds the whole tree in memory, about
250 bytes an entry. Its ``validate_proof`` ignores index and size and is never called.
"""

import warnings
from collections.abc import Callable
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, Final

from ledger.errors import LedgerError
from ledger.storage.store import Store

AT_ONCE: Final = 2_048


class JudgeMissing(LedgerError):
    """merkletools is not installed here."""


def second_root(
    store: Store, *, size: int, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> bytes:
    """The root of the first ``size`` entries as merkletools computes it from their bytes.

    Raises JudgeMissing where it is not installed.
    """
    judge = _hardened()
    with store.inspecting() as reads:
        for start in range(0, size, AT_ONCE):
            stop = min(start + AT_ONCE, size)
            # Not by ledger.tlog: that is whom the second opinion is about.
            judge.add_leaf(
                [sha256(b"\x00" + entry.data).hexdigest() for entry in reads.entries(start, stop)]
            )
            progress(stop, size)
    judge.make_tree()
    root = judge.get_merkle_root()
    return bytes.fromhex(root) if root else b""


def _hardened() -> Any:  # noqa: ANN401 - the package has no types
    try:
        with warnings.catch_warnings():
            # It looks for SHA-3 when imported, which nothing here uses.
            warnings.filterwarnings("ignore", message=".*sha3.*", category=UserWarning)
            from merkletools import MerkleTools  # noqa: PLC0415 - not among what the ledger needs
    except ImportError:
        raise JudgeMissing(
            "merkletools is not installed, so there is no second opinion:"
            " pip install --no-deps merkletools==1.0.3"
        ) from None
    judge = MerkleTools(hash_type="sha256")
    judge.hash_function = lambda data: SimpleNamespace(
        hexdigest=sha256(b"\x01" + data).hexdigest, digest=sha256(b"\x01" + data).digest
    )
    return judge
