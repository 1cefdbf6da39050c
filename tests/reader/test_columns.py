"""The columns against the rows themselves, for every tree size, however the columns have grown."""

import random
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from ledger_world import World

from ledger.reader import Reader
from ledger.reader.columns import Columns
from ledger.reader.slices import Slice, total
from ledger.storage.tables import JOBS
from ledger.storage.versions import VERSION_FIELDS

CODED = ("author", "workload_type", "accelerator", "rejection_code", "state", "finding_code")
NUMBERS = (
    *("submitted_index", "submitted_at", "egress_ceiling_bytes"),
    *("ended_at", "gpu_seconds", "egress_bytes"),
)
Row = dict[str, Any]


def with_random_history(world: World, *, steps: int = 45, seed: int = 11) -> World:
    """Jobs of two members in all states, some opened early, some at their deadline."""
    draw = random.Random(seed)
    waiting: list[str] = []
    for step in range(steps):
        names = [f"random{seed}-{step}-{n}" for n in range(draw.randint(1, 3))]
        forbidden = draw.random() < 0.2
        world.log(
            *[
                world.submission(
                    name,
                    author=draw.choice(("alpha", "beta")),
                    workload_type="lora" if forbidden else draw.choice(("eval_suite", "sft")),
                    accelerator=draw.choice(("nvidia_h200", "nvidia_b200")),
                    gpu_count=draw.choice((1, 8, 64)),
                    egress_ceiling_bytes=draw.choice((0, 1_000_000)),
                )
                for name in names
            ]
        )
        with world.reader.at() as view:
            waiting += [
                name for name in names if view.job(world.job_id(name)).job.state == "admitted"
            ]
        if waiting and draw.random() < 0.6:
            name = waiting.pop(draw.randrange(len(waiting)))
            world.run(
                name, kind=draw.choice(("completed", "failed")), wall_s=draw.randint(1, 9_999)
            )
        world.clock.now += draw.choice((60, 86_400, 12 * 86_400))
        world.sweep()
    return world


def rows_of(world: World) -> list[Row]:
    """Every version of every job, as the table has them."""
    names = [column.name for column in JOBS.columns]
    with world.ledger.store.snapshot() as snapshot:
        rows = snapshot._driver.fetch(f"SELECT {', '.join(names)} FROM jobs")
    return [dict(zip(names, row, strict=True)) for row in rows]


def as_of(rows: list[Row], size: int) -> list[Row]:
    """The judge: the versions that hold at a tree size, in the order of submission."""
    found = [row for row in rows if row["since"] < size <= row["until"]]
    return sorted(found, key=lambda row: int(row["submitted_index"]))


def check(found: Slice, expected: list[Row]) -> None:
    assert found.jobs == len(expected)
    for name in (*CODED, "model_digest"):
        names = found.names[name]
        assert [names[code] for code in found.codes(name)] == [row[name] or "" for row in expected]
    for name in NUMBERS:
        assert found.numbers(name).tolist() == [
            -1 if row[name] is None else row[name] for row in expected
        ], name
    seconds = [row["gpu_seconds"] or 0 for row in expected]
    assert total(found.numbers("gpu_seconds")) == sum(seconds)


@pytest.fixture(scope="module")
def random_world(world: World) -> World:
    return with_random_history(world)


def _versions(world: World) -> Any:
    def read(start: int, stop: int) -> Iterator[Any]:
        with world.ledger.store.snapshot() as snapshot:
            for rows in snapshot.job_versions(start, stop):
                # Portions of any size are the same.
                yield from (rows[at : at + 7] for at in range(0, len(rows), 7))

    return read


def test_a_slice_is_the_rows_of_its_size_for_every_size(random_world: World) -> None:
    rows, size = rows_of(random_world), random_world.reader.tree_size()
    columns = Columns()
    columns.at(size, _versions(random_world))
    for at in range(1, size + 1):
        check(columns.at(at, _versions(random_world)), as_of(rows, at))


