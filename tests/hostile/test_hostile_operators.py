"""Every hostile operator is convicted, by the right codes; the honest one is verified."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import cheats_charter
import cheats_clock
import cheats_embargo
import cheats_identity
import cheats_past
import cheats_receipts
import cheats_rules
import cheats_serving
import cheats_silence  # noqa: F401 - it registers its silences
import pytest
from cheating import CHEATS, SILENCES, Cheat, Silence, judge
from honest_past import Past
from hostile_operator import Operator, encoded
from hostile_server import serving
from ledger_world import ORIGIN
from verify_runner import SCRIPT, run, script

from ledger.tlog.note import generate_key
from ledger.tlog.spelling import encode_base64

STORIES = (
    cheats_charter,
    cheats_clock,
    cheats_embargo,
    cheats_identity,
    cheats_past,
    cheats_receipts,
    cheats_rules,
    cheats_serving,
)
AT_LEAST = dict.fromkeys(STORIES, 0) | {
    cheats_charter: 20,
    cheats_clock: 5,
    cheats_embargo: 20,
    cheats_identity: 10,
    cheats_past: 5,
    cheats_rules: 25,
}
"""How many of them put something new into the log, for a returning reader to find."""


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.name)
def test_a_hostile_operator_is_convicted(cheat: Cheat, past: Past, tmp_path: Path) -> None:
    operator = Operator(past)
    cheat.play(operator)
    with serving() as server:
        *before, last = judge(operator, server, tmp_path, cheat.options)
    assert [visit.status for visit in before] == [0] * len(before), before
    assert last.status == 1, last
    assert last.report["verdict"] == "misbehaviour"
    assert last.codes == cheat.codes, last.report["findings"][:5]
    assert last.warnings >= cheat.notes
    evidence = Path(last.report["evidence"])
    assert (evidence / "report.json").exists()
    assert len(list(evidence.iterdir())) > 1


@pytest.mark.parametrize("stories", STORIES, ids=lambda stories: stories.__name__)
def test_a_watchdog_that_came_before_finds_the_same_in_what_is_new(
    stories: ModuleType, past: Past, tmp_path: Path
) -> None:
    """It reads only what has been logged since, and remembers all that it needs of the rest."""
    told, found = {}, {}
    with serving() as server:
        for cheat in [cheat for cheat in CHEATS if cheat.play.__module__ == stories.__name__]:
            operator = Operator(past)
            cheat.play(operator)
            size = first_change(operator, past)
            shown_oddly = operator.views or operator.policy or operator.receipt
            if shown_oddly or not operator.vkey or size == 0:
                continue  # nothing is new here but the way of showing it, or all is
            folder = tmp_path / cheat.play.__name__
            folder.mkdir()
            honest = Operator(past)
            honest.true_s = honest.logged_at(size - 1)
            operator.views = [honest.show(honest.publish(size=size))]
            operator.show()
            before, last = judge(operator, server, folder, cheat.options)
            assert before.status == 0, (cheat.name, before)
            told[cheat.name], found[cheat.name] = cheat.codes, last.codes
    assert found == told
    assert len(told) >= AT_LEAST[stories]


@pytest.mark.parametrize("silence", SILENCES, ids=lambda silence: silence.name)
def test_an_operator_who_says_too_little_is_not_verified(
    silence: Silence, past: Past, tmp_path: Path
) -> None:
    operator = Operator(past)
    silence.play(operator)
    with serving() as server:
        [verdict] = judge(operator, server, tmp_path, silence.options)
    assert verdict.status == 2
    assert verdict.report["verdict"] == "could-not-check"
    assert silence.reason in verdict.stderr


def test_the_honest_operator_is_verified(past: Past, tmp_path: Path) -> None:
    operator = Operator(past)
    operator.show(operator.publish(size=whole(operator, 300)))
    operator.show()
    with serving() as server:
        verdicts = judge(operator, server, tmp_path)
    assert [verdict.status for verdict in verdicts] == [0, 0], verdicts
    assert not any(verdict.codes for verdict in verdicts)
    assert operator.accomplices == set()


def test_the_honest_past_has_all_that_the_charter_brought(past: Past) -> None:
    """What the cheats begin with was logged by the ledger itself, for the verifier to judge."""
    entries = [json.loads(entry) for entry in past.entries]
    schemas = {entry["statement"]["schema"] for entry in entries if "statement" in entry}
    new = {"charter-version/1", "start-refused/1", "job-ended/2"}
    assert schemas >= new | {"artifact-write/1", "artifact-read/1"}
    codes = [each["code"] for entry in entries for each in entry.get("findings", ())]
    assert {"Q_quota", "R1_digest_mismatch", "R2_egress_ceiling"} <= {*codes}
    assert sum("endorsements" in entry for entry in entries) == 1


def test_what_an_operator_serves_is_what_the_ledger_serves(past: Past) -> None:
    assert Operator(past).publish().files == past.files


def test_what_two_readers_were_shown_is_evidence_that_stands_alone(
    past: Past, tmp_path: Path
) -> None:
    operator = Operator(past)
    cheats_past.shows_two_logs_to_two_readers(operator)
    with serving() as server:
        *_, last = judge(operator, server, tmp_path)
    proof = Path(last.report["evidence"]) / "split-view.json"
    assert run("evidence", proof).status == 0
    said = json.loads(proof.read_text())
    size = f"\n{len(operator.entries)}\n"
    for spoilt in (
        {"larger": said["smaller"]},
        {"smaller": said["smaller"].replace(size, "\n7\n", 1)},
        {"vkey": generate_key(ORIGIN, b"t" * 32)[1]},
        {"inside": [encode_base64(bytes(32))]},
    ):
        proof.write_text(json.dumps(said | spoilt))
        assert run("evidence", proof).status == 2


def test_the_script_alone_convicts_and_acquits_by_its_own_clock(past: Past, tmp_path: Path) -> None:
    honest, cheating = Operator(past), Operator(past)
    cheats_charter.admits_fine_tuning(cheating)
    with serving() as server:
        server.views["honest"] = honest.publish()
        server.views["cheating"] = cheating.publish()
        for visitor, status in (("honest", 0), ("cheating", 1)):
            address = server.address(visitor)
            command = [sys.executable, "-I", SCRIPT, address, "--vkey", honest.vkey]
            done = subprocess.run(
                command, cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert done.returncode == status, done
    assert "forbidden-workload-admitted" in done.stdout


def test_every_check_that_convicts_has_convicted_somebody() -> None:
    provoked = {code for cheat in CHEATS for code in cheat.codes}
    convicting = {check.code for check in script.CHECKS.values() if check.severity == "finding"}
    assert convicting <= provoked <= script.CHECKS.keys()
    names = [cheat.name for cheat in CHEATS]
    assert len({*names}) == len(names)


def whole(operator: Operator, size: int) -> int:
    """The size, less one where the last entry would ask for one that has to follow it."""
    return size - (operator.entries[size - 1]["kind"] in ("submitted", "open"))


def first_change(operator: Operator, past: Past) -> int:
    """How many entries are still the honest ones."""
    entries = [each if isinstance(each, bytes) else encoded(each) for each in operator.entries]
    same = [ours == theirs for ours, theirs in zip(entries, past.entries, strict=False)]
    size = same.index(False) if False in same else len(same)
    return whole(Operator(past), size) if size else 0
