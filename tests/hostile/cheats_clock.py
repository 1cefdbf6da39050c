"""Cheats with time: dates moved, clocks set, witnesses who were there and say otherwise."""

from cheating import cheat
from hostile_operator import Operator

from ledger.records.deadline import DAY_S, format_time


@cheat("time-went-back")
def sets_its_clock_back_for_one_entry(operator: Operator) -> None:
    """An egress is dated before the question that was asked about it."""
    index = operator.find("egress", nth=-1)
    earlier = operator.logged_at(index) - DAY_S
    operator.entries[index]["logged_at"] = format_time(earlier)


@cheat("logged-in-future")
def sets_its_clock_forward(operator: Operator) -> None:
    """Dated ahead, an entry looks as if it had been there when it should have been."""
    operator.now_s += 600
    operator.say_again(operator.find("egress", nth=-1), egress_bytes=1)


@cheat("wrong-publish-by")
def puts_the_date_off_by_a_day(operator: Operator) -> None:
    """Ninety-one days in place of ninety."""
    _move(operator, DAY_S)


@cheat("wrong-publish-by")
def brings_the_date_forward(operator: Operator) -> None:
    """A rival's record opens a month early."""
    _move(operator, -30 * DAY_S)


@cheat("malformed-entry")
def gives_no_date_at_all(operator: Operator) -> None:
    """Sealed, and no word about until when."""
    del operator.entries[operator.sealed("completed")]["publish_by"]


@cheat("embargo-too-long", "wrong-publish-by")
def gives_itself_a_longer_embargo(operator: Operator) -> None:
    """A charter with ninety-one days, which no charter may say."""
    operator.entries[0]["charter"]["embargo_days"] = 91


@cheat("post-dated")
def dates_entries_after_the_witnesses_saw_them(operator: Operator) -> None:
    """A clock ten minutes fast moves every date by as much; the witnesses' clocks do not."""
    operator.witnessed()
    operator.now_s += 600
    _egress(operator)
    view = operator.show()
    view.cosign("harbour", "meridian", at_s=operator.true_s)
    view.at_s += 3_600


@cheat("back-dated")
def dates_an_entry_before_the_witnesses_last_came(operator: Operator) -> None:
    """What was logged after the accident is to have been logged before it."""
    operator.witnessed()
    operator.show().cosign("harbour", "lantern", at_s=operator.true_s)
    operator.live(900)
    operator.now_s -= 1_500
    _egress(operator)
    operator.show().cosign("harbour", "lantern", at_s=operator.true_s)


@cheat("back-dated-by-own-clock", options=("--clock", "own"))
def dates_an_entry_before_my_last_visit(operator: Operator) -> None:
    """The same where there are no witnesses: who came by in between can tell."""
    operator.show()
    operator.live(900)
    operator.now_s -= 1_500
    _egress(operator)
    operator.show()


@cheat("overdue")
def stops_its_clock_before_the_date(operator: Operator) -> None:
    """Nothing is logged any more, so by the log's time nothing ever falls due. Witnesses go on."""
    operator.witnessed()
    operator.true_s += 3 * DAY_S
    operator.show().cosign("lantern", "meridian", at_s=operator.true_s)


@cheat("due-by-own-clock", options=("--clock", "own"))
def stops_its_clock_where_no_witness_looks(operator: Operator) -> None:
    """The same log, seen by somebody who has only a clock."""
    operator.true_s += 3 * DAY_S


@cheat("late-logged", options=("--fail-on", "late-logged"))
def sits_on_a_statement(operator: Operator) -> None:
    """An egress is reported at once, and logged two days later, when the week is over."""
    index = _egress(operator)
    operator.entries[index]["statement"]["made_at"] = format_time(operator.now_s - 2 * DAY_S)
    operator.sign(index)


@cheat("stale-checkpoint", options=("--max-age", "86400"))
def replays_an_old_checkpoint(operator: Operator) -> None:
    """One reader is shown last week's log, complete and correctly signed, for ever."""
    old = operator.publish()
    operator.live(7 * DAY_S)
    operator.show(old)


@cheat("stale-checkpoint", options=("--max-age", "86400"))
def replays_old_cosignatures(operator: Operator) -> None:
    """The same with witnesses: what they saw last week is all that is shown."""
    operator.witnessed()
    old = operator.publish()
    old.cosign("harbour", "lantern", "meridian", at_s=operator.true_s)
    operator.true_s += 2 * DAY_S
    operator.show(old)


@cheat("bad-cosignature")
def forges_a_cosignature(operator: Operator) -> None:
    """One real witness and one line of noise in another's name."""
    operator.witnessed()
    view = operator.show()
    view.cosign("harbour", at_s=operator.now_s)
    view.cosign("lantern", at_s=operator.now_s, text="something else\n")


@cheat("bad-cosignature")
def adds_a_false_line_beside_a_true_one(operator: Operator) -> None:
    """A witness's true line and a false one in its name: a reader who stops early sees one."""
    operator.witnessed()
    view = operator.show()
    view.cosign("harbour", "lantern", at_s=operator.true_s)
    view.cosign("harbour", at_s=operator.true_s, text="something else\n")


@cheat("bad-cosignature")
def borrows_the_cosignatures_of_another_checkpoint(operator: Operator) -> None:
    """What witnesses said of yesterday's tree is put under today's."""
    operator.witnessed()
    yesterday = operator.publish(size=500)
    operator.show().cosign("harbour", "lantern", at_s=operator.now_s, text=yesterday.text)


def _egress(operator: Operator) -> int:
    return operator.say_again(operator.find("egress", nth=-1), egress_bytes=operator.true_s % 1_000)


def _move(operator: Operator, seconds: int) -> None:
    index = operator.sealed()
    due = operator.logged_at(index) + 90 * DAY_S + seconds
    operator.entries[index]["publish_by"] = format_time(due)
