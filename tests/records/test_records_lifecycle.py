"""Every event in every state: the table of the contract, cell by cell."""

import pytest

from ledger.errors import Conflict, OutOfOrder
from ledger.records.lifecycle import State, next_state

KINDS = [
    "submitted",
    "admitted",
    "rejected",
    "started",
    "interrupted",
    "completed",
    "failed",
    "cancelled",
    "terminated_by_policy",
    "egress",
    "open",
    "withheld",
    "corrected",
    "disclosed",
    "genesis",
    "registry",
    "charter",
    "manifest",
    "refused",
    "finding",
    "",
    "Started",
]
# One letter a kind, in the order of KINDS: m moves to the state of that name, s stays, . refuses.
TABLE = {
    None: "m.....................",
    "submitted": ".mm.......ssss....ss..",
    "admitted": "...m...mm.ssss....ss..",
    "rejected": "..........ssss....ss..",
    "started": "....mmmmmsssss....ss..",
    "interrupted": "...m..mmmsssss....ss..",
    "completed": ".........sssss....ss..",
    "failed": ".........sssss....ss..",
    "cancelled": ".........sssss....ss..",
    "terminated_by_policy": ".........sssss....ss..",
}
CELLS = [
    (state, kind, letter)
    for state, row in TABLE.items()
    for kind, letter in zip(KINDS, row, strict=True)
]


@pytest.mark.parametrize(("state", "kind", "letter"), CELLS)
def test_each_event_moves_the_job_leaves_it_or_is_refused(
    state: str | None, kind: str, letter: str
) -> None:
    met = None if state is None else State(state)
    if letter == "m":
        assert next_state(met, kind) is State(kind)
    elif letter == "s":
        assert next_state(met, kind) is met
    else:
        with pytest.raises(OutOfOrder):
            next_state(met, kind)


def test_the_table_has_every_state() -> None:
    assert set(TABLE) == {None, *State}


def test_a_refusal_names_the_event_the_state_and_what_may_follow() -> None:
    with pytest.raises(Conflict) as refusal:
        next_state(State.COMPLETED, "started")
    assert str(refusal.value) == (
        "started may not follow here: it met a job that is completed;"
        " what may follow is egress, open, withheld, corrected, disclosed, refused, finding"
    )
    with pytest.raises(OutOfOrder, match=r"was not submitted; what may follow is submitted$"):
        next_state(None, "started")
    with pytest.raises(OutOfOrder, match="is admitted; what may follow is started, cancelled, "):
        next_state(State.ADMITTED, "completed")


def test_no_event_moves_a_job_that_is_over() -> None:
    over = {state for state in State if not any(_moves(state, kind) for kind in KINDS)}
    assert over == {"rejected", "completed", "failed", "cancelled", "terminated_by_policy"}


def _moves(state: State, kind: str) -> bool:
    try:
        return next_state(state, kind) is not state
    except OutOfOrder:
        return False


def test_a_job_can_be_interrupted_and_started_again_many_times() -> None:
    state = next_state(next_state(None, "submitted"), "admitted")
    for _ in range(50):
        state = next_state(next_state(state, "started"), "egress")
        state = next_state(state, "interrupted")
    assert next_state(next_state(state, "started"), "completed") is State.COMPLETED
