"""What the verifier remembers and whom it trusts: forks, shrinking, other keys, witnesses."""

from pathlib import Path

import pytest
from log_builder import ORIGIN, History, cosign, put, resign, signing_key, vkey_of
from verify_runner import Verdict, run, script

KEY = vkey_of(ORIGIN)
OTHER = signing_key("another")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


def judge(mirror: Path, state: Path, *more: str) -> Verdict:
    evidence = mirror.parent / "evidence"
    return run("--offline", mirror, "--state", state, "--evidence", evidence, *more)


def first(log: History, size: int) -> History:
    """Cut a log after ``size`` entries: what it was when it had only those."""
    cut = log.copy()
    cut.entries = cut.entries[:size]
    return cut


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 600, 717])
def test_a_log_that_only_grew_is_verified_against_the_kept_checkpoint(
    log: History, tmp_path: Path, state: Path, size: int
) -> None:
    size -= log.entries[size - 1]["kind"] in ("submitted", "open")
    before = first(log, size).write(tmp_path / "before")
    assert judge(before, state, "--vkey", KEY).status == 0
    verdict = judge(log.write(tmp_path / "after"), state)
    assert verdict.status == 0, verdict.report
    assert "trust-on-first-use" not in verdict.warnings
    assert script.State(str(state)).kept.note.raw == log.checkpoint().encode()


def test_a_log_that_shrank_is_convicted_by_its_two_checkpoints(
    log: History, mirror: Path, tmp_path: Path, state: Path
) -> None:
    assert judge(mirror, state, "--vkey", KEY).status == 0
    kept = state.read_bytes()
    shrunk = first(log, 710)
    verdict = judge(shrunk.write(tmp_path / "shrunk"), state)
    assert verdict.status == 1
    assert verdict.codes == {"log-shrank"}
    assert (tmp_path / "evidence" / "checkpoint").read_text() == shrunk.checkpoint()
    assert (tmp_path / "evidence" / "checkpoint-kept").read_text() == log.checkpoint()
    assert state.read_bytes() == kept


@pytest.mark.parametrize("grown", [0, 1, 100])
def test_a_log_that_rewrote_its_past_is_convicted(
    log: History, mirror: Path, tmp_path: Path, state: Path, grown: int
) -> None:
    assert judge(mirror, state, "--vkey", KEY).status == 0
    kept = state.read_bytes()
    entry = log.entries[log.labels["egress 40"]]
    entry["statement"]["public"]["egress_bytes"] = 0
    resign(entry)
    for _ in range(grown):
        log.egress(entry["statement"]["job_id"])
    verdict = judge(log.write(tmp_path / "forked"), state)
    assert verdict.status == 1
    assert verdict.codes == {"log-forked"}
    assert state.read_bytes() == kept


def test_the_state_is_not_written_unless_the_tree_holds(
    log: History, mirror: Path, state: Path
) -> None:
    data = bytearray((mirror / "tile/entries/001").read_bytes())
    data[500] ^= 1
    put(mirror, "tile/entries/001", bytes(data))
    assert judge(mirror, state).status == 1
    assert not state.exists()
    assert not state.with_name("state.json.part").exists()


def test_what_an_entry_proves_stands_in_every_later_run(
    log: History, tmp_path: Path, state: Path
) -> None:
    index = log.labels["ended 41"]
    log.entries[index]["statement"]["public"]["gpu_seconds"] = 1
    first_run = judge(first(log, 600).write(tmp_path / "spoilt"), state, "--vkey", KEY)
    assert (first_run.status, first_run.codes) == (1, {"bad-signature"})
    assert first_run.report["findings"][0]["standing"] is False
    second_run = judge(log.write(tmp_path / "later"), state)
    assert (second_run.status, second_run.codes) == (1, {"bad-signature"})
    assert second_run.report["read_from"] == 600
    assert second_run.report["findings"][0]["standing"] is True
    assert second_run.entries("bad-signature") == [index]
    assert second_run.report["evidence"] is None


def test_the_first_key_is_taken_with_a_warning_and_kept(
    log: History, mirror: Path, tmp_path: Path, state: Path
) -> None:
    verdict = judge(mirror, state)
    assert verdict.status == 0
    assert "trust-on-first-use" in verdict.warnings
    # The operator swaps vkey, genesis entry and signature at once: the kept key gives it away.
    log.entries[0]["vkey"] = vkey_of(ORIGIN, OTHER)
    verdict = judge(log.write(tmp_path / "swapped", key=OTHER), state)
    assert verdict.status == 1
    assert verdict.codes == {"unsigned-checkpoint"}


def test_a_swapped_vkey_contradicts_the_genesis_entry(
    log: History, tmp_path: Path, state: Path
) -> None:
    verdict = judge(log.write(tmp_path / "swapped", key=OTHER), state)
    assert verdict.status == 1
    assert verdict.codes == {"genesis-key-mismatch"}
    assert not state.exists()


def test_a_state_of_another_key_is_not_mixed_in(mirror: Path, state: Path) -> None:
    assert judge(mirror, state).status == 0
    verdict = judge(mirror, state, "--vkey", vkey_of(ORIGIN, OTHER))
    assert verdict.status == 2
    assert "kept for another key" in verdict.stderr


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"vkey":"x","checkpoint":"y"}', "\xff"])
def test_a_broken_state_file_is_named(mirror: Path, state: Path, text: str) -> None:
    state.write_text(text, encoding="latin-1")
    verdict = judge(mirror, state)
    assert verdict.status == 2
    assert "state.json" in verdict.stderr


