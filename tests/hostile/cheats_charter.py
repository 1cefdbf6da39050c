"""Cheats with the consortium's rules: what may run, how much, and who has to say so first."""

from cheating import cheat
from hostile_operator import Operator

from ledger.records.deadline import DAY_S, format_time


@cheat("forbidden-workload-admitted")
def admits_fine_tuning(operator: Operator) -> None:
    """A lab may fine-tune on the shared cluster, this once."""
    operator.admit(operator.submit(operator.new_job(), workload_type="lora"))


@cheat("forbidden-workload-admitted")
def admits_an_optimizer_on_the_model(operator: Operator) -> None:
    """It is called an evaluation, and it updates the model's weights."""
    targets = ["uploaded_model"]
    operator.admit(operator.submit(operator.new_job(), optimizer_targets=targets))


@cheat("forbidden-workload-admitted", notes=("unknown-kind",))
def brings_in_a_charter_of_its_own(operator: Operator) -> None:
    """An entry of a kind that nobody knows allows everything; after it, nothing is forbidden."""
    charter = dict(operator.entries[0]["charter"])
    charter["allowed_workloads"] = [*charter["allowed_workloads"], "lora"]
    operator.add("charter_of_mine", charter=charter)
    operator.admit(operator.submit(operator.new_job(), workload_type="lora"))


@cheat("malformed-entry", "forbidden-workload-admitted")
def sets_a_charter_without_the_council(operator: Operator) -> None:
    """The operator's own entry of the right kind: nobody has signed it, so nothing counts."""
    charter = dict(operator.entries[0]["charter"])
    charter["allowed_workloads"] = [*charter["allowed_workloads"], "lora"]
    operator.add("charter", charter=charter)
    operator.admit(operator.submit(operator.new_job(), workload_type="lora"))


@cheat("admitted-against-charter")
def admits_without_an_egress_ceiling(operator: Operator) -> None:
    """Whatever leaves the cluster is within the limits of a job that has none."""
    operator.admit(operator.submit(operator.new_job(), egress_ceiling_bytes=None))


@cheat("admitted-against-charter")
def admits_a_ceiling_above_the_charters(operator: Operator) -> None:
    """One byte more than the charter lets any job carry out."""
    ceiling = operator.entries[0]["charter"]["egress_ceiling_bytes"] + 1
    operator.admit(operator.submit(operator.new_job(), egress_ceiling_bytes=ceiling))


@cheat("admitted-against-charter")
def admits_more_gpus_than_there_are(operator: Operator) -> None:
    """A blank cheque: a job that may take the whole cluster, and more."""
    operator.admit(operator.submit(operator.new_job(), gpu_count=25_001))


@cheat("bad-decision")
def admits_although_it_found_something(operator: Operator) -> None:
    """The findings stand in the entry, and the job is admitted all the same."""
    rejected = operator.entries[operator.find("rejected")]
    operator.submit(operator.new_job())
    index = operator.admit(len(operator.entries) - 1)
    operator.entries[index]["findings"] = rejected["findings"]


@cheat("bad-decision")
def rejects_without_a_reason(operator: Operator) -> None:
    """A member that is not liked is turned away, and is not told why."""
    operator.entries[operator.find("rejected")]["findings"] = []


@cheat("bad-decision")
def rejects_on_an_invented_ground(operator: Operator) -> None:
    """A rival's evaluation is turned away as if it were fine-tuning; the submission says not."""
    submitted = operator.submit(operator.new_job())
    findings = operator.entries[operator.find("rejected")]["findings"]
    rejected = {"refers_to": submitted, "job_id": operator.job_of(submitted)}
    operator.add("rejected", charter=operator.in_force(), findings=findings, **rejected)


@cheat("missing-decision")
def never_decides(operator: Operator) -> None:
    """A submission is left lying: no admission, no rejection, nobody to blame."""
    operator.submit(operator.new_job())


@cheat("missing-decision", "decision-without-submission")
def decides_when_it_suits(operator: Operator) -> None:
    """Another entry goes in between, and the decision comes when it is convenient."""
    submitted = operator.submit(operator.new_job())
    operator.say_again(operator.find("egress", nth=-1), egress_bytes=1)
    operator.admit(submitted)


@cheat("decision-without-submission")
def admits_what_nobody_submitted(operator: Operator) -> None:
    """A job of the operator's own is waved through without a word about what it is."""
    operator.add("admitted", refers_to=3, job_id=operator.new_job(), charter=0, findings=[])


