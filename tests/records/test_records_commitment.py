"""Laws of the salted field tree: an opening verifies if and only if nothing changed."""

import base64
import hmac
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from record_samples import OUTCOME_FIELDS, SEED, SUBMISSION_FIELDS, field_maps, seeds, values

from ledger.errors import CommitmentError, FormatError
from ledger.records.commitment import (
    PartialOpening,
    check_opening,
    check_partial,
    commit,
    partial_opening,
    salt,
)


def root_by_hand(seed: bytes, fields: Mapping[str, Any]) -> bytes:
    """Follow formats.md section 10 literally, with the standard library alone."""
    leaves = []
    for path in sorted(fields):
        key = seed.ljust(64, b"\0")
        inner = sha256(bytes(b ^ 0x36 for b in key) + b"apsci-ledger/salt/1\0" + path.encode())
        salted = sha256(bytes(b ^ 0x5C for b in key) + inner.digest()).digest()[:16]
        text = json.dumps(
            [path, base64.b64encode(salted).decode(), fields[path]],
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=False,
        )
        leaves.append(sha256(b"\0" + text.encode()).digest())

    def tree(hashes: list[bytes]) -> bytes:
        if len(hashes) == 1:
            return hashes[0]
        split = 1
        while split * 2 < len(hashes):
            split *= 2
        return sha256(b"\1" + tree(hashes[:split]) + tree(hashes[split:])).digest()

    return tree(leaves)


@settings(max_examples=200, deadline=None)
@given(seeds, field_maps)
def test_the_root_is_what_the_specification_computes(seed: bytes, fields: dict[str, Any]) -> None:
    assert commit(seed, fields) == root_by_hand(seed, fields)
    check_opening(commit(seed, fields), seed=seed, fields=fields)


def test_a_root_computed_once_stays_the_same_for_ever() -> None:
    # Computed outside of this repository with Python's hmac and hashlib from formats.md section 10.
    assert (
        commit(bytes(32), {"a": None}).hex()
        == "38c011ee15353ec5d574352c787d5ecab4f6ab6f9ea8bc6ba36388d0a0fa2d15"
    )


def test_the_salt_is_the_front_of_an_hmac_over_the_path() -> None:
    whole = hmac.new(SEED, b"apsci-ledger/salt/1\0model.name", "sha256").digest()
    assert salt(SEED, "model.name") == whole[:16]
    assert salt(SEED, "model.name") != salt(SEED, "model.names")


@settings(max_examples=200, deadline=None)
@given(seeds, field_maps)
def test_a_salt_shown_alone_is_the_one_that_the_root_was_made_with(
    seed: bytes, fields: dict[str, Any]
) -> None:
    partial = partial_opening(seed, fields, [])
    assert partial.salts == {path: salt(seed, path) for path in fields}


@settings(max_examples=200, deadline=None)
@given(seeds, field_maps)
def test_the_order_of_the_fields_does_not_matter(seed: bytes, fields: dict[str, Any]) -> None:
    turned = dict(reversed(fields.items()))
    assert commit(seed, turned) == commit(seed, fields)


@settings(max_examples=300, deadline=None)
@given(seeds, field_maps, st.data())
def test_an_opening_with_one_other_value_is_refused(
    seed: bytes, fields: dict[str, Any], data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(sorted(fields)))
    other = data.draw(values(2))
    assume(json.dumps(other, sort_keys=True) != json.dumps(fields[path], sort_keys=True))
    with pytest.raises(CommitmentError):
        check_opening(commit(seed, fields), seed=seed, fields=fields | {path: other})


@settings(max_examples=200, deadline=None)
@given(seeds, field_maps, st.data())
def test_an_opening_with_a_path_renamed_dropped_or_added_is_refused(
    seed: bytes, fields: dict[str, Any], data: st.DataObject
) -> None:
    root = commit(seed, fields)
    path = data.draw(st.sampled_from(sorted(fields)))
    others = {key: value for key, value in fields.items() if key != path}
    renamed = others | {f"{path}_x": fields[path]}
    for wrong in (renamed, others, fields | {f"{path}_x": None}):
        with pytest.raises(CommitmentError):
            check_opening(root, seed=seed, fields=wrong)


