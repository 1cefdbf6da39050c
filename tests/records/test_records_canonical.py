"""One spelling of every value: held against the ``rfc8785`` package and the standard library."""

import json
import time
from contextlib import suppress
from enum import StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from record_samples import post_value, python_json, texts, values

from ledger.errors import FormatError, TooLarge
from ledger.records import canonical
from ledger.records.canonical import MAX_DEPTH, decode, decode_base64, encode, encode_base64

LIMIT = 1 << 20


@settings(max_examples=400, deadline=None)
@given(values())
def test_the_encoding_is_what_rfc8785_writes(value: Any) -> None:
    assert encode(value) == rfc8785.dumps(value) == python_json(value)


@settings(max_examples=300, deadline=None)
@given(values())
def test_decoding_gives_back_what_was_encoded_with_the_same_types(value: object) -> None:
    back = decode(encode(value), limit=LIMIT)
    assert back == value
    assert repr(back) == repr(json.loads(encode(value)))


@settings(max_examples=300, deadline=None)
@given(values(3).filter(lambda value: value not in (0, "")), st.data())
def test_any_other_spelling_of_the_same_value_is_refused(
    value: object, data: st.DataObject
) -> None:
    spelling = data.draw(
        st.sampled_from(
            [
                json.dumps(value, sort_keys=True, separators=(",", ":"), indent=1),
                json.dumps(value, sort_keys=True, separators=(", ", ": ")),
                json.dumps(value, separators=(",", ":"), ensure_ascii=True),
                f" {json.dumps(value)}",
                f"{json.dumps(value)}\n",
                f"\ufeff{json.dumps(value)}",
            ]
        )
    ).encode()
    assume(spelling != encode(value))
    with pytest.raises(FormatError):
        decode(spelling, limit=LIMIT)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | texts.map(str.encode) | st.text('[]{}":,0123456789eE.-+ntfa\\u'))
def test_whatever_bytes_come_in_they_are_their_own_encoding_or_refused(data: bytes | str) -> None:
    data = data.encode() if isinstance(data, str) else data
    spelled = data
    with suppress(FormatError):
        spelled = encode(decode(data, limit=LIMIT))
    assert spelled == data


HOSTILE = [
    (b"", "not JSON: Expecting value"),
    (b" ", "not JSON"),
    (b"{} {}", "not JSON: Extra data (byte 3)"),
    (b'{"a":1', "not JSON"),
    (b'{"a":1}\n', "byte 7 is '\\n', where the end"),
    (b'{ "a":1}', "byte 1 is ' ', where '\"'"),
    (b'{"b":1,"a":2}', "byte 2 is 'b', where 'a'"),
    (b'{"a":1,"b":{"c":2,"c":2}}', "the key 'c' stands twice"),
    (b'{"a":1,"\\u0061":1}', "the key 'a' stands twice"),
    (b'{"a":"\\u0041"}', "byte 6 is '\\\\', where 'A'"),
    (b'"\\/"', "byte 1 is '\\\\', where '/'"),
    (b'"\\u000A"', "byte 2 is 'u', where 'n'"),
    (b'"\\u001F"', "byte 6 is 'F', where 'f'"),
    (b'"\\ud83d\\ude00"', "not in canonical form: byte 1"),
    (b'["\\ud800"]', "[0]: a lone surrogate"),
    (b'"\xed\xa0\x80"', "not UTF-8 (byte 1)"),
    (b'"\xc0\x80"', "not UTF-8 (byte 1)"),
    (b'{"a":"\xff"}', "not UTF-8 (byte 6)"),
    (b"\xef\xbb\xbf{}", "byte order mark"),
    (b"\xfe\xff\x00{\x00}", "not UTF-8 (byte 0)"),
    (b'"\x00"', "not JSON"),
    (b'{"a":[0,{"b":1.5}]}', "a[1].b: a number with a fraction"),
    (b"[1.0]", "[0]: a number with a fraction"),
    (b"[1e3]", "[0]: a number with a fraction"),
    (b"[1E400]", "[0]: a number with a fraction"),
    (b"-0", "byte 0 is '-', where '0'"),
    (b"-0.0", "a number with a fraction"),
    (b"007", "not JSON"),
    (b"+5", "not JSON"),
    (b"1_000", "not JSON"),
    ("٣".encode(), "not JSON"),
    (b"NaN", "NaN is not a number"),
    (b"[-Infinity]", "-Infinity is not a number"),
    (b'{"n":9007199254740992}', "n: an integer of 2^53"),
    (b'{"n":-9007199254740992}', "n: an integer of 2^53"),
    (b'{"n":18446744073709551616}', "n: an integer of 2^53"),
    (b'{"n":' + b"9" * 100_000 + b"}", "n: an integer of 2^53"),
    (b'{"A":1}', "the key 'A' is not of"),
    (b'{"":1}', "the key '' is not of"),
    (b'{"a.":1}', "the key 'a.' is not of"),
    (b'{".a":1}', "the key '.a' is not of"),
    (b'{"a..b":1}', "the key 'a..b' is not of"),
    (b'{"a-b":1}', "the key 'a-b' is not of"),
    (b'{"a\\n":1}', "the key 'a\\n' is not of"),
    ('{"é":1}'.encode(), "the key '\\xe9' is not of"),
    ('{"٣":1}'.encode(), "the key '\\u0663' is not of"),
    (b'{"a":{"b":[{"C":1}]}}', "a.b[0]: the key 'C'"),
    (b"[" * 9 + b"]" * 9, "nested deeper than 8"),
    (b'{"a":' * 9 + b"1" + b"}" * 9, "nested deeper than 8"),
    (b"[" * 500_000, "nested deeper than 8"),
    (b'{"a":' * 100_000, "nested deeper than 8"),
]


