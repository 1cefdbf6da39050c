"""Evidence of a split view: written where two signed checkpoints disagree, refused where forged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_builder import ORIGIN, History, inclusion_path, put, root_of, sha256, signing_key, vkey_of
from verify_runner import run, run_text, script

KEY = vkey_of(ORIGIN)


def first(log: History, size: int) -> History:
    cut = log.copy()
    cut.entries = cut.entries[:size]
    return cut


def fork(log: History) -> History:
    """Another history with the same beginning, signed by the same key."""
    other = log.copy()
    other.entries[3]["statement"]["public"] = {**other.entries[3]["statement"]["public"], "x": 1}
    return other


@pytest.fixture
def split(log: History, tmp_path: Path) -> Path:
    """The proof file of a log that shows 600 entries to one and another 717 to the next."""
    state, evidence = tmp_path / "state", tmp_path / "evidence"
    before = first(log, 600).write(tmp_path / "before")
    assert run("--offline", before, "--vkey", KEY, "--state", state).status == 0
    after = fork(log).write(tmp_path / "after")
    verdict = run("--offline", after, "--state", state, "--evidence", evidence)
    assert (verdict.status, verdict.codes) == (1, {"log-forked"})
    return evidence / "split-view.json"


@pytest.mark.parametrize("sizes", [(717, 717), (1, 717), (256, 717), (511, 512), (600, 601)])
def test_evidence_of_every_pair_of_sizes_holds_anywhere(
    log: History, tmp_path: Path, sizes: tuple[int, int]
) -> None:
    small, large = first(log, sizes[0]), first(fork(log), sizes[1])
    if sizes[0] == 1:
        large.entries[0] = {**large.entries[0], "note": 1}
    note = tmp_path / "note"
    note.write_text(small.checkpoint())
    mirror, evidence = large.write(tmp_path / "mirror"), tmp_path / "evidence"
    arguments = ("--vkey", KEY, "--against", note, "--evidence", evidence)
    verdict = run("--offline", mirror, *arguments)
    assert (verdict.status, verdict.codes) == (1, {"log-forked"})
    status, out, err = run_text("evidence", evidence / "split-view.json")
    assert (status, err) == (0, "")
    assert KEY in out
    assert "The evidence holds" in out
    assert run("evidence", evidence / "split-view.json", "--vkey", KEY).status == 0


def test_evidence_about_another_key_than_the_one_given_is_refused(split: Path) -> None:
    other = vkey_of(ORIGIN, signing_key("another"))
    verdict = run("evidence", split, "--vkey", other)
    assert verdict.status == 2
    assert "not about the one given" in verdict.stderr


def _swap(value: dict[str, Any]) -> None:
    value["smaller"], value["larger"] = value["larger"], value["smaller"]


def _agree(value: dict[str, Any]) -> None:
    value["smaller"] = value["larger"]
    value["inside"] = value["outside"] = []


def _other_key(value: dict[str, Any]) -> None:
    value["vkey"] = vkey_of(ORIGIN, signing_key("another"))


def _no_hash(value: dict[str, Any]) -> None:
    value["inside"].pop()


def _zero_hash(value: dict[str, Any]) -> None:
    value["outside"][0] = "A" * 43 + "="


def _no_field(value: dict[str, Any]) -> None:
    del value["what"]


def _hash_of_no_string(value: dict[str, Any]) -> None:
    value["inside"][0] = 7


def _altered_size(value: dict[str, Any]) -> None:
    value["smaller"] = value["smaller"].replace("\n600\n", "\n599\n")


@pytest.mark.parametrize(
    "forge",
    [_swap, _agree, _other_key, _no_hash, _zero_hash, _no_field, _hash_of_no_string, _altered_size],
)
def test_forged_evidence_proves_nothing(
    split: Path, forge: Callable[[dict[str, Any]], None]
) -> None:
    value = json.loads(split.read_text())
    forge(value)
    split.write_text(json.dumps(value))
    status, out, err = run_text("evidence", split)
    assert (status, out) == (2, "")
    assert "this file proves nothing" in err
    assert err.count("\n") == 1


def test_an_honest_pair_can_not_be_made_into_evidence(log: History, tmp_path: Path) -> None:
    """What the real hashes say of two checkpoints of one log is that they agree."""
    small, large = first(log, 600), log
    leaves = large.leaves()
    inside, outside = (
        [root_of(leaves[low:high]) for low, high in places]
        for places in script.pieces(600, len(leaves))
    )
    assert script.both_roots(600, len(leaves), inside, outside) == (
        root_of(leaves[:600]),
        root_of(leaves),
    )
    checkpoints = [
        script.open_checkpoint(each.checkpoint().encode(), [script.parse_vkey(KEY)])
        for each in (small, large)
    ]
    found = script.Contradiction(checkpoints[0].key, *checkpoints, inside, outside)
    path = tmp_path / "forged.json"
    path.write_bytes(found.file())
    verdict = run("evidence", path)
    assert verdict.status == 2
    assert "they agree" in verdict.stderr


@settings(deadline=None, derandomize=True)
@given(st.data())
def test_the_pieces_of_a_tree_give_both_roots(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    beginning = data.draw(st.integers(0, size - 1))
    leaves = [sha256(bytes([number % 256, number // 256])) for number in range(size)]
    inside, outside = (
        [root_of(leaves[low:high]) for low, high in places]
        for places in script.pieces(beginning, size)
    )
    roots = script.both_roots(beginning, size, inside, outside)
    assert roots == (root_of(leaves[:beginning]), root_of(leaves))


def test_a_tree_gives_the_proofs_that_the_rfc_gives(log: History) -> None:
    leaves = log.leaves()
    tree = script.Tree(bytearray(), [])
    for at in range(0, len(leaves), 256):
        part = leaves[at : at + 256]
        tree.leaves[at // 256] = part
        tree.grow(part, root_of(part), full=len(part) == 256)
    assert tree.root() == root_of(leaves)
    for index in (0, 255, 256, 511, 512, 600, len(leaves) - 1):
        assert tree.path(index) == inclusion_path(index, leaves)


# Checkpoints got elsewhere.


def test_a_checkpoint_of_the_same_log_got_elsewhere_agrees(
    log: History, mirror: Path, tmp_path: Path
) -> None:
    put(tmp_path, "note", first(log, 300).checkpoint().encode())
    put(tmp_path, "receipt", log.receipt(5).encode())
    state = tmp_path / "state"
    assert run("--offline", mirror, "--vkey", KEY, "--state", state).status == 0
    others = [
        word for name in ("note", "receipt", "state") for word in ("--against", tmp_path / name)
    ]
    assert run("--offline", mirror, "--vkey", KEY, *others).status == 0


def test_a_newer_checkpoint_got_elsewhere_is_held_against_the_tiles_there(
    log: History, tmp_path: Path, address: str
) -> None:
    here, evidence = first(log, 600).write(tmp_path / "here"), tmp_path / "evidence"
    log.write(tmp_path / "same/log")
    arguments = ("--offline", here, "--vkey", KEY, "--evidence", evidence)
    assert run(*arguments, "--against", f"{address}/same").status == 0
    fork(log).write(tmp_path / "other/log")
    verdict = run(*arguments, "--against", f"{address}/other")
    assert (verdict.status, verdict.codes) == (1, {"log-forked"})
    assert run("evidence", evidence / "split-view.json").status == 0


def test_a_newer_checkpoint_without_its_tiles_leaves_it_open(log: History, tmp_path: Path) -> None:
    put(tmp_path, "note", log.checkpoint().encode())
    here = first(log, 600).write(tmp_path / "here")
    verdict = run("--offline", here, "--vkey", KEY, "--against", tmp_path / "note")
    assert verdict.status == 2
    assert "has 717 entries, the log shows 600 here" in verdict.stderr


@settings(deadline=None, derandomize=True)
@given(st.data())
def test_no_damage_to_evidence_ends_in_a_traceback_or_makes_more_of_it(
    made: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """A bit more or less in the two notes or the hashes: it proves nothing, or what it did."""
    at = data.draw(st.integers(0, len(made) - 1))
    spoilt = bytearray(made)
    spoilt[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("damaged") / "split-view.json"
    path.write_bytes(bytes(spoilt))
    verdict = run("evidence", path)
    assert verdict.status in (0, 2)
    assert "an error in this script" not in verdict.stderr
    if verdict.status == 0:
        assert verdict.report == run("evidence", _written(path, made)).report


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def made(honest: History) -> bytes:
    key = script.parse_vkey(KEY)
    small, large = first(honest, 600), fork(honest)
    leaves = large.leaves()
    inside, outside = (
        [root_of(leaves[low:high]) for low, high in places]
        for places in script.pieces(600, len(leaves))
    )
    checkpoints = [
        script.open_checkpoint(each.checkpoint().encode(), [key]) for each in (small, large)
    ]
    data: bytes = script.Contradiction(key, *checkpoints, inside, outside).file()
    return data
