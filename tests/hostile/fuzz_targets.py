"""What fuzzing asks, of the ledger's parsers and of ``scripts/verify.py``: two laws.

No bytes end in an exception but those that a function documents. And nothing damaged is verified:
where a verifier accepts, what it accepted is *the same thing* as the honest original, which means

- a checkpoint: the signed text is the honest text, byte for byte. Only lines of keys that nobody
  asked about may differ, be added or be missing, and lines of known keys may be missing as far as
  the policy lets them, repeated, or in another order.
- a receipt: index, audit path and checkpoint text are the honest ones, and the entry's bytes; the
  opening, if there is one, hashes to the entry's commitment. The ``extra`` is not authenticated, so
  its own spelling is free.
- a log: the checkpoint as above, and every tile and bundle that was read is the honest one, byte
  for byte. A vkey file counts where no key was given: it is the honest key.
- a log that the operator has damaged and signed again: every statement in it is one that its author
  signed, and every disclosure opens what that author sealed.
- a proof, a key, a path, a bundle, an entry: parsing and formatting give the same bytes back.

A target is a function that takes dice, damages something with them, and raises where a law is
broken. ``LAWS`` are all targets, each with how many executions it stands for in a thousand.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from fuzz_corpus import KEY, ORIGIN, small, tall
from mutations import damage, damage_json
from verify_runner import script

from ledger.errors import LedgerError
from ledger.records import canonical
from ledger.records.entry import parse_entry
from ledger.records.statement import decode_signed
from ledger.tlog.checkpoint import format_checkpoint, open_checkpoint, parse_checkpoint
from ledger.tlog.cosignature import (
    AddCheckpoint,
    format_add_checkpoint,
    parse_add_checkpoint,
)
from ledger.tlog.merkle import prove_consistency, verify_consistency, verify_inclusion
from ledger.tlog.note import (
    format_note,
    format_skey,
    format_vkey,
    generate_key,
    parse_note,
    parse_signatures,
    parse_skey,
    parse_vkey,
)
from ledger.tlog.policy import check_policy, parse_policy
from ledger.tlog.proof import format_proof, parse_proof, verify_proof
from ledger.tlog.tiles import (
    decode_bundle,
    encode_bundle,
    expand_tile,
    parse_tile_path,
    split_hashes,
    tile_path,
)

Target = Callable[[Random], None]
LAWS: dict[str, tuple[int, Target]] = {}


def law(weight: int) -> Callable[[Target], Target]:
    """Register a target under its name, to be run ``weight`` times in a thousand."""

    def register(target: Target) -> Target:
        LAWS[target.__name__] = weight, target
        return target

    return register


def refusing() -> suppress:
    """Let pass what a parser of the ledger raises on purpose."""
    return suppress(LedgerError)


def ledger_key() -> Any:
    """The honest log's key, as the ledger reads it."""
    return parse_vkey(KEY)


def notes() -> list[bytes]:
    """Honest notes, and what pieces of one may be spliced in from."""
    return [small().checkpoint, tall().checkpoint]


@law(90)
def ledger_opens_no_damaged_checkpoint(dice: Random) -> None:
    honest = dice.choice((small(), tall()))
    data = damage(honest.checkpoint, dice, notes())
    with refusing():
        found = open_checkpoint(data, [ledger_key()])
        assert format_checkpoint(found) in (small().text, tall().text), data


@law(60)
def ledger_reads_notes_in_one_spelling(dice: Random) -> None:
    data = damage(small().checkpoint, dice, notes())
    with refusing():
        assert format_note(parse_note(data)) == data
    with refusing():
        parse_signatures(data)


@law(40)
def ledger_reads_checkpoints_in_one_spelling(dice: Random) -> None:
    data = damage(small().text.encode(), dice)
    with refusing():
        text = data.decode("utf-8", "replace")
        assert format_checkpoint(parse_checkpoint(text)) == text


@law(90)
def ledger_verifies_no_damaged_receipt(dice: Random) -> None:
    honest = dice.choice((small(), tall()))
    at = dice.randrange(len(honest.receipts))
    data = damage(honest.receipts[at], dice, honest.receipts)
    index, path = honest.proofs[at]
    with refusing():
        proof = parse_proof(data)
        assert format_proof(proof) == data
        found = verify_proof(proof, leaf=honest.leaves[index], verifiers=[ledger_key()])
        assert (proof.index, proof.hashes) == (index, path), data
        assert format_checkpoint(found) == honest.text, data


@law(60)
def ledger_reads_witness_requests_in_one_spelling(dice: Random) -> None:
    proof = tuple(dice.choice(tall().leaves) for _ in range(dice.randint(0, 6)))
    request = AddCheckpoint(dice.randrange(500), proof, small().checkpoint)
    data = damage(format_add_checkpoint(request), dice, notes())
    with refusing():
        assert format_add_checkpoint(parse_add_checkpoint(data)) == data


