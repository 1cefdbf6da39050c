"""Cheats with what is sealed: not opening it, opening something else, withholding it for ever."""

from collections.abc import Callable

from cheating import cheat
from honest_past import WITHHELD_PATHS
from hostile_operator import Entry, Operator

from ledger.records.deadline import DAY_S, format_time
from ledger.tlog.note import Signer, generate_key


@cheat("overdue")
def never_opens_what_fell_due(operator: Operator) -> None:
    """A lab asks for a favour, and the operator leaves its record sealed."""
    operator.remove(operator.find("disclosed", nth=-1, where=in_full))


@cheat("opening-mismatch")
def opens_another_value(operator: Operator) -> None:
    """The title that is published is not the title that was sealed."""
    index = operator.find("disclosed", where=of_submission(operator))
    operator.entries[index]["fields"]["title"] = "Something harmless"


@cheat("opening-mismatch")
def opens_with_another_seed(operator: Operator) -> None:
    """With a seed that does not fit nobody can prove what the fields were."""
    operator.entries[operator.find("disclosed", where=in_full)]["seed"] = "A" * 43 + "="


@cheat("opening-mismatch")
def leaves_a_field_out(operator: Operator) -> None:
    """The one field that mattered is not among those that were opened."""
    index = operator.find("disclosed", where=of_submission(operator))
    del operator.entries[index]["fields"]["purpose"]


@cheat("opening-mismatch")
def opens_a_field_that_was_never_sealed(operator: Operator) -> None:
    """Praise is added to a record that nobody had sealed in it."""
    index = operator.find("disclosed", where=of_submission(operator))
    operator.entries[index]["fields"]["praise"] = "outstanding"


@cheat("opening-mismatch")
def closes_a_field_under_another_hash(operator: Operator) -> None:
    """The withheld field's leaf is replaced, so that it may say something else at its review."""
    index = operator.find("disclosed", where=lambda entry: "closed" in entry)
    operator.entries[index]["closed"]["protocol"] = "00" * 32


@cheat("bad-signature")
def exchanges_what_was_sealed(operator: Operator) -> None:
    """The commitment in the statement is replaced, and the opening fits the new one."""
    target = operator.entries[operator.find("disclosed", nth=2, where=in_full)]["discloses"]
    other = operator.sealed(operator.entries[target]["kind"])
    root = operator.entries[other]["statement"]["sealed"]["root"]
    operator.entries[target]["statement"]["sealed"]["root"] = root
    [index] = [
        index
        for index, entry in enumerate(operator.entries)
        if entry["kind"] == "disclosed" and entry["discloses"] == target
    ]
    shown = operator.disclosure(other)
    operator.entries[index] |= {"fields": shown["fields"], "seed": shown["seed"]}


@cheat("early-without-open")
def opens_before_the_date_unasked(operator: Operator) -> None:
    """A rival's record is published the day after it was sealed."""
    operator.add("disclosed", **operator.disclosure(operator.sealed()))


@cheat("early-without-open")
def opens_by_a_request_for_something_else(operator: Operator) -> None:
    """A request is named, but it was for another record."""
    target = operator.sealed()
    request = operator.find("open", nth=-1)
    early = operator.disclosure(target, reason="early", opened_by=request)
    operator.add("disclosed", **early)


@cheat("open-by-another", "early-without-open")
def opens_at_the_request_of_another_lab(operator: Operator) -> None:
    """One member asks for what another one has sealed, and gets it."""
    target = operator.sealed()
    author = operator.entries[target]["statement"]["author"]
    other = "alpha" if author == "beta" else "beta"
    request = operator.say(other, "open", {"discloses": target}, operator.job_of(target))
    early = operator.disclosure(target, reason="early", opened_by=request)
    operator.add("disclosed", **early)


@cheat("open-not-obeyed")
def ignores_a_request_to_open(operator: Operator) -> None:
    """An author wants its record public now, and is kept waiting."""
    target = operator.sealed()
    author = operator.entries[target]["statement"]["author"]
    operator.say(author, "open", {"discloses": target}, operator.job_of(target))


@cheat("disclosed-twice")
def opens_one_record_twice(operator: Operator) -> None:
    """The second opening is the first one again: a reader who counts is led astray."""
    index = operator.find("disclosed", where=in_full)
    again = dict(operator.entries[index])
    del again["format"], again["kind"], again["logged_at"]
    operator.add("disclosed", **again)


@cheat("bad-reference", "overdue")
def opens_under_the_name_of_another_job(operator: Operator) -> None:
    """What was found in one job is published as having been found in another."""
    index = operator.find("disclosed", nth=-1, where=in_full)
    operator.entries[index]["job_id"] = operator.new_job()


