"""What a disclosure's fields say, and that no form of them is an error."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.records.opened import artifacts_of, model_of, texts_of

DIGEST = {"sha256": "ab" * 32}
PATHS = (
    "artifacts",
    "code",
    "container",
    "metrics",
    "model.dtype",
    "model.name",
    "model.parameter_count",
    "model.revision",
    "model.weights_digest",
    "prompts",
    "protocol",
    "purpose",
    "title",
)
ARTIFACT = {
    "digest": DIGEST,
    "name": "scores.json",
    "kind": "report",
    "bytes": 5,
    "content_access": "public",
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just(DIGEST),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["digest", "name", "sha256", "descriptor"]), inner)
    ),
    max_leaves=6,
)


def test_a_model_is_known_by_the_digest_of_its_weights() -> None:
    assert model_of({"model.name": "whale-4"}) is None
    assert model_of({"model.weights_digest": None}) is None
    model = model_of({"model.weights_digest": DIGEST, "model.name": "whale-4"})
    assert model is not None
    assert (model.digest, model.name, model.parameter_count) == ("ab" * 32, "whale-4", None)


def test_artifacts_come_in_their_order() -> None:
    other = ARTIFACT | {"name": "other.json"}
    found = artifacts_of({"artifacts": [ARTIFACT, other]})
    assert [each.name for each in found] == ["scores.json", "other.json"]
    assert artifacts_of({"artifacts": None}) == artifacts_of({}) == ()


def test_texts_are_those_that_people_wrote() -> None:
    fields: dict[str, Any] = {
        "title": "a title",
        "purpose": "a purpose",
        "protocol": "a protocol",
        "model.name": "a model",
        "model.revision": "a revision",
        "code": {"digest": DIGEST, "name": "a code", "uri": "https://example.org/"},
        "container": {"digest": DIGEST},
        "prompts": {
            "descriptor": {"digest": DIGEST, "name": "a prompt set"},
            "count": 5,
            "distinct_count": 5,
            "content_access": "closed",
        },
        "artifacts": [ARTIFACT],
        "metrics": [{"name": "a metric", "value": "0.5"}],
        "source": {"system": "s", "record_id": "r", "record_digest": DIGEST},
    }
    assert list(texts_of(fields)) == [
        "a title",
        "a purpose",
        "a protocol",
        "a model",
        "a revision",
        "a code",
        "a prompt set",
        "scores.json",
        "a metric",
    ]


@given(st.dictionaries(st.sampled_from(PATHS), VALUES))
def test_fields_of_any_form_are_no_error(fields: dict[str, Any]) -> None:
    assert all(isinstance(text, str) and text for text in texts_of(fields))
    model = model_of(fields)
    assert model is None or len(model.digest) == 64
    assert all(artifact.bytes >= 0 for artifact in artifacts_of(fields))


@pytest.mark.parametrize(
    "artifact", [{}, ARTIFACT | {"bytes": -1}, ARTIFACT | {"kind": "two words"}, "text", None]
)
def test_an_artifact_of_another_form_counts_as_absent(artifact: object) -> None:
    assert artifacts_of({"artifacts": [ARTIFACT, artifact]}) == ()
