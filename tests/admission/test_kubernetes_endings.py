"""How Jobs of Kubernetes started and ended, as the log then has it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from admission_world import JOB, paper
from cli_world import Shell
from kit import SIGNERS, Clock, check_whole_log, log, make_ledger, submitted, ulid
from kubernetes import client
from kubernetes_world import annotations, cluster, container, job, owner, plain, pod, spec

from ledger.admission.kubernetes import Cluster
from ledger.admission.kubernetes_endings import Run, Usage, living, missing, read_runs, statements
from ledger.admission.outbox import Outbox
from ledger.admission.reporting import Reporter
from ledger.assembly import Ledger
from ledger.cli import kubernetes_reporting
from ledger.errors import FormatError, LedgerError
from ledger.records.entry import Entry, parse_entry
from ledger.settings import Settings
from schemas.statements import ExitStatus, JobEnded, WeightsCheck

USAGE = Usage("h200e/1", 500, weights_unchanged=True, weights_check=WeightsCheck.READONLY_MOUNT)
START, LATER, AGAIN, END = (
    f"2026-11-18T{hour:02d}:00:00Z" for hour in (12, 13, 15, 16)
)  # an hour, a pause of two, an hour


class Cron:
    """What reports to a ledger, again and again."""

    def __init__(self, ledger: Ledger, outbox: Outbox, here: Cluster) -> None:
        self.ledger, self._here = ledger, here
        self._reporter = Reporter(outbox, SIGNERS["orchestrator"], Clock())

    def __call__(self, thing: dict[str, Any]) -> list[str]:
        """Report what is shown, as the run that it is; the kinds that the log has of it now."""
        start(self._here, thing)
        for run in read_runs(json.dumps(thing).encode(), self._here):
            assert isinstance(run, Run), run
            said = self._reporter.outbox.keys(f"{run.uid}-")
            for each in statements(run, said, USAGE):
                assert not isinstance(each, FormatError), each
                self._reporter.say(**each)
        sent = self._reporter.outbox.work(self._send)
        assert (sent.refused, sent.waiting) == ((), 0)
        return [each.kind for each in self.entries()[3:]]

    def entries(self) -> list[Entry]:
        with self.ledger.store.snapshot() as reads:
            return [parse_entry(row.data) for row in reads.entries(0, reads.head().size)]

    def ending(self) -> JobEnded:
        entry = self.entries()[-1]
        assert entry.signed is not None
        assert isinstance(entry.signed.public, JobEnded)
        return entry.signed.public

    def _send(self, body: bytes) -> bytes:
        answer = self.ledger.submit_batch([body]).result(120)[0]
        if isinstance(answer, LedgerError):
            raise answer
        return answer.accepted.receipt.encode()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    made: Settings = make_ledger(database_url, tmp_path / "ledger")
    return made


@pytest.fixture
def cron(settings: Settings, tmp_path: Path) -> Iterator[Cron]:
    ledger = Ledger(settings, clock=Clock())
    log(ledger, submitted(JOB, gpu_count=8))
    yield Cron(ledger, Outbox(tmp_path / "outbox"), cluster(tmp_path))
    ledger.close()


@pytest.fixture
def here(tmp_path: Path) -> Cluster:
    return cluster(tmp_path)


def condition(kind: str, at: str, *, reason: str = "") -> client.V1JobCondition:
    return client.V1JobCondition(type=kind, status="True", last_transition_time=at, reason=reason)


def at(thing: dict[str, Any], **status: Any) -> dict[str, Any]:
    """The Job with this status, by the official model."""
    return thing | {"status": plain(client.V1JobStatus(**status))}


def start(here: Cluster, thing: dict[str, Any], *, job_id: str = JOB) -> None:
    """As the webhook does when it lets the first pod in."""
    here.register.take(job_id, f"{thing['kind']}/{thing['metadata']['uid']}", here.clock())


def runs(here: Cluster, *things: dict[str, Any]) -> list[Run | FormatError]:
    return list(read_runs(json.dumps({"kind": "List", "items": things}).encode(), here))


def seen(here: Cluster, thing: dict[str, Any]) -> Run:
    start(here, thing)
    (run,) = read_runs(json.dumps(thing).encode(), here)
    assert isinstance(run, Run), run
    return run


def trouble(here: Cluster, thing: dict[str, Any]) -> str:
    (error,) = read_runs(json.dumps(thing).encode(), here)
    assert isinstance(error, FormatError), error
    return str(error)


def test_a_job_is_reported_once_from_its_start_to_its_end(cron: Cron, settings: Settings) -> None:
    made = job(2, spec(container(4)))
    assert cron(at(made)) == []
    running = at(made, start_time=START, active=2)
    assert cron(running) == ["started"]
    assert cron(running) == ["started"]
    over = at(
        made, start_time=START, completion_time=LATER, conditions=[condition("Complete", LATER)]
    )
    for _ in range(2):
        assert cron(over) == ["started", "completed"]
    ending = cron.ending()
    assert (ending.started_at, ending.ended_at) == (START, LATER)
    assert (ending.wall_seconds, ending.gpu_seconds) == (3_600, 8 * 3_600)
    assert (ending.h200e_seconds, ending.h200e_basis) == (4 * 3_600, "h200e/1")
    assert ending.exit_status is ExitStatus.COMPLETED
    assert ending.weights_check is WeightsCheck.READONLY_MOUNT
    check_whole_log(settings)


def test_a_job_that_was_only_seen_at_its_end_is_reported_whole(cron: Cron) -> None:
    made = job()
    over = [condition("FailureTarget", LATER), condition("Failed", LATER)]
    assert cron(at(made, start_time=START, conditions=over)) == ["started", "failed"]
    assert cron.ending().exit_status is ExitStatus.FAILED


def test_a_suspended_job_is_interrupted_and_its_periods_are_added_up(cron: Cron) -> None:
    made = job()
    cron(at(made, start_time=START))
    halted = at(made, conditions=[condition("Suspended", LATER)])
    for _ in range(2):
        assert cron(halted) == ["started", "interrupted"]
    assert cron(at(made, start_time=AGAIN)) == ["started", "interrupted", "started"]
    over = at(made, start_time=AGAIN, completion_time=END, conditions=[condition("Complete", END)])
    assert cron(over)[-1] == "completed"
    ending = cron.ending()
    assert (ending.started_at, ending.wall_seconds) == (START, 7_200)


def test_a_job_that_never_started_is_cancelled(cron: Cron) -> None:
    assert cron(at(job(), conditions=[condition("Failed", LATER)])) == ["cancelled"]
    ending = cron.ending()
    assert (ending.started_at, ending.gpu_seconds) == (None, 0)
    assert ending.exit_status is ExitStatus.CANCELLED


def test_a_job_that_ran_out_of_time_says_so(here: Cluster) -> None:
    over = [condition("Failed", LATER, reason="DeadlineExceeded")]
    assert (
        seen(here, at(job(), start_time=START, conditions=over)).exit_status is ExitStatus.TIMEOUT
    )


def test_a_pod_of_its_own_is_reported_and_one_of_a_controller_is_not(here: Cluster) -> None:
    state = client.V1ContainerState(
        terminated=client.V1ContainerStateTerminated(
            exit_code=137, reason="OOMKilled", finished_at=LATER
        )
    )
    status = plain(
        client.V1PodStatus(
            phase="Failed",
            start_time=START,
            container_statuses=[
                client.V1ContainerStatus(
                    name="eval", image="i", image_id="i", ready=False, restart_count=0, state=state
                )
            ],
        )
    )
    run = seen(here, pod() | {"status": status})
    assert (run.system, run.exit_status) == ("kubernetes_pod", ExitStatus.OUT_OF_MEMORY)
    assert run.ended_at is not None
    assert run.started_at is not None
    assert run.ended_at - run.started_at == 3_600
    owned = pod(owners=[owner("0")]) | {"status": status}
    assert list(read_runs(json.dumps(owned).encode(), here)) == []


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ({"phase": "Succeeded"}, ExitStatus.COMPLETED),
        ({"phase": "Failed", "reason": "Evicted"}, ExitStatus.PREEMPTED),
        ({"phase": "Failed", "reason": "NodeLost"}, ExitStatus.NODE_FAIL),
        ({"phase": "Failed", "reason": "somethingElse"}, ExitStatus.FAILED),
        ({"phase": "Running"}, None),
        ({"phase": "Unknown"}, None),
        (
            {
                "phase": "Failed",
                "conditions": [
                    {
                        "type": "DisruptionTarget",
                        "status": "True",
                        "reason": "PreemptionByScheduler",
                        "lastTransitionTime": LATER,
                    }
                ],
            },
            ExitStatus.PREEMPTED,
        ),
    ],
)
def test_how_a_pod_ended_is_taken_from_its_phase_and_reasons(
    here: Cluster, status: dict[str, Any], found: ExitStatus | None
) -> None:
    assert seen(here, pod() | {"status": status}).exit_status is found


def test_a_list_is_read_object_by_object_and_one_bad_one_stops_no_other(here: Cluster) -> None:
    first = job()
    start(here, first)
    found = runs(
        here,
        first,
        job() | {"spec": {"template": {}, "parallelism": "two"}},
        job(plan=spec(container(0))),
        {"apiVersion": "v1", "kind": "Service"},
        first,
    )
    assert [type(each) for each in found] == [Run, FormatError, FormatError, Run]


def test_a_job_with_the_receipt_of_another_run_is_not_reported(here: Cluster) -> None:
    mine, copied, lone = job(), job(), pod()
    assert runs(here, mine, copied, lone) == []
    start(here, mine)
    (run,) = runs(here, copied, mine, lone)
    assert isinstance(run, Run)
    assert run.uid == mine["metadata"]["uid"]
    # A uid is believed of the kind that it was given to.
    posing = lone | {"metadata": lone["metadata"] | {"uid": run.uid}}
    assert runs(here, posing) == []


def test_the_receipt_is_the_one_on_the_pods_and_not_the_one_on_the_job(here: Cluster) -> None:
    thing = job(said=annotations(None))
    thing["metadata"]["annotations"] = annotations()
    start(here, thing)
    (error,) = runs(here, thing)
    assert "needs the receipt" in str(error)
    other = job()
    other["metadata"]["annotations"] = annotations("nonsense")
    assert runs(here, other) == []


def test_a_run_in_the_namespace_of_another_member_is_not_reported(tmp_path: Path) -> None:
    there = cluster(tmp_path, members={"deepseek": "zhipu"})
    thing = job()
    start(there, thing)
    (error,) = runs(there, thing)
    assert isinstance(error, FormatError)
    assert "for the member zhipu" in str(error)
    assert isinstance(runs(cluster(tmp_path, members={"deepseek": "deepseek"}), thing)[0], Run)


def test_a_run_that_was_let_in_and_is_not_listed_is_missed_until_its_end_is_reported(
    here: Cluster,
) -> None:
    gone, there = job(), pod()
    start(here, gone)
    start(here, there, job_id=ulid(2))
    listed = json.dumps({"kind": "List", "items": [there, {"kind": 7}]}).encode()
    ended = {gone["metadata"]["uid"]}
    assert missing(listed, here, lambda _: False) == []
    here.clock.now += 300  # type: ignore[attr-defined]
    (error,) = missing(listed, here, lambda _: False)
    assert f"the run Job/{gone['metadata']['uid']} of job {JOB} was let in" in str(error)
    assert missing(listed, here, ended.__contains__) == []


def test_a_job_without_a_true_receipt_is_not_reported(here: Cluster) -> None:
    bare = job()
    bare["spec"]["template"]["metadata"]["annotations"] = annotations(None)
    assert "needs the receipt" in trouble(here, bare)
    bare["spec"]["template"]["metadata"]["annotations"] = annotations(
        paper().but(witnesses=()).receipt().decode()
    )
    assert "quorum" in trouble(here, bare)


def test_what_is_not_known_of_a_run_is_not_made_up(here: Cluster) -> None:
    over = at(job(), start_time=START, conditions=[condition("Complete", LATER)])
    began, error = statements(seen(here, over), [], None)
    assert isinstance(began, dict)
    assert began["kind"] == "started"
    assert isinstance(error, FormatError)
    assert "nvidia_h200" in str(error)


def test_weights_are_said_to_be_unchanged_only_where_nothing_could_write(here: Cluster) -> None:
    tight = job()
    assert seen(here, tight).read_only
    loose = tight
    loose["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["readOnly"] = False
    assert not seen(here, loose).read_only


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"\xff", b'{"kind":"PodList","items":7}', b"[" * 100_000]
)
def test_what_is_no_list_is_refused(here: Cluster, text: bytes) -> None:
    with pytest.raises(FormatError):
        living(text)
    with pytest.raises(FormatError):
        list(read_runs(text, here))


def test_the_living_are_those_that_have_not_ended() -> None:
    items = [pod(phase=each) for each in ("Running", "Pending", "Succeeded", "Failed", "Unknown")]
    found = living(json.dumps({"kind": "PodList", "items": items}).encode())
    assert found == {items[n]["metadata"]["uid"] for n in (0, 1, 4)}


@pytest.mark.parametrize(
    "more",
    [
        {"metadata": {"continue": "token"}},
        {"items": [{"kind": "Job", "metadata": {"uid": "1"}}]},
        {"items": [{"kind": "Pod", "metadata": {}}]},
    ],
)
def test_a_list_that_is_not_of_all_pods_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        living(json.dumps({"kind": "PodList", "items": []} | more).encode())


def test_admit_pods_gives_back_what_no_living_pod_holds(
    shell: Shell, here: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    living_pod, ghost = pod(), pod()
    for each in (living_pod, ghost):
        here.pods.hold(
            each["metadata"]["uid"],
            run="Job/1",
            job_id=JOB,
            gpus=4,
            admitted=8,
            wall_limit_seconds=60,
            at=here.clock(),
        )
    given = ("admit-pods", "pods.json", "--register", "register.db")
    listed = {"kind": "List", "items": [living_pod], "metadata": {"resourceVersion": ""}}
    shell.write("pods.json", json.dumps(listed))
    monkeypatch.setattr(kubernetes_reporting, "system_clock", lambda: here.clock() + 300)
    assert shell.ok(*given) == f"gone: {ghost['metadata']['uid']}\n"
    assert shell.ok(*given) == ""
    shell.write("pods.json", "")
    shell(*given).refused("pods.json: this is no object and no list")
    shell(*given[:3], "elsewhere.db").refused("there are no pods of a webhook at elsewhere.db.pods")