@cheat("closed-without-withholding")
def keeps_a_field_closed_that_nobody_withheld(operator: Operator) -> None:
    """Two fields of a record stay closed, and the withholding named is for another record."""
    index = operator.find("disclosed", nth=-1, where=of_submission(operator))
    target = operator.entries[index]["discloses"]
    closed = operator.partial(target, operator.find("withheld"), WITHHELD_PATHS)
    when = operator.entries[index]["logged_at"]
    operator.entries[index] = {"format": "apsci-ledger/1", "kind": "disclosed", "logged_at": when}
    operator.entries[index] |= closed


@cheat("closed-without-withholding")
def keeps_more_closed_than_was_withheld(operator: Operator) -> None:
    """The committee withheld two fields; four stay closed."""
    index = operator.find("disclosed", where=lambda entry: "closed" in entry)
    entry = operator.entries[index]
    closed = [*WITHHELD_PATHS, "purpose", "title"]
    entry |= operator.partial(entry["discloses"], entry["withheld_by"], closed)


@cheat("withheld-field-opened")
def opens_what_the_committee_withheld(operator: Operator) -> None:
    """A hazardous protocol is published although the committee had closed it."""
    index = operator.find("disclosed", where=lambda entry: "closed" in entry)
    entry = operator.entries[index]
    for name in ("closed", "salts", "withheld_by"):
        del entry[name]
    entry |= operator.disclosure(entry["discloses"])


@cheat("unknown-key")
def withholds_with_a_strangers_signature(operator: Operator) -> None:
    """The committee will not sign, so the operator makes a key and calls it the committee's."""
    stranger = generate_key(f"{operator.signer.name}/committee", b"s" * 32)[0]
    withhold(operator, "committee", signer=stranger)


@cheat("bad-signature")
def withholds_without_a_signature(operator: Operator) -> None:
    """The committee's key is named, and what stands beside it is no signature."""
    index = withhold(operator, "committee")
    operator.accomplices.clear()
    operator.entries[index]["signature"]["value"] = "A" * 86 + "=="


@cheat("withheld-without-committee")
def lets_a_lab_withhold_its_own_record(operator: Operator) -> None:
    """The lab signs in the committee's place."""
    withhold(operator, "alpha")


@cheat("bad-withholding")
def withholds_for_longer_than_half_a_year(operator: Operator) -> None:
    """The review is set for the day after which nobody will remember."""
    withhold(operator, "committee", review_s=181 * DAY_S)


@cheat("bad-withholding", "overdue")
def withholds_after_the_date(operator: Operator) -> None:
    """The record should have been open for a day when the committee is asked to close it."""
    index = operator.find("disclosed", nth=-1, where=in_full)
    target = operator.entries[index]["discloses"]
    operator.remove(index)
    withhold(operator, "committee", target=target)


@cheat("late-disclosure", options=("--fail-on", "late-disclosure"))
def opens_a_day_late(operator: Operator) -> None:
    """The record is opened, and not before the week's news is out."""
    target = min(operator.openings.keys() - _opened(operator))
    operator.now_s = operator.true_s = operator.logged_at(target) + 91 * DAY_S
    for index in sorted(operator.openings.keys() - _opened(operator)):
        if operator.logged_at(index) + 90 * DAY_S <= operator.now_s:
            operator.add("disclosed", **operator.disclosure(index))


@cheat("withheld-past-review", options=("--fail-on", "withheld-past-review"))
def lets_a_review_lapse(operator: Operator) -> None:
    """What was closed for half a year is still closed, and nobody looked at it again."""
    operator.live(30 * DAY_S)


@cheat("withholding-rate", options=("--fail-on", "withholding-rate"))
def withholds_as_a_habit(operator: Operator) -> None:
    """Every second record that falls due has a field that is hazardous after all."""
    operator.live(1)
    for nth in range(0, 30, 2):
        target = operator.sealed(nth=nth)
        withhold(operator, "committee", target=target)
    operator.live(60 * DAY_S)


def _opened(operator: Operator) -> set[int]:
    return {entry["discloses"] for entry in operator.entries if entry["kind"] == "disclosed"}


def in_full(entry: Entry) -> bool:
    """Whether a disclosure is an ordinary one, at the deadline and of every field."""
    return entry["reason"] == "deadline" and "seed" in entry


def of_submission(operator: Operator) -> Callable[[Entry], bool]:
    """Whether a disclosure opens, in full and at its date, what a submission had sealed."""
    return lambda entry: (
        in_full(entry) and operator.entries[entry["discloses"]]["kind"] == "submitted"
    )


def withhold(
    operator: Operator,
    author: str,
    *,
    target: int | None = None,
    signer: Signer | None = None,
    review_s: int = 100 * DAY_S,
) -> int:
    """Append that ``author`` keeps a field of ``target`` closed, or of something still sealed."""
    target = operator.sealed() if target is None else target
    path = "purpose" if operator.entries[target]["kind"] == "submitted" else "metrics"
    review_by = format_time(operator.now_s + review_s)
    closing = {"withholds": target, "paths": [path], "basis": "hazard_other"}
    public = closing | {"review_by": review_by}
    return operator.say(author, "withheld", public, operator.job_of(target), signer=signer)
