"""Shapes are learnt by one thread at a time: msgspec dies of two."""

import threading
from typing import Any

import msgspec

from ledger.records.wire import convert

learning: list[int] = []
threads: list[threading.Thread] = []


def meanwhile() -> type[int]:
    """Stands for a field's type; another thread asks for the same shape while it is found out."""
    learning.append(threading.get_ident())
    if len(learning) == 1:
        other = threading.Thread(target=lambda: convert({"n": 2}, Shape, at="other"))
        threads.append(other)
        other.start()
        other.join(0.1)
    return int


class Shape(msgspec.Struct):
    n: "meanwhile()"  # type: ignore[valid-type]


def test_a_shape_is_learnt_by_one_thread_while_others_wait() -> None:
    found: Any = convert({"n": 1}, Shape, at="this")
    assert found.n == 1
    threads[0].join()
    assert learning == [threading.get_ident()]
