"""The register of cheats, and how one of them is played against ``scripts/verify.py``.

A cheat is a function that takes an ``Operator`` and does one dishonest thing with it. Its name says
what it does, its docstring why an operator would, its decorator which codes the verifier has to
name: those, and no others.

    @cheat("overdue")
    def never_opens_what_fell_due(operator: Operator) -> None:
        \"\"\"A lab asks for a favour, and the operator leaves its record sealed.\"\"\"
        operator.remove(operator.find("disclosed", nth=-1))

What no verifier can see from outside, and so no cheat here plays: that an author lies in what it
signs (the log proves who said it, not that it is true); that a statement was refused at the door
and never logged (its author, who has no receipt, knows); that a sealed value was shown to somebody
privately; that the digest in a manifest belongs to files which nobody can fetch any more; that
everybody who ever looks is shown the same second log, from the first day on, where no witness
cosigns it. The committee signs with one registered key, so too few of its members signing cannot
be told from enough of them: only a stranger's key or a missing statement shows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from hostile_operator import Operator, View
from hostile_server import HostileServer
from verify_runner import Verdict, run, script

Play = Callable[[Operator], None]
CHEATS: "list[Cheat]" = []
SILENCES: "list[Silence]" = []


@dataclass(frozen=True)
class Cheat:
    """One dishonest change, and what the verifier has to say of it."""

    play: Play
    codes: frozenset[str]
    options: tuple[str, ...] = ()
    """What the watchdog adds to its command line."""
    notes: frozenset[str] = frozenset()
    """What the verifier remarks on besides, and would not convict anybody of."""

    @property
    def name(self) -> str:
        """The function's name as words."""
        return self.play.__name__.replace("_", " ")


@dataclass(frozen=True)
class Silence:
    """What proves nothing against anybody, and must not pass for verified either."""

    play: Play
    reason: str
    """Words of the one line in which the verifier says what it lacks."""
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The function's name as words."""
        return self.play.__name__.replace("_", " ")


def cheat(
    *codes: str, options: tuple[str, ...] = (), notes: tuple[str, ...] = ()
) -> Callable[[Play], Play]:
    """Register a cheat that the verifier convicts of exactly these codes."""

    def register(play: Play) -> Play:
        assert play.__doc__, "a cheat's docstring tells why"
        CHEATS.append(Cheat(play, frozenset(codes), options, frozenset(notes)))
        return play

    return register


def silence(reason: str, options: tuple[str, ...] = ()) -> Callable[[Play], Play]:
    """Register a way to leave the verifier without an answer: it says why, and never "verified"."""

    def register(play: Play) -> Play:
        assert play.__doc__, "a silence's docstring tells why"
        SILENCES.append(Silence(play, reason, options))
        return play

    return register


def judge(
    operator: Operator, server: HostileServer, folder: Path, options: tuple[str, ...] = ()
) -> list[Verdict]:
    """Let every visitor look, one after the other; each remembers what it was shown before."""
    if operator.receipt is None and not operator.views:
        operator.show()
    visits = [_visit(operator, server, folder, view, options) for view in operator.views]
    return visits if operator.receipt is None else [*visits, _judge_receipt(operator, folder)]


def _visit(
    operator: Operator, server: HostileServer, folder: Path, view: View, options: tuple[str, ...]
) -> Verdict:
    server.views[view.visitor] = view
    state = folder / f"{view.visitor}.state"
    more: list[str | Path] = ["--evidence", folder / "evidence", *options]
    if len(operator.views) > 1 or operator.receipt is not None:
        more += ["--state", state]
    if view.heard is not None:
        told = folder / f"{view.heard}.checkpoint"
        told.write_bytes(server.views[view.heard].files["checkpoint"])
        more += ["--against", told]
    with _watch_showing(view.at_s + 60):
        return run(server.address(view.visitor), *_trust(operator, folder), *more)


def _judge_receipt(operator: Operator, folder: Path) -> Verdict:
    assert operator.receipt is not None
    receipt = folder / "handed-out.tlog-proof"
    receipt.write_bytes(operator.receipt)
    trust = _trust(operator, folder)
    if operator.views:
        trust += ["--state", folder / f"{operator.views[-1].visitor}.state"]
    return run("proof", receipt, *trust, "--evidence", folder / "evidence")


def _trust(operator: Operator, folder: Path) -> list[str | Path]:
    if operator.policy is not None:
        policy = folder / "policy"
        policy.write_text(operator.policy)
        return ["--policy", policy]
    return ["--vkey", operator.vkey] if operator.vkey else []


@contextmanager
def _watch_showing(now_s: int) -> Iterator[None]:
    """The visitor's clock: it says what the test says, and waiting takes no time."""
    real = script.time
    watch = {"time": lambda: now_s, "sleep": lambda _: None}
    script.time = SimpleNamespace(**{**vars(real), **watch})
    try:
        yield
    finally:
        script.time = real
