"""RFC 6962, section 2.1, word for word: slow, recursive, and only here to judge the fast code.

``D`` is the list of entries, as in the RFC, and slices are written as it writes them. Nothing
is imported from the project, so that no mistake can be shared.
"""

from hashlib import sha256


def k_below(n: int) -> int:
    """Return the largest power of two smaller than n (k < n <= 2k)."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(D: list[bytes]) -> bytes:  # noqa: N803 - the RFC's own name
    """2.1: Merkle Tree Hash."""
    n = len(D)
    if n == 0:
        return sha256(b"").digest()
    if n == 1:
        return sha256(b"\x00" + D[0]).digest()
    k = k_below(n)
    return sha256(b"\x01" + mth(D[0:k]) + mth(D[k:n])).digest()


def path(m: int, D: list[bytes]) -> list[bytes]:  # noqa: N803 - the RFC's own name
    """2.1.1: Merkle audit path of the (m+1)th entry."""
    n = len(D)
    if n == 1:
        return []
    k = k_below(n)
    if m < k:
        return [*path(m, D[0:k]), mth(D[k:n])]
    return [*path(m - k, D[k:n]), mth(D[0:k])]


def proof(m: int, D: list[bytes]) -> list[bytes]:  # noqa: N803 - the RFC's own name
    """2.1.2: Merkle consistency proof from the first m entries to all; 0 < m <= n."""
    return subproof(m, D, b=True)


def subproof(m: int, D: list[bytes], *, b: bool) -> list[bytes]:  # noqa: N803 - the RFC's own name
    """2.1.2: SUBPROOF; b says whether the verifier already has the hash of these m entries."""
    n = len(D)
    if m == n:
        return [] if b else [mth(D)]
    k = k_below(n)
    if m <= k:
        return [*subproof(m, D[0:k], b=b), mth(D[k:n])]
    return [*subproof(m - k, D[k:n], b=False), mth(D[0:k])]