def test_a_state_that_could_not_be_kept_is_said_before_the_work(
    mirror: Path, tmp_path: Path
) -> None:
    verdict = judge(mirror, tmp_path / "missing" / "state.json")
    assert verdict.status == 2
    assert "no such folder" in verdict.stderr


def test_a_key_for_another_log_is_no_proof_of_anything(mirror: Path) -> None:
    verdict = run("--offline", mirror, "--vkey", vkey_of("other.example/log"))
    assert verdict.status == 2
    assert "this is the log 'demo.example/ledger'" in verdict.stderr


# Witnesses.


def policy(tmp_path: Path, quorum: str = "quorum most") -> Path:
    lines = [f"log {KEY} https://demo.example/log", "# three of them", ""]
    lines += [f"witness w{n} {vkey_of(f'w{n}.example', kind=4)}" for n in (1, 2, 3)]
    lines += ["group most 2 w1 w2 w3", quorum]
    path = tmp_path / "policy"
    path.write_text("\n".join(lines) + "\n")
    return path


def witnessed(log: History, mirror: Path, *names: str, after_s: int = 5) -> Path:
    text = log.checkpoint_text()
    lines = [cosign(text, name, log.now_s + after_s) for name in names]
    put(mirror, "checkpoint", (log.checkpoint() + "".join(lines)).encode())
    return mirror


def test_a_quorum_of_witnesses_is_counted(log: History, mirror: Path, tmp_path: Path) -> None:
    witnessed(log, mirror, "w1.example", "w3.example", "stranger.example")
    verdict = run("--offline", mirror, "--policy", policy(tmp_path))
    assert verdict.status == 0
    assert verdict.report["cosigned_at"] is not None


def test_too_few_witnesses_are_no_proof_and_no_verification(
    log: History, mirror: Path, tmp_path: Path
) -> None:
    witnessed(log, mirror, "w2.example", "stranger.example")
    verdict = run("--offline", mirror, "--policy", policy(tmp_path))
    assert verdict.status == 2
    assert "no witness quorum: cosigned by w2, wanted most" in verdict.stderr
    assert run("--offline", mirror, "--policy", policy(tmp_path, "quorum none")).status == 0


def test_a_cosignature_that_does_not_verify_is_refused(
    log: History, mirror: Path, tmp_path: Path
) -> None:
    wrong = cosign("something else\n", "w1.example", log.now_s)
    put(mirror, "checkpoint", (log.checkpoint() + wrong).encode())
    evidence = tmp_path / "evidence"
    verdict = run("--offline", mirror, "--policy", policy(tmp_path), "--evidence", evidence)
    assert verdict.status == 1
    assert verdict.codes == {"bad-cosignature"}


@pytest.mark.parametrize("char", ["\u2028", "\u00a0", "\u3000", "\u0085"])
def test_a_note_with_a_name_that_nobody_has_is_no_note(
    log: History, mirror: Path, tmp_path: Path, char: str
) -> None:
    line = cosign(log.checkpoint(), "w1.example", log.now_s).replace("w1.ex", f"w1.{char}ex")
    put(mirror, "checkpoint", (log.checkpoint() + line).encode())
    verdict = run("--offline", mirror, "--vkey", KEY, "--evidence", tmp_path / "evidence")
    assert verdict.status == 2
    assert "not a signature line" in verdict.stderr


@pytest.mark.parametrize("char", ["\x7f", "\ufeff", "\u200b"])
def test_a_name_has_what_the_specification_lets_it_have(
    log: History, mirror: Path, tmp_path: Path, char: str
) -> None:
    line = cosign(log.checkpoint(), "w1.example", log.now_s).replace("w1.ex", f"w1.{char}ex")
    put(mirror, "checkpoint", (log.checkpoint() + line).encode())
    verdict = run("--offline", mirror, "--vkey", KEY, "--evidence", tmp_path / "evidence")
    assert (verdict.status, verdict.stderr) == (0, "")


def test_a_log_that_runs_ahead_of_its_witnesses_is_convicted(
    log: History, mirror: Path, tmp_path: Path
) -> None:
    witnessed(log, mirror, "w1.example", "w2.example", after_s=-301)
    evidence = tmp_path / "evidence"
    verdict = run("--offline", mirror, "--policy", policy(tmp_path), "--evidence", evidence)
    assert verdict.codes == {"post-dated"}


@pytest.mark.parametrize(
    "quorum",
    [
        "",
        "quorum nobody",
        "quorum w1\nquorum w1",
        "group x 4 w1 w2 w3\nquorum x",
        "group x 0 w1\nquorum x",
        "group x +1 most\nquorum x",
        "group x any w1\nquorum x",
        "group x all\nquorum x",
        "group none any most\nquorum none",
        "witness w1 x+y+z\nquorum w1",
        "flog x\nquorum w1",
        f"log {KEY}\nquorum none",
    ],
)
def test_a_policy_that_breaks_its_grammar_is_named(
    mirror: Path, tmp_path: Path, quorum: str
) -> None:
    verdict = run("--offline", mirror, "--policy", policy(tmp_path, quorum))
    assert verdict.status == 2
    assert "policy" in verdict.stderr
