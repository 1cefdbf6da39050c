"""Which event may follow which in the life of a job (record.md).

``submitted`` -> ``admitted`` | ``rejected`` -> ``started`` -> (``interrupted`` -> ``started``)* ->
``completed`` | ``failed`` | ``cancelled`` | ``terminated_by_policy``. An event out of order is
refused with the state that it met. This module knows no job: the state is an argument.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from ledger.errors import OutOfOrder


class State(StrEnum):
    """Where a job is: named by the last event that moved it."""

    SUBMITTED = "submitted"
    ADMITTED = "admitted"
    REJECTED = "rejected"
    STARTED = "started"
    INTERRUPTED = "interrupted"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TERMINATED_BY_POLICY = "terminated_by_policy"


_FOLLOWS: Mapping[State | None, tuple[State, ...]] = {
    None: (State.SUBMITTED,),
    State.SUBMITTED: (State.ADMITTED, State.REJECTED),
    State.ADMITTED: (State.STARTED, State.CANCELLED, State.TERMINATED_BY_POLICY),
    State.STARTED: (
        State.INTERRUPTED,
        State.COMPLETED,
        State.FAILED,
        State.CANCELLED,
        State.TERMINATED_BY_POLICY,
    ),
    State.INTERRUPTED: (
        State.STARTED,
        State.FAILED,
        State.CANCELLED,
        State.TERMINATED_BY_POLICY,
    ),
}
_TERMINAL = frozenset(State) - frozenset(_FOLLOWS)
_METERED = (_TERMINAL - {State.REJECTED}) | {State.STARTED, State.INTERRUPTED}
_BESIDE = ("open", "withheld", "corrected", "disclosed", "refused", "finding")
"""Kinds that speak about an entry of the job and leave its state alone."""


def _transitions() -> Iterator[tuple[tuple[State | None, str], State]]:
    for state, following in _FOLLOWS.items():
        for kind in following:
            yield (state, kind.value), kind
    for state in State:
        for beside in _BESIDE:
            yield (state, beside), state
        if state in _METERED:
            yield (state, "egress"), state


_NEXT: Mapping[tuple[State | None, str], State] = dict(_transitions())


def next_state(state: State | None, kind: str) -> State:
    """Return the state of a job in ``state`` (None: not submitted yet) after an event ``kind``.

    ``egress`` is taken from the start of the run on, also after its end, since a gateway counts
    behind it. ``open``, ``withheld``, ``corrected``, ``disclosed``, ``refused`` and ``finding`` do
    not move the job.

    Raises OutOfOrder, saying which state the event met and what may follow.
    """
    following = _NEXT.get((state, kind))
    if following is not None:
        return following
    met = "a job that was not submitted" if state is None else f"a job that is {state}"
    raise OutOfOrder(f"{kind} may not follow here: it met {met}; {_may_follow(state)}")


def _may_follow(state: State | None) -> str:
    following: list[str] = list(_FOLLOWS.get(state, ()))
    if state in _METERED:
        following.append("egress")
    if state is not None:
        following.extend(_BESIDE)
    return f"what may follow is {', '.join(following)}"
