"""The part of a view that browses what opened records name: models, artifacts; and corrections.

Models are counted in the columns of all jobs and described by the store. Like everything in a view,
each answer is made from the entries below its size alone.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ledger.errors import LogUnavailable, NotFound
from ledger.reader import jobs
from ledger.reader.leaves import Leaves
from ledger.reader.slices import NOTHING, Slice, total
from ledger.records.deadline import format_time
from ledger.storage.shapes import StoredArtifact, StoredCorrection
from ledger.storage.snapshot import Snapshot
from schemas.answers import ArtifactShown, CorrectionShown, ModelShown

T = TypeVar("T")

PLACES: Final = 64
"""A disclosure names at most so many artifacts (``schemas.statements.OutcomeSealed``)."""
SAYINGS: Final = 200
"""How many of the newest opened submissions are asked what they call a model."""
SAME_BYTES: Final = 1_000
"""How many artifacts of one digest are listed."""
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Catalogue(ABC):
    """Models, artifacts and corrections at one tree size."""

    _snapshot: Snapshot
    size: int

    @property
    @abstractmethod
    def slice(self) -> Slice:
        """The jobs as of this size, as columns."""

    @property
    @abstractmethod
    def _leaves(self) -> Leaves:
        """The beginnings of all leaf hashes."""

    @abstractmethod
    def _once(self, what: tuple[object, ...], count: Callable[[], T]) -> T:
        """The count called ``what`` at this size, made once."""

    # --- models ---

    def models(self, *, below: int | None = None, limit: int) -> tuple[ModelShown, ...]:
        """Models first named by a disclosure below ``below``, the newest first."""
        named = _Named.of(self.slice)
        codes, first = named.in_order()
        end = len(first) if below is None else int(np.searchsorted(first, below))
        page = codes[max(end - limit, 0) : end][::-1]
        return tuple(self._model(named, int(code)) for code in page)

    def count_models(self) -> int:
        """How many models there are."""
        return self._once(("models",), lambda: len(np.unique(_Named.of(self.slice).code)))

    def model(self, digest: str) -> ModelShown:
        """The model whose weights have this SHA-256, in hex. Raises NotFound."""
        code = self.slice.code_of("model_digest", digest) if _HASH.fullmatch(digest) else None
        named = _Named.of(self.slice)
        if code is None or code not in named.code:
            raise NotFound(f"no record that is open names a model with the digest {digest[:64]!a}")
        return self._model(named, code)

    def _model(self, named: "_Named", code: int) -> ModelShown:
        names = self.slice.names
        digest = names["model_digest"][code]
        mine = named.code == code
        said = self._snapshot.models_named(digest, size=self.size, limit=SAYINGS)
        if not said:
            raise LogUnavailable(f"the model {digest} is in no table: run `ledger rebuild`")
        return ModelShown(
            digest=digest,
            names=tuple(dict.fromkeys(each.name for each in said if each.name)),
            revision=said[0].revision,
            dtype=said[0].dtype,
            parameter_count=said[0].parameter_count,
            jobs=int(np.count_nonzero(mine)),
            gpu_seconds=total(named.gpu_seconds[mine]),
            first_disclosed_index=int(named.disclosed_index[mine].min()),
            members=tuple(sorted(names["author"][each] for each in np.unique(named.author[mine]))),
        )

    # --- artifacts ---

    def artifacts(self, *, below: int | None = None, limit: int) -> tuple[ArtifactShown, ...]:
        """Artifacts at a place below ``below`` (``ArtifactShown.place``), the newest first."""
        end = self.size * PLACES if below is None else max(0, min(below, self.size * PLACES))
        found = self._snapshot.artifacts(below=divmod(end, PLACES), limit=limit)
        return tuple(map(_artifact_shown, found))

    def count_artifacts(self) -> int:
        """How many artifacts there are."""
        return self._once(("artifacts",), lambda: self._snapshot.count_artifacts(size=self.size))

    def artifact(self, digest: str) -> tuple[ArtifactShown, ...]:
        """Every artifact with this SHA-256, in hex, in log order. Raises NotFound."""
        found = []
        if _HASH.fullmatch(digest):
            found = self._snapshot.artifacts_named(digest, size=self.size, limit=SAME_BYTES)
        if not found:
            raise NotFound(
                f"no record that is open names an artifact with the digest {digest[:64]!a}"
            )
        return tuple(map(_artifact_shown, found))

    # --- corrections ---

    def corrections(self, *, below: int | None = None, limit: int) -> tuple[CorrectionShown, ...]:
        """Corrections at an index below ``below``, the newest first."""
        stop = self.size if below is None else min(below, self.size)
        return self._corrections_shown(self._snapshot.corrections(below=stop, limit=limit))

    def count_corrections(self) -> int:
        """How many corrections there are."""
        return self._once(
            ("corrections",), lambda: self._snapshot.count_corrections(size=self.size)
        )

    def corrections_of(self, job_id: str) -> tuple[CorrectionShown, ...]:
        """Every correction of one job's entries, in log order. Raises NotFound."""
        jobs.stored_job(self._snapshot, job_id, size=self.size)
        return self._corrections_shown(self._snapshot.corrections_of(job_id, size=self.size))

    def _corrections_shown(self, found: list[StoredCorrection]) -> tuple[CorrectionShown, ...]:
        corrected = self._snapshot.entries_at({each.corrects for each in found})
        if len(corrected) != len({each.corrects for each in found}):
            raise LogUnavailable("a corrected entry is missing: run `ledger fsck`")
        return tuple(
            CorrectionShown(
                index=each.index,
                logged_at=format_time(each.logged_at),
                job_id=each.job_id,
                author=each.author,
                corrects=each.corrects,
                corrected_kind=corrected[each.corrects].kind,
                field=each.field,
                value=each.value,
                reason=each.reason,
            )
            for each in found
        )

    # --- one entry ---

    def find(self, text: str) -> int | None:
        """The index of the entry that has the leaf hash or the statement digest ``text``.

        64 hex digits; a statement's digest is the SHA-256 of the bytes that its author signed.
        """
        if not _HASH.fullmatch(text):
            return None
        digest = bytes.fromhex(text)
        found = self._snapshot.statement_index(digest, size=self.size)
        if found is None:
            found = self._leaves.find(digest, size=self.size, snapshot=self._snapshot)
        return found