@pytest.mark.parametrize(("data", "reason"), HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_refused_with_what_is_wrong_and_where(data: bytes, reason: str) -> None:
    with pytest.raises(FormatError) as refusal:
        decode(data, limit=LIMIT)
    assert reason in str(refusal.value)
    assert len(str(refusal.value)) < 400


def test_the_limit_is_held_before_anything_is_read() -> None:
    assert decode(b'"aaaa"', limit=6) == "aaaa"
    with pytest.raises(TooLarge, match=r"7 bytes, where at most 6") as refusal:
        decode(b'"aaaaa"', limit=6)
    assert (refusal.value.limit, refusal.value.size) == (6, 7)


def test_eight_levels_are_taken_and_a_ninth_is_not() -> None:
    value: Any = 1
    for depth in range(MAX_DEPTH):
        value = [value] if depth % 2 else {"a": value}
    assert decode(encode(value), limit=LIMIT) == value
    with pytest.raises(FormatError, match="nested deeper than 8"):
        encode([value])


def test_the_largest_integers_are_taken_and_the_next_are_not() -> None:
    for sign in (1, -1):
        assert decode(encode(sign * (2**53 - 1)), limit=LIMIT) == sign * (2**53 - 1)
        with pytest.raises(FormatError, match=r"2\^53"):
            encode(sign * 2**53)


class _Word(StrEnum):
    A = "a"


class _Mine(int):
    pass


def test_codes_and_tuples_are_written_as_the_strings_and_arrays_that_they_are() -> None:
    assert encode({"a": (_Word.A, 1)}) == b'{"a":["a",1]}'


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, {"b": 0.5}]}, "a[1].b"),
        ({"a": {"b": b"bytes"}}, "a.b"),
        ({"a": {1, 2}}, "a"),
        ({"a": [object()]}, "a[0]"),
        ({"a": {1: 2}}, "a"),
        ({"a": {"b": "\ud800"}}, "a.b"),
        ({"a": {"B": 1}}, "a"),
        ({"a": [float("nan")]}, "a[0]"),
    ],
)
def test_encoding_outside_of_the_subset_names_the_path(value: object, path: str) -> None:
    with pytest.raises(FormatError) as refusal:
        encode(value)
    assert str(refusal.value).startswith(f"{path}: ")


def test_a_subclass_of_an_integer_is_refused_not_guessed_at() -> None:
    with pytest.raises(FormatError):
        encode([_Mine(5)])


def test_no_refusal_repeats_a_value() -> None:
    body = python_json(post_value("job-submitted/1"))
    secret = "whale-4"
    for spoiled in (
        body.replace(b"whale-4", b"whale-4\\u0041"),
        body.replace(b'"whale-4"', b'"whale-4" '),
        body.replace(b'"model.name"', b'"Model.name"'),
        body.replace(b"671000000000", b"671000000000.5"),
        body.replace(b'"title"', b'"source"'),
    ):
        assert spoiled != body
        with pytest.raises(FormatError) as refusal:
            decode(spoiled, limit=LIMIT)
        assert secret not in str(refusal.value)
        assert "671" not in str(refusal.value)


def test_fresh_keys_for_ever_neither_fill_the_memory_nor_change_an_answer() -> None:
    for start in range(0, 20_000, 500):
        value = {f"fresh_{n}": n for n in range(start, start + 500)}
        assert decode(encode(value), limit=LIMIT) == value
        assert len(canonical._known_keys) <= canonical._MEMO_KEYS
    long = "k" * 1000
    assert decode(encode({long: 1}), limit=LIMIT) == {long: 1}
    assert long not in canonical._known_keys
    with pytest.raises(FormatError):
        encode({"Fresh": 1})


@pytest.mark.parametrize(
    "data",
    [
        b'{"' + b"k" * 500_000 + b'":[' + b"0," * 250_000 + b"0.5]}",
        b"[" + b'{"a":1},' * 100_000 + b'{"A":1}]',
        b"[" + b'"' + b"x" * 1_000_000 + b'" ]',
        b'["' + b"\\u0041" * 160_000 + b'"]',
        b"{" + b",".join(b'"k%d":0' % n for n in range(80_000)) + b',"k1":0}',
        b"9" * 1_000_000,
        b'{"a":[' + b"[" * 900_000,
    ],
    ids=range(7),
)
def test_a_megabyte_of_malice_is_refused_in_a_moment_and_in_a_short_sentence(data: bytes) -> None:
    begun = time.thread_time()  # of this thread alone, whoever else runs
    with pytest.raises(FormatError) as refusal:
        decode(data, limit=LIMIT)
    # Half a second; what takes the square of the length would take hours.
    assert time.thread_time() - begun < 60
    assert len(str(refusal.value)) < 400


@given(st.binary(max_size=70))
def test_base64_has_one_spelling(data: bytes) -> None:
    text = encode_base64(data)
    assert decode_base64(text) == data
    for other in (text + "=", text + "\n", " " + text, text.rstrip("=") + "!", text + "A"):
        with pytest.raises(FormatError):
            decode_base64(other)


@pytest.mark.parametrize(
    "text", ["Q", "QQ", "QR==", "QQ=", "QUJ=", "Q Q=", "QQ==QQ==", "-_==", "é"]
)
def test_base64_that_only_a_lax_decoder_takes_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        decode_base64(text)
