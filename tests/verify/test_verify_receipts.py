"""One receipt, offline: it holds, or it is refused by name."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from log_builder import ORIGIN, Entry, History, canonical, salt_of, signing_key, to_base64, vkey_of
from verify_runner import run, run_text

KEY = vkey_of(ORIGIN)


def full_opening(log: History, index: int) -> Entry:
    seed, fields = log.openings[index]
    return {"seed": to_base64(seed), "fields": fields}


@pytest.fixture
def index(log: History) -> int:
    return log.labels["submitted 40"]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "receipt.tlog-proof"
    path.write_text(text)
    return path


@pytest.mark.parametrize("at", [0, 1, 255, 256, 511, 512, 716])
def test_a_receipt_of_any_entry_holds(log: History, tmp_path: Path, at: int) -> None:
    verdict = run("proof", written(tmp_path, log.receipt(at)), "--vkey", KEY)
    assert verdict.status == 0
    assert verdict.report["index"] == at
    assert verdict.report["says"].startswith(log.entries[at]["kind"])


def test_a_receipt_with_its_opening_holds(log: History, tmp_path: Path, index: int) -> None:
    receipt = written(tmp_path, log.receipt(index, opening=full_opening(log, index)))
    status, out, err = run_text("proof", receipt, "--vkey", KEY)
    assert (status, err) == (0, "")
    assert "opened" in out
    assert "does not prove who signed" in out.replace("\n", " ")


def test_a_receipt_with_a_partial_opening_holds(log: History, tmp_path: Path) -> None:
    shown = log.entries[log.labels["partial disclosure"]]
    opening = {name: shown[name] for name in ("fields", "salts", "closed")}
    receipt = written(tmp_path, log.receipt(shown["discloses"], opening=opening))
    verdict = run("proof", receipt, "--vkey", KEY)
    assert verdict.status == 0
    assert "but for model.name, protocol" in verdict.report["says"]


def test_a_receipt_is_checked_by_the_kept_state(
    log: History, mirror: Path, tmp_path: Path, index: int
) -> None:
    state = tmp_path / "state"
    assert run("--offline", mirror, "--state", state).status == 0
    assert run("proof", written(tmp_path, log.receipt(index)), "--state", state).status == 0
    log.entries[log.labels["egress 40"]]["note"] = "a second history of the same length"
    receipt = written(tmp_path, log.receipt(index))
    evidence = tmp_path / "evidence"
    verdict = run("proof", receipt, "--state", state, "--evidence", evidence)
    assert verdict.status == 1
    assert verdict.codes == {"log-forked"}
    assert (evidence / "checkpoint-kept").exists()


def test_a_receipt_without_a_key_says_what_to_give(
    log: History, tmp_path: Path, index: int
) -> None:
    verdict = run("proof", written(tmp_path, log.receipt(index)))
    assert verdict.status == 2
    assert "give --vkey, --policy or --state" in verdict.stderr


def test_a_receipt_without_its_entry_takes_one_from_a_file(
    log: History, tmp_path: Path, index: int
) -> None:
    lines = log.receipt(index).split("\n")
    receipt = written(tmp_path, "\n".join([lines[0], *lines[2:]]))
    verdict = run("proof", receipt, "--vkey", KEY)
    assert verdict.status == 2
    assert "--entry" in verdict.stderr
    entry = tmp_path / "entry"
    entry.write_bytes(canonical(log.entries[index]))
    assert run("proof", receipt, "--entry", entry, "--vkey", KEY).status == 0
    entry.write_bytes(canonical(log.entries[index + 1]))
    evidence = tmp_path / "evidence"
    verdict = run("proof", receipt, "--entry", entry, "--vkey", KEY, "--evidence", evidence)
    assert verdict.codes == {"proof-mismatch"}


def _other_hash(text: str) -> str:
    lines = text.split("\n")
    lines[4] = to_base64(bytes(32))
    return "\n".join(lines)


def _dropped_hash(text: str) -> str:
    lines = text.split("\n")
    del lines[4]
    return "\n".join(lines)


def _doubled_hash(text: str) -> str:
    lines = text.split("\n")
    lines.insert(4, lines[4])
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda text: text.replace("index 2", "index 3"), "proof-mismatch"),
        (lambda text: text.replace("index 2", "index 9999"), "proof-mismatch"),
        (_other_hash, "proof-mismatch"),
        (_dropped_hash, "proof-mismatch"),
        (_doubled_hash, "proof-mismatch"),
        (lambda text: text.replace("\n717\n", "\n718\n"), "bad-checkpoint-signature"),
    ],
)
def test_a_receipt_with_one_thing_changed_is_refused(
    log: History, tmp_path: Path, index: int, spoil: Callable[[str], str], code: str
) -> None:
    receipt = written(tmp_path, spoil(log.receipt(index)))
    verdict = run("proof", receipt, "--vkey", KEY, "--evidence", tmp_path / "evidence")
    assert verdict.status == 1
    assert verdict.codes == {code}
    kept = tmp_path / "evidence" / "receipt.tlog-proof"
    assert kept.read_bytes() == receipt.read_bytes()


def test_a_receipt_under_a_checkpoint_of_another_key_is_refused(
    log: History, tmp_path: Path, index: int
) -> None:
    text = log.receipt(index).replace(log.checkpoint(), log.checkpoint(signing_key("another")))
    evidence = tmp_path / "evidence"
    verdict = run("proof", written(tmp_path, text), "--vkey", KEY, "--evidence", evidence)
    assert verdict.codes == {"unsigned-checkpoint"}


def test_an_opening_that_was_altered_is_refused(log: History, tmp_path: Path, index: int) -> None:
    opening = full_opening(log, index)
    seed, fields = log.openings[index]
    rest = {path: value for path, value in fields.items() if path != "title"}
    salts = {path: to_base64(salt_of(seed, path)) for path in rest}
    spoilt_openings: tuple[Any, ...] = (
        {**opening, "seed": to_base64(bytes(32))},
        {**opening, "seed": "short"},
        {**opening, "fields": {**fields, "title": None}},
        {**opening, "fields": []},
        {"fields": rest, "salts": salts, "closed": {}},
        {"fields": rest, "salts": salts, "closed": {"title": "zz"}},
        {"x": 1},
        ["seed", "fields"],
    )
    for spoilt in spoilt_openings:
        receipt = written(tmp_path, log.receipt(index, opening=spoilt))
        verdict = run("proof", receipt, "--vkey", KEY, "--evidence", tmp_path / "evidence")
        assert verdict.status == 1
        assert verdict.codes == {"opening-mismatch"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "c2sp.org/tlog-proof@v1\n\n",
        "c2sp.org/tlog-proof@v1\nindex 01\n\nx\n",
        "c2sp.org/tlog-proof@v1\nindex +1\n\nx\n",
        "c2sp.org/tlog-proof@v1\nextra e30\nindex 1\n\nx\n",
        "c2sp.org/tlog-proof@v1\nextra W10=\nindex 1\n\nx\n",
        "c2sp.org/tlog-proof@v1\nindex 1\nQ Q=\n\nx\n",
        "c2sp.org/tlog-proof@v1\nindex 1\n" + "A" * 3_000_000,
    ],
)
def test_what_is_no_receipt_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    verdict = run("proof", written(tmp_path, text), "--vkey", KEY)
    assert verdict.status == 2
    assert verdict.stderr.count("\n") == 1


def test_the_receipt_of_an_admission_shows_what_was_admitted(
    log: History, tmp_path: Path, index: int
) -> None:
    receipt = written(tmp_path, log.receipt(index + 1, submission=log.proved(index)))
    verdict = run("proof", receipt, "--vkey", KEY)
    assert verdict.status == 0
    assert verdict.report["says"].startswith("admitted, logged at")
    assert verdict.report["says"].endswith(f"in answer to entry {index}")


def _altered(**changes: Any) -> Callable[[History, int], Entry]:
    return lambda log, index: log.proved(index) | changes


def _with_more_gpus(log: History, index: int) -> Entry:
    proved = copy.deepcopy(log.proved(index))
    proved["entry"]["statement"]["public"]["gpu_count"] = 800
    return proved


@pytest.mark.parametrize(
    ("submission", "code"),
    [
        (lambda log, _: log.proved(log.labels["submitted 37"]), "decision-without-submission"),
        (lambda log, index: log.proved(index + 2), "decision-without-submission"),
        (lambda log, index: log.proved(index + 1), "decision-without-submission"),
        (_with_more_gpus, "proof-mismatch"),
        (_altered(index=3), "proof-mismatch"),
        (_altered(index=10**9), "proof-mismatch"),
        (_altered(proof=[]), "proof-mismatch"),
        (_altered(proof=None), "malformed-entry"),
        (_altered(proof=["x"]), "malformed-entry"),
        (_altered(proof=[7]), "malformed-entry"),
        (_altered(index="3"), "malformed-entry"),
        (_altered(more=1), "malformed-entry"),
        (lambda *_: {}, "malformed-entry"),
        (lambda *_: [], "malformed-entry"),
    ],
)
def test_an_admission_for_another_submission_is_refused(
    submission: Callable[[History, int], Entry],
    code: str,
    log: History,
    tmp_path: Path,
    index: int,
) -> None:
    receipt = written(tmp_path, log.receipt(index + 1, submission=submission(log, index)))
    verdict = run("proof", receipt, "--vkey", KEY, "--evidence", tmp_path / "evidence")
    assert (verdict.status, verdict.codes) == (1, {code})


def test_no_other_entry_passes_for_an_admission(log: History, tmp_path: Path, index: int) -> None:
    receipt = written(tmp_path, log.receipt(index + 2, submission=log.proved(index)))
    verdict = run("proof", receipt, "--vkey", KEY, "--evidence", tmp_path / "evidence")
    assert (verdict.status, verdict.codes) == (1, {"decision-without-submission"})
