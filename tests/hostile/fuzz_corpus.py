"""Honest artefacts to damage: a small log of every kind of entry, its files, receipts and a policy.

Made by ``log_builder`` and ``log_of_rules``, which share no code with what is fuzzed. All keys are
derived from names.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from log_builder import (
    DAY_S,
    ORIGIN,
    Entry,
    History,
    canonical,
    cosign,
    inclusion_path,
    root_of,
    sha256,
    tile_path,
    to_base64,
    vkey_of,
)
from log_of_rules import RuledHistory

KEY = vkey_of(ORIGIN)
WITNESSES = ("w1", "w2", "w3")
PATHS = ["protocol", "model.name"]


@dataclass(frozen=True)
class Corpus:
    """One log and what belongs to it. ``files`` has the paths of a static mirror."""

    history: History
    entries: tuple[bytes, ...]
    leaves: tuple[bytes, ...]
    text: str
    checkpoint: bytes
    files: dict[str, bytes]
    policy: bytes
    receipts: tuple[bytes, ...]
    proofs: tuple[tuple[int, tuple[bytes, ...]], ...]
    """Some indices with their audit paths."""

    @property
    def root(self) -> bytes:
        """The tree's root."""
        return root_of(list(self.leaves))


@cache
def small() -> Corpus:
    """About fifty entries: one partial tile, one partial bundle."""
    log = RuledHistory()
    log.begin()
    jobs = [log.new_job() for _ in range(4)]
    first = log.submit("lab-a", jobs[0])
    log.start(jobs[0])
    log.interrupt(jobs[0])
    log.now_s += 60
    log.start(jobs[0])
    log.egress(jobs[0])
    log.now_s += 3_600
    log.end(jobs[0])
    log.withhold(first, PATHS)
    log.correct(first, "lab-a")
    log.submit("lab-b", jobs[1], workload="lora")
    early = log.submit("lab-b", jobs[2])
    log.open_early(early)
    log.start(jobs[2])
    log.now_s += 3_600
    log.end(jobs[2], "failed")
    log.register("add", "lab-c", "member")
    log.submit("lab-c", jobs[3])
    log.start(jobs[3])
    log.now_s += 600
    log.end(jobs[3])
    log.register("retire", "lab-c", "member")
    _rules(log)
    log.pass_time(91 * DAY_S)
    listed = {"name": "bulk/SHA256SUMS", "digest": {"sha256": "ab" * 32}}
    log.add({"kind": "manifest", "tree_size": 7, **listed})
    return _corpus(log)


def _rules(log: RuledHistory) -> None:
    """Another charter, artifacts, refusals, and what the ledger found in a run."""
    log.change("council-b", embargo_days=60, member_gpus=16)
    job = log.running()
    log.take(job, 1_000)
    log.read(job, 400)
    log.refuse()
    log.refuse(job)
    admitted = [index for index, each in enumerate(log.entries) if each["kind"] == "admitted"]
    log.find(admitted[-1], "R2_egress_ceiling")
    log.find(log.end_with(job, "terminated_by_policy", weights_unchanged=False))
    log.end_with(log.running("lab-b"))
    log.endorse(log.register("add", "council-d", "council"), "council-c")


@cache
def tall() -> Corpus:
    """Two full tiles and a part of a third, with a tile above: entries that say little."""
    log = History()
    log.genesis()
    job = log.new_job()
    log.submit("lab-a", job)
    log.start(job)
    while len(log.entries) < 520:
        log.egress(job)
    return _corpus(log)


def _corpus(log: History) -> Corpus:
    entries, leaves = tuple(log.encoded()), tuple(log.leaves())
    text = log.checkpoint_text()
    lines = [cosign(text, f"{name}.example", log.now_s + 5) for name in WITNESSES]
    checkpoint = (log.checkpoint() + "".join(lines)).encode()
    places = sorted({0, 1, len(entries) // 2, len(entries) - 1})
    return Corpus(
        history=log,
        entries=entries,
        leaves=leaves,
        text=text,
        checkpoint=checkpoint,
        files=files_of(entries, checkpoint),
        policy=_policy(),
        receipts=tuple(_receipt(log, index, checkpoint) for index in places),
        proofs=tuple((at, tuple(inclusion_path(at, list(leaves)))) for at in places),
    )


def files_of(entries: tuple[bytes, ...] | list[bytes], checkpoint: bytes) -> dict[str, bytes]:
    """Every file of a static mirror of these entries, whatever they are."""
    files = {"checkpoint": checkpoint, "vkey": (KEY + "\n").encode()}
    for at in range(0, len(entries), 256):
        part = entries[at : at + 256]
        bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in part)
        files[tile_path("entries", at // 256, len(part))] = bundle
    level, nodes = 0, [sha256(b"\x00" + entry) for entry in entries]
    while nodes:
        for at in range(0, len(nodes), 256):
            part = nodes[at : at + 256]
            files[tile_path(level, at // 256, len(part))] = b"".join(part)
        full = range(0, len(nodes) - 255, 256)
        nodes, level = [root_of(nodes[at : at + 256]) for at in full], level + 1
    return files


def signed(entries: list[bytes]) -> bytes:
    """The checkpoint that the log's key signs over any entries."""
    log = History(entries=list(entries))
    return log.checkpoint().encode()


def _policy() -> bytes:
    lines = [f"log {KEY} https://demo.example/log", "# three of them", ""]
    lines += [f"witness {name} {vkey_of(f'{name}.example', kind=4)}" for name in WITNESSES]
    lines += ["group most 2 w1 w2 w3", "quorum most"]
    return ("\n".join(lines) + "\n").encode()


def _receipt(log: History, index: int, checkpoint: bytes) -> bytes:
    extra: Entry = {"entry": log.entries[index]}
    if index in log.openings:
        extra["opening"] = _opening(log, index)
    path = [to_base64(node) for node in inclusion_path(index, log.leaves())]
    lines = ["c2sp.org/tlog-proof@v1", f"extra {to_base64(canonical(extra))}", f"index {index}"]
    return ("\n".join([*lines, *path]) + "\n\n").encode() + checkpoint


def _opening(log: History, index: int) -> dict[str, Any]:
    seed, fields = log.openings[index]
    return {"seed": to_base64(seed), "fields": fields}