@dataclass(frozen=True, slots=True)
class _Named:
    """The jobs of a slice whose opened submission names a model, as columns of their own."""

    code: NDArray[Any]
    author: NDArray[Any]
    gpu_seconds: NDArray[np.int64]
    disclosed_index: NDArray[Any]

    @classmethod
    def of(cls, found: Slice) -> Self:
        code = found.codes("model_digest")
        named = np.flatnonzero(code != NOTHING)
        return cls(
            code=code[named],
            author=found.codes("author")[named],
            gpu_seconds=found.numbers("gpu_seconds")[named],
            disclosed_index=found.by_job["disclosed_index"][named],
        )

    def in_order(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """All models, and the index of the disclosure that named each first, ascending."""
        order = np.argsort(self.disclosed_index)
        codes, at = np.unique(self.code[order], return_index=True)
        first = self.disclosed_index[order][at]
        order = np.argsort(first)
        return codes[order], first[order]


def _artifact_shown(stored: StoredArtifact) -> ArtifactShown:
    return ArtifactShown(
        digest=stored.digest,
        name=stored.name,
        kind=stored.kind,
        bytes=stored.bytes,
        content_access=stored.content_access,
        uri=stored.uri,
        job_id=stored.job_id,
        member=stored.author,
        disclosed_index=stored.disclosed_index,
        disclosed_at=format_time(stored.disclosed_at),
        place=stored.disclosed_index * PLACES + stored.n,
    )
