"""Bulk files as ``/bulk/index.json`` lists them: sets of files, each made at one tree size."""

from schemas.answers import Shape


class BulkFile(Shape, frozen=True):
    """One file of a set. ``rows`` is null where it holds none; ``path`` is its address."""

    name: str
    path: str
    bytes: int
    rows: int | None
    sha256: str
    media_type: str


class BulkSet(Shape, frozen=True):
    """Everything that the log held at ``tree_size`` entries, as files.

    ``made_at`` is the time of the last of them. ``manifest`` is the SHA-256 of ``SHA256SUMS``,
    which stands in the log itself as an entry of kind ``manifest``.
    """

    name: str
    tree_size: int
    root: str
    made_at: str
    manifest: str
    bytes: int
    files: tuple[BulkFile, ...]


class BulkIndex(Shape, frozen=True):
    """All sets, the largest tree first; ``latest`` is the name of the one that is current."""

    latest: str | None
    sets: tuple[BulkSet, ...]
