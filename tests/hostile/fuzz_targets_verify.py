"""The same laws for ``scripts/verify.py``: its functions, and whole runs of it on files."""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from fuzz_corpus import KEY, Corpus, files_of, signed, small, tall
from fuzz_targets import both_policies, canonical_or_not, honest_text, law, notes
from log_builder import canonical, commitment
from mutations import damage, damage_entries, damage_json
from verify_runner import Verdict, run, script

from ledger.errors import LedgerError
from ledger.records.entry import parse_entry

KINDS = {json.loads(entry)["kind"] for entry in small().entries}
YOUNG = 21
"""A size that the small log once had."""


@contextlib.contextmanager
def refused() -> Iterator[None]:
    """Let pass what the script raises on purpose."""
    with contextlib.suppress(script.CannotCheck, script.Proven, script.Malformed):
        yield


@law(90)
def script_opens_no_damaged_checkpoint(dice: Random) -> None:
    honest = dice.choice((small(), tall()))
    data = damage(honest.checkpoint, dice, notes())
    with refused():
        found = script.open_checkpoint(data, [script.parse_vkey(KEY)])
        assert found.note.text.decode() in (small().text, tall().text), data


@law(60)
def script_believes_no_more_witnesses_than_the_ledger(dice: Random) -> None:
    honest = small()
    policy, note = honest.policy, honest.checkpoint
    if dice.random() < 0.5:
        policy = damage(policy, dice, [honest.policy])
    else:
        note = damage(note, dice, notes())
    ledger, alone = both_policies(policy, note)
    assert ledger or not alone or unlike(policy, note), (policy, note)
    assert not alone or honest_text(note), note


def unlike(policy: bytes, note: bytes) -> bool:
    """Whether the ledger is stricter here: about a policy's characters, or a name's length."""
    long_name = any(len(line) > 255 for line in note.split(b"\n"))
    odd = any(byte not in b"\n\t" and not 0x20 <= byte < 0x7F for byte in policy)
    return odd or long_name or not policy.endswith(b"\n")


@law(40)
def script_reads_keys_or_says_why_not(dice: Random) -> None:
    text = damage(KEY.encode(), dice, [small().policy]).decode("utf-8", "replace")
    with contextlib.suppress(ValueError, IndexError):
        assert script.vkey_text(script.parse_vkey(text)) == text


@law(80)
def script_reads_any_entry(dice: Random) -> None:
    entries = small().entries
    honest = dice.choice(entries)
    if dice.random() < 0.5:
        entry = canonical_or_not(damage_json(json.loads(honest), dice))
    else:
        entry = damage(honest, dice, entries)
    row = script.read_entry(entry, {})
    if not row.problems:
        assert canonical(json.loads(entry)) == entry


@law(60)
def script_reads_what_the_ledger_would_log(dice: Random) -> None:
    """An honest ledger is never convicted for the form of what it took."""
    entry = canonical_or_not(damage_json(json.loads(dice.choice(small().entries)), dice))
    try:
        parse_entry(entry)
    except LedgerError:
        return
    row = script.read_entry(entry, {})
    assert not row.problems or row.kind not in KINDS, (entry, row.problems)


@law(50)
def script_reads_any_bundle(dice: Random) -> None:
    corpus = dice.choice((small(), tall()))
    paths = [path for path in corpus.files if "entries" in path]
    path = dice.choice(paths)
    data = damage(corpus.files[path], dice, list(corpus.files.values()))
    width = int(path.partition(".p/")[2] or 256)
    entries, wrong = script.split_bundle(data, width, longer=False)
    again = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
    assert len(entries) <= width
    assert (again == data and len(entries) == width) == (wrong is None), data


@law(90)
def script_verifies_no_damaged_receipt(dice: Random) -> None:
    honest = dice.choice((small(), tall()))
    at = dice.randrange(len(honest.receipts))
    data = damage(honest.receipts[at], dice, honest.receipts)
    with refused():
        receipt = script.parse_receipt(data)
        checkpoint = script.open_checkpoint(receipt.checkpoint, [script.parse_vkey(KEY)])
        if "entry" not in receipt.extra:
            return
        entry = script.canonical(receipt.extra["entry"])
        script.receipt_facts(receipt, checkpoint, entry, None)
        _same_receipt(honest, at, receipt, entry)


def _same_receipt(honest: Corpus, at: int, receipt: Any, entry: bytes) -> None:
    places = {index: list(path) for index, path in honest.proofs}
    assert places.get(receipt.position) == receipt.path
    assert honest.entries[receipt.position] == entry
    assert honest_text(receipt.checkpoint)
    if "opening" in receipt.extra and "seed" in receipt.extra["opening"]:
        seed, fields = honest.history.openings[receipt.position]
        opening = receipt.extra["opening"]
        assert opening["fields"] == fields
        sealed = json.loads(entry)["statement"]["sealed"]["root"]
        assert commitment(seed, opening["fields"]) == sealed


