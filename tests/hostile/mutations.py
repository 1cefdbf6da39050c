"""Small damage, done by a throw of dice: to bytes, to lines, to JSON, to bundles of entries.

Every function returns the damaged copy, which now and then is the original again. Nothing here
knows what the bytes mean, but for where lines, numbers, hashes, lengths and fields begin.
"""

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

# fmt: off
NUMBERS = (
    b"0", b"-1", b"+1", b"00", b"1_0", b"255", b"256", b"65535", b"9007199254740992",
    b"9223372036854775807", b"18446744073709551616", b"9" * 5000, b"\xd9\xa3", b"1e3",
)
TOKENS = (
    b"\n", b"\n\n", b" ", b"\x00", b"\xff", b"+", b"=", b"==", b"\xe2\x80\x94 ", b"\xe2\x80\xa8",
    b"\xed\xa0\x80", b"/", b"../", b'"', b"[" * 100, b'{"', b"none", b"all", b"index 0\n",
    b"extra e30=\n", b"quorum none\n", b"\r\n", b"A" * 44,
)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**53, 2**53 - 1, 10**30, "", "x", "\x00", "\u2028", "é", [], {},
    [[]], {"a": {}}, "2026-13-01T00:00:00Z", 90,
)
# fmt: on


def damage(data: bytes, dice: Random, donors: Sequence[bytes] = ()) -> bytes:
    """Damage bytes once to thrice; ``donors`` are what pieces are spliced in from."""
    for _ in range(dice.randint(1, 3)):
        data = dice.choice(_ON_BYTES)(data, dice, donors or (data,))
    return data


def _flip(data: bytes, dice: Random, _: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]


def _truncate(data: bytes, dice: Random, _: Sequence[bytes]) -> bytes:
    return data[: dice.randint(0, len(data))]


def _extend(data: bytes, dice: Random, _: Sequence[bytes]) -> bytes:
    return data + (dice.choice(TOKENS) if dice.random() < 0.5 else data[-dice.randint(1, 40) :])


def _delete(data: bytes, dice: Random, _: Sequence[bytes]) -> bytes:
    at = dice.randint(0, len(data))
    return data[:at] + data[at + dice.choice((1, 2, 32, 64)) :]


def _insert(data: bytes, dice: Random, _: Sequence[bytes]) -> bytes:
    at = dice.randint(0, len(data))
    return data[:at] + dice.choice(TOKENS) + data[at:]


def _double(data: bytes, dice: Random, _: Sequence[bytes]) -> bytes:
    at = dice.randint(0, len(data))
    end = at + dice.choice((1, 4, 32, 64, 100))
    return data[:end] + data[at:end] + data[end:]


def _swap(data: bytes, dice: Random, _: Sequence[bytes]) -> bytes:
    size = dice.choice((1, 32, 32, 64))
    places = len(data) // size
    if places < 2:
        return data
    one, two = sorted((dice.randrange(places) * size, dice.randrange(places) * size))
    if one == two:
        return data
    first, second = data[one : one + size], data[two : two + size]
    return data[:one] + second + data[one + size : two] + first + data[two + size :]


def _splice(data: bytes, dice: Random, donors: Sequence[bytes]) -> bytes:
    donor = dice.choice(donors)
    at, there = dice.randint(0, len(data)), dice.randint(0, len(donor))
    size = dice.choice((1, 8, 32, 44, 64, 500))
    return data[:at] + donor[there : there + size] + data[at + dice.choice((0, size)) :]


def _renumber(data: bytes, dice: Random, _: Sequence[bytes]) -> bytes:
    found = list(re.finditer(rb"[0-9]{1,20}", data))
    if not found:
        return data
    place = dice.choice(found)
    near = str(int(place[0]) + dice.choice((-1, 1))).encode()
    return data[: place.start()] + dice.choice((near, *NUMBERS)) + data[place.end() :]


def _lines(data: bytes, dice: Random, donors: Sequence[bytes]) -> bytes:
    lines = data.split(b"\n")
    at = dice.randrange(len(lines))
    match dice.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[dice.randrange(len(lines))])
        case 2:
            there = dice.randrange(len(lines))
            lines[at], lines[there] = lines[there], lines[at]
        case 3:
            lines[at] = dice.choice(dice.choice(donors).split(b"\n"))
    return b"\n".join(lines)


_ON_BYTES: tuple[Callable[[bytes, Random, Sequence[bytes]], bytes], ...] = (
    _flip,
    _flip,
    _truncate,
    _extend,
    _delete,
    _insert,
    _double,
    _swap,
    _splice,
    _renumber,
    _lines,
)


def damage_json(value: Any, dice: Random) -> Any:
    """Damage one place of a JSON value: another value, a field less, a field more, a list cut."""
    holders = [value, *_below(value)]
    place = dice.choice([each for each in holders if isinstance(each, dict | list)] or [None])
    if not place:
        return dice.choice(VALUES)
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    key = dice.choice(keys)
    match dice.randrange(5):
        case 0:
            del place[key]
        case 1:
            place[key] = dice.choice(VALUES)
        case 2:
            place[key] = dice.choice(list(_below(value)) or [0])
            return _untangled(value)
        case 3 if isinstance(place, dict):
            place[dice.choice(("note", "Größe", "", "a.b", "sealed", "job_id"))] = place[key]
            return _untangled(value)
        case _:
            place[key] = _nudged(place[key], dice)
    return value


def _nudged(value: Any, dice: Random) -> Any:
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return value + dice.choice((-1, 1, 86_400))
    if isinstance(value, str) and value:
        at = dice.randrange(len(value))
        return value[:at] + dice.choice("0Aaz9-é\x7f") + value[at + 1 :]
    return dice.choice(VALUES)


def _below(value: Any) -> list[Any]:
    found: list[Any] = []
    todo = [value]
    while todo:
        each = todo.pop()
        inner = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        found += inner
        todo += inner
    return found


def _untangled(value: Any, depth: int = 0) -> Any:
    """A copy without a place inside itself."""
    if depth > 12:
        return None
    if isinstance(value, dict):
        return {key: _untangled(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_untangled(each, depth + 1) for each in value]
    return value


def damage_entries(entries: Sequence[bytes], dice: Random) -> list[bytes]:
    """Damage a list of entries: one dropped, doubled, swapped, replaced, cut or spoilt."""
    done = list(entries)
    at, there = dice.randrange(len(done)), dice.randrange(len(done))
    match dice.randrange(6):
        case 0:
            del done[at]
        case 1:
            done.insert(at, done[there])
        case 2:
            done[at], done[there] = done[there], done[at]
        case 3:
            done[at] = done[there]
        case _:
            done[at] = damage(done[at], dice, done)[:65_535]
    return done
