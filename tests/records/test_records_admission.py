"""What an admission receipt carries has one spelling, and is read back as it was written."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import FormatError, TooLarge
from ledger.records import canonical
from ledger.records.admission import AdmissionParts, format_admission, parse_admission
from ledger.tlog.proof import MAX_PROOF_HASHES

LIMIT = 10**6
ENTRIES = st.dictionaries(
    st.from_regex(r"[a-z0-9_]{1,9}", fullmatch=True),
    st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
).map(canonical.encode)
PARTS = st.builds(
    AdmissionParts,
    decision=ENTRIES,
    submission=ENTRIES,
    submitted_index=st.integers(0, 2**53 - 1),
    proof=st.lists(st.binary(min_size=32, max_size=32), max_size=8).map(tuple),
)
ONE = AdmissionParts(
    decision=b'{"kind":"admitted"}',
    submission=b'{"kind":"submitted"}',
    submitted_index=7,
    proof=(bytes(32),),
)
ZEROES = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@settings(max_examples=200, deadline=None)
@given(PARTS)
def test_what_is_written_is_canonical_and_read_back(parts: AdmissionParts) -> None:
    extra = format_admission(parts)
    assert canonical.encode(json.loads(extra)) == extra
    assert parse_admission(extra, limit=LIMIT) == parts


def test_the_literal_text() -> None:
    assert format_admission(ONE).decode() == (
        '{"entry":{"kind":"admitted"},"submission":{"entry":{"kind":"submitted"},"index":7,'
        f'"proof":["{ZEROES}"]}}}}'
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (ZEROES, ZEROES[:-2] + "B="),
        (ZEROES, ZEROES[4:]),
        (ZEROES, ZEROES[:-1]),
        ('"index":7', '"index":-1'),
        ('"index":7', '"index":9007199254740992'),
        ('"index":7,', ""),
        ('{"kind":"submitted"}', "null"),
        ('{"kind":"admitted"}', '"admitted"'),
        ("]}}", '],"q":1}}'),
        ("}}", "},}"),
    ],
)
def test_another_spelling_is_refused(old: str, new: str) -> None:
    text = format_admission(ONE).decode()
    assert old in text
    with pytest.raises(FormatError):
        parse_admission(text.replace(old, new).encode(), limit=LIMIT)


def test_too_many_hashes_and_too_many_bytes_are_refused() -> None:
    most = AdmissionParts(b"{}", b"{}", 0, (bytes(32),) * MAX_PROOF_HASHES)
    assert parse_admission(format_admission(most), limit=LIMIT) == most
    more = AdmissionParts(b"{}", b"{}", 0, (bytes(32),) * (MAX_PROOF_HASHES + 1))
    with pytest.raises(FormatError):
        parse_admission(format_admission(more), limit=LIMIT)
    with pytest.raises(TooLarge):
        parse_admission(format_admission(most), limit=100)
