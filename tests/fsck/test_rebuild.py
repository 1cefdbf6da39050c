import kit
import pytest
from fsck_world import World

from ledger.errors import LogUnavailable
from ledger.rebuild import rebuild


def dump(world: World) -> list[list[tuple[object, ...]]]:
    with world.store() as store:
        return [kit.rows_of(store, table) for table in kit.PROJECTIONS]


@pytest.mark.parametrize("at_once", [1, 2, 7, 2_048])
def test_rebuilding_gives_the_same_rows(
    world: World, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("ledger.storage.refold.AT_ONCE", at_once)
    before = dump(world)
    seen: list[tuple[int, int]] = []
    with world.store() as store:
        size = rebuild(store, progress=lambda done, total: seen.append((done, total)))
    assert dump(world) == before
    assert seen[-1] == (size, size)
    assert world.fsck()[0] == []


def test_rebuilding_mends_what_was_edited(world: World) -> None:
    before = dump(world)
    world.damage(
        "DELETE FROM jobs", "UPDATE embargoes SET author = 'x'", "UPDATE author_keys SET title = ''"
    )
    with world.store() as store:
        rebuild(store)
    assert dump(world) == before


def test_a_log_with_a_hole_is_not_rebuilt_and_nothing_changes(world: World) -> None:
    before = dump(world)
    world.damage("DELETE FROM entries WHERE leaf_index = 400")
    with (
        world.store() as store,
        pytest.raises(LogUnavailable, match=r"1 of the entries 0 to .* are missing"),
    ):
        rebuild(store)
    assert dump(world) == before


def test_a_log_with_an_unreadable_entry_is_not_rebuilt_and_nothing_changes(world: World) -> None:
    before = dump(world)
    world.damage("UPDATE entries SET data = :data WHERE leaf_index = 400", data=b"{}")
    with world.store() as store, pytest.raises(LogUnavailable, match="entry 400"):
        rebuild(store)
    assert dump(world) == before
