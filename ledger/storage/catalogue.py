"""Reads of what opened records name, of words in them, and of corrections, as of any tree size."""

from collections.abc import Iterator
from typing import Final

from ledger.records.words import is_word
from ledger.storage.driver import Driver, columns_of
from ledger.storage.shapes import StoredArtifact, StoredCorrection, StoredModel
from ledger.storage.tables import ARTIFACTS, CORRECTIONS, MODELS

DISCLOSURES_AT_ONCE: Final = 2_048
_MODELS: Final = f"SELECT {columns_of(MODELS)} FROM models"  # noqa: S608 - names are ours
_ARTIFACTS: Final = f"SELECT {columns_of(ARTIFACTS)} FROM artifacts"  # noqa: S608 - the same
_CORRECTIONS: Final = f"SELECT {columns_of(CORRECTIONS)} FROM corrections"  # noqa: S608 - the same

_TEXTS_SQLITE: Final = (
    "SELECT rowid FROM job_words WHERE job_words MATCH ? AND rowid >= ? AND rowid < ?"
)
# The sum keeps PostgreSQL from going by the key and taking each text of a range apart.
_TEXTS_POSTGRESQL: Final = (
    "SELECT disclosed_index FROM job_texts WHERE words_in(words) @@ CAST(? AS tsquery) "
    "AND disclosed_index + 0 >= ? AND disclosed_index + 0 < ?"
)


class CatalogueReads:
    """The part of a snapshot that browses what was opened. A row's index is below ``size``."""

    _driver: Driver
    _is_sqlite: bool

    def texts_with_word(self, word: str, *, start: int = 0, size: int) -> list[int]:
        """The entries ``start`` <= index < ``size`` that opened a text with such a word.

        One in it begins with ``word``; in no order. ``word`` is one of ``ledger.records.words``:
        anything else is in no text, and no syntax of a query language ever gets further than here.
        """
        if not is_word(word):
            return []
        if self._is_sqlite:
            rows = self._driver.fetch(_TEXTS_SQLITE, (f'"{word}"*', start, size))
        else:
            rows = self._driver.fetch(_TEXTS_POSTGRESQL, (f"'{word}':*", start, size))
        return [row[0] for row in rows]

    def models_named(self, digest: str, *, size: int, limit: int) -> list[StoredModel]:
        """What opened submissions say of the model with these weights, the newest first."""
        rows = self._driver.fetch(
            f"{_MODELS} WHERE digest = ? AND disclosed_index < ? "
            "ORDER BY disclosed_index DESC LIMIT ?",
            (digest, size, limit),
        )
        return [StoredModel(*row) for row in rows]

    def artifacts(self, *, below: tuple[int, int], limit: int) -> list[StoredArtifact]:
        """Artifacts before the place ``below``, (disclosed_index, n), the newest first."""
        rows = self._driver.fetch(
            f"{_ARTIFACTS} WHERE (disclosed_index, n) < (?, ?) "
            "ORDER BY disclosed_index DESC, n DESC LIMIT ?",
            (*below, limit),
        )
        return [StoredArtifact(*row) for row in rows]

    def iterate_artifacts(self, *, size: int) -> Iterator[StoredArtifact]:
        """Every artifact in the order of disclosure, some at a time."""
        for first in range(0, size, DISCLOSURES_AT_ONCE):
            rows = self._driver.fetch(
                f"{_ARTIFACTS} WHERE disclosed_index >= ? AND disclosed_index < ? "
                "ORDER BY disclosed_index, n",
                (first, min(first + DISCLOSURES_AT_ONCE, size)),
            )
            yield from (StoredArtifact(*row) for row in rows)

    def artifacts_named(self, digest: str, *, size: int, limit: int) -> list[StoredArtifact]:
        """Every artifact with this SHA-256, in the order of disclosure."""
        rows = self._driver.fetch(
            f"{_ARTIFACTS} WHERE digest = ? AND disclosed_index < ? "
            "ORDER BY disclosed_index, n LIMIT ?",
            (digest, size, limit),
        )
        return [StoredArtifact(*row) for row in rows]

    def count_artifacts(self, *, start: int = 0, size: int) -> int:
        """How many artifacts the disclosures ``start`` <= index < ``size`` name."""
        return self._count("artifacts", "disclosed_index", start, size)

    def corrections(self, *, below: int, limit: int) -> list[StoredCorrection]:
        """Corrections at an index below ``below``, the newest first."""
        rows = self._driver.fetch(
            f"{_CORRECTIONS} WHERE leaf_index < ? ORDER BY leaf_index DESC LIMIT ?", (below, limit)
        )
        return [StoredCorrection(*row) for row in rows]

    def corrections_of(self, job_id: str, *, size: int) -> list[StoredCorrection]:
        """Every correction of a job's entries, in log order."""
        rows = self._driver.fetch(
            f"{_CORRECTIONS} WHERE job_id = ? AND leaf_index < ? ORDER BY leaf_index",
            (job_id, size),
        )
        return [StoredCorrection(*row) for row in rows]

    def correction_places(self, start: int, stop: int, limit: int, newest: bool) -> list[int]:
        """The indices ``start`` <= index < ``stop`` of corrections, up to ``limit``."""
        return self._places("leaf_index", "corrections", start, stop, limit, newest=newest)

    def correction_places_of(self, author: str, *, below: int) -> list[int]:
        """The indices below ``below`` of everything that one author corrected, in order."""
        rows = self._driver.fetch(
            "SELECT leaf_index FROM corrections WHERE author = ? AND leaf_index < ?"
            " ORDER BY leaf_index",
            (author, below),
        )
        return [row[0] for row in rows]

    def checkpoint_places(self, start: int, stop: int, limit: int, newest: bool) -> list[int]:
        """The last index of each tree with a published checkpoint, ``start`` <= it < ``stop``."""
        found = self._places("size", "checkpoints", start + 1, stop + 1, limit, newest=newest)
        return [size - 1 for size in found]

    def _places(
        self, key: str, table: str, start: int, stop: int, limit: int, *, newest: bool
    ) -> list[int]:
        rows = self._driver.fetch(
            f"SELECT {key} FROM {table} WHERE {key} >= ? AND {key} < ?"  # noqa: S608 - ours
            f" ORDER BY {key} {'DESC' if newest else ''} LIMIT ?",
            (start, stop, limit),
        )
        return [row[0] for row in rows]

    def count_corrections(self, *, size: int) -> int:
        """How many corrections there are."""
        return self._count("corrections", "leaf_index", 0, size)

    def statement_index(self, digest: bytes, *, size: int) -> int | None:
        """The index of the entry whose statement has this digest (SHA-256 of what was signed)."""
        rows = self._driver.fetch(
            "SELECT leaf_index FROM entries WHERE statement_digest = ? AND leaf_index < ?",
            (digest, size),
        )
        return rows[0][0] if rows else None

    def _count(self, table: str, key: str, start: int, stop: int) -> int:
        counted = f"SELECT count(*) FROM {table} WHERE {key} >= ? AND {key} < ?"  # noqa: S608 - ours
        return int(self._driver.fetch(counted, (start, stop))[0][0])
