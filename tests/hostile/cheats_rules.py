"""Cheats with the rules themselves: who changes them, from when on, and what is held by them."""

from cheating import cheat
from hostile_operator import Operator
from hostile_rules import change, endorse, found, read, seat, stopped, take

from ledger.records.deadline import DAY_S, format_time
from ledger.tlog.note import generate_key


@cheat("too-few-endorsements", "forbidden-workload-admitted", "bad-reference")
def lets_one_of_the_council_allow_fine_tuning(operator: Operator) -> None:
    """Two of three have to sign, one does, and the job is in before the others hear of it."""
    allowed = [*operator.entries[0]["charter"]["allowed_workloads"], "lora"]
    forbidden = operator.entries[0]["charter"]["forbidden_workloads"]
    left = [each for each in forbidden if each != "lora"]
    change(operator, alone=True, allowed_workloads=allowed, forbidden_workloads=left)
    operator.admit(operator.submit(operator.new_job(), workload_type="lora"))


@cheat("too-few-endorsements")
def lets_one_of_the_council_bring_in_a_friend(operator: Operator) -> None:
    """With four friends on the council, one of them is the council."""
    seat(operator, "council-d")


@cheat("too-few-endorsements")
def drops_an_endorsement(operator: Operator) -> None:
    """The council did agree; the proof of it is taken out, so that it can be denied."""
    index = change(operator, embargo_days=30)
    del operator.entries[index]["endorsements"]


@cheat("bad-endorsement", "too-few-endorsements")
def signs_for_the_rest_of_the_council(operator: Operator) -> None:
    """The second of the council will not sign, so the operator makes a key in its name."""
    index = change(operator, alone=True, embargo_days=30)
    own = generate_key(f"{operator.signer.name}/council-b", b"s" * 32)[0]
    endorse(operator, index, "council-b", own)


@cheat("bad-endorsement", "too-few-endorsements")
def takes_an_endorsement_from_another_charter(operator: Operator) -> None:
    """What was signed for a stricter charter is put under a laxer one."""
    strict = change(operator, after_s=DAY_S, embargo_days=30)
    lax = change(operator, alone=True, gpu_total=24_000)
    operator.entries[lax]["endorsements"] = operator.entries[strict]["endorsements"]


@cheat("bad-endorsement", "too-few-endorsements")
def lets_a_member_endorse(operator: Operator) -> None:
    """A member of the cluster signs where a member of the council has to."""
    endorse(operator, change(operator, alone=True, gpu_total=24_000), "alpha")


@cheat("charter-out-of-time", "bad-reference")
def lets_a_charter_reach_back(operator: Operator) -> None:
    """What was admitted against the rules last week was within them, if they are dated so."""
    change(operator, after_s=-7 * DAY_S, gpu_total=24_000)
    operator.admit(operator.submit(operator.new_job()))


@cheat("charter-out-of-time")
def promises_a_charter_for_the_year_after_next(operator: Operator) -> None:
    """Rules so far ahead that nobody looks at them any more when they begin to count."""
    change(operator, after_s=400 * DAY_S, gpu_total=24_000)


@cheat("bad-charter")
def replaces_a_charter_that_was_replaced(operator: Operator) -> None:
    """Two proposals on top of one charter: the first is undone, and its signers are not asked."""
    change(operator, after_s=DAY_S, gpu_total=24_000)
    index = change(operator, after_s=DAY_S, gpu_total=23_000)
    operator.public(index)["replaces"] = 0
    operator.sign(index)
    del operator.entries[index]["endorsements"]
    endorse(operator, index, "council-c")


@cheat("bad-charter")
def makes_itself_unchangeable(operator: Operator) -> None:
    """More signatures than there are seats: the rules can never be changed again."""
    change(operator, council_threshold=9)


@cheat("embargo-too-long")
def asks_the_council_for_a_longer_embargo(operator: Operator) -> None:
    """Ninety-one days, signed by everybody who has to: the rules of the consortium forbid it."""
    change(operator, embargo_days=91)


