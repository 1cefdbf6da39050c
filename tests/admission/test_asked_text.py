"""A question to the ledger holds whole characters: half a surrogate pair is malformed."""

import json

import pytest

from ledger.errors import FormatError
from ledger.records.asked import parse_asked

ASKED = {
    "author": "deepseek",
    "public": {"workload_type": "eval_suite"},
    "sealed": {"title": "a title"},
}


@pytest.mark.parametrize("half", ["\\ud800", "\\udfff", "x\\udc00\\ud800"])
@pytest.mark.parametrize("place", ["deepseek", "eval_suite", "title", "a title", "workload_type"])
def test_a_surrogate_that_stands_alone_is_refused_wherever_it_stands(place: str, half: str) -> None:
    body = json.dumps(ASKED).replace(place, half)
    with pytest.raises(FormatError, match="a surrogate stands alone"):
        parse_asked(body.encode())


def test_a_pair_of_surrogates_is_a_character() -> None:
    body = json.dumps(ASKED | {"author": "\U0001f40b"})
    assert "\\ud83d" in body
    with pytest.raises(FormatError) as caught:
        parse_asked(body.encode())
    assert "surrogate" not in str(caught.value)
