"""A log whose own entries do not hold, though its key has signed the tree: found, and shown."""

from typing import Any

import pytest
from ledger_world import World

from ledger.client.registry import Registry
from ledger.client.story import JobStory
from ledger.client.tree import Leaf
from ledger.errors import Misbehaviour
from ledger.records import canonical
from ledger.records.entry import parse_entry


def _leaves(world: World, name: str) -> tuple[Registry, list[Leaf]]:
    registry, found = Registry(), []
    with world.reader.at() as view:
        indices = {event.index for event in view.job(world.job_id(name)).events}
        for shown in view.entries(start=0, limit=1000):
            data = bytes(shown.entry)
            leaf = Leaf(shown.index, data, parse_entry(data))
            registry.take(leaf)
            if shown.index in indices:
                found.append(leaf)
    return registry, found


def _changed(leaf: Leaf, *path: str, to: Any) -> Leaf:
    value = canonical.decode(leaf.data, limit=100_000)
    place = value
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    data = canonical.encode(value)
    return Leaf(leaf.index, data, parse_entry(data))


def _refusal(registry: Registry, leaves: list[Leaf]) -> Misbehaviour:
    story = JobStory(check_author=registry.check)
    for leaf in leaves[:-1]:
        story.take(leaf)
    with pytest.raises(Misbehaviour) as caught:
        story.take(leaves[-1])
    return caught.value


@pytest.mark.parametrize("name", ["opened", "withheld", "early"])
def test_an_opening_that_was_not_committed_to(world: World, name: str) -> None:
    registry, leaves = _leaves(world, name)
    at = next(n for n, leaf in enumerate(leaves) if leaf.entry.disclosed is not None)
    false = _changed(leaves[at], "fields", "title", to="something harmless")
    found = _refusal(registry, [*leaves[:at], false])
    assert "the opening gives the root" in str(found)
    assert found.evidence == {f"entry-{false.index}.json": false.data}


def test_a_statement_that_its_author_did_not_sign(world: World) -> None:
    registry, leaves = _leaves(world, "opened")
    false = _changed(leaves[0], "statement", "public", "gpu_count", to=9)
    assert "does not hold" in str(_refusal(registry, [false]))
    false = _changed(leaves[0], "statement", "author", to="beta")
    assert "the registry has no key" in str(_refusal(registry, [false]))


def test_events_that_may_not_follow_one_another(world: World) -> None:
    registry, leaves = _leaves(world, "opened")
    for wrong in ([leaves[0], leaves[2]], [leaves[1]], [leaves[0], leaves[0]]):
        assert "may not follow here" in str(_refusal(registry, wrong))