# Whole runs, on files.


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder in memory, if the machine has such, for as long as one run takes."""
    memory = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def write(path: Path, files: dict[str, bytes]) -> Path:
    """Write a static mirror."""
    for name, data in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return path


def checked(*arguments: str | Path) -> Verdict:
    """Run the script; an exception that it caught itself is one all the same."""
    verdict = run(*arguments)
    assert verdict.status in (0, 1, 2)
    assert "an error in this script" not in verdict.stderr, verdict.stderr
    assert (verdict.status == 0) == (verdict.report["verdict"] == "verified")
    return verdict


@law(12)
def script_verifies_no_damaged_log(dice: Random) -> None:
    honest = tall() if dice.random() < 0.05 else small()
    files = dict(honest.files)
    path = dice.choice([each for each in files if each != "vkey"])
    files[path] = damage(files[path], dice, list(honest.files.values()))
    with folder() as root:
        evidence = ("--evidence", root / "evidence")
        verdict = checked("--offline", write(root / "log", files), "--vkey", KEY, *evidence)
    if verdict.status == 0:
        same = files[path] == honest.files[path]
        assert same or (path == "checkpoint" and honest_text(files[path])), (path, files[path])


@law(12)
def script_verifies_no_log_of_forged_words(dice: Random) -> None:
    honest = small()
    entries = list(honest.entries)
    if dice.random() < 0.3:
        entries = damage_entries(entries, dice)
    else:
        at = dice.randrange(len(entries))
        entries[at] = canonical_or_not(damage_json(json.loads(entries[at]), dice))[:65_535]
    with folder() as root:
        log = write(root / "log", files_of(entries, signed(entries)))
        verdict = checked("--offline", log, "--vkey", KEY, "--evidence", root / "evidence")
    if verdict.status == 0:
        _nothing_forged(honest, [json.loads(entry) for entry in entries])


def _nothing_forged(honest: Corpus, entries: list[dict[str, Any]]) -> None:
    said = [entry.get("statement") for entry in honest.history.entries]
    opened = {}
    for index, entry in enumerate(entries):
        assert entry.get("statement") in said, entry
        if entry["kind"] == "disclosed":
            opened[entry["discloses"]] = entry["fields"]
        assert index or entry["kind"] == "genesis"
    for target, fields in opened.items():
        root = entries[target]["statement"]["sealed"]["root"]
        _, sealed = next(
            opening for opening in honest.history.openings.values() if commitment(*opening) == root
        )
        assert fields.items() <= sealed.items(), target


@law(40)
def script_takes_no_honest_pair_for_evidence(dice: Random) -> None:
    """Three checkpoints: the log at two sizes, and a fork of it. Only pairs with the fork count."""
    young, grown, forked = _three_checkpoints()
    pair = dice.choice(((young, grown), (young, forked), (grown, forked)))
    smaller, larger = sorted(pair, key=lambda each: each.size)
    entries = forked_entries() if larger is forked else list(small().entries)
    leaves = [script.leaf_hash(entry) for entry in entries]
    inside, outside = (
        [script.tree_root(leaves[low:high]) for low, high in places]
        for places in script.pieces(smaller.size, larger.size)
    )
    if smaller.size == larger.size:
        inside, outside = [], []
    key = script.parse_vkey(KEY)
    proof = script.Contradiction(key, smaller, larger, inside, outside).file()
    if dice.random() < 0.5:
        proof = canonical_or_not(damage_json(json.loads(proof), dice))
    elif dice.random() < 0.8:
        proof = damage(proof, dice, [young.note.raw, grown.note.raw, forked.note.raw])
    with refused():
        found = script.read_contradiction(proof, key)
        texts = {found.smaller.note.text, found.larger.note.text}
        assert forked.note.text in texts, proof
        assert len(texts) == 2, proof


@cache
def _three_checkpoints() -> tuple[Any, Any, Any]:
    entries = list(small().entries)
    notes_of = (entries[:YOUNG], entries, forked_entries())
    key = script.parse_vkey(KEY)
    return tuple(script.open_checkpoint(signed(each), [key]) for each in notes_of)


def forked_entries() -> list[bytes]:
    """The small log with another third entry."""
    entries = list(small().entries)
    entries[3] = entries[4]
    return entries


@law(10)
def script_verifies_no_damaged_growth(dice: Random) -> None:
    """A reader who verified the first entries comes back and is shown something damaged."""
    honest = small()
    path = dice.choice([each for each in honest.files if each != "vkey"])
    files = dict(honest.files)
    files[path] = damage(files[path], dice, list(honest.files.values()))
    with folder() as root:
        state = root / "state"
        state.write_bytes(_state_when_young())
        more = ("--state", state, "--evidence", root / "evidence")
        verdict = checked("--offline", write(root / "log", files), "--vkey", KEY, *more)
    if verdict.status == 0:
        same = files[path] == honest.files[path]
        assert same or (path == "checkpoint" and honest_text(files[path])), (path, files[path])


@cache
def _state_when_young() -> bytes:
    entries = list(small().entries[:YOUNG])
    with folder() as root:
        log = write(root / "log", files_of(entries, signed(entries)))
        assert checked("--offline", log, "--vkey", KEY, "--state", root / "state").status == 0
        return (root / "state").read_bytes()


@law(8)
def script_survives_any_receipt_policy_and_state(dice: Random) -> None:
    honest = small()
    receipt, policy = dice.choice(honest.receipts), honest.policy
    with folder() as root:
        state = root / "state"
        log = write(root / "log", honest.files)
        more = ("--evidence", root / "evidence")
        match dice.randrange(3):
            case 0:
                (root / "receipt").write_bytes(damage(receipt, dice, honest.receipts))
                checked("proof", root / "receipt", "--vkey", KEY, *more)
            case 1:
                (root / "policy").write_bytes(damage(policy, dice, [policy]))
                checked("--offline", log, "--policy", root / "policy", *more)
            case 2:
                assert checked("--offline", log, "--state", state, *more).status == 0
                state.write_bytes(damage(state.read_bytes(), dice, [*notes(), policy]))
                checked("--offline", log, "--state", state, *more)
