"""Every field of every entry, changed by an operator alone: what can be checked is checked.

The operator holds the log's key and no author's. So whatever a statement says is under a signature
that it cannot make, and of what it writes itself next to nothing is free. What is, stands here.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fuzz_corpus import KEY, files_of, signed, small
from fuzz_targets_verify import checked, folder, write
from log_builder import seconds_of, text_of

Place = tuple[str | int, ...]
FREE = {
    # Words for people, of which nothing follows.
    ("genesis", "authors", "title"),
    ("rejected", "findings", "finding"),
    ("finding", "findings", "finding"),
    # The charter is what the consortium says it is, in the first entry; its lists of what is
    # forbidden only explain the list of what is allowed.
    ("genesis", "charter", "allowed_workloads"),
    ("genesis", "charter", "egress_ceiling_bytes"),
    ("genesis", "charter", "forbidden_workloads"),
    ("genesis", "charter", "gpu_total"),
    ("genesis", "charter", "admission_hours"),
    *[
        ("genesis", "charter", "artifact_ceilings", name)
        for name in ("document", "image", "opaque", "table", "tensor")
    ],
    *[
        ("genesis", "charter", "quotas", name)
        for name in (
            "job_wall_seconds",
            "member_egress_bytes",
            "member_gpus",
            "member_model_egress_bytes",
        )
    ],
    # What the files are called whose digest a manifest holds, and at which size they were made.
    ("manifest", "digest", "sha256"),
    ("manifest", "name"),
    ("manifest", "tree_size"),
    # An entry of a kind that no reader knows is reported, and hashed like any other. Only the
    # finding that weights had changed has to be there.
    ("manifest", "kind"),
    ("finding", "kind"),
    # Nothing is older than the first entry.
    ("genesis", "logged_at"),
}
"""By kind and path, without the places in lists."""


ODD: tuple[Any, ...] = ([[]], {"a": 1}, None, True, -1)


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Where the plain values of an entry stand."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    else:
        yield at
    for key, below in inner:
        yield from places(below, (*at, key))


def other(value: Any) -> Any:
    """Another value of the same type: a date three days earlier, a number one higher."""
    if value is None or isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    try:
        return text_of(seconds_of(value) - 3 * 86_400)
    except ValueError:
        last = value[-1:]
        return value[:-1] + ("b" if last == "a" else "a")


def changed(entry: dict[str, Any], place: Place, *odd: Any) -> dict[str, Any]:
    """A copy of ``entry`` with another value at ``place``, or with the ``odd`` one."""
    entry = copy.deepcopy(entry)
    holder: Any = entry
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = odd[0] if odd else other(holder[place[-1]])
    return entry


def judged(entry: dict[str, Any], index: int) -> int:
    """The verifier's exit status for the small log with another entry at ``index``."""
    entries = list(small().entries)
    spoilt = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    entries[index] = spoilt.encode()
    with folder() as root:
        log = write(root / "log", files_of(entries, signed(entries)))
        trust: tuple[str | Path, ...] = ("--vkey", KEY, "--evidence", root / "evidence")
        return checked("--offline", log, *trust).status


@pytest.mark.parametrize("index", range(len(small().entries)))
def test_an_operator_alone_changes_nothing_unnoticed(index: int) -> None:
    honest = small().history.entries
    entry = honest[index]
    unnoticed = set()
    for place in places(entry):
        status = judged(changed(entry, place), index)
        assert status in (0, 1), place
        if status == 0:
            unnoticed.add((entry["kind"], *[each for each in place if isinstance(each, str)]))
    assert unnoticed <= FREE


@pytest.mark.parametrize("kind", sorted({each["kind"] for each in small().history.entries}))
def test_no_odd_value_ends_an_audit(kind: str) -> None:
    """An operator whose entries make the verifier stumble would be convicted of nothing."""
    entries = small().history.entries
    [index, *_] = [at for at, each in enumerate(entries) if each["kind"] == kind]
    for place in places(entries[index]):
        for odd in ODD:
            assert judged(changed(entries[index], place, odd), index) in (0, 1), (place, odd)
