"""Whose clock: what witnesses and earlier visits prove of the log's times; ML-DSA-44 lines."""

import builtins
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from log_builder import (
    DAY_S,
    ORIGIN,
    History,
    cosign,
    put,
    root_of,
    seconds_of,
    sha256,
    text_of,
    to_base64,
    vkey_of,
)
from verify_runner import Verdict, run, run_text, script

KEY = vkey_of(ORIGIN)
WITNESSES = ("w1.example", "w2.example", "w3.example")


def policy(tmp_path: Path, *more: str, quorum: str = "quorum most") -> Path:
    lines = [f"log {KEY}", *more]
    lines += [f"witness {name} {vkey_of(name, kind=4)}" for name in WITNESSES]
    lines += ["group most 2 " + " ".join(WITNESSES), quorum]
    path = tmp_path / "policy"
    path.write_text("\n".join(lines) + "\n")
    return path


def shown(log: History, mirror: Path, *offsets: int) -> Path:
    """Write the log with a cosignature of each witness, so many seconds after its last entry."""
    log.write(mirror)
    text = log.checkpoint_text()
    lines = [
        cosign(text, name, log.now_s + offset)
        for name, offset in zip(WITNESSES, offsets, strict=False)
    ]
    put(mirror, "checkpoint", (log.checkpoint() + "".join(lines)).encode())
    return mirror


@pytest.fixture
def log() -> History:
    log = History()
    log.genesis()
    for number in range(5):
        log.register("add", f"lab-{number}", "member")
    return log


def judge(tmp_path: Path, mirror: Path, *more: str | Path) -> Verdict:
    arguments = ("--policy", policy(tmp_path), "--evidence", tmp_path / "evidence")
    return run("--offline", mirror, *arguments, *more)


def test_the_quorum_is_complete_at_its_last_needed_time(log: History, tmp_path: Path) -> None:
    verdict = judge(tmp_path, shown(log, tmp_path / "mirror", 500, 20, 10))
    assert verdict.status == 0
    assert verdict.report["cosigned_at"] == text_of(log.now_s + 20)
    assert verdict.report["clock"] == {
        "not_before": None,
        "not_after": text_of(log.now_s + 20),
        "from_entry": 0,
    }


@pytest.mark.parametrize(("ahead_s", "codes"), [(300, set()), (301, {"post-dated"})])
def test_an_entry_dated_after_the_quorum_saw_it_is_post_dated(
    log: History, tmp_path: Path, ahead_s: int, codes: set[str]
) -> None:
    log.now_s += DAY_S
    index = log.register("add", "lab-9", "member")
    verdict = judge(tmp_path, shown(log, tmp_path / "mirror", -ahead_s, -ahead_s))
    assert verdict.codes == codes
    assert verdict.entries("post-dated") == [index] * len(codes)


@pytest.mark.parametrize(("early_s", "codes"), [(300, set()), (301, {"back-dated"})])
def test_an_entry_dated_before_the_quorum_saw_the_log_without_it_is_back_dated(
    log: History, tmp_path: Path, early_s: int, codes: set[str]
) -> None:
    state, seen = tmp_path / "state", 400
    assert judge(tmp_path, shown(log, tmp_path / "m1", seen, seen), "--state", state).status == 0
    log.now_s += seen - early_s
    index = log.register("add", "lab-9", "member")
    log.now_s += 1000
    verdict = judge(tmp_path, shown(log, tmp_path / "m2", 0, 0), "--state", state)
    assert verdict.codes == codes
    assert verdict.entries("back-dated") == [index] * len(codes)
    assert verdict.report["clock"]["from_entry"] == 6
    assert verdict.report["clock"]["not_before"] == text_of(log.now_s - 1000 + early_s)


def test_a_text_says_what_a_first_run_cannot_know(log: History, tmp_path: Path) -> None:
    state, where = tmp_path / "state", policy(tmp_path)
    mirror = shown(log, tmp_path / "mirror", 0, 0)
    arguments = ("--offline", mirror, "--policy", where, "--state", state)
    assert "a first run cannot tell how much earlier" in run_text(*arguments)[1]
    assert "entries from 6 on came between" in run_text(*arguments)[1]
    assert "its own word" in run_text("--offline", mirror, "--vkey", KEY)[1]