@settings(max_examples=200, deadline=None)
@given(seeds, field_maps, st.integers(min_value=0, max_value=255))
def test_an_opening_with_one_bit_of_seed_or_root_flipped_is_refused(
    seed: bytes, fields: dict[str, Any], bit: int
) -> None:
    def flipped(data: bytes) -> bytes:
        return (int.from_bytes(data, "big") ^ (1 << bit)).to_bytes(32, "big")

    root = commit(seed, fields)
    with pytest.raises(CommitmentError):
        check_opening(root, seed=flipped(seed), fields=fields)
    with pytest.raises(CommitmentError):
        check_opening(flipped(root), seed=seed, fields=fields)


LOOKALIKES = [1, "1", True, [1], {"a": 1}, 0, "0", False, None, "null", "", [], {}, "é", "e\u0301"]


@pytest.mark.parametrize(("one", "other"), list(itertools.permutations(LOOKALIKES, 2)))
def test_values_that_only_look_alike_have_other_roots(one: object, other: object) -> None:
    with pytest.raises(CommitmentError):
        check_opening(commit(SEED, {"a": one, "b": 1}), seed=SEED, fields={"a": other, "b": 1})


@pytest.mark.parametrize("value", [1.0, b"1", {1}, "\ud800", 2**53, {"A": 1}])
def test_what_is_outside_of_the_subset_cannot_be_committed_to_or_shown(value: object) -> None:
    with pytest.raises(FormatError):
        commit(SEED, {"a": value})
    with pytest.raises(CommitmentError, match="cannot have been committed to"):
        check_opening(commit(SEED, {"a": 1}), seed=SEED, fields={"a": value})


@pytest.mark.parametrize("path", ["\ud800", "A", "", "a..b", "a\n", "a" * 9 + "\u0663", 1, None])
def test_what_is_no_path_cannot_be_committed_to_or_shown(path: Any) -> None:
    fields = {"a": 1, path: 1}
    with pytest.raises(FormatError):
        commit(SEED, fields)
    with pytest.raises(FormatError):
        partial_opening(SEED, fields, ["a"])
    with pytest.raises(CommitmentError, match="cannot have been committed to"):
        check_opening(commit(SEED, {"a": 1}), seed=SEED, fields=fields)
    shown = PartialOpening(fields=fields, salts=dict.fromkeys(fields, bytes(16)), closed={})
    with pytest.raises(CommitmentError, match="cannot have been committed to"):
        check_partial(bytes(32), shown, fields.keys())


def test_a_closed_leaf_of_another_length_is_refused() -> None:
    fields = {"a": 1, "b": 2}
    partial = partial_opening(SEED, fields, ["a"])
    for leaf in (b"", partial.closed["a"][:31], partial.closed["a"] + b"\0"):
        with pytest.raises(CommitmentError):
            check_partial(commit(SEED, fields), replace(partial, closed={"a": leaf}), fields.keys())


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_seed_of_another_length_is_refused_and_not_padded(length: int) -> None:
    # HMAC would pad a short key with zeros: 31 bytes and the same with a zero give the same salts.
    seed = bytes(length)
    for use in (
        lambda: commit(seed, {"a": 1}),
        lambda: check_opening(bytes(32), seed=seed, fields={"a": 1}),
        lambda: partial_opening(seed, {"a": 1}, ["a"]),
    ):
        with pytest.raises(CommitmentError, match=f"32 bytes, not {length}"):
            use()


def test_nothing_at_all_cannot_be_committed_to() -> None:
    with pytest.raises(CommitmentError, match="at least one path"):
        commit(SEED, {})


@pytest.mark.parametrize("closed", range(2**6))
def test_every_subset_can_stay_closed(closed: int) -> None:
    fields = {path: SUBMISSION_FIELDS[path] for path in sorted(SUBMISSION_FIELDS)[4:10]}
    paths = {path for n, path in enumerate(sorted(fields)) if closed >> n & 1}
    partial = partial_opening(SEED, fields, paths)
    assert partial.closed.keys() == paths
    assert partial.fields == {path: fields[path] for path in fields if path not in paths}
    check_partial(commit(SEED, fields), partial, fields.keys())


