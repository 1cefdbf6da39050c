"""Cheats with who speaks: strangers, retired keys, borrowed roles, another author's words."""

from cheating import cheat
from hostile_operator import Operator

from ledger.tlog.note import generate_key


@cheat("unknown-author")
def speaks_for_nobody_in_the_registry(operator: Operator) -> None:
    """A made-up gateway says how little went out."""
    egress = operator.public(operator.find("egress"))
    stranger = generate_key(f"{operator.signer.name}/gateway-two", b"s" * 32)[0]
    operator.say("gateway-two", "egress", egress, operator.ended_job(), signer=stranger)


@cheat("unknown-key")
def speaks_for_an_author_with_a_key_of_its_own(operator: Operator) -> None:
    """The gateway will not say it, so the operator says it in the gateway's name."""
    own = generate_key(f"{operator.signer.name}/gateway", b"s" * 32)[0]
    egress = operator.public(operator.find("egress"))
    operator.say("gateway", "egress", egress, operator.ended_job(), signer=own)


@cheat("key-not-valid")
def accepts_a_key_that_was_retired(operator: Operator) -> None:
    """Gamma's key was stolen and retired; the thief still gets jobs admitted."""
    operator.admit(operator.say_again(_of_gamma(operator), job=operator.new_job()))


@cheat("unknown-author")
def accepts_a_key_before_it_was_added(operator: Operator) -> None:
    """A friend submits today and is registered tomorrow."""
    added = operator.find("registry")
    egress = operator.public(operator.find("egress"))
    delta, vkey = generate_key(f"{operator.signer.name}/delta", b"d" * 32)
    operator.say("delta", "egress", egress, operator.ended_job(), signer=delta)
    public = {"name": "delta", "role": "gateway", "title": "Delta", "vkey": vkey}
    operator.say_again(added, **public)


@cheat("unknown-key")
def registers_a_friend_without_the_council(operator: Operator) -> None:
    """The council does not sign, so the operator signs for it."""
    own = generate_key(f"{operator.signer.name}/council", b"s" * 32)[0]
    _, vkey = generate_key(f"{operator.signer.name}/delta", b"d" * 32)
    public = operator.public(operator.find("registry"))
    operator.say("council", "registry", public | {"name": "delta", "vkey": vkey}, signer=own)


@cheat("wrong-role")
def lets_a_member_register_a_friend(operator: Operator) -> None:
    """A member signs, properly, what only the council may say."""
    _, vkey = generate_key(f"{operator.signer.name}/delta", b"d" * 32)
    public = operator.public(operator.find("registry"))
    operator.say("alpha", "registry", public | {"name": "delta", "vkey": vkey})


@cheat("bad-registry")
def gives_one_key_to_two_authors(operator: Operator) -> None:
    """One key under two names signs for both sides of a job."""
    public = operator.public(operator.find("registry"))
    operator.say("council", "registry", public | {"name": "delta"})


@cheat("bad-registry")
def retires_a_key_that_nobody_has(operator: Operator) -> None:
    """A retirement that retires nothing: the stolen key stays good."""
    _, vkey = generate_key(f"{operator.signer.name}/alpha", b"n" * 32)
    public = operator.public(operator.find("registry", nth=1))
    operator.say("council", "registry", public | {"name": "alpha", "vkey": vkey, "role": "member"})


@cheat("wrong-role")
def lets_a_member_start_its_own_job(operator: Operator) -> None:
    """The lab says itself when it started, and with how many GPUs."""
    started = operator.public(operator.find("started"))
    job = operator.new_job()
    operator.admit(operator.submit(job))
    operator.say("alpha", "started", started, job)


@cheat("bad-reference")
def lets_one_author_correct_another(operator: Operator) -> None:
    """The gateway's figures are put right by the lab that they speak against."""
    target = operator.find("egress")
    correction = operator.public(operator.find("corrected")) | {"corrects": target}
    operator.say("alpha", "corrected", correction, operator.job_of(target))


@cheat("malformed-entry")
def hides_one_kind_in_another(operator: Operator) -> None:
    """A completed run is filed as egress, where nobody looks for its figures."""
    operator.entries[operator.find("completed", nth=-1)]["kind"] = "egress"


@cheat("malformed-entry")
def hides_a_statement_under_a_kind_of_its_own(operator: Operator) -> None:
    """A start is filed under a kind that no reader knows, and so under no rule."""
    job = operator.new_job()
    operator.admit(operator.submit(job))
    operator.entries[operator.begin(job)]["kind"] = "noted"


@cheat("unknown-schema", options=("--fail-on", "unknown-schema"))
def speaks_by_a_schema_that_nobody_knows(operator: Operator) -> None:
    """A submission of another version, of which this reader cannot say what was asked for."""
    submitted = operator.submit(operator.new_job(), workload_type="lora")
    operator.entries[submitted]["statement"]["schema"] = "job-submitted/2"
    operator.sign(submitted)
    operator.admit(submitted)


def _of_gamma(operator: Operator) -> int:
    def by_gamma(entry: dict[str, object]) -> bool:
        statement = entry["statement"]
        return isinstance(statement, dict) and statement["author"] == "gamma"

    return operator.find("submitted", where=by_gamma)