@cheat("bad-reference")
def decides_by_a_charter_that_is_none(operator: Operator) -> None:
    """The decision cites rules that are nowhere in the log."""
    operator.entries[operator.find("admitted", nth=3)]["charter"] = 5


@cheat("run-without-admission")
def rejects_and_runs_it_all_the_same(operator: Operator) -> None:
    """Rejected for the public, started for a friend."""
    operator.begin(operator.job_of(operator.find("rejected")))


@cheat("run-without-admission")
def runs_what_was_never_submitted(operator: Operator) -> None:
    """A run on the cluster of which no submission tells anything."""
    operator.begin(operator.new_job())


@cheat("out-of-order")
def runs_a_job_again_after_its_end(operator: Operator) -> None:
    """One admission is used twice."""
    operator.begin(operator.ended_job())


@cheat("out-of-order")
def submits_one_job_twice(operator: Operator) -> None:
    """A second submission under an old name: which of them was admitted?"""
    operator.admit(operator.submit(operator.ended_job()))


@cheat("usage-above-admitted")
def takes_more_gpus_than_were_admitted(operator: Operator) -> None:
    """Eight were asked for, and eighty are used."""
    job = operator.new_job()
    operator.admit(operator.submit(job))
    operator.say_again(operator.find("started"), job=job, gpu_count=80)


@cheat("usage-above-admitted")
def runs_for_longer_than_was_admitted(operator: Operator) -> None:
    """Two hours were asked for, and the run takes a night."""
    _end_late(operator, wall_seconds=36_000, gpu_seconds=8 * 36_000)


@cheat("usage-above-admitted")
def books_more_than_gpus_and_hours_give(operator: Operator) -> None:
    """A hundred thousand GPU-seconds in an hour on eight GPUs: somebody else's run is in there."""
    _end_late(operator, gpu_seconds=100_000)


@cheat("egress-above-ceiling")
def lets_more_out_than_was_admitted(operator: Operator) -> None:
    """A million bytes were asked for. A model is larger."""
    job = operator.running_job()
    egress = operator.find("egress")
    operator.say_again(egress, job=job, egress_bytes=999_999)
    operator.say_again(egress, job=job, egress_bytes=2)


@cheat("weights-changed", "missing-finding")
def says_that_nothing_changed(operator: Operator) -> None:
    """The run is said to have left the weights alone; the digests that it sealed say otherwise."""
    job = operator.running_job()
    operator.live(3_600)
    index = operator.say_again(operator.find("completed"), job=job)
    seed, fields = operator.openings[index]
    other = fields | {"model.weights_digest_after": {"sha256": "00" * 32}}
    operator.reseal(index, seed, other)
    operator.live(91 * DAY_S)


@cheat("missing-finding")
def lets_a_run_change_the_weights(operator: Operator) -> None:
    """The run ended with other weights than it began with, and nothing came of it."""
    _end_late(operator, weights_unchanged=False)


@cheat("job-without-end")
def never_says_that_a_run_ended(operator: Operator) -> None:
    """The job goes on in the log, so that nobody asks what it found."""
    operator.begin(_admitted(operator))
    operator.live(7_200 + DAY_S + 1)
    operator.say_again(operator.find("egress", nth=-1), egress_bytes=1)


@cheat("job-without-end")
def interrupts_a_run_for_ever(operator: Operator) -> None:
    """A run that is only interrupted never ends, and never seals what it found."""
    job = operator.running_job()
    ended_at = format_time(operator.now_s)
    public = {"ended_at": ended_at, "exit_status": "preempted"}
    operator.say("orchestrator", "interrupted", public, job)
    operator.live(60 * DAY_S)


@cheat("job-not-begun", options=("--fail-on", "job-not-begun"))
def lets_a_run_begin_unseen(operator: Operator) -> None:
    """The job was admitted, ran, and no event was ever logged of it."""
    _admitted(operator)
    operator.live(7_200 + DAY_S + 1)
    operator.say_again(operator.find("egress", nth=-1), egress_bytes=1)


def _admitted(operator: Operator) -> str:
    job = operator.new_job()
    operator.admit(operator.submit(job))
    return job


def _end_late(operator: Operator, **public: object) -> None:
    """Run a new job for an hour and end it with these public fields."""
    job = operator.running_job()
    began = format_time(operator.now_s)
    operator.live(3_600)
    ended = {"started_at": began, "ended_at": format_time(operator.now_s)} | public
    operator.say_again(operator.find("completed"), job=job, **ended)
