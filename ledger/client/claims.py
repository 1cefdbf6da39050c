"""What an answer claims beside what the log proves: the first difference, and who said it."""

from collections.abc import Iterable
from typing import Any

import msgspec

from ledger.client.tree import Leaf
from ledger.errors import Misbehaviour


def lie(message: str, told: object, leaves: Iterable[Leaf], *, note: bytes | None) -> Misbehaviour:
    """An error for an answer that the log gives the lie to.

    Its evidence are the answer, the entries that say otherwise, and the checkpoint ``note``.
    """
    evidence = {f"entry-{leaf.index}.json": leaf.data for leaf in leaves}
    evidence["answer.json"] = msgspec.json.encode(told)
    if note is not None:
        evidence["checkpoint"] = note
    return Misbehaviour(message, evidence=evidence)


def difference(proved: object, told: object) -> str | None:
    """Where an answer parts from what was proved, in words; None where it does not."""
    ours, theirs = (msgspec.to_builtins(each) for each in (proved, told))
    return None if ours == theirs else _difference(ours, theirs)


def _difference(ours: Any, theirs: Any, path: str = "") -> str:  # noqa: ANN401 - any JSON value
    """The first field in which two answers part, and both values where they are short."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            if ours.get(name) != theirs.get(name):
                return _difference(ours.get(name), theirs.get(name), f"{path}.{name}")
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        for at, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            if one != other:
                return _difference(one, other, f"{path}[{at}]")
        return f"{path.lstrip('.')} has {len(theirs)} items, and the log gives {len(ours)}"
    return f"{path.lstrip('.')} is {theirs!a:.60}, and the log gives {ours!a:.60}"
