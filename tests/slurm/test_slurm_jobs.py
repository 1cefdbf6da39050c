"""What a Slurm job was given, and what becomes of its run: no Slurm and no ledger."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from admission_world import DECIDED, JOB, POLICY, paper
from slurm_world import PATIENCE_S, ROOT

from ledger.admission.receipt import read_admission
from ledger.admission.refusal import AdmissionRefused
from ledger.admission.register import Register
from ledger.admission.slurm.job import (
    ENDED,
    Ending,
    SlurmJob,
    ending,
    find_job,
    requeued_at,
    waits,
)
from ledger.admission.slurm.runs import (
    EndNotTold,
    Run,
    Runs,
    RunsDamaged,
    RunState,
    Span,
    follow,
    name_of,
)
from ledger.admission.slurm.site import SiteRefused, parse_site
from ledger.admission.slurm.starting import judge, require_form, require_member
from ledger.admission.slurm.unused import require_unused
from ledger.cli.slurm_desk import end_of, worth_known
from ledger.errors import FormatError
from ledger.importers.drafts import Defaults, parse_defaults
from ledger.records.charter import Code
from ledger.records.wire import convert
from schemas.statements import JobEnded

FIXTURES = Path(__file__).parent / "fixtures"
QUEUE = (FIXTURES / "squeue_22_05.json").read_bytes()
ULID = "01JD9Z0000000000000000000A"
RUN = Run(
    run="apsci:1:1000000000",
    job_id=ULID,
    workload="eval_suite",
    gpu_count=2,
    gpu_type="h200",
    wall_limit_seconds=600,
    state=RunState.RUNNING,
    started_at=1_000_000_100,
)
DEFAULTS: Defaults = parse_defaults(
    'weights_unchanged = true\nweights_check = "readonly_mount"\n'
    'h200e = { basis = "as measured" }\nmilli_h200 = { nvidia_h200 = 1000, nvidia_h100 = 700 }\n'
)


def queue(**changes: object) -> bytes:
    """What the real squeue printed, with other values in job 1."""
    printed = json.loads(QUEUE)
    for record in printed["jobs"]:
        if record["job_id"] == 1:
            record.update(changes)
    return json.dumps(printed).encode()


def job(**changes: Any) -> SlurmJob:
    """The recorded job, or another."""
    return replace(find_job(QUEUE, 1), **changes)


def test_the_real_squeue_shows_what_a_job_was_given() -> None:
    found = find_job(QUEUE, 1)
    assert (found.number, found.job_id, found.workload) == (1, ULID, "eval_suite")
    assert (found.gpu_count, found.gpu_type, found.shares, found.several) == (
        2,
        "h200",
        False,
        False,
    )
    assert (found.wall_limit_seconds, found.restarts) == (300, 0)
    assert found.started_at >= found.submitted_at > 1_700_000_000
    assert find_job(QUEUE, 2).gpu_count == 1


def test_numbers_of_later_versions_say_the_same() -> None:
    def shaped(number: int | None) -> dict[str, object]:
        return {"set": number is not None, "infinite": False, "number": number or 0}

    found = find_job(QUEUE, 1)
    newer = queue(
        time_limit=shaped(5),
        submit_time=shaped(found.submitted_at),
        start_time=shaped(found.started_at),
        array_job_id=shaped(0),
        array_task_id=shaped(None),
        job_state=["CONFIGURING"],
    )
    assert find_job(newer, 1) == found
    endless = queue(time_limit={"set": True, "infinite": True, "number": 0})
    assert find_job(endless, 1).wall_limit_seconds is None


@pytest.mark.parametrize(
    ("details", "tracked", "count", "kind", "shares"),
    [
        (["gpu:h200:2(IDX:0-1)", "gpu:h200:6(IDX:0,2-6)"], "", 8, "h200", False),
        (["gpu:2(IDX:0,3),nic:1(IDX:0)"], "", 2, None, False),
        (["gpu:h100:1(IDX:0),gpu:h200:1(IDX:1)"], "", 2, None, False),
        (["gpu:h200:2(IDX:0-1)"], "cpu=1,gres/gpu=4,gres/gpu:h200=4", 4, "h200", False),
        (["shard:1(0/1)"], "", 0, None, True),
    ],
)
def test_gpus_are_counted_over_nodes_and_kinds_and_the_larger_count_is_held_against_a_receipt(
    details: list[str], tracked: str, count: int, kind: str | None, shares: bool
) -> None:
    found = find_job(queue(gres_detail=details, tres_alloc_str=tracked, tres_per_node=""), 1)
    assert (found.gpu_count, found.gpu_type, found.shares) == (count, kind, shares)


@pytest.mark.parametrize(
    "changes",
    [
        {"gres_detail": []},
        {"gres_detail": ["gpu:h200:two"]},
        {"gres_detail": ["gpu:a:b:2"]},
        {"gres_detail": "gpu"},
        {"time_limit": -1},
        {"time_limit": True},
        {"submit_time": 0},
        {"start_time": None},
        {"comment": 7},
        {"account": 7},
        {"job_id": 5},
    ],
)
def test_a_job_that_cannot_be_read_is_not_taken_for_one_without_gpus(
    changes: dict[str, Any],
) -> None:
    with pytest.raises(FormatError):
        find_job(queue(**changes), 1)


def test_a_job_that_is_put_back_into_the_queue_is_told_from_one_that_is_over() -> None:
    assert waits(queue(job_state="PENDING", start_time=0), 1)
    assert waits(queue(job_state=["PENDING", "REQUEUED"]), 1)
    assert not waits(queue(job_state=["NODE_FAIL"]), 1)
    with pytest.raises(FormatError):
        waits(QUEUE, 3)


def test_a_job_has_ended_when_slurm_has_done_with_it_and_not_while_it_completes() -> None:
    times = {"start_time": 1_700_000_000, "end_time": 1_700_000_060}
    ended = Ending("TIMEOUT", 1_700_000_000, 1_700_000_060)
    assert ending(queue(job_state="TIMEOUT", **times), 1) == ended
    assert ending(queue(job_state=["TIMEOUT"], **times), 1) == ended
    for goes_on in ("RUNNING", "COMPLETING", ["COMPLETED", "COMPLETING"], [], None):
        assert ending(queue(job_state=goes_on, **times), 1) is None
    with pytest.raises(FormatError):
        ending(QUEUE, 3)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"jobs":[1]}', b"\xff", b'{"jobs":{}}'])
def test_what_is_no_queue_is_refused(text: bytes) -> None:
    with pytest.raises(FormatError):
        find_job(text, 1)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"comment": ""}, Code.R3_MISSING_RECORD),
        ({"comment": f"apsci:{ULID} "}, Code.R3_MISSING_RECORD),
        ({"comment": f"apsci:{ULID}\n"}, Code.R3_MISSING_RECORD),
        ({"comment": f"apsci:{ULID.lower()}"}, Code.R3_MISSING_RECORD),
        ({"comment": f"x apsci:{ULID}"}, Code.R3_MISSING_RECORD),
        ({"workload": None}, Code.R3_MISSING_RECORD),
        ({"wall_limit_seconds": None}, Code.Q_QUOTA),
        ({"several": True}, Code.Q_MALFORMED),
        ({"shares": True}, Code.Q_MALFORMED),
    ],
)
def test_a_job_that_does_not_say_what_it_is_does_not_start(
    changed: dict[str, Any], code: Code
) -> None:
    assert require_form(job()) == ULID
    with pytest.raises(AdmissionRefused) as refused:
        require_form(job(**changed))
    assert refused.value.code is code


def test_a_requeued_job_goes_on_with_its_run_and_another_job_of_its_number_does_not() -> None:
    first = job()
    run = msgspec.structs.replace(RUN, run=name_of("apsci", first))
    again = replace(first, restarts=1, submitted_at=first.submitted_at + 60)
    assert follow(None, first) is None
    for state in (RunState.STARTING, RunState.INTERRUPTED):
        before = msgspec.structs.replace(run, state=state)
        assert follow(before, first) == before
        assert follow(before, again) == before
    for starting in (first, again):
        with pytest.raises(EndNotTold, match="its last end is not told yet"):
            follow(run, starting)
    assert follow(run, replace(first, submitted_at=first.submitted_at + 60)) is None
    over = msgspec.structs.replace(run, state=RunState.ENDED)
    assert follow(over, replace(first, submitted_at=first.submitted_at + 60)) is None
    for starting in (first, again):
        with pytest.raises(AdmissionRefused, match="has ended"):
            follow(over, starting)


def test_slurm_shows_since_when_a_requeued_job_waits_once_it_has_completed() -> None:
    since = 1_700_000_060
    assert requeued_at(queue(job_state="PENDING", submit_time=since), 1) == since
    assert requeued_at(queue(job_state=["PENDING", "REQUEUED"], submit_time=since), 1) == since
    for other in ("RUNNING", "COMPLETING", ["PENDING", "COMPLETING"], ["COMPLETED"]):
        assert requeued_at(queue(job_state=other, submit_time=since), 1) is None
    with pytest.raises(FormatError):
        requeued_at(queue(job_state="PENDING", submit_time=0), 1)


def test_one_process_at_a_time_is_at_a_run_and_others_are_at_other_runs(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")
    ask = (
        "import sys; from pathlib import Path; from ledger.admission.slurm.runs import Runs\n"
        "for number in (7, 8):\n"
        "    with Runs(Path(sys.argv[1])).alone(number, wait=False) as kept: print(kept)"
    )

    def other() -> list[str]:
        command = [sys.executable, "-c", ask, str(runs.folder)]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE_S
        )
        return done.stdout.split()

    with runs.alone(7) as kept:
        assert kept
        assert other() == ["False", "True"]
    assert other() == ["True", "True"]


def test_what_was_started_is_found_again_and_damage_is_no_absence(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")
    assert runs.find(1) is None
    runs.keep(1, RUN)
    assert runs.find(1) == RUN
    assert runs.running() == [(1, RUN)]
    over = msgspec.structs.replace(RUN, state=RunState.ENDED)
    runs.keep(1, over)
    assert (runs.find(1), runs.running()) == (over, [])
    assert not (tmp_path / "runs" / "1.json").exists()
    runs.keep(1, RUN)
    assert runs.find(1) == RUN
    (tmp_path / "runs" / "1.json").write_text("{}")
    with pytest.raises(RunsDamaged):
        runs.find(1)
    (tmp_path / "runs" / "2.json").mkdir()
    with pytest.raises(RunsDamaged):
        runs.find(2)


@pytest.mark.parametrize("state", sorted(ENDED))
def test_every_way_to_end_is_a_statement_that_the_log_takes(state: str) -> None:
    ended = end_of(
        RUN, 1, state, started_at=1_000_000_100, ended_at=1_000_000_160, defaults=DEFAULTS
    )
    public = convert(msgspec.to_builtins(ended.draft.document["public"]), JobEnded, at="")
    assert (public.wall_seconds, public.gpu_seconds, public.h200e_seconds) == (60, 120, 120)
    assert ended.draft.kind == {"COMPLETED": "completed", "CANCELLED": "cancelled"}.get(
        state, "failed"
    )
    assert ended.run.state is RunState.ENDED


def test_the_periods_of_a_run_add_up_each_with_its_own_gpus() -> None:
    span = Span(1_000_000_100, 1_000_000_130, "preempted", 4, "h100")
    again = msgspec.structs.replace(RUN, before=(span,), started_at=1_000_000_500)
    ended = end_of(
        again, 1, "COMPLETED", started_at=1_000_000_500, ended_at=1_000_000_510, defaults=DEFAULTS
    )
    public = ended.draft.document["public"]
    assert (public["wall_seconds"], public["gpu_seconds"]) == (40, 30 * 4 + 10 * 2)
    assert public["h200e_seconds"] == (30 * 4 * 700 + 10 * 2 * 1000) // 1000
    assert public["started_at"] == "2001-09-09T01:48:20Z"
    gave_up = end_of(
        again, 1, "CANCELLED", started_at=None, ended_at=1_000_000_900, defaults=DEFAULTS
    )
    assert gave_up.draft.document["public"]["wall_seconds"] == 30


def test_a_requeued_run_does_not_get_its_time_again() -> None:
    given = {"policy": POLICY, "now": DECIDED, "valid_hours": 168}
    receipt = paper(gpu_count=2, wall_limit_seconds=600).receipt()
    own = job(comment=f"apsci:{JOB}")
    assert judge(own, receipt, **given, used_seconds=300).job_id == JOB
    with pytest.raises(AdmissionRefused, match=r"has used 301 of the 600 .* limit to 4 minutes"):
        judge(own, receipt, **given, used_seconds=301)


def test_an_account_uses_its_own_members_receipts_and_no_others() -> None:
    admission = read_admission(paper().receipt(), policy=POLICY)
    assert admission.author == "deepseek"
    members = {"lab-one": "deepseek", "lab_2": "mistral"}
    require_member(members, "lab-one", admission)
    require_member(None, "", admission)
    for members_of, account, said in (
        (members, "lab_2", "account is mistral's, and the receipt of job .* is deepseek's"),
        (members, "lab-three", "no member's"),
        (members, "", "no member's"),
        ({}, "lab-one", "no member's"),
    ):
        with pytest.raises(AdmissionRefused, match=said) as refused:
            require_member(members_of, account, admission)
        assert refused.value.code is Code.R3_MISSING_RECORD
    assert find_job(queue(account="lab-one"), 1).account == "lab-one"


def test_a_receipt_is_unused_until_the_register_says_so_and_not_where_it_says_nothing(
    tmp_path: Path,
) -> None:
    file = tmp_path / "used.db"
    admission = read_admission(paper().receipt(), policy=POLICY)
    require_unused(file, admission)
    Register(file).take("01JD9Z0000000000000000000C", "apsci:1:1", DECIDED)
    require_unused(file, admission)
    Register(file).take(JOB, "apsci:7:1", DECIDED)
    with pytest.raises(AdmissionRefused, match="has started the run apsci:7:1 already"):
        require_unused(file, admission)
    file.write_bytes(b"no database")
    with pytest.raises(AdmissionRefused, match="cannot be read"):
        require_unused(file, admission)


def test_a_run_that_never_began_used_nothing() -> None:
    waiting = msgspec.structs.replace(RUN, state=RunState.STARTING)
    ended = end_of(
        waiting, 1, "CANCELLED", started_at=None, ended_at=1_000_009_000, defaults=DEFAULTS
    )
    assert ended.draft.kind == "cancelled"
    assert ended.draft.document["public"]["gpu_seconds"] == 0


def test_gpus_whose_worth_nobody_knows_are_known_before_a_start() -> None:
    assert worth_known(DEFAULTS, "h200")
    assert worth_known(DEFAULTS, "NVIDIA-H100-80GB")
    assert not worth_known(DEFAULTS, "b200")
    assert not worth_known(DEFAULTS, None)


@pytest.mark.parametrize(
    "wrong",
    [
        'cluster = "a b"',
        'policy = "policy"',
        'policy = "/x\'; touch y"',
        'key = "/with space"',
        'ledger = "ftp://x"',
        "valid_hours = 0",
        'unknown = "x"',
        'models = ["/x y"]',
        'members = { "a b" = "deepseek" }',
        'members = { lab = "Deep Seek" }',
    ],
)
def test_a_clusters_file_has_one_meaning_or_none(wrong: str) -> None:
    good = {
        "cluster": '"apsci"', "ledger": '"https://ledger.example"', "policy": '"/p"',
        "key": '"/k"', "state": '"/s"', "usage": "{}",
    }  # fmt: skip
    text = "".join(f"{name} = {value}\n" for name, value in good.items())
    assert parse_site(text.encode()).valid_hours == 168
    name = wrong.partition(" ")[0]
    changed = text.replace(f"{name} = {good[name]}", wrong) if name in good else text + wrong
    with pytest.raises(SiteRefused):
        parse_site(changed.encode())
