"""One log however many append to it, and however large it grows."""

from pathlib import Path

import kit
import pytest
from processes import running
from sequencer_children import log_side_by_side

from ledger.assembly import Ledger
from ledger.records import canonical
from ledger.records.deadline import format_time
from ledger.settings import Settings
from ledger.storage.shapes import Head, NewBatch, StoredEntry
from ledger.storage.store import Store
from ledger.storage.tree import full_tiles, new_nodes
from ledger.tlog.merkle import CompactRange, Extension, leaf_hash
from schemas.posting import Receipted


def test_processes_on_postgresql_make_one_log(postgresql_url: str, tmp_path: Path) -> None:
    settings = kit.make_ledger(postgresql_url, tmp_path)
    rounds = 30
    shared = [kit.submitted(kit.ulid(n)) for n in range(rounds)]
    given = (postgresql_url, tmp_path)
    with (
        running(log_side_by_side, *given, "a", rounds, shared) as (_, one),
        running(log_side_by_side, *given, "b", rounds, shared) as (_, two),
        running(log_side_by_side, *given, "c", rounds, shared) as (_, three),
    ):
        pipes = [one, two, three]
        assert [pipe.recv() for pipe in pipes] == ["open"] * 3
        for pipe in pipes:
            pipe.send("go")
        heard = [pipe.recv() for pipe in pipes]
    answers: list[Receipted] = [answer for each in heard for answer in each]
    assert all(isinstance(answer, Receipted) for answer in answers)
    assert len(answers) == 3 * rounds * 4
    checked = kit.check_whole_log(settings, acknowledged=answers)
    assert checked.size == 1 + 3 * rounds * 4 + 2 * rounds
    # What all three sent is logged once, and all were told the same.
    assert sum(answer.created for answer in answers) == 3 * rounds * 3 + rounds
    by_index: dict[int, Receipted] = {}
    for answer in answers:
        first = by_index.setdefault(answer.accepted.index, answer)
        assert first.accepted == answer.accepted
    assert len({checkpoint.size for checkpoint in checked.checkpoints}) > rounds


@pytest.mark.parametrize("size", [254, 255, 256, 257])
@pytest.mark.parametrize("more", [1, 2, 3, 258])
def test_any_batch_across_a_tiles_border_is_whole(
    sqlite_url: str, tmp_path: Path, size: int, more: int
) -> None:
    settings = kit.make_ledger(sqlite_url, tmp_path)
    ledger = Ledger(settings, clock=kit.Clock())
    kit.filled(ledger, size=size)
    given = kit.log(ledger, *(kit.egress(kit.ulid(1), 10**6 + n) for n in range(more)))
    given += [ledger.submit(kit.egress(kit.ulid(1), 10**7)).result(120)]
    ledger.close()
    assert kit.check_whole_log(settings, acknowledged=given).size == size + more + 1


@pytest.mark.parametrize("start", [65_533, 65_535])
def test_the_second_level_of_tiles_begins_at_65536(
    database_url: str, tmp_path: Path, start: int
) -> None:
    settings = kit.make_ledger(database_url, tmp_path)
    _fill(settings, start)
    ledger = Ledger(settings, clock=kit.Clock())
    given = kit.log(ledger, kit.submitted(kit.ulid(1)))
    for n in range(3):
        given += kit.log(ledger, kit.submitted(kit.ulid(2 + n)))
    ledger.close()
    given += _again(settings, given)
    kit.check_whole_log(settings, acknowledged=given)
    store = Store(settings.database_url)
    with store.snapshot() as reads:
        assert reads.tile(1, 0) is not None
        assert reads.tile(2, 0) is None
    store.close()


def _fill(settings: Settings, size: int) -> None:
    """Entries of a kind that only a later ledger knows: the cheapest that are entries at all."""
    store = Store(settings.database_url)
    time = kit.NOON
    text = format_time(time)
    with store.append() as appending:
        head = appending.head
        entries = []
        for index in range(head.size, size):
            data = canonical.encode(
                {"format": "apsci-ledger/1", "kind": "later", "logged_at": text, "n": index}
            )
            entries.append(
                StoredEntry(index, "later", None, time, None, leaf_hash(data), None, data)
            )
        extension = Extension(
            CompactRange.from_edge(head.size, head.edge), [entry.leaf_hash for entry in entries]
        )
        appending.write(
            NewBatch(
                head=Head(size, extension.root, extension.range.edge(), time),
                entries=entries,
                tiles=full_tiles(appending.snapshot(), extension),
                nodes=new_nodes(extension),
            )
        )
    store.close()


def _again(settings: Settings, given: list[Receipted]) -> list[Receipted]:
    ledger = Ledger(settings, clock=kit.Clock())
    again = kit.log(ledger, *(kit.submitted(kit.ulid(1 + n)) for n in range(4)))
    assert [answer.accepted for answer in again] == [answer.accepted for answer in given]
    ledger.close()
    return again