@pytest.mark.parametrize("seed", [1, 2])
def test_columns_that_grew_in_steps_are_those_read_at_once(random_world: World, seed: int) -> None:
    rows, size = rows_of(random_world), random_world.reader.tree_size()
    draw, columns, at = random.Random(seed), Columns(), 0
    while at < size:
        at = min(size, at + draw.choice((1, 2, 3, 40)))
        check(columns.at(at, _versions(random_world)), as_of(rows, at))
        earlier = draw.randint(1, at)
        check(columns.at(earlier, _versions(random_world)), as_of(rows, earlier))
    assert columns.size == size


def test_a_slice_that_somebody_holds_does_not_change_while_columns_grow(
    random_world: World,
) -> None:
    rows, size = rows_of(random_world), random_world.reader.tree_size()
    columns = Columns()
    held = {at: columns.at(at, _versions(random_world)) for at in range(20, size, 37)}
    for at, found in held.items():
        check(found, as_of(rows, at))


def test_readers_see_whole_sizes_while_another_thread_lets_the_columns_grow(
    random_world: World,
) -> None:
    rows, size = rows_of(random_world), random_world.reader.tree_size()
    columns, failures, done = Columns(), [], threading.Event()
    columns.at(40, _versions(random_world))

    def look(seed: int) -> None:
        draw = random.Random(seed)
        while not done.is_set():
            at = draw.randint(1, columns.size)
            try:
                check(columns.at(at, _versions(random_world)), as_of(rows, at))
            except AssertionError as error:
                failures.append((at, error))

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for at in range(41, size + 1):
        columns.at(at, _versions(random_world))
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_columns_that_could_not_be_read_are_read_when_they_are_asked_for_again(
    random_world: World,
) -> None:
    rows, size = rows_of(random_world), random_world.reader.tree_size()
    columns = Columns()
    columns.at(50, _versions(random_world))

    def broken(start: int, stop: int) -> Iterator[Any]:
        yield from list(_versions(random_world)(start, stop))[:3]
        raise ConnectionError

    for start in (columns, Columns()):
        with pytest.raises(ConnectionError):
            start.at(size, broken)
        check(start.at(size, _versions(random_world)), as_of(rows, size))


def test_a_version_takes_less_than_fifty_bytes() -> None:
    columns = Columns()
    count = 20_000

    def row(n: int) -> tuple[Any, ...]:
        said: Row = {
            **dict.fromkeys(VERSION_FIELDS),
            "since": n,
            "submitted_index": n - n % 3,
            "submitted_at": 1_790_000_000,
            "author": "alpha",
            "workload_type": "sft",
            "accelerator": "x",
            "state": "admitted",
            "egress_bytes": 0,
        }
        return tuple(said.values())

    def read(_start: int, _stop: int) -> Iterator[Any]:
        for first in range(0, count, 2_000):
            yield [row(n) for n in range(first, first + 2_000)]

    assert columns.at(count, read).jobs == 6_667
    assert columns.nbytes / count < 50


def test_sums_are_exact_where_floating_point_is_not() -> None:
    values = np.array([2**53 - 1, 1, -1, 2**53 - 1, 3], np.int64)
    assert total(values) == 2 * (2**53 - 1) + 4


def test_what_loads_in_the_background_is_there_for_who_asks(random_world: World) -> None:
    reader = Reader(random_world.ledger.store)
    assert reader.loaded is None
    with reader.loading():
        assert reader.loaded is not None
        reader.loaded.result(timeout=120)
        assert reader.columns.size == reader.tree_size()
    with reader.at() as view:
        check(view.slice, as_of(rows_of(random_world), view.size))


def test_loading_stops_when_the_site_does(random_world: World) -> None:
    reader = Reader(random_world.ledger.store)
    with reader.loading():
        pass
    with reader.at() as view:
        assert view.slice.jobs > 0