def test_an_earlier_visit_convinces_only_its_own_clock(
    log: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    now = log.now_s + 1000
    monkeypatch.setattr(script.time, "time", lambda: now)
    arguments = ("--vkey", KEY, "--state", state, "--evidence", tmp_path / "evidence")
    assert run("--offline", log.write(tmp_path / "m1"), *arguments).status == 0
    index = log.register("add", "lab-9", "member")
    kept = state.read_bytes()
    verdict = run("--offline", log.write(tmp_path / "m2"), *arguments)
    assert (verdict.status, verdict.warnings) == (0, {"back-dated-by-own-clock"})
    state.write_bytes(kept)
    verdict = run("--offline", tmp_path / "m2", *arguments, "--clock", "own")
    assert (verdict.status, verdict.entries("back-dated-by-own-clock")) == (1, [index])


def test_what_witnesses_saw_still_sealed_is_overdue(log: History, tmp_path: Path) -> None:
    """The log stands still; its own last entry is before the date, the witnesses' word after."""
    index = log.submit("lab-a", log.new_job())
    late = 90 * DAY_S + 301
    verdict = judge(tmp_path, shown(log, tmp_path / "mirror", late, late))
    assert verdict.codes == {"overdue"}
    assert verdict.entries("overdue") == [index]


@pytest.mark.parametrize(
    ("age_s", "most_s", "status"), [(3600, None, 0), (3600, 3599, 1), (2 * DAY_S, 200_000, 0)]
)
def test_the_newest_word_of_the_witnesses_may_be_too_old(
    log: History, tmp_path: Path, age_s: int, most_s: int | None, status: int
) -> None:
    more = [] if most_s is None else ["--max-age", str(most_s)]
    mirror = shown(log, tmp_path / "mirror", 0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script.time, "time", lambda: log.now_s + age_s)
        verdict = judge(tmp_path, mirror, *more)
    assert verdict.status == status
    assert verdict.codes == ({"stale-checkpoint"} if status else set())


def test_a_receipt_dated_after_its_witnesses_is_refused(log: History, tmp_path: Path) -> None:
    log.now_s = seconds_of("2025-06-01T00:00:00Z")
    log.register("add", "lab-9", "member")
    for offset, status in ((0, 0), (-301, 1)):
        text = log.checkpoint_text()
        lines = [cosign(text, name, log.now_s + offset) for name in WITNESSES]
        put(tmp_path, "receipt", (log.receipt(6) + "".join(lines)).encode())
        evidence = tmp_path / "evidence"
        arguments = ("--policy", policy(tmp_path), "--evidence", evidence)
        verdict = run("proof", tmp_path / "receipt", *arguments)
        assert verdict.status == status
        assert verdict.codes == ({"post-dated"} if status else set())


# ML-DSA-44.


class Mldsa:
    """A key of type 0x06, and the lines that it makes over checkpoints (tlog-cosignature)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = MLDSA44PrivateKey.from_seed_bytes(sha256(name.encode()))
        data = b"\x06" + self._key.public_key().public_bytes_raw()
        self.key_id = sha256(name.encode() + b"\n" + data)[:4]
        self.vkey = f"{name}+{self.key_id.hex()}+{to_base64(data)}"

    def line(self, log: History, moment: int, size: int | None = None) -> str:
        whole = len(log.entries) if size is None else size
        message = b"subtree/v1\n\0" + bytes([len(self.name)]) + self.name.encode()
        message += moment.to_bytes(8, "big") + bytes([len(ORIGIN)]) + ORIGIN.encode()
        message += bytes(8) + whole.to_bytes(8, "big") + root_of(log.leaves())
        blob = self.key_id + moment.to_bytes(8, "big") + self._key.sign(message)
        return f"— {self.name} {to_base64(blob)}\n"


@pytest.fixture
def dual(log: History, tmp_path: Path) -> tuple[Mldsa, Mldsa, Path]:
    own, witness = Mldsa(ORIGIN), Mldsa("w4.example")
    path = tmp_path / "dual"
    path.write_text(f"log {KEY}\nlog {own.vkey}\nwitness w4 {witness.vkey}\nquorum w4\n")
    return own, witness, path


def test_lines_of_ml_dsa_are_verified(
    log: History, tmp_path: Path, dual: tuple[Mldsa, Mldsa, Path]
) -> None:
    own, witness, path = dual
    mirror, moment = log.write(tmp_path / "mirror"), log.now_s
    evidence = tmp_path / "evidence"

    def verdict_on(*lines: str) -> Verdict:
        put(mirror, "checkpoint", (log.checkpoint() + "".join(lines)).encode())
        return run("--offline", mirror, "--policy", path, "--evidence", evidence)

    fine = verdict_on(own.line(log, moment), witness.line(log, moment))
    assert (fine.status, fine.report["cosigned_at"]) == (0, text_of(moment))
    assert "mldsa-not-checked" not in fine.warnings
    missing = verdict_on(witness.line(log, moment))
    assert (missing.status, "mldsa-not-checked" in missing.warnings) == (0, True)
    assert verdict_on(own.line(log, moment)).status == 2
    assert verdict_on(witness.line(log, 0)).status == 2
    wrong = verdict_on(witness.line(log, moment, size=5))
    assert wrong.codes == {"bad-cosignature"}
    wrong = verdict_on(own.line(log, moment, size=5), witness.line(log, moment))
    assert wrong.codes == {"bad-checkpoint-signature"}


def test_without_the_library_a_line_of_ml_dsa_is_named_and_not_counted(
    log: History,
    tmp_path: Path,
    dual: tuple[Mldsa, Mldsa, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, witness, path = dual
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *rest)

    mirror, moment = log.write(tmp_path / "mirror"), log.now_s
    lines = own.line(log, moment) + witness.line(log, moment)
    put(mirror, "checkpoint", (log.checkpoint() + lines).encode())
    monkeypatch.setattr(builtins, "__import__", missing)
    verdict = run("--offline", mirror, "--policy", path)
    assert verdict.status == 2
    assert "no witness quorum" in verdict.stderr
    assert verdict.report["warning_counts"]["mldsa-not-checked"] == 2
