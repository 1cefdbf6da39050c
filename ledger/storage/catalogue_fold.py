"""The fold's part for what opened records name, and for corrections: rows that never change.

A row's key is the index of the entry that it comes from, so what was known at a tree size are the
rows with an index below it: no version of them is kept.
"""

from collections.abc import Mapping
from typing import Any

from ledger.records.opened import artifacts_of, model_of, texts_of
from ledger.records.words import index_words
from ledger.storage.driver import Driver, Row, storable
from ledger.storage.tables import ARTIFACTS, CORRECTIONS, JOB_TEXTS, MODELS
from schemas.statements import JobCorrected


class CatalogueRows:
    """The new rows of one batch; ``write`` stores them."""

    def __init__(self) -> None:
        self._models: list[Row] = []
        self._artifacts: list[Row] = []
        self._corrections: list[Row] = []
        self._texts: list[Row] = []

    def model(self, fields: Mapping[str, Any], *, index: int) -> str | None:
        """Take the model that the disclosure at ``index`` of a submission names; its digest."""
        model = model_of(fields)
        if model is None:
            return None
        said = (model.name, model.revision, model.dtype)
        self._models.append((index, model.digest, *map(storable, said), model.parameter_count))
        return model.digest

    def opened(
        self, fields: Mapping[str, Any], *, index: int, logged_at: int, job: Mapping[str, Any]
    ) -> None:
        """Take the artifacts and the words of what the disclosure at ``index`` opened."""
        for n, artifact in enumerate(artifacts_of(fields)):
            self._artifacts.append(
                (
                    index,
                    n,
                    logged_at,
                    job["job_id"],
                    job["author"],
                    artifact.digest.sha256,
                    storable(artifact.name),
                    artifact.kind,
                    artifact.bytes,
                    str(artifact.content_access),
                    storable(artifact.uri),
                )
            )
        words = index_words(texts_of(fields))
        if words:
            self._texts.append((index, " ".join(words)))

    def correction(
        self, said: JobCorrected, *, index: int, logged_at: int, job_id: str, author: str | None
    ) -> None:
        """Take the correction that the entry at ``index`` makes."""
        texts = map(storable, (said.field, said.value, said.reason))
        self._corrections.append((index, logged_at, job_id, author, said.corrects, *texts))

    def write(self, driver: Driver) -> None:
        """Store what was taken, in the caller's transaction. Once."""
        driver.insert(MODELS, self._models)
        driver.insert(ARTIFACTS, self._artifacts)
        driver.insert(CORRECTIONS, self._corrections)
        driver.insert(JOB_TEXTS, self._texts)
