"""Choices that look random and are not: the same name always draws the same.

The rule by which an import assigns what its source does not have. The n-th draw of a name is
``SHA-256("apsci-ledger/draw/1" || 0x00 || n || 0x00 || name)``, its first eight bytes read as a
big-endian integer; ``below(k)`` is that integer modulo k.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final, TypeVar

T = TypeVar("T")

_CONTEXT: Final = b"apsci-ledger/draw/1\x00"


class Draw:
    """The draws of one name, one after the other."""

    def __init__(self, name: str) -> None:
        self._name = b"\x00" + name.encode()
        self._count = 0

    def bytes(self) -> bytes:
        """The next 32 bytes."""
        drawn = sha256(_CONTEXT + str(self._count).encode() + self._name).digest()
        self._count += 1
        return drawn

    def below(self, end: int) -> int:
        """A number from 0 to ``end - 1``."""
        return int.from_bytes(self.bytes()[:8], "big") % end

    def between(self, first: int, last: int) -> int:
        """A number from ``first`` to ``last``, both possible."""
        return first + self.below(last - first + 1)

    def permille(self, chance: int) -> bool:
        """True ``chance`` times in a thousand."""
        return self.below(1_000) < chance

    def pick(self, items: Sequence[T]) -> T:
        """One of ``items``, each as likely."""
        return items[self.below(len(items))]

    def weigh(self, weights: Mapping[T, int]) -> T:
        """One of the keys, each as likely as its weight says."""
        left = self.below(sum(weights.values()))
        for item, weight in weights.items():
            left -= weight
            if left < 0:
                return item
        raise AssertionError("a draw is below the sum of the weights")
