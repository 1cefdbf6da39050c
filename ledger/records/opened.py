"""What a disclosure's fields say, where browsing cares: a model, artifacts, and texts to search.

Fields were held against their schema before they were sealed. A log that is being checked may hold
any others: what has another form than its schema's counts as absent here, and never as an error.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from ledger.records.wire import prepare
from schemas.values import Artifact, DigestSet, Metric, Prompts, ResourceDescriptor

T = TypeVar("T")
Fields = Mapping[str, Any]

_TEXTS: Final = ("title", "purpose", "protocol", "model.name", "model.revision")
_DESCRIPTORS: Final = ("code", "container")


class OpenedModel(NamedTuple):
    """A model by its weights' SHA-256, in hex, and what else an opened submission says of it."""

    digest: str
    name: str | None
    revision: str | None
    dtype: str | None
    parameter_count: int | None


def model_of(fields: Fields) -> OpenedModel | None:
    """The model that an opened submission names by its weights' digest, if it does."""
    digest = _taken(fields, "model.weights_digest", DigestSet)
    if digest is None:
        return None
    return OpenedModel(
        digest=digest.sha256,
        name=_taken(fields, "model.name", str),
        revision=_taken(fields, "model.revision", str),
        dtype=_taken(fields, "model.dtype", str),
        parameter_count=_taken(fields, "model.parameter_count", int),
    )


def artifacts_of(fields: Fields) -> tuple[Artifact, ...]:
    """The artifacts that the opened end of a job names, in their order."""
    return _taken(fields, "artifacts", tuple[Artifact, ...]) or ()


def texts_of(fields: Fields) -> Iterator[str]:
    """Every text among the fields that a search may find, in the order of the paths' weight."""
    for path in _TEXTS:
        text = _taken(fields, path, str)
        if text:
            yield text
    for path in _DESCRIPTORS:
        descriptor = _taken(fields, path, ResourceDescriptor)
        if descriptor is not None and descriptor.name:
            yield descriptor.name
    prompts = _taken(fields, "prompts", Prompts)
    if prompts is not None and prompts.descriptor.name:
        yield prompts.descriptor.name
    for artifact in artifacts_of(fields):
        yield artifact.name
    for metric in _taken(fields, "metrics", tuple[Metric, ...]) or ():
        yield metric.name


def _taken(fields: Fields, path: str, form: type[T]) -> T | None:
    value = fields.get(path)
    if value is None:
        return None
    prepare(form)
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError:
        return None
