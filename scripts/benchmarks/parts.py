"""The four things that an audit checks of an entry, each by itself, on one core.

The functions of scripts/verify.py are called in this process, over whole bundles taken evenly from
all of a log's files. What is counted is processor time, so that waiting for a disk or for others
does not count; whole runs of verify.py are measured in ``verifying``.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import verify

from benchmarks.figures import Figure
from benchmarks.places import CannotMeasure

BUNDLES: Final = 64
LEAST_S: Final = 1e-9
BYTES: Final = "one core, bytes: entries split off and hashed"
TILES: Final = "one core, tiles: entries' hashes held against them"
COMMITMENTS: Final = "one core, commitments: openings hashed"
SIGNATURES: Final = "one core, signatures of statements"


@dataclass(slots=True)
class Sample:
    """Bundles of a log, and what their entries ask an auditor to check."""

    bundles: list[verify.Bundle] = field(default_factory=list)
    signatures: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)
    """Public key, message and signature of every statement."""
    openings: list[tuple[dict[str, Any], bytes]] = field(default_factory=list)
    """Every disclosure, and the commitment that it has to hash to."""


def sample(files: Path, size: int) -> Sample:
    """Read up to ``BUNDLES`` bundles, evenly spread over a log of ``size`` entries."""
    source = verify.Mirror(str(files))
    count = -(-size // verify.TILE)
    taken = sorted({count * each // BUNDLES for each in range(BUNDLES)})
    found = Sample([verify.fetch_bundle(source, number, size) for number in taken])
    read: dict[int, list[bytes]] = {}

    def entry(index: int) -> bytes:
        number, place = divmod(index, verify.TILE)
        if number not in read:
            read[number] = _entries(verify.fetch_bundle(source, number, size))
        return read[number][place]

    genesis, _ = verify.parse_json(entry(0))
    if not isinstance(genesis, dict):
        raise CannotMeasure("the first entry is no genesis entry")
    keys = {}
    for author in genesis["authors"]:
        key = verify.parse_vkey(author["vkey"])
        keys[author["name"], key.key_id.hex()] = key.public
    for bundle in found.bundles:
        for data in _entries(bundle):
            # Without any key, a statement comes back with what is still to be verified.
            body = verify.read_entry(data, {}).body
            if isinstance(body, verify.Said) and body.unread is not None:
                message, signature = body.unread
                found.signatures.append((keys[body.author, body.key_id], message, signature))
            elif isinstance(body, verify.Shown):
                said = verify.read_entry(entry(body.discloses), None).body
                shown, _ = verify.parse_json(data)
                assert isinstance(said, verify.Said)
                assert isinstance(shown, dict)
                found.openings.append((shown, said.root or b""))
    return found


def measure(files: Path, size: int, *, section: str, rounds: int) -> Iterator[Figure]:
    """The four figures, each a second of one core, over the same sample."""
    found = sample(files, size)
    entries = sum(bundle.width for bundle in found.bundles)
    taken: dict[str, list[float]] = {}
    for _ in range(rounds):
        times = _hashed(found, size)
        taken.setdefault(BYTES, []).append(entries / max(times.bytes_s, LEAST_S))
        taken.setdefault(TILES, []).append(entries / max(times.tiles_s, LEAST_S))
        if found.openings:
            seconds = _spent(lambda: check_openings(found))
            taken.setdefault(COMMITMENTS, []).append(len(found.openings) / seconds)
        seconds = _spent(lambda: check_signatures(found))
        taken.setdefault(SIGNATURES, []).append(len(found.signatures) / seconds)
    amounts = {COMMITMENTS: len(found.openings), SIGNATURES: len(found.signatures)}
    for what, figures in taken.items():
        yield Figure(
            section=section,
            what=what,
            unit="/s",
            rounds=tuple(figures),
            entries=size,
            note=f"processor time, a sample of {amounts.get(what, entries):,}",
        )


def _entries(bundle: verify.Bundle) -> list[bytes]:
    entries, wrong = verify.split_bundle(bundle.data, bundle.width, longer=bundle.longer)
    if wrong is not None:
        raise CannotMeasure(f"bundle {bundle.number} of the log's files is damaged")
    return entries


def _spent(work: Callable[[], None]) -> float:
    begun = time.thread_time()
    work()
    return max(time.thread_time() - begun, LEAST_S)


def _hashed(found: Sample, size: int) -> verify.Times:
    """Hash every entry. Raises CannotMeasure where one is not the one of its tile."""
    task = verify.Task(0, 0, size, "hashes", {})
    done, times = verify.read_bundles(found.bundles, task)
    for read in done:
        if read.wrong is not None or read.differs_at is not None:
            raise CannotMeasure(f"bundle {read.number} of the log's files is not that of its tile")
    return times


def check_openings(found: Sample) -> None:
    """Hash every opening. Raises CannotMeasure where one is not that of its commitment."""
    for opening, commitment in found.openings:
        root, _, _ = verify.opening_root(opening)
        if root != commitment:
            raise CannotMeasure(f"the opening of entry {opening['discloses']} does not hold")


def check_signatures(found: Sample) -> None:
    """Verify every signature. Raises CannotMeasure where one does not hold."""
    for public, message, signature in found.signatures:
        if not verify.ed25519_holds(public, message, signature):
            raise CannotMeasure("a statement's signature does not hold")