@cheat("wrong-charter")
def decides_by_the_charter_of_yesterday(operator: Operator) -> None:
    """A decision cites rules that were replaced an hour before."""
    before = operator.in_force()
    change(operator, gpu_total=24_000)
    operator.live(3_600)
    index = operator.admit(operator.submit(operator.new_job()))
    operator.entries[index]["charter"] = before


@cheat("forbidden-workload-admitted", "wrong-charter")
def admits_by_a_charter_that_is_yet_to_count(operator: Operator) -> None:
    """Fine-tuning is to be allowed from tomorrow on, and a friend may begin today."""
    rules = operator.entries[0]["charter"]
    left = [each for each in rules["forbidden_workloads"] if each != "lora"]
    allowed = [*rules["allowed_workloads"], "lora"]
    changes = {"allowed_workloads": allowed, "forbidden_workloads": left}
    pending = change(operator, after_s=DAY_S, **changes)
    index = operator.admit(operator.submit(operator.new_job(), workload_type="lora"))
    operator.entries[index]["charter"] = pending


@cheat("wrong-publish-by")
def keeps_the_old_date_under_a_shorter_embargo(operator: Operator) -> None:
    """The council asks for thirty days, and the records go on being sealed for ninety."""
    change(operator, embargo_days=30)
    operator.admit(operator.submit(operator.new_job()))


@cheat("admitted-against-charter")
def admits_a_run_longer_than_the_quota(operator: Operator) -> None:
    """No job may take longer than an hour; a friend's takes two."""
    change(operator, embargo_days=90, job_wall_seconds=3_600)
    operator.admit(operator.submit(operator.new_job()))


@cheat("admitted-against-charter")
def lets_one_member_hold_more_than_its_share(operator: Operator) -> None:
    """Each job is within the limits; together they hold what all members should share."""
    change(operator, embargo_days=90, member_gpus=16)
    for _ in range(3):
        operator.admit(operator.submit(operator.new_job()))


@cheat("bad-decision")
def turns_a_member_away_for_a_quota_that_is_free(operator: Operator) -> None:
    """A rival is told that it holds too many GPUs. It holds none."""
    change(operator, embargo_days=90, member_gpus=16)
    submitted = operator.submit(operator.new_job())
    finding = {"rule": 4, "code": "Q_quota", "finding": "The member holds 16 GPUs."}
    fields = {"refers_to": submitted, "job_id": operator.job_of(submitted)}
    operator.add("rejected", charter=operator.in_force(), findings=[finding], **fields)


# What was found in a run, and what leaves it.


@cheat("missing-finding")
def keeps_silent_about_changed_weights(operator: Operator) -> None:
    """The run was stopped because its weights had changed, and the ledger does not say so."""
    stopped(operator)


@cheat("missing-finding", "bad-finding")
def finds_it_when_it_suits(operator: Operator) -> None:
    """The finding comes after something else, when the artifacts are out."""
    ended = stopped(operator)
    operator.say_again(operator.find("egress", nth=-1), egress_bytes=1)
    found(operator, ended)


@cheat("bad-finding")
def closes_a_rivals_artifacts_for_good(operator: Operator) -> None:
    """A finding about digests that are sealed; when they open, they are the same."""
    job = operator.running_job()
    began = operator.now_s
    operator.live(3_600)
    index = operator.say_again(operator.find("completed"), job=job)
    _dated(operator, index, began)
    found(operator, index)
    submitted = operator.find("submitted", nth=-1)
    seed, fields = operator.openings[index]
    before = operator.openings[submitted][1]["model.weights_digest"]
    operator.reseal(index, seed, fields | {"model.weights_digest_after": before})
    operator.live(91 * DAY_S)


@cheat("bad-finding")
def finds_something_in_another_job(operator: Operator) -> None:
    """The finding stands where it has to, and names a rival's job."""
    found(operator, stopped(operator))
    ended = stopped(operator)
    rival = operator.job_of(operator.find("completed"))
    found(operator, ended, job_id=rival)