@settings(max_examples=200, deadline=None)
@given(seeds, field_maps, st.data())
def test_a_partial_opening_shows_neither_the_seed_nor_a_closed_value_nor_its_salt(
    seed: bytes, fields: dict[str, Any], data: st.DataObject
) -> None:
    paths = data.draw(st.sets(st.sampled_from(sorted(fields)), min_size=1))
    fields |= dict.fromkeys(paths, "hazard-7319")
    partial = partial_opening(seed, fields, paths)
    check_partial(commit(seed, fields), partial, fields.keys())
    shown = json.dumps(partial.to_dict())
    assert base64.b64encode(seed).decode() not in shown
    assert seed.hex() not in shown
    assert "hazard-7319" not in shown
    for path in paths:
        assert base64.b64encode(salt(seed, path)).decode() not in shown
    assert partial.to_dict().keys() == {"fields", "salts", "closed"}


def test_a_partial_opening_with_anything_changed_is_refused() -> None:
    fields = OUTCOME_FIELDS
    root = commit(SEED, fields)
    partial = partial_opening(SEED, fields, ["metrics", "artifacts"])
    salts, closed = dict(partial.salts), dict(partial.closed)
    others = {path: value for path, value in partial.fields.items() if path != "source"}
    other_salts = {path: value for path, value in salts.items() if path != "source"}
    wrong: dict[str, dict[str, Any]] = {
        "a value": {"fields": {**partial.fields, "tokens.input": 101}},
        "a salt": {"salts": salts | {"source": bytes(16)}},
        "a salt cut": {"salts": salts | {"source": salts["source"][:15]}},
        "two salts swapped": {
            "salts": salts | {"source": salts["tokens.input"], "tokens.input": salts["source"]}
        },
        "a salt dropped": {"salts": other_salts},
        "a salt added": {"salts": salts | {"metrics": salt(SEED, "metrics")}},
        "a field dropped": {"fields": others, "salts": other_salts},
        "a field added": {
            "fields": {**partial.fields, "x": 1},
            "salts": salts | {"x": bytes(16)},
        },
        "a closed leaf": {"closed": closed | {"metrics": bytes(32)}},
        "two leaves swapped": {
            "closed": {"metrics": closed["artifacts"], "artifacts": closed["metrics"]}
        },
        "a leaf dropped": {"closed": {"metrics": closed["metrics"]}},
        "a leaf added": {"closed": closed | {"x": bytes(32)}},
        "an open path closed": {"closed": closed | {"source": bytes(32)}},
        "a closed path shown": {
            "fields": {**partial.fields, "metrics": None},
            "salts": salts | {"metrics": salt(SEED, "metrics")},
        },
    }
    check_partial(root, partial, fields.keys())
    for what, parts in wrong.items():
        with pytest.raises(CommitmentError):
            check_partial(root, replace(partial, **parts), fields.keys())
        assert what
    with pytest.raises(CommitmentError):
        check_partial(commit(bytes(32), fields), partial, fields.keys())
    with pytest.raises(CommitmentError, match="neither open nor closed"):
        check_partial(root, partial, {*fields, "x"})
    with pytest.raises(CommitmentError, match="unknown"):
        check_partial(root, partial, fields.keys() - {"source"})


def test_a_closed_inner_node_cannot_stand_for_two_fields() -> None:
    # Leaves and nodes hash differently, and the paths shown must be exactly the schema's.
    fields = {"a": 1, "b": 2, "c": 3, "d": 4}
    both = partial_opening(SEED, fields, ["a", "b"])
    node = sha256(b"\1" + both.closed["a"] + both.closed["b"]).digest()
    forged = replace(both, closed={"a": node})
    with pytest.raises(CommitmentError):
        check_partial(commit(SEED, fields), forged, fields.keys())
    with pytest.raises(CommitmentError):
        check_partial(commit(SEED, fields), forged, {"a", "c", "d"})


def test_only_paths_of_the_record_can_stay_closed() -> None:
    with pytest.raises(CommitmentError, match="other cannot stay closed"):
        partial_opening(SEED, {"a": 1}, ["a", "other"])


def test_no_repr_and_no_message_shows_a_value_a_salt_or_a_seed() -> None:
    partial = partial_opening(SEED, SUBMISSION_FIELDS, ["protocol"])
    assert "whale-4" not in repr(partial)
    assert repr(partial.salts["title"]) not in repr(partial)
    with pytest.raises(CommitmentError) as refusal:
        check_opening(bytes(32), seed=SEED, fields=SUBMISSION_FIELDS)
    assert "whale-4" not in str(refusal.value)
    assert SEED.hex() not in str(refusal.value)