@law(40)
def ledger_reads_keys_in_one_spelling(dice: Random) -> None:
    signer = generate_key(ORIGIN, bytes(32))[0]
    text = damage(KEY.encode(), dice, [small().policy]).decode("utf-8", "replace")
    with refusing():
        assert format_vkey(parse_vkey(text)) == text
    text = damage(format_skey(signer).encode(), dice, [KEY.encode()]).decode("utf-8", "replace")
    with refusing():
        assert format_skey(parse_skey(text)) == text


@law(60)
def ledger_reads_tiles_and_paths_in_one_spelling(dice: Random) -> None:
    corpus = dice.choice((small(), tall()))
    path = dice.choice(list(corpus.files))
    text = damage(path.encode(), dice, [b"tile/0/x001/x234/067.p/255"]).decode("utf-8", "replace")
    with refusing():
        assert tile_path(parse_tile_path(text)) == text
    data = damage(corpus.files[path], dice, list(corpus.files.values()))
    with refusing():
        assert encode_bundle(decode_bundle(data)) == data
    with refusing():
        assert b"".join(split_hashes(data)) == data
        assert expand_tile(data)[0] == split_hashes(data)


@law(60)
def ledger_verifies_no_damaged_proof(dice: Random) -> None:
    honest = dice.choice((small(), tall()))
    index, path = dice.choice(honest.proofs)
    size = len(honest.leaves)
    proof = split(damage(b"".join(path), dice, [b"".join(honest.leaves[:9])]))
    place, whole = index + dice.choice((0, 0, 0, 1, -1)), size + dice.choice((0, 0, 0, 1, -1))
    with refusing():
        leaf = honest.leaves[index]
        verify_inclusion(proof, index=place, size=whole, leaf=leaf, root=honest.root)
        # Root and size come from one checkpoint. Under a wrong size a path may have the shape of
        # another index's (29 of 30 has that of 30 of 31); it still has to be the same path.
        assert proof == list(path), (proof, place, whole)
        assert place == index or whole != size, (proof, place, whole)


@law(40)
def ledger_verifies_no_damaged_consistency(dice: Random) -> None:
    honest = small()
    old = dice.randint(1, len(honest.leaves))
    path = prove_consistency(honest.leaves, old_size=old)
    proof = split(damage(b"".join(path), dice, [b"".join(honest.leaves)]))
    root = script.tree_root(honest.leaves[:old])
    with refusing():
        verify_consistency(
            proof, old_size=old, new_size=len(honest.leaves), old_root=root, new_root=honest.root
        )
        assert proof == path, (old, proof)


@law(80)
def ledger_reads_entries_in_one_spelling(dice: Random) -> None:
    entries = small().entries
    entry = dice.choice(entries)
    if dice.random() < 0.5:
        entry = canonical_or_not(damage_json(json.loads(entry), dice))
    else:
        entry = damage(entry, dice, entries)
    with refusing():
        assert canonical.encode(parse_entry(entry).value) == entry
    with refusing():
        assert canonical.encode(canonical.decode(entry, limit=65_535)) == entry


@law(40)
def ledger_reads_no_damaged_statement_twice(dice: Random) -> None:
    history = small().history
    index = dice.choice(list(history.openings))
    entry = history.entries[index]
    seed, fields = history.openings[index]
    body = {"statement": entry["statement"], "signature": entry["signature"]}
    body["opening"] = {"seed": canonical.encode_base64(seed), "fields": fields}
    data = canonical.encode(body)
    if dice.random() < 0.5:
        data = canonical_or_not(damage_json(json.loads(data), dice))
    else:
        data = damage(data, dice)
    with refusing():
        signed = decode_signed(data)
        assert canonical.encode(canonical.decode(data, limit=1 << 20)) == data
        assert canonical.decode(signed.body, limit=1 << 20)


def split(data: bytes) -> list[bytes]:
    """Cut into hashes; the last may be short, which no proof's is."""
    return [data[at : at + 32] for at in range(0, len(data), 32)]


def canonical_or_not(value: object) -> bytes:
    """JSON with sorted keys, of values that canonical JSON may not have."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def both_policies(policy: bytes, note: bytes) -> tuple[bool, bool]:
    """Whether the ledger and the script believe a checkpoint under a policy."""
    believed = []
    for believe in (_ledger_believes, _script_believes):
        try:
            believe(policy, note)
        except (LedgerError, script.CannotCheck, script.Proven, UnicodeDecodeError):
            believed.append(False)
        else:
            believed.append(True)
    return believed[0], believed[1]


def _ledger_believes(policy: bytes, note: bytes) -> None:
    check_policy(note, parse_policy(policy.decode()))


def _script_believes(policy: bytes, note: bytes) -> None:
    parsed = script.parse_policy(policy)
    if not parsed.logs:
        raise script.CannotCheck("no log")
    opened = script.open_checkpoint(note, list(parsed.logs))
    script.quorum_seen(parsed, opened.note)


def honest_text(note: bytes) -> bool:
    """Whether a note is over the text of an honest checkpoint."""
    text = script.parse_note(note).text.decode()
    return text in (small().text, tall().text)