@cheat("bad-finding")
def shows_a_sealed_digest_in_a_finding(operator: Operator) -> None:
    """The words of the finding say which model it was, months before anybody may know."""
    words = f"It was {'5e' * 32} before."
    finding = {"rule": 1, "code": "R1_digest_mismatch", "finding": words}
    found(operator, stopped(operator), findings=[finding])


@cheat("egress-after-quarantine")
def takes_artifacts_out_of_quarantine(operator: Operator) -> None:
    """The weights had changed, and what the run made is let out all the same."""
    ended = stopped(operator)
    found(operator, ended)
    take(operator, operator.job_of(ended), 1_000)


@cheat("artifact-above-ceiling")
def lets_tensors_out(operator: Operator) -> None:
    """A tensor of no class that may leave: a delta of the weights is a few bytes."""
    take(operator, operator.running_job(), 8, "tensor")


@cheat("artifact-above-ceiling")
def lets_too_much_of_one_class_out_in_parts(operator: Operator) -> None:
    """Every part is small, and the job's own ceiling is not reached."""
    ceilings = operator.entries[0]["charter"]["artifact_ceilings"]
    change(operator, embargo_days=90, artifact_ceilings=ceilings | {"table": 10_000})
    job = operator.running_job()
    for _ in range(11):
        take(operator, job, 1_000)


@cheat("egress-above-ceiling")
def lets_a_job_read_itself_out(operator: Operator) -> None:
    """A member reads its own artifact again and again, and each time it leaves once more."""
    job = operator.running_job()
    take(operator, job, 998_500)
    member = operator.entries[operator.find("submitted", nth=-1)]["statement"]["author"]
    read(operator, job, member)
    read(operator, job, member)


@cheat("artifact-read-by-another")
def lets_a_rival_read(operator: Operator) -> None:
    """One member reads, before its disclosure, what another one's job has made."""
    job = operator.running_job()
    take(operator, job, 10_000)
    member = operator.entries[operator.find("submitted", nth=-1)]["statement"]["author"]
    read(operator, job, "alpha" if member == "beta" else "beta")


@cheat("bad-artifact")
def books_two_artifacts_under_one_name(operator: Operator) -> None:
    """The second one takes the place of the first, which was small and harmless."""
    job = operator.running_job()
    first = operator.public(take(operator, job, 1_000))
    operator.say_again(take(operator, job, 2_000), job=job, artifact_id=first["artifact_id"])


@cheat("bad-artifact")
def lets_a_member_read_what_was_never_taken(operator: Operator) -> None:
    """Bytes leave as if they were read of an artifact, and no such artifact was ever debited."""
    job = operator.running_job()
    take(operator, job, 999)
    member = operator.entries[operator.find("submitted", nth=-1)]["statement"]["author"]
    read(operator, job, member)


@cheat("member-egress-above-quota")
def splits_what_leaves_over_many_jobs(operator: Operator) -> None:
    """No job is above its ceiling; the member's jobs together carry a model out."""
    operator.live(31 * DAY_S)
    change(operator, embargo_days=90, member_egress_bytes=10_000)
    for _ in range(11):
        take(operator, operator.running_job(), 1_000)


@cheat("wrong-role")
def lets_a_member_refuse_a_rivals_start(operator: Operator) -> None:
    """That a run was refused is for the orchestrator to say, and not for whoever gains by it."""
    public = {
        "code": "R3_private_run_requested",
        "finding": "It asked for a run without a record.",
        "gpu_count": 8,
        "member": "beta",
        "system": "slurm",
    }
    operator.say("alpha", "refused", public, schema="start-refused/1")


def _dated(operator: Operator, index: int, began_s: int) -> None:
    """Let a run that ended just now have begun when it did."""
    times = {"started_at": format_time(began_s), "ended_at": format_time(operator.now_s)}
    operator.public(index).update(times)
    operator.sign(index)
