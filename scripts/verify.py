#!/usr/bin/env -S uv run --script
# /// script
# requires-python = ">=3.11"
# dependencies = ["pynacl"]
# ///
"""Verify an APSCI ledger from outside, trusting nothing that it says about itself.

This file stands alone: it shares no code with the ledger, needs PyNaCl and nothing else, and may be
copied anywhere. It reads the log's public bytes, recomputes every hash, and replays every entry by
the published rules (RFC 6962, C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-cosignature,
tlog-policy, tlog-proof; DSSE; RFC 8785). It never writes to the log and sends nothing about you.
Where `cryptography` is installed too, ML-DSA-44 signatures are checked; where not, it says so.

    verify.py URL [--vkey VKEY | --policy FILE] [--state FILE] [--mirror DIR] [--watch SECONDS] …
    verify.py --offline DIR …           the same over a static copy
    verify.py proof FILE …              one receipt, offline
    verify.py evidence FILE             two signed checkpoints that contradict one another
    verify.py explain [CODE]            what a check means, what proves it, what to do
    verify.py schema                    the JSON Schema of what --json prints

Exit 0: verified. Exit 1: misbehaviour is proven, and the evidence is on disk.
Exit 2: it could not be checked (network, arguments, no key); one line says why.
`evidence` exits 0 where the evidence holds, and 2 where the file proves nothing.

How this file is laid out, top to bottom:

    the checks              every code: its group, how grave it is, which function finds it
    sentences               how a finding is worded, in English or Chinese
    bytes and hashing       RFC 6962, base64, canonical JSON, times, signatures
    notes                   signed notes, checkpoints, cosignatures, policies
    fetching                servers, static copies, keeping a copy; tiles and bundles
    contradictions          two checkpoints of one log: does the larger begin with the smaller?
    reading entries         each by itself, in as many processes as there are cores
    memory                  what later entries may refer to, in a file, so that memory stays small
    replaying               the rules that need the whole history
    the audit               one run over one log
    state                   what is kept between runs, and how an interrupted run goes on
    evidence and reports    what is written and printed
    telling and watching    hooks, webhooks, mail; running for ever
    the command line
    the words               what `explain` prints, and every sentence in Chinese
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import http.client
import json
import os
import random
import re
import shlex
import shutil
import signal
import smtplib
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from base64 import b64decode, b64encode
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol
from urllib.parse import urlsplit

try:
    from nacl.bindings import crypto_sign_open
    from nacl.exceptions import BadSignatureError
except ImportError:  # pragma: no cover - the machine lacks the one dependency
    print("verify.py needs PyNaCl: `uv run verify.py …` or `pip install pynacl`", file=sys.stderr)
    raise SystemExit(2) from None

DAY_S = 86_400
GRACE_S = 300
"""How late the embargo may run, and how far two honest clocks may stand apart."""
LATE_S = DAY_S
"""How old a statement may be when it is logged, and how long a run's end may be missing."""
STALLED_S = 30 * DAY_S
"""How long an interrupted run may wait to be taken up again, beside its limit."""
FRESH_S = DAY_S
"""How old the witnesses' newest word may be before it is said."""
LONGEST_EMBARGO_DAYS = 90
LONGEST_REVIEW_S = 180 * DAY_S
LARGEST_ENTRY = 60_000
TILE = 256
FINDINGS_SHOWN = 100
"""How many findings of one code are told in full; all are counted."""
BUNDLES_PER_JOB = 8
FETCHERS = 8
PARALLEL_FROM = 20_000
"""Below this many entries, starting processes costs more than they save."""
FLUSH_EVERY = 16_384
"""Entries between two moves from memory to the state's file."""
SAVE_EVERY, SAVE_EVERY_S = 131_072, 15.0
"""Entries, or seconds, after which a long run could go on if it were interrupted."""
IN_PLACE = 65_536
"""Up to so many new entries, the state is changed in one transaction; a longer run has a copy."""
CHECKPOINT_LIMIT, BUNDLE_LIMIT, RECEIPT_LIMIT = 64 * 1024, TILE * (2 + 65_535), 2 * 1024 * 1024
KEYS_LIMIT = 1024 * 1024
EVIDENCE_LIMIT = 256 * 1024
MOST_KEYS = 65_536
MOST_CHARTERS = 65_536
MOST_ENDORSEMENTS = 32
LONGEST_NOTICE_S = 366 * DAY_S
"""How long before it counts a charter may be logged."""
ED25519, COSIGNATURE_ED25519, COSIGNATURE_MLDSA44 = 0x01, 0x04, 0x06


# --- the checks -------------------------------------------------------------------------------


class Check(NamedTuple):
    """One thing that is checked. ``explain`` has its words.

    ``severity``: a "finding" fails the run, a "note" is said only. ``proof``: what it rests on.
    "entry": entries under a signed root, which can never be taken back, so that the state goes on
    and keeps the finding; "now": something left undone, judged anew in every run; "tree": the
    files and signatures themselves, on which no state may be built; "here": this run only.
    ``found_by`` is the function of this file that says it.
    """

    code: str
    group: str
    severity: str
    proof: str
    found_by: str


CHECKS = {
    check.code: check
    for check in (
        # The log: one history, signed, whole, and in its one permitted form.
        Check("log-forked", "log", "finding", "tree", "contradicts"),
        Check("log-shrank", "log", "finding", "tree", "shrank"),
        Check("stale-checkpoint", "log", "note", "here", "_freshness"),
        Check("unsigned-checkpoint", "log", "finding", "tree", "open_checkpoint"),
        Check("bad-checkpoint-signature", "log", "finding", "tree", "log_signature_holds"),
        Check("malformed-checkpoint", "log", "finding", "tree", "open_checkpoint"),
        Check("bad-cosignature", "log", "finding", "tree", "cosigned_at"),
        Check("root-mismatch", "log", "finding", "tree", "_roots"),
        Check("entry-hash-mismatch", "log", "finding", "tree", "_roots"),
        Check("tile-mismatch", "log", "finding", "tree", "_roots"),
        Check("malformed-bundle", "log", "finding", "tree", "_take"),
        Check("unavailable-bundle", "log", "finding", "tree", "run"),
        Check("unavailable-tile", "log", "finding", "tree", "run"),
        Check("proof-mismatch", "log", "finding", "tree", "receipt_facts"),
        Check("no-genesis", "log", "finding", "tree", "step"),
        Check("second-genesis", "log", "finding", "entry", "step"),
        Check("genesis-key-mismatch", "log", "finding", "tree", "spoken_for"),
        Check("malformed-entry", "log", "finding", "entry", "read_entry"),
        Check("non-canonical", "log", "finding", "entry", "read_entry"),
        Check("bad-signature", "log", "finding", "entry", "_authority"),
        Check("unknown-author", "log", "finding", "entry", "_authority"),
        Check("unknown-key", "log", "finding", "entry", "_authority"),
        Check("key-not-valid", "log", "finding", "entry", "_authority"),
        Check("wrong-role", "log", "finding", "entry", "_authority"),
        Check("bad-registry", "log", "finding", "entry", "_registry"),
        Check("bad-endorsement", "log", "finding", "entry", "_signers"),
        Check("too-few-endorsements", "log", "finding", "entry", "_endorsed"),
        Check("out-of-order", "log", "finding", "entry", "_life_cycle"),
        Check("missing-decision", "log", "finding", "entry", "_due"),
        Check("decision-without-submission", "log", "finding", "entry", "_decided"),
        Check("bad-decision", "log", "finding", "entry", "_decided"),
        Check("bad-reference", "log", "finding", "entry", "_same_origin"),
        Check("duplicate-statement", "log", "finding", "entry", "_flush"),
        Check("manifest-too-large", "log", "finding", "entry", "_judge"),
        Check("time-went-back", "log", "finding", "entry", "_time"),
        Check("logged-in-future", "log", "finding", "entry", "_time"),
        Check("made-after-logged", "log", "note", "entry", "_ages"),
        Check("trust-on-first-use", "log", "note", "here", "check_source"),
        Check("unknown-witness-type", "log", "note", "here", "cosignatures"),
        Check("mldsa-not-checked", "log", "note", "here", "cosignatures"),
        Check("unknown-kind", "log", "note", "entry", "_judge"),
        Check("unknown-schema", "log", "note", "entry", "_statement"),
        # The embargo: what is sealed opens in time, as it was committed to, by the right hand.
        Check("post-dated", "embargo", "finding", "entry", "_time"),
        Check("back-dated", "embargo", "finding", "entry", "_time"),
        Check("back-dated-by-own-clock", "embargo", "note", "here", "_time"),
        Check("late-logged", "embargo", "note", "entry", "_ages"),
        Check("embargo-too-long", "embargo", "finding", "entry", "_rules"),
        Check("wrong-publish-by", "embargo", "finding", "entry", "_seal"),
        Check("overdue", "embargo", "finding", "now", "finish"),
        Check("due-by-own-clock", "embargo", "note", "now", "finish"),
        Check("late-disclosure", "embargo", "note", "entry", "_opened_in_time"),
        Check("opening-mismatch", "embargo", "finding", "entry", "_shown"),
        Check("disclosed-twice", "embargo", "finding", "entry", "_shown"),
        Check("early-without-open", "embargo", "finding", "entry", "_opened_in_time"),
        Check("open-by-another", "embargo", "finding", "entry", "_statement"),
        Check("open-not-obeyed", "embargo", "finding", "entry", "_due"),
        Check("withheld-without-committee", "embargo", "finding", "entry", "_authority"),
        Check("bad-withholding", "embargo", "finding", "entry", "_withheld"),
        Check("closed-without-withholding", "embargo", "finding", "entry", "_closed_paths"),
        Check("withheld-field-opened", "embargo", "finding", "entry", "_closed_paths"),
        Check("withheld-past-review", "embargo", "note", "now", "finish"),
        Check("withholding-rate", "embargo", "note", "now", "finish"),
        # The charter: what may run, on what, how long, and what may leave.
        Check("bad-charter", "charter", "finding", "entry", "_charter"),
        Check("charter-out-of-time", "charter", "finding", "entry", "_charter"),
        Check("wrong-charter", "charter", "finding", "entry", "_cited"),
        Check("forbidden-workload-admitted", "charter", "finding", "entry", "breaches"),
        Check("admitted-against-charter", "charter", "finding", "entry", "breaches"),
        Check("run-without-admission", "charter", "finding", "entry", "_life_cycle"),
        Check("usage-above-admitted", "charter", "finding", "entry", "_usage"),
        Check("egress-above-ceiling", "charter", "finding", "entry", "_let_out"),
        Check("artifact-above-ceiling", "charter", "finding", "entry", "_artifact"),
        Check("artifact-read-by-another", "charter", "finding", "entry", "_read"),
        Check("bad-artifact", "charter", "finding", "entry", "_artifact"),
        Check("member-egress-above-quota", "charter", "finding", "entry", "_of_member"),
        Check("egress-after-quarantine", "charter", "finding", "entry", "_let_out"),
        Check("weights-changed", "charter", "finding", "entry", "_ended"),
        Check("missing-finding", "charter", "finding", "entry", "_due"),
        Check("bad-finding", "charter", "finding", "entry", "_found"),
        Check("job-without-end", "charter", "finding", "now", "_unfinished"),
        Check("job-not-begun", "charter", "note", "now", "_unfinished"),
    )
}
GROUPS = ("log", "embargo", "charter")


# --- sentences --------------------------------------------------------------------------------

LANGUAGES = ("en", "zh-Hans")


class Sentence(NamedTuple):
    """A sentence that can be said in every language: its English pattern, and what goes into it."""

    pattern: str
    values: dict[str, Any]

    def put(self, lang: str) -> str:
        """Return the sentence; what an author wrote goes into it as it is."""
        pattern = CHINESE[self.pattern] if lang == "zh-Hans" else self.pattern
        return pattern.format(**self.values)


def say(pattern: str, /, **values: object) -> Sentence:
    """Make a sentence; ``CHINESE`` has every pattern that is ever given here."""
    return Sentence(pattern, values)


class CannotCheck(Exception):
    """Exit 2: the message is the one line that says why."""


class Missing(CannotCheck):
    """There is no such resource: the server, or the folder, said so."""


class Unavailable(CannotCheck):
    """A server does not serve what the checkpoint that it serves has signed."""


class Proven(Exception):
    """Exit 1 before any entry was read: the checkpoint or the receipt itself is wrong."""

    def __init__(self, code: str, sentence: Sentence) -> None:
        super().__init__(code)
        self.code, self.sentence = code, sentence


class Malformed(Exception):
    """An entry that has not the shape of its kind."""


def refuse(message: str) -> NoReturn:
    """Raise ValueError, for the caller's handler to say where."""
    raise ValueError(message)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or odd: a stable code, the entry, a sentence, other entries."""

    code: str
    index: int | None
    sentence: Sentence
    see: tuple[int, ...]
    severity: str
    standing: bool = False
    """Whether an earlier run had said it, as the state remembers."""


class Tally:
    """All findings and notes: the first of each code in full, all of them counted."""

    def __init__(self, fail_on: Iterable[str] = ()) -> None:
        self.fail_on = frozenset(fail_on)
        self.findings: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.told: list[Finding] = []

    def add(
        self,
        code: str,
        index: int | None,
        sentence: Sentence,
        *see: int,
        severity: str | None = None,
        count: int = 1,
    ) -> None:
        """Count a finding or note and, among the first of its code, keep it."""
        severity = "finding" if code in self.fail_on else severity or CHECKS[code].severity
        counts = self.findings if severity == "finding" else self.notes
        counts[code] += count
        if counts[code] - count < FINDINGS_SHOWN:
            self.told.append(Finding(code, index, sentence, see, severity))

    def of(self, severity: str) -> list[Finding]:
        """Return those told in full of one severity."""
        return [finding for finding in self.told if finding.severity == severity]

    def kept(self) -> dict[str, Any]:
        """Return what the state keeps: what the entries prove for good."""
        lasting = [code for code, check in CHECKS.items() if check.proof == "entry"]
        return {
            "findings": {code: self.findings[code] for code in lasting if code in self.findings},
            "notes": {code: self.notes[code] for code in lasting if code in self.notes},
            "told": [
                [each.code, each.index, each.sentence, each.see, each.severity, each.standing]
                for each in self.told
                if each.code in lasting
            ],
        }

    def settled(self) -> None:
        """Mark all as said, for the next run to know that they are not new."""
        self.told = [replace(each, standing=True) for each in self.told]

    def restore(self, kept: dict[str, Any]) -> None:
        """Take up what the state kept; ValueError or the like where it is not that."""
        self.findings.update({str(code): int(n) for code, n in kept["findings"].items()})
        self.notes.update({str(code): int(n) for code, n in kept["notes"].items()})
        for code, index, (pattern, values), see, severity, standing in kept["told"]:
            if code not in CHECKS or pattern not in CHINESE:
                refuse(f"an unknown code {str(code)[:40]}")
            sentence = Sentence(pattern, dict(values))
            sentence.put("en")
            self.told.append(
                Finding(code, index, sentence, tuple(see), severity, standing=bool(standing))
            )


# --- bytes and hashing ------------------------------------------------------------------------


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 digest."""
    return hashlib.sha256(data).digest()


def leaf_hash(entry: bytes) -> bytes:
    """Return the RFC 6962 hash of a leaf."""
    return sha256(b"\x00" + entry)


def tree_root(nodes: Sequence[bytes]) -> bytes:
    """Return the RFC 6962 root over the subtrees of one height that ``nodes`` are, left to right.

    All are full, the last perhaps not: pairing them and lifting an odd last one is the same as the
    RFC's split at the largest power of two.
    """
    if not nodes:
        return sha256(b"")
    level = list(nodes)
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        digest = hashlib.sha256
        level = [
            digest(b"\x01" + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        level += odd
    return level[0]


def split_hashes(data: bytes) -> list[bytes]:
    """Cut a tile into its hashes; the last may be short where the tile is."""
    return [data[at : at + 32] for at in range(0, len(data), 32)]


def inclusion_root(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return where ``path`` leads (RFC 9162 section 2.1.3.2), or None if its length is wrong."""
    here, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if here % 2 or here == last:
            root = sha256(b"\x01" + sibling + root)
            while here % 2 == 0 and here:
                here, last = here >> 1, last >> 1
        else:
            root = sha256(b"\x01" + root + sibling)
        here, last = here >> 1, last >> 1
    return root if last == 0 else None


def from_base64(text: str, length: int | None = None) -> bytes:
    """Decode standard, padded base64 in its one spelling; ValueError for any other."""
    data = b64decode(text, validate=True)
    if b64encode(data).decode() != text or (length is not None and len(data) != length):
        raise ValueError("not canonical base64 of the right length")
    return data


def to_base64(data: bytes) -> str:
    """Encode in standard, padded base64."""
    return b64encode(data).decode()


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is not an integer")


def _bounded_integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) >= 2**53:
        raise ValueError(f"{text[:20]} is not below 2^53")
    return int(text)


DECODER = json.JSONDecoder(
    parse_int=_bounded_integer, parse_float=_refuse_number, parse_constant=_refuse_number
)
ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
PLAIN_KEY = re.compile(rb'[{,]"[a-z0-9_]+(?:\.[a-z0-9_]+)*":')


def canonical(value: object) -> bytes:
    """RFC 8785 on the ledger's subset. UnicodeEncodeError for a lone surrogate."""
    return ENCODER.encode(value).encode()


def _within_subset(value: object, depth: int = 1) -> bool:
    if isinstance(value, dict):
        if not all(re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", key) for key in value):
            return False
        value = list(value.values())
    if isinstance(value, list):
        return depth <= 8 and all(_within_subset(item, depth + 1) for item in value)
    return True


def parse_json(data: bytes) -> tuple[object, bool]:
    """Return the value, and whether ``data`` is its one spelling within the subset.

    A double key cannot survive the comparison: re-encoding has it only once. The counts are a
    quick way to see that no slow walk is needed; they can only err towards the walk.
    """
    try:
        value = DECODER.decode(data.decode())
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON of the ledger's kind ({str(error)[:80]})") from None
    try:
        same = canonical(value) == data
    except (UnicodeEncodeError, RecursionError):
        return value, False
    quick = data.count(b"{") + data.count(b"[") <= 8 and len(PLAIN_KEY.findall(data)) == data.count(
        b'":'
    )
    return value, same and (quick or _within_subset(value))


@lru_cache(maxsize=1 << 14)
def seconds(text: str) -> int:
    """Return the unix seconds of ``2026-11-21T19:00:00Z``; ValueError for any other spelling."""
    if not re.fullmatch(r"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z", text):
        raise ValueError("not a time")
    return int(datetime.fromisoformat(text).timestamp())


def clock_text(moment: float) -> str:
    """Write unix seconds as the log writes times."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ed25519_holds(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether a signature verifies; libsodium refuses malleable ones."""
    try:
        crypto_sign_open(signature + message, public)
    except (BadSignatureError, ValueError):
        return False
    return True


def mldsa44_holds(public: bytes, message: bytes, signature: bytes) -> bool | None:
    """Tell whether an ML-DSA-44 signature (FIPS 204) verifies; None where no library can tell."""
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - it may be missing
        from cryptography.hazmat.primitives.asymmetric.mldsa import (  # noqa: PLC0415 - the same
            MLDSA44PublicKey,
        )
    except ImportError:
        return None
    if len(signature) != 2420:
        return False
    try:
        MLDSA44PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    except Exception as error:
        if type(error).__name__ != "UnsupportedAlgorithm":
            raise
        return None
    return True


# --- notes, checkpoints, policies -------------------------------------------------------------


class Key(NamedTuple):
    """A signed-note verifier key: ``name+hex8+base64(type ‖ public key)``."""

    name: str
    key_id: bytes
    kind: int
    public: bytes


NOBODY = Key("", b"", ED25519, b"")
"""Whose key it is that speaks for a log whose first entry could not be read."""
NO_NAME = re.compile(r"[\s\x00-\x1f+]")
"""What no key's name has (signed-note): white space of any script, a control character, a plus."""
KEY_BYTES = {ED25519: 32, COSIGNATURE_ED25519: 32, COSIGNATURE_MLDSA44: 1312}


def parse_vkey(text: str) -> Key:
    """Read a vkey; ValueError where the key ID is not that of its name, type and key."""
    name, hex_id, encoded = text.split("+", 2)
    data = from_base64(encoded)
    key_id = sha256(name.encode() + b"\n" + data)[:4]
    if not name or NO_NAME.search(name) or hex_id != key_id.hex() or not data:
        raise ValueError("the key ID is not that of the name and the key")
    if len(data) - 1 != KEY_BYTES.get(data[0], len(data) - 1):
        raise ValueError(f"a key of type {data[0]:#04x} has {KEY_BYTES[data[0]]} bytes")
    return Key(name, key_id, data[0], data[1:])


def vkey_text(key: Key) -> str:
    """Write a key as a vkey."""
    data = bytes([key.kind]) + key.public
    return f"{key.name}+{key.key_id.hex()}+{to_base64(data)}"


class Note(NamedTuple):
    """A signed note, opened but not yet believed: ``text`` ends in a newline."""

    raw: bytes
    text: bytes
    lines: tuple[tuple[str, bytes, bytes], ...]

    def blobs(self, key: Key) -> list[bytes]:
        """Return what the lines of a key hold after the key ID."""
        return [blob for name, key_id, blob in self.lines if (name, key_id) == key[:2]]


def parse_note(raw: bytes) -> Note:
    """Open a note by C2SP signed-note; raises CannotCheck where it is none."""
    at = raw.rfind(b"\n\n")
    try:
        text = raw.decode()
        if at < 1 or not text.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f]", text):
            refuse("no blank line before the signatures")
        lines = []
        for line in raw[at + 2 : -1].decode().split("\n"):
            dash, name, encoded = line.split(" ")
            blob = from_base64(encoded)
            if dash != "—" or not name or NO_NAME.search(name) or len(blob) < 5:
                refuse("not a signature line")
            lines.append((name, blob[:4], blob[4:]))
    except ValueError as error:
        raise CannotCheck(f"not a signed note ({error})") from None
    if len(lines) > 100:
        raise CannotCheck(f"a note with {len(lines)} signature lines, more than 100")
    return Note(raw, raw[: at + 1], tuple(lines))


def subtree_message(key: Key, text: bytes, moment: int) -> bytes:
    """Return what a cosigner of type 0x06 signs about a whole tree (tlog-cosignature)."""
    origin, size, root = text.decode().split("\n")[:3]
    names = [bytes([len(name)]) + name for name in (key.name.encode(), origin.encode())]
    times = moment.to_bytes(8, "big"), bytes(8) + int(size).to_bytes(8, "big")
    return b"subtree/v1\n\0" + names[0] + times[0] + names[1] + times[1] + from_base64(root, 32)


def line_holds(key: Key, text: bytes, blob: bytes) -> bool | None:
    """Tell whether a line by ``key`` verifies; None where this machine cannot tell."""
    if key.kind == ED25519:
        return ed25519_holds(key.public, text, blob)
    moment = int.from_bytes(blob[:8], "big")
    if key.kind == COSIGNATURE_ED25519:
        message = b"cosignature/v1\ntime %d\n" % moment + text
        return ed25519_holds(key.public, message, blob[8:])
    try:
        message = subtree_message(key, text, moment)
    except (ValueError, OverflowError):
        return False  # nothing but a checkpoint can be signed so
    return mldsa44_holds(key.public, message, blob[8:])


def log_signature_holds(note: Note, key: Key) -> bool:
    """Tell whether ``key`` has signed. Its line, where it fails, is refused with Proven."""
    verdicts = [line_holds(key, note.text, blob) for blob in note.blobs(key)]
    if False in verdicts:
        raise Proven(
            "bad-checkpoint-signature", say("the line of {name} does not verify", name=key.name)
        )
    return True in verdicts


def cosigned_at(note: Note, key: Key) -> int | None:
    """Return the unix seconds of a witness's cosignature, or None where it has none to count.

    A line that states no time (tlog-cosignature lets type 0x06) says nothing of a newest tree.
    """
    moments = []
    for blob in note.blobs(key):
        verdict = line_holds(key, note.text, blob)
        if verdict is False:
            raise Proven(
                "bad-cosignature",
                say("the cosignature of {name} does not verify", name=key.name),
            )
        if verdict:
            moments.append(int.from_bytes(blob[:8], "big"))
    # A time that no calendar has would end in an error of its own when it is written out.
    return min((moment for moment in moments if 0 < moment < 2**34), default=None)


class Checkpoint(NamedTuple):
    """A checkpoint whose signature by ``key`` holds."""

    note: Note
    key: Key
    size: int
    root: bytes


def open_checkpoint(raw: bytes, keys: Sequence[Key]) -> Checkpoint:
    """Believe a checkpoint that one of the Ed25519 ``keys`` has signed.

    Raises CannotCheck where there is no checkpoint or it is another log's, and Proven where its
    signature fails, is missing, or stands under something that is not a checkpoint.
    """
    note = parse_note(raw)
    origin = note.text.split(b"\n", 1)[0].decode()
    signers = [key for key in keys if log_signature_holds(note, key) and key.kind == ED25519]
    if not signers:
        if origin not in [key.name for key in keys]:
            known = ", ".join(key.name for key in keys)
            raise CannotCheck(f"this is the log {origin[:80]!r}; the key given is for {known}")
        raise Proven(
            "unsigned-checkpoint", say("no signature by the known key of {name}", name=origin)
        )
    parts = note.text.decode().split("\n")
    try:
        if len(parts) != 4 or parts[0] != signers[0].name:
            refuse("other lines")
        if not re.fullmatch(r"0|[1-9][0-9]{0,14}", parts[1], re.ASCII):
            refuse("no size")
        return Checkpoint(note, signers[0], int(parts[1]), from_base64(parts[2], 32))
    except ValueError:
        raise Proven(
            "malformed-checkpoint",
            say("the signed text is not origin, size and root on three lines"),
        ) from None


class Policy(NamedTuple):
    """C2SP tlog-policy: the logs, the witnesses, and who must have cosigned."""

    logs: tuple[Key, ...]
    witnesses: dict[str, Key]
    groups: dict[str, tuple[int, tuple[str, ...]]]
    quorum: str

    def holds(self, name: str, cosigners: Iterable[str]) -> bool:
        """Tell whether a witness has cosigned, or enough members of a group."""
        if name in self.groups:
            needed, members = self.groups[name]
            return sum(self.holds(member, cosigners) for member in members) >= needed
        return name == "none" or name in cosigners

    def quorum_time(self, times: Mapping[str, int]) -> int | None:
        """Return the first second at which the cosigners were a quorum; None if they are none."""
        cosigners: list[str] = []
        for name in sorted(times, key=times.__getitem__):
            cosigners.append(name)
            if self.holds(self.quorum, cosigners):
                return times[name]
        return None


def quorum_seen(policy: Policy, note: Note) -> int | None:
    """Return when a quorum had seen the checkpoint, None where none is asked for.

    Each witness counts with its own time, so the q-th smallest is the moment at which the quorum
    was complete. Raises CannotCheck without the quorum, Proven for a known witness's line that
    does not verify.
    """
    times = {
        name: moment
        for name, key in policy.witnesses.items()
        if key.kind in (COSIGNATURE_ED25519, COSIGNATURE_MLDSA44)
        and (moment := cosigned_at(note, key)) is not None
    }
    seen = policy.quorum_time(times)
    if seen is None and policy.quorum != "none":
        known = ", ".join(sorted(times)) or "nobody"
        raise CannotCheck(f"no witness quorum: cosigned by {known}, wanted {policy.quorum}")
    return seen


def unread_lines(keys: Iterable[Key], note: Note) -> list[str]:
    """Name the ML-DSA-44 keys whose lines are there and cannot be checked on this machine."""
    return [
        key.name
        for key in keys
        if key.kind == COSIGNATURE_MLDSA44
        and any(line_holds(key, note.text, blob) is None for blob in note.blobs(key))
    ]


class PolicyReader:
    """Reads a policy line by line; a line may only use names that are defined above it."""

    def __init__(self) -> None:
        self.logs: list[Key] = []
        self.witnesses: dict[str, Key] = {}
        self.groups: dict[str, tuple[int, tuple[str, ...]]] = {}
        self.members: set[str] = set()
        self.quorums: list[str] = []

    def line(self, words: list[str]) -> None:
        """Take one line; ValueError where it breaks the grammar."""
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                self.logs.append(parse_vkey(vkey.encode("latin-1").decode()))
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                self.witnesses[self._new(name)] = parse_vkey(vkey.encode("latin-1").decode())
            case ["group", name, threshold, *members] if members:
                self._group(self._new(name), threshold, members)
            case ["quorum", name]:
                self.quorums.append(name if name == "none" else self._known(name))
            case _:
                refuse("not a log, witness, group or quorum line")

    def _new(self, name: str) -> str:
        if name == "none" or name in self.witnesses or name in self.groups:
            refuse(f"the name {name} is taken")
        return name

    def _known(self, name: str) -> str:
        if name not in self.witnesses and name not in self.groups:
            refuse(f"{name} is not defined above")
        return name

    def _group(self, name: str, threshold: str, members: list[str]) -> None:
        if len({*members}) != len(members) or self.members & {*map(self._known, members)}:
            refuse("a name may be a member once only")
        self.members.update(members)
        needed = {"any": "1", "all": str(len(members))}.get(threshold, threshold)
        if not re.fullmatch(r"[1-9][0-9]{0,3}", needed) or int(needed) > len(members):
            refuse(f"{threshold} of {len(members)} members")
        self.groups[name] = int(needed), tuple(members)


def parse_policy(data: bytes) -> Policy:
    """Read a policy; raises CannotCheck with the line that is wrong."""
    reader = PolicyReader()
    # Names are opaque bytes: decoded as Latin-1 they stay what they are, whatever they spell.
    for number, line in enumerate(data.decode("latin-1").split("\n"), 1):
        words = re.split(r"[ \t]+", line.strip(" \t"))
        if words[0] and not words[0].startswith("#"):
            try:
                reader.line(words)
            except (ValueError, IndexError) as error:
                raise CannotCheck(f"policy line {number}: {error}") from None
    keys = [key.public for key in (*reader.logs, *reader.witnesses.values())]
    if len(reader.quorums) != 1 or len({*keys}) != len(keys):
        raise CannotCheck("a policy has exactly one quorum line and no key twice")
    if any(key.kind not in (ED25519, COSIGNATURE_MLDSA44) for key in reader.logs):
        raise CannotCheck("policy: a log's key is Ed25519 (type 0x01) or ML-DSA-44 (type 0x06)")
    return Policy(tuple(reader.logs), reader.witnesses, reader.groups, reader.quorums[0])


# --- fetching ---------------------------------------------------------------------------------


class Source(Protocol):
    """Where the log's files are read from, by their path under the log's prefix."""

    name: str
    prefix: str
    is_live: bool
    """Whether it speaks for the log: what a folder lacks, its owner may have lost."""

    def get(self, path: str, limit: int) -> bytes:
        """Return the bytes, at most ``limit``. Raises Missing, or CannotCheck."""

    def close(self) -> None:
        """Let go of what is open."""


class Mirror:
    """A static copy in a folder."""

    is_live = False

    def __init__(self, folder: str) -> None:
        self.name, self.prefix = folder, ""

    def get(self, path: str, limit: int) -> bytes:
        """Read a file of the copy."""
        try:
            with (Path(self.name) / self.prefix / path).open("rb") as file:
                data = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(f"{self.name}: no {self.prefix}{path}") from None
        except OSError as error:
            raise CannotCheck(f"{self.name}: {path}: {error.strerror}") from None
        if len(data) > limit:
            raise CannotCheck(f"{path} is larger than {limit} bytes")
        return data

    def close(self) -> None:
        """Nothing stays open."""


class Server:
    """A log over HTTP: one kept-alive connection per thread, bounded answers, patient retries."""

    is_live = True

    def __init__(self, url: str, *, retries: int, timeout_s: float) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise CannotCheck(f"{url[:200]!r} is not an address ({error})") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise CannotCheck(f"{url[:200]!r} is not an address: give http://… or https://…")
        self.name, self.prefix = url, ""
        self.base = parts.path.rstrip("/") + "/"
        self.scheme, self.host, self.port = parts.scheme, parts.hostname, port
        self.retries, self.timeout_s = retries, timeout_s
        self._local = threading.local()
        self._connections: list[http.client.HTTPConnection] = []

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs to open connections of its own."""
        return {k: v for k, v in self.__dict__.items() if not k.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _local=threading.local(), _connections=[])

    def _make(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self.scheme == "https" else http.client.HTTPConnection
        return kind(self.host, self.port, timeout=self.timeout_s)

    def get(self, path: str, limit: int) -> bytes:
        """Fetch, as often as --retries allows: the server may be busy, the network poor."""
        address = self.base + self.prefix + path
        for attempt in range(self.retries + 1):
            if attempt:
                time.sleep(min(10.0, 0.2 * 2**attempt) * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries, hides nothing
            try:
                return self._once(address, limit)
            except (OSError, http.client.HTTPException) as error:
                self._drop()
                reason = str(error)[:120] or type(error).__name__
        raise CannotCheck(f"{self.name}: {address}: {reason}")

    def _once(self, address: str, limit: int) -> bytes:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._make()
            self._connections.append(connection)
        headers = {"Accept-Encoding": "identity", "User-Agent": "apsci-verify/1"}
        connection.request("GET", address, headers=headers)
        with closing(connection.getresponse()) as answer:
            return self._read(answer, address, limit)

    def _read(self, answer: http.client.HTTPResponse, address: str, limit: int) -> bytes:
        where = f"{self.name}: {address}"
        if answer.status != 200:
            self._drop()
            if answer.status in (404, 410):
                raise Missing(f"{where}: HTTP {answer.status}")
            if answer.status == 429 or answer.status >= 500:
                raise http.client.HTTPException(f"HTTP {answer.status}")
            moved = (
                f" to {answer.headers['Location'][:200]}" if "Location" in answer.headers else ""
            )
            raise CannotCheck(f"{where}: HTTP {answer.status}{moved}")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            self._drop()
            raise CannotCheck(f"{where}: compressed although not asked for")
        data: bytes = answer.read(limit + 1)
        if len(data) > limit:
            self._drop()
            raise CannotCheck(f"{where}: larger than {limit} bytes")
        if answer.length:
            raise http.client.IncompleteRead(data, answer.length)
        return data

    def _drop(self) -> None:
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def close(self) -> None:
        """Close every thread's connection; the threads have ended."""
        for connection in self._connections:
            connection.close()


class Keeping:
    """Another source, of which every tile and bundle that is read is kept in a folder.

    A file is there whole or not at all. The checkpoint is written last, and only once everything
    under it was verified: a folder that has one passes ``--offline`` on it.
    """

    def __init__(self, source: Source, folder: str) -> None:
        self.source, self.folder = source, folder
        self.name, self.is_live = source.name, source.is_live

    @property
    def prefix(self) -> str:
        """The log's prefix at the source; the folder has none."""
        return self.source.prefix

    @prefix.setter
    def prefix(self, prefix: str) -> None:
        self.source.prefix = prefix

    def get(self, path: str, limit: int) -> bytes:
        """Read from the source, and keep what is a tile."""
        data = self.source.get(path, limit)
        if path.startswith("tile/"):
            target = Path(self.folder) / path
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(target, data, durable=False)
            except OSError as error:
                raise CannotCheck(f"{target}: {error.strerror}") from None
        return data

    def close(self) -> None:
        """Let go of the source."""
        self.source.close()

    def settle(self, checkpoint: Checkpoint) -> None:
        """Write the verified checkpoint, and drop the parts of tiles that it no longer needs."""
        folder = Path(self.folder)
        try:
            write_atomically(folder / "vkey", (vkey_text(checkpoint.key) + "\n").encode())
            write_atomically(folder / "checkpoint", checkpoint.note.raw)
            needed = {path for path, _ in edge_paths(checkpoint.size)}
            for path in folder.glob("tile/**/*.p/*"):
                if path.relative_to(folder).as_posix() not in needed:
                    path.unlink(missing_ok=True)
                    with suppress(OSError):
                        path.parent.rmdir()
        except OSError as error:
            raise CannotCheck(f"{folder}: {error.strerror}") from None


def kept_size(folder: str) -> int:
    """Return the size of the copy in a folder; 0 where it has no checkpoint."""
    try:
        note = parse_note(Mirror(folder).get("checkpoint", CHECKPOINT_LIMIT))
        return int(note.text.split(b"\n")[1])
    except (CannotCheck, ValueError, IndexError):
        return 0


def write_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """After a crash the file is the old one or the new one, never a part of either."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def find_checkpoint(source: Source) -> bytes:
    """Return the first signed note that stands where a checkpoint may; sets the prefix."""
    reasons = []
    for prefix in ("log/", ""):
        source.prefix = prefix
        try:
            raw = source.get("checkpoint", CHECKPOINT_LIMIT)
            parse_note(raw)
        except CannotCheck as error:
            reasons.append((isinstance(error, Missing), str(error)))
        else:
            return raw
    raise CannotCheck(f"no checkpoint: {min(reasons)[1]}")


def tile_path(level: int | str, number: int, width: int = TILE) -> str:
    """Name a tile (tlog-tiles): three digits a group, all but the last with an x."""
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03d}")
    return f"tile/{level}/{'/'.join(groups)}" + (f".p/{width}" if width < TILE else "")


def edge_paths(size: int) -> Iterator[tuple[str, int]]:
    """Yield the path and the width of every part of a tile that a log of ``size`` entries has."""
    level, nodes = 0, size
    while nodes:
        if width := nodes % TILE:
            yield tile_path(level, nodes // TILE, width), width
            if level == 0:
                yield tile_path("entries", nodes // TILE, width), width
        level, nodes = level + 1, nodes // TILE


def get_tile(source: Source, level: int | str, number: int, width: int) -> tuple[bytes, bool]:
    """Return a tile or bundle, and whether it is the full one where a part was asked for.

    A log may drop a partial tile once the full one exists (tlog-tiles), so that is tried next.
    Raises Unavailable where a server has neither, and not a moment later either: this is only
    asked for under a checkpoint that the server itself has shown.
    """
    limit = BUNDLE_LIMIT if level == "entries" else TILE * 32
    paths = [tile_path(level, number, width)] + [tile_path(level, number)] * (width < TILE)
    for attempt in range(2):
        for path in paths:
            try:
                return source.get(path, limit), path != paths[0]
            except Missing as error:
                missing = error
        if not source.is_live:
            raise missing
        if attempt == 0:
            time.sleep(1.0)  # a server that has just grown may be one of several
    raise Unavailable(str(missing))


def split_bundle(data: bytes, width: int, *, longer: bool) -> tuple[list[bytes], Sentence | None]:
    """Return up to ``width`` entries of a bundle, and what is wrong with it."""
    entries: list[bytes] = []
    at, end_of_all = 0, len(data)
    while len(entries) < width:
        begin = at + 2
        end = begin + int.from_bytes(data[at:begin], "big")
        if end_of_all < begin or end_of_all < end:
            done = len(entries)
            return entries, say(
                "bundle {number} ends after {done} of {width} entries", done=done, width=width
            )
        entries.append(data[begin:end])
        at = end
    if at == end_of_all or longer:
        return entries, None
    return entries, say(
        "bundle {number} has {spare} bytes after its last entry", spare=end_of_all - at
    )


class Bundle(NamedTuple):
    """One bundle as fetched, with the level-0 tile that should agree with it."""

    number: int
    width: int
    data: bytes
    longer: bool
    tile: bytes


def fetch_bundle(source: Source, number: int, size: int) -> Bundle:
    """Fetch one bundle and its tile, as wide as a log of ``size`` entries has them."""
    width = min(TILE, size - number * TILE)
    data, longer = get_tile(source, "entries", number, width)
    return Bundle(number, width, data, longer, get_tile(source, 0, number, width)[0])


# --- contradictions ---------------------------------------------------------------------------

Nodes = Callable[[int, int], bytes]
"""The hash of the entries from ``low`` up to ``high``, which are a subtree of the log's tree."""


def halves(low: int, high: int) -> int:
    """Return where RFC 6962 splits the entries from ``low`` up to ``high``."""
    return low + (1 << (high - low - 1).bit_length() - 1)


def pieces(first: int, size: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the subtrees of a tree of ``size`` that make up its first entries, and the others."""
    inside: list[tuple[int, int]] = []
    outside: list[tuple[int, int]] = []

    def walk(low: int, high: int) -> None:
        if high <= first:
            inside.append((low, high))
        elif low >= first:
            outside.append((low, high))
        else:
            middle = halves(low, high)
            walk(low, middle)
            walk(middle, high)

    walk(0, size)
    return inside, outside


def both_roots(
    first: int, size: int, inside: Sequence[bytes], outside: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Return the roots of the first entries and of all, from the hashes of the pieces.

    Where the second is the signed root, the first cannot be anything else than the root of the
    log's first entries: another one would be a collision of SHA-256. ValueError for a wrong number.
    """
    places, others = pieces(first, size)
    if (len(places), len(others)) != (len(inside), len(outside)):
        raise ValueError("not as many hashes as the two sizes need")
    hashes = dict(zip([*places, *others], [*inside, *outside], strict=True))

    def fold(low: int, high: int) -> bytes:
        if (low, high) in hashes:
            return hashes[low, high]
        middle = halves(low, high)
        return sha256(b"\x01" + fold(low, middle) + fold(middle, high))

    # The pieces of the beginning grow smaller from left to right, as in its own tree.
    root = inside[-1] if inside else sha256(b"")
    for node in reversed(inside[:-1]):
        root = sha256(b"\x01" + node + root)
    return root, fold(0, size)


def nodes_of_tiles(source: Source, size: int) -> Nodes:
    """Read subtree hashes from a log's tiles: a few tiles are enough for any of them."""
    tiles: dict[tuple[int, int], list[bytes]] = {}

    def node(low: int, high: int) -> bytes:
        count = high - low
        if count & (count - 1):
            middle = halves(low, high)
            return sha256(b"\x01" + node(low, middle) + node(middle, high))
        level = (count.bit_length() - 1) // 8
        span = 256**level
        number, at = divmod(low // span, TILE)
        if (level, number) not in tiles:
            width = min(TILE, size // span - number * TILE)
            tiles[level, number] = split_hashes(get_tile(source, level, number, width)[0])
        part = tiles[level, number][at : at + count // span]
        if len(part) != count // span:
            raise ValueError("a tile is too short")
        return tree_root(part)

    return node


class Contradiction(NamedTuple):
    """Two checkpoints that one key has signed and that no one log can have."""

    key: Key
    smaller: Checkpoint
    larger: Checkpoint
    inside: list[bytes]
    outside: list[bytes]

    def file(self) -> bytes:
        """Write it so that anybody can check it, offline: ``verify.py evidence FILE``."""
        return (
            json.dumps(
                {
                    "format": "apsci-verify/split-view/1",
                    "what": "One log has signed both checkpoints. Where their sizes are equal,"
                    " their roots differ. Where they are not, inside and outside are subtree"
                    " hashes (RFC 6962) that lead to the larger one's root and show that its"
                    " first entries have another root than the smaller one.",
                    "vkey": vkey_text(self.key),
                    "smaller": self.smaller.note.raw.decode(),
                    "larger": self.larger.note.raw.decode(),
                    "inside": [to_base64(node) for node in self.inside],
                    "outside": [to_base64(node) for node in self.outside],
                },
                indent=1,
                ensure_ascii=False,
            ).encode()
            + b"\n"
        )


def contradiction(one: Checkpoint, other: Checkpoint, nodes: Nodes) -> Contradiction | None:
    """Compare two signed checkpoints by the subtree hashes of the larger one's tree.

    None where they agree. Raises ValueError where the hashes do not lead to the larger root: then
    nothing is known about the two.
    """
    smaller, larger = sorted((one, other), key=lambda checkpoint: checkpoint.size)
    if smaller.size == larger.size:
        same = smaller.root == larger.root
        return None if same else Contradiction(one.key, smaller, larger, [], [])
    inside, outside = (
        [nodes(low, high) for low, high in places] for places in pieces(smaller.size, larger.size)
    )
    first, whole = both_roots(smaller.size, larger.size, inside, outside)
    if whole != larger.root:
        raise ValueError("the tiles do not lead to the signed root")
    if first == smaller.root:
        return None
    return Contradiction(one.key, smaller, larger, inside, outside)


def read_contradiction(data: bytes, trusted: Key | None) -> Contradiction:
    """Check a file of ``Contradiction``; CannotCheck where it proves nothing.

    Nothing in it is believed: both signatures, both roots and every hash are computed again.
    """
    try:
        value = DECODER.decode(data.decode())
        names = frozenset({"format", "what", "vkey", "smaller", "larger", "inside", "outside"})
        value = exact(value, names)
        if value["format"] != "apsci-verify/split-view/1":
            refuse("another format")
        key = log_key(string(value["vkey"]), "its vkey")
        if trusted is not None and key != trusted:
            raise CannotCheck(f"it is about the key {vkey_text(key)}, not about the one given")
        smaller, larger = (
            open_checkpoint(string(value[name]).encode(), [key]) for name in ("smaller", "larger")
        )
        if smaller.size > larger.size:
            refuse("the sizes stand the wrong way round")
        lists = value["inside"], value["outside"]
        if not all(isinstance(each, list) and len(each) <= 64 for each in lists):
            refuse("no lists of hashes")
        inside, outside = ([from_base64(string(node), 32) for node in each] for each in lists)
        if smaller.size == larger.size:
            if inside or outside or smaller.root == larger.root:
                refuse("two checkpoints of one size and one root agree")
            return Contradiction(key, smaller, larger, inside, outside)
        first, whole = both_roots(smaller.size, larger.size, inside, outside)
        if whole != larger.root:
            refuse("its hashes do not lead to the larger checkpoint's root")
        if first == smaller.root:
            refuse("the larger checkpoint begins with the smaller one: they agree")
    except (Proven, Malformed, ValueError, TypeError, RecursionError) as error:
        raise CannotCheck(f"this file proves nothing: {proven_text(error)}") from None
    return Contradiction(key, smaller, larger, inside, outside)


def proven_text(error: Exception) -> str:
    """Return what an error says, in English."""
    return error.sentence.put("en") if isinstance(error, Proven) else str(error)


# --- reading entries: pure, and so done by several processes -----------------------------------


class Schema(NamedTuple):
    """What one schema of statement fixes: kinds, the roles that may say it, public and sealed."""

    kinds: frozenset[str]
    roles: frozenset[str]
    public: frozenset[str]
    sealed: tuple[str, ...] = ()


def _schema(kinds: str, roles: str, public: str, sealed: str = "") -> Schema:
    words = (frozenset(kinds.split()), frozenset(roles.split()), frozenset(public.split()))
    return Schema(*words, tuple(sorted(sealed.split())))


JOB_AUTHORS = "member orchestrator gateway"
ENDED = (
    "completed failed cancelled terminated_by_policy",
    "orchestrator",
    (
        "started_at ended_at wall_seconds gpu_seconds h200e_seconds h200e_basis exit_status"
        " weights_unchanged weights_check"
    ),
    (
        "artifacts completions energy_joules metrics model.weights_digest_after samples.completed"
        " samples.total source tokens.input tokens.output"
    ),
)
SCHEMAS = {
    "job-submitted/1": _schema(
        "submitted",
        "member",
        "workload_type gradient_scope optimizer_targets accelerator gpu_count wall_limit_seconds"
        " egress_ceiling_bytes",
        "code container model.dtype model.name model.parameter_count model.revision"
        " model.weights_digest prompts protocol purpose source title",
    ),
    "job-started/1": _schema("started", "orchestrator", "started_at gpu_count"),
    "job-interrupted/1": _schema("interrupted", "orchestrator", "ended_at exit_status"),
    "job-ended/1": _schema(*ENDED),
    "job-ended/2": _schema(*ENDED[:3], ENDED[3] + " model.weights_evidence prompts.sketch"),
    "job-egress/1": _schema("egress", "gateway", "egress_bytes artifact_count"),
    "artifact-write/1": _schema(
        "egress", "gateway", "artifact_id artifact_class egress_bytes artifact_count"
    ),
    "artifact-read/1": _schema(
        "egress", "member", "artifact_id offset egress_bytes artifact_count"
    ),
    "start-refused/1": _schema("refused", "orchestrator", "code finding gpu_count member system"),
    "job-open/1": _schema("open", JOB_AUTHORS, "discloses"),
    "job-corrected/1": _schema("corrected", JOB_AUTHORS, "corrects field value reason"),
    "job-withheld/1": _schema("withheld", "committee", "withholds paths basis review_by"),
    "registry/1": _schema("registry", "council", "action name role title vkey"),
    "charter-version/1": _schema("charter", "council", "charter in_force_from replaces"),
}
ROLES_FOR = {kind: schema.roles for schema in reversed(SCHEMAS.values()) for kind in schema.kinds}
"""By kind, for a schema that is not known here: those of the first schema that it had."""
OF_NO_JOB = frozenset({"registry", "charter"})
OF_ANY_JOB_OR_NONE = frozenset({"refused"})
ARTIFACT_CLASSES = ("document", "table", "image", "opaque", "tensor")
TYPE = b"application/vnd.apsci.statement.v1+json"
LOG_KEY_TYPE = b"application/vnd.apsci.log-key.v1+json"
KIND = re.compile(r"[a-z][a-z0-9_]{0,62}")
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
RULE_OF = {
    "R1_weight_delta": 1,
    "R1_optimizer_on_uploaded_model": 1,
    "R1_forbidden_workload": 1,
    "R1_digest_mismatch": 1,
    "R2_egress_ceiling": 2,
    "R2_unmetered_egress": 2,
    "R3_missing_record": 3,
    "R3_private_run_requested": 3,
    "Q_quota": 4,
    "Q_malformed": 4,
}
"""The grounds of a rejection and the rule of each; some of them no outsider can judge."""
CODES = {
    "exit_status": frozenset(
        [
            "completed",
            "failed",
            "cancelled",
            "timeout",
            "node_fail",
            "out_of_memory",
            "preempted",
            "policy",
        ]
    ),
    "weights_check": frozenset({"oms_root", "readonly_mount", "tee_attestation"}),
    "basis": frozenset(
        {"hazard_biological", "hazard_cyber", "hazard_other", "unpatched_vulnerability"}
    ),
}
SEEN_IN_PUBLIC = frozenset({
    "R1_forbidden_workload", "R1_optimizer_on_uploaded_model", "R2_egress_ceiling",
    "R2_unmetered_egress", "Q_quota", "Q_malformed",
})  # fmt: skip
"""The grounds of which the submission's public fields, and the log before it, tell the truth."""
SCOPES = frozenset({"none", "inputs", "activations", "auxiliary_only"})
TARGETS = frozenset({"auxiliary_probe", "auxiliary_sae", "auxiliary_other", "uploaded_model"})
ENDS = frozenset({"completed", "failed", "cancelled", "terminated_by_policy"})
COMMON = frozenset({"format", "kind", "logged_at"})
SIGNED = COMMON | {"signature", "statement"}
SIGNED_SEALED = SIGNED | {"publish_by"}
JUDGED = COMMON | {"refers_to", "job_id", "charter", "findings"}
SIGNATURE, SEALED = frozenset({"key_id", "value"}), frozenset({"fields", "root"})
OPENED = COMMON | {"discloses", "job_id", "reason", "fields"}
OPENED_WHOLE, OPENED_PART = OPENED | {"seed"}, OPENED | {"salts", "closed", "withheld_by"}
STATEMENT = frozenset({"author", "kind", "made_at", "public", "schema"})
STATEMENT_MOST = STATEMENT | {"job_id", "sealed"}


class Endorsement(NamedTuple):
    """A further council author's signature over a statement, as ``Said`` has the author's own."""

    author: str
    key_id: str
    holds: bool | None
    unread: tuple[bytes, bytes] | None


class Said(NamedTuple):
    """What the replay needs of an entry that carries a statement."""

    author: str
    key_id: str
    job_id: str
    schema: str
    publish_by: int | None
    root: bytes | None
    digest: bytes
    made_at: int
    happened_at: int
    """When what it reports had happened; ``made_at`` where it reports nothing that has a time."""
    holds: bool | None
    unread: tuple[bytes, bytes] | None
    """Message and signature, where the reader did not know the key yet."""
    about: tuple[Any, ...]
    endorsements: tuple[Endorsement, ...] = ()


class Decided(NamedTuple):
    """What the replay needs of ``admitted`` and ``rejected``."""

    refers_to: int
    job_id: str
    charter: int
    findings: tuple[tuple[int, str], ...]
    """The rule and the code of each."""


class Found(NamedTuple):
    """What the replay needs of ``finding``, which the ledger logs where a run broke the charter."""

    refers_to: int
    job_id: str
    charter: int
    findings: tuple[tuple[int, str], ...]
    tells_digest: bool


class Shown(NamedTuple):
    """What the replay needs of ``disclosed``; ``root`` is recomputed from what it shows."""

    discloses: int
    job_id: str
    reason: str
    opened_by: int | None
    withheld_by: int | None
    paths: tuple[str, ...]
    closed: tuple[str, ...]
    root: bytes
    weights: tuple[str | None, str | None]
    """The model's weights before and after, as it shows them: digests, or "null"."""


class Listed(NamedTuple):
    """What the replay needs of ``manifest``: at which size the files were made that it lists."""

    tree_size: int


class Followed(NamedTuple):
    """What the replay needs of ``log_key``, in which the log's key names the one after it."""

    replaces: str
    vkey: str
    old: bytes
    new: bytes


Body = Said | Decided | Found | Shown | Listed | Followed | dict[str, Any] | None


class Row(NamedTuple):
    """One entry, read: ``kind`` is "" where it has no readable one."""

    kind: str
    logged_at: int | None
    body: Body
    problems: tuple[tuple[str, Sentence], ...]


Keys = dict[tuple[str, str], bytes]
"""Public key by author and key ID in hex."""


def exact(
    value: object, required: frozenset[str], most: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Return ``value`` if it is an object of exactly these fields, or of up to ``most``."""
    if not isinstance(value, dict):
        raise Malformed("an object is missing")
    if value.keys() != required and not (required <= value.keys() <= most):
        odd = sorted((required - value.keys()) | (value.keys() - (most or required)))
        raise Malformed(f"missing or unknown fields: {', '.join(odd)[:120]}")
    return value


def integer(value: object) -> int:
    """Return ``value`` if it is an integer from 0, which true is not."""
    if type(value) is not int or value < 0:
        raise Malformed("an index or amount is not an integer from 0")
    return value


def string(value: object) -> str:
    """Return ``value`` if it is a string."""
    if type(value) is not str:
        raise Malformed("a name, time or code is not a string")
    return value


class Rules(NamedTuple):
    """A charter. What the version ``charter/1`` lacks has the values that it was run with."""

    version: str
    embargo_days: int
    ceiling: int
    gpus: int
    allowed: frozenset[str]
    forbidden: frozenset[str]
    artifacts: dict[str, int]
    job_wall_s: int | None = None
    member_gpus: int | None = None
    member_bytes: int = 10**13
    threshold: int | None = None
    """None: the majority of the council's authors."""


FIRST_RULES = frozenset({
    "version", "allowed_workloads", "forbidden_workloads", "embargo_days", "egress_ceiling_bytes",
    "gpu_total",
})  # fmt: skip
MORE_RULES = frozenset({"artifact_ceilings", "quotas", "admission_hours", "council_threshold"})
QUOTAS = frozenset({
    "job_wall_seconds", "member_gpus", "member_egress_bytes", "member_model_egress_bytes",
})  # fmt: skip
FIRST_CEILINGS = dict(zip(ARTIFACT_CLASSES, (10**9, 10**10, 10**9, 10**8, 0), strict=True))


def read_rules(charter: object) -> Rules:
    """Read the ``charter`` object of an entry, strictly; whether it may be is for the replay."""
    if not isinstance(charter, dict):
        raise Malformed("a charter is not an object")
    version = charter.get("version")
    if version not in ("charter/1", "charter/2"):
        raise Malformed(f"a charter of the version {str(version)[:40]}")
    exact(charter, FIRST_RULES | (MORE_RULES if version == "charter/2" else frozenset()))
    allowed, forbidden = (
        frozenset(map(string, listed_in(charter[name])))
        for name in ("allowed_workloads", "forbidden_workloads")
    )
    first = (
        version,
        integer(charter["embargo_days"]),
        integer(charter["egress_ceiling_bytes"]),
        integer(charter["gpu_total"]),
        allowed,
        forbidden,
    )
    if version == "charter/1":
        return Rules(*first, FIRST_CEILINGS)
    ceilings = exact(charter["artifact_ceilings"], frozenset(ARTIFACT_CLASSES))
    quotas = exact(charter["quotas"], QUOTAS)
    integer(quotas["member_model_egress_bytes"])
    integer(charter["admission_hours"])
    job_wall_s, member_gpus = quotas["job_wall_seconds"], quotas["member_gpus"]
    return Rules(
        *first,
        {name: integer(ceilings[name]) for name in ARTIFACT_CLASSES},
        None if job_wall_s is None else integer(job_wall_s),
        None if member_gpus is None else integer(member_gpus),
        integer(quotas["member_egress_bytes"]),
        integer(charter["council_threshold"]),
    )


def listed_in(value: object) -> list[Any]:
    """Return ``value`` if it is a list."""
    if not isinstance(value, list):
        raise Malformed("a list is missing")
    return value


def _about_submitted(public: dict[str, Any]) -> tuple[Any, ...]:
    ceiling, targets = public["egress_ceiling_bytes"], public["optimizer_targets"]
    scope = string(public["gradient_scope"])
    if scope not in SCOPES or not TARGETS.issuperset(targets):
        raise Malformed("a gradient scope or an optimizer target that is not a known code")
    return (
        string(public["workload_type"]),
        tuple(targets),
        None if ceiling is None else integer(ceiling),
        integer(public["gpu_count"]),
        integer(public["wall_limit_seconds"]),
        scope,
    )


def _known(public: dict[str, Any], *names: str) -> None:
    for name in names:
        if string(public[name]) not in CODES[name]:
            raise Malformed(f"{name} is not a known code")


def _about_interrupted(public: dict[str, Any]) -> tuple[Any, ...]:
    _known(public, "exit_status")
    return (seconds(string(public["ended_at"])),)


def _about_withheld(public: dict[str, Any]) -> tuple[Any, ...]:
    _known(public, "basis")
    paths = tuple(map(string, public["paths"]))
    return integer(public["withholds"]), paths, seconds(string(public["review_by"]))


def _about_registry(public: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(string(public[name]) for name in ("action", "name", "role", "vkey"))


def _about_charter(public: dict[str, Any]) -> tuple[Any, ...]:
    read_rules(public["charter"])
    since = seconds(string(public["in_force_from"]))
    return public["charter"], since, integer(public["replaces"])


def _about_end(public: dict[str, Any]) -> tuple[Any, ...]:
    _known(public, "exit_status", "weights_check")
    if type(public["weights_unchanged"]) is not bool:
        raise Malformed("weights_unchanged is neither true nor false")
    amounts = integer(public["wall_seconds"]), integer(public["gpu_seconds"])
    return *amounts, public["weights_unchanged"], seconds(string(public["ended_at"]))


def _about_artifact(public: dict[str, Any], count: int, name: str, offset: int) -> tuple[Any, ...]:
    if not ULID.fullmatch(string(public["artifact_id"])):
        raise Malformed("the artifact ID is not a ULID")
    if integer(public["artifact_count"]) != count:
        raise Malformed(f"it counts {public['artifact_count']} artifacts")
    amount = integer(public["egress_bytes"])
    if amount == 0:
        raise Malformed("an artifact of no bytes")
    return amount, name, public["artifact_id"], offset


def _about_write(public: dict[str, Any]) -> tuple[Any, ...]:
    name = string(public["artifact_class"])
    if name not in ARTIFACT_CLASSES:
        raise Malformed("a class of artifact that is not a known code")
    return _about_artifact(public, 1, name, 0)


def _about_read(public: dict[str, Any]) -> tuple[Any, ...]:
    return _about_artifact(public, 0, "", integer(public["offset"]))


def _about_refused(public: dict[str, Any]) -> tuple[Any, ...]:
    code, gpus, member = string(public["code"]), public["gpu_count"], public["member"]
    if code not in RULE_OF:
        raise Malformed("the code is not a known code")
    if not string(public["finding"]) or not string(public["system"]):
        raise Malformed("a finding or a system without a word")
    return code, None if gpus is None else integer(gpus), None if member is None else string(member)


ABOUT: dict[str, Callable[[dict[str, Any]], tuple[Any, ...]]] = {
    "job-submitted/1": _about_submitted,
    "job-started/1": lambda public: (
        integer(public["gpu_count"]),
        seconds(string(public["started_at"])),
    ),
    "job-interrupted/1": _about_interrupted,
    "job-egress/1": lambda public: (integer(public["egress_bytes"]),),
    "artifact-write/1": _about_write,
    "artifact-read/1": _about_read,
    "start-refused/1": _about_refused,
    "job-open/1": lambda public: (integer(public["discloses"]),),
    "job-corrected/1": lambda public: (integer(public["corrects"]),),
    "job-withheld/1": _about_withheld,
    "registry/1": _about_registry,
    "charter-version/1": _about_charter,
    **dict.fromkeys(("job-ended/1", "job-ended/2"), _about_end),
}
"""The public fields that the replay judges, by schema, checked for their types. Where a statement
reports something that has a time, that time is the last."""


def _signed(
    signature: dict[str, Any], message: bytes, keys: Keys | None, names: tuple[str, str]
) -> tuple[bool | None, tuple[bytes, bytes] | None]:
    """Tell whether a signature holds, or return what is to be verified once its key is known."""
    if keys is None:
        return None, None
    value = from_base64(string(signature["value"]), 64)
    if (public := keys.get(names)) is None:
        return None, (message, value)
    return ed25519_holds(public, message, value), None


def _read_endorsements(
    entry: dict[str, Any], message: bytes, keys: Keys | None
) -> tuple[Endorsement, ...]:
    """Read the council's further signatures, which are over the same bytes as the author's."""
    given = listed_in(entry["endorsements"])
    if not 1 <= len(given) <= MOST_ENDORSEMENTS:
        raise Malformed(f"{len(given)} endorsements, where there may be 1 to {MOST_ENDORSEMENTS}")
    read = []
    for each in given:
        exact(each, frozenset({"author", "signature"}))
        signature = exact(each["signature"], SIGNATURE)
        names = string(each["author"]), string(signature["key_id"])
        read.append(Endorsement(*names, *_signed(signature, message, keys, names)))
    return tuple(read)


def read_statement(entry: dict[str, Any], data: bytes | None, keys: Keys | None) -> Said:
    """Check shape and signature. ``data``: the entry if canonical; ``keys`` None: no signatures."""
    kind = entry["kind"]
    statement = exact(entry.get("statement"), STATEMENT, STATEMENT_MOST)
    endorsed = kind in OF_NO_JOB and "endorsements" in entry
    fields = SIGNED_SEALED if "sealed" in statement else SIGNED
    exact(entry, fields | {"endorsements"} if endorsed else fields)
    author, name = string(statement["author"]), string(statement["schema"])
    made_at = seconds(string(statement["made_at"]))
    signature = exact(entry["signature"], SIGNATURE)
    key_id = string(signature["key_id"])
    schema = SCHEMAS.get(name)
    if statement["kind"] != kind or (schema and kind not in schema.kinds):
        raise Malformed(f"a statement of kind {statement['kind']!r} and {name} in a {kind} entry")
    if kind in OF_NO_JOB:
        if "job_id" in statement:
            raise Malformed(f"a {kind} statement names a job")
    elif kind in OF_ANY_JOB_OR_NONE and "job_id" not in statement:
        pass
    elif not ULID.fullmatch(string(statement.get("job_id"))):
        raise Malformed("the job ID is not a ULID")
    publish_by = root = None
    if "sealed" in statement:
        sealed = exact(statement["sealed"], SEALED)
        publish_by = seconds(string(entry["publish_by"]))
        root = _digest(sealed["root"])
        if schema and integer(sealed["fields"]) != len(schema.sealed):
            raise Malformed(f"{sealed['fields']} sealed fields; {name} has {len(schema.sealed)}")
    elif schema and schema.sealed:
        raise Malformed(f"{name} without its sealed fields")
    public = statement["public"]
    if schema:
        exact(public, schema.public)
    # In canonical order the statement is an entry's last field, and no string before it can hold
    # an unescaped quote: its bytes are a slice, which saves encoding them a second time.
    mark = b'"statement":'
    body = canonical(statement) if data is None else data[data.index(mark) + len(mark) : -1]
    message = b"DSSEv1 %d %b %d %b" % (len(TYPE), TYPE, len(body), body)
    holds, unread = _signed(signature, message, keys, (author, key_id))
    about = ABOUT[name](public) if schema else ()
    reports = about and kind in ENDS | {"started", "interrupted"}
    return Said(
        author=author,
        key_id=key_id,
        job_id=statement.get("job_id", ""),
        schema=name,
        publish_by=publish_by,
        root=root,
        digest=sha256(message),
        made_at=made_at,
        happened_at=min(made_at, about[-1]) if reports else made_at,
        holds=holds,
        unread=unread,
        about=about,
        endorsements=_read_endorsements(entry, message, keys) if endorsed else (),
    )


def _digest(value: object) -> bytes:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{64}", value):
        raise Malformed("a digest is not 64 hexadecimal digits")
    return bytes.fromhex(value)


def field_leaf(path: str, salt: bytes, value: object) -> bytes:
    """Hash one salted field of a commitment."""
    return leaf_hash(canonical([path, to_base64(salt), value]))


def opening_root(opening: dict[str, Any]) -> tuple[bytes, tuple[str, ...], tuple[str, ...]]:
    """Return the commitment that an opening belongs to, its open and its closed paths."""
    fields = opening["fields"]
    if not isinstance(fields, dict):
        raise Malformed("fields is not an object")
    leaves: dict[str, bytes] = {}
    if "seed" in opening:
        seed = from_base64(string(opening["seed"]), 32)
        for path, value in fields.items():
            salt = hmac.digest(seed, b"apsci-ledger/salt/1\x00" + path.encode(), "sha256")[:16]
            leaves[path] = field_leaf(path, salt, value)
    else:
        salts, closed = exact(opening["salts"], frozenset(fields)), opening["closed"]
        if not isinstance(closed, dict) or not closed.keys().isdisjoint(fields):
            raise Malformed("closed is not an object of other paths than fields")
        leaves = {path: _digest(leaf) for path, leaf in closed.items()}
        for path, value in fields.items():
            leaves[path] = field_leaf(path, from_base64(string(salts[path]), 16), value)
    root = tree_root([leaves[path] for path in sorted(leaves)])
    return root, tuple(sorted(fields)), tuple(sorted(leaves.keys() - fields.keys()))


def _weights_in(fields: dict[str, Any], path: str) -> str | None:
    if path not in fields:
        return None
    value = fields[path]
    return "null" if value is None else canonical(value).decode()


def read_disclosed(entry: dict[str, Any]) -> Shown:
    """Check the shape of a disclosure and hash what it shows."""
    required = OPENED_WHOLE if "seed" in entry else OPENED_PART
    if entry.get("reason") == "early":
        required |= {"opened_by"}
    exact(entry, required)
    if entry["reason"] not in ("early", "deadline"):
        raise Malformed("the reason is neither deadline nor early")
    opened_by, withheld_by = entry.get("opened_by"), entry.get("withheld_by")
    root, paths, closed = opening_root(entry)
    return Shown(
        integer(entry["discloses"]),
        string(entry["job_id"]),
        entry["reason"],
        None if opened_by is None else integer(opened_by),
        None if withheld_by is None else integer(withheld_by),
        paths,
        closed,
        root,
        (
            _weights_in(entry["fields"], "model.weights_digest"),
            _weights_in(entry["fields"], "model.weights_digest_after"),
        ),
    )


def read_decision(entry: dict[str, Any]) -> Decided:
    """Check the shape of the ledger's answer to a submission."""
    return Decided(*_judgement(entry))


def read_finding(entry: dict[str, Any]) -> Found:
    """Check the shape of what the ledger found in a run."""
    refers_to, job_id, charter, findings = _judgement(entry)
    if not findings:
        raise Malformed("a finding that found nothing")
    words = [each["finding"] for each in entry["findings"]]
    tells_digest = any(re.search(r"[0-9a-fA-F]{32}", each) for each in words)
    return Found(refers_to, job_id, charter, findings, tells_digest)


def _judgement(entry: dict[str, Any]) -> tuple[int, str, int, tuple[tuple[int, str], ...]]:
    """Read what ``admitted``, ``rejected`` and ``finding`` have in common."""
    exact(entry, JUDGED)
    findings = []
    for finding in listed_in(entry["findings"]):
        exact(finding, frozenset({"rule", "code", "finding"}))
        string(finding["finding"])
        findings.append((integer(finding["rule"]), string(finding["code"])))
    refers_to, charter = integer(entry["refers_to"]), integer(entry["charter"])
    return refers_to, string(entry["job_id"]), charter, tuple(findings)


def read_manifest(entry: dict[str, Any]) -> Listed:
    """Check the shape of an entry that holds the digest of a list of bulk files."""
    exact(entry, COMMON | {"digest", "name", "tree_size"})
    string(entry["name"])
    _digest(exact(entry["digest"], frozenset({"sha256"}))["sha256"])
    return Listed(integer(entry["tree_size"]))


def read_log_key(entry: dict[str, Any]) -> Followed:
    """Check the shape of an entry that names the log's next key."""
    exact(entry, COMMON | {"replaces", "signatures", "vkey"})
    both = exact(entry["signatures"], frozenset({"new", "old"}))
    signatures = [from_base64(string(both[name]), 64) for name in ("old", "new")]
    return Followed(string(entry["replaces"]), string(entry["vkey"]), *signatures)


def follow(key: Key, named: Followed) -> Key:
    """Return the key that ``key`` has named; ValueError where it has not, or nobody holds it."""
    new = parse_vkey(named.vkey)
    same = new.public == key.public or new.key_id == key.key_id
    if new.kind != ED25519 or new.name != key.name or same:
        refuse(f"{named.vkey[:100]} cannot be a key of this log")
    if named.replaces != key.key_id.hex():
        refuse(f"it replaces {named.replaces[:20]}, and the log's key is {key.key_id.hex()}")
    text = {"origin": key.name, "replaces": named.replaces, "vkey": named.vkey}
    body = canonical(text)
    message = b"DSSEv1 %d %b %d %b" % (len(LOG_KEY_TYPE), LOG_KEY_TYPE, len(body), body)
    for public, signature in ((key.public, named.old), (new.public, named.new)):
        if not ed25519_holds(public, message, signature):
            refuse("the old key has not signed it, or the new one has not")
    return new


def read_genesis(entry: dict[str, Any]) -> dict[str, Any]:
    """Check which parts the first entry has; the replay takes them up."""
    return exact(entry, COMMON | {"authors", "charter", "origin", "vkey"})


READERS: dict[str, Callable[[dict[str, Any]], Body]] = {
    "genesis": read_genesis,
    "admitted": read_decision,
    "rejected": read_decision,
    "finding": read_finding,
    "disclosed": read_disclosed,
    "manifest": read_manifest,
    "log_key": read_log_key,
}
"""By kind, for the entries that the ledger makes itself."""


def read_body(entry: dict[str, Any], data: bytes | None, keys: Keys | None) -> Body:
    """Read what an entry of a kind has; None for a kind of a later version."""
    kind = entry["kind"]
    if kind in ROLES_FOR:
        return read_statement(entry, data, keys)
    if (reader := READERS.get(kind)) is not None:
        return reader(entry)
    # A kind of a later version may hold a statement; what is known stands under its own name.
    statement = entry.get("statement")
    if isinstance(statement, dict) and statement.get("kind") in [*ROLES_FOR]:
        raise Malformed(f"a statement of a known kind in an entry of kind {kind}")
    return None


def read_entry(data: bytes, keys: Keys | None) -> Row:
    """Read one entry by itself; whatever is wrong with it becomes a problem of its row."""
    problems: list[tuple[str, Sentence]] = []
    kind = ""
    logged_at: int | None = None
    body: Body = None
    try:
        if len(data) > LARGEST_ENTRY:
            refuse(f"{len(data)} bytes, more than {LARGEST_ENTRY}")
        entry, one_spelling = parse_json(data)
        if not one_spelling:
            problems.append(("non-canonical", say("the entry is not canonical JSON")))
        if not isinstance(entry, dict) or entry.get("format") != "apsci-ledger/1":
            refuse("not an entry of the format apsci-ledger/1")
        if not KIND.fullmatch(string(entry.get("kind"))):
            refuse("the kind is not a code")
        kind = entry["kind"]
        logged_at = seconds(string(entry.get("logged_at")))
        body = read_body(entry, data if one_spelling else None, keys)
    except (Malformed, ValueError, TypeError) as error:
        why = say("not in the form of its kind: {why}", why=str(error))
        problems.append(("malformed-entry", why))
    return Row(kind, logged_at, body, tuple(problems))


ABSENT = Row("", None, None, (("malformed-bundle", say("the bundle ends before this entry")),))


class Read(NamedTuple):
    """A bundle, read: what the audit needs of it, without its bytes unless something is wrong."""

    number: int
    rows: list[Row]
    leaves: bytes
    root: bytes
    wrong: Sentence | None
    differs_at: int | None
    """The first entry of the bundle whose hash is not the one in the level-0 tile."""
    served_root: bytes
    bundle: Bundle | None


class Times(NamedTuple):
    """Seconds of processor time that the parts of reading took."""

    bytes_s: float
    tiles_s: float
    reading_s: float


class Task(NamedTuple):
    """Some bundles to read: their numbers, the log's size, how deep, and the keys known by now."""

    first: int
    stop: int
    size: int
    depth: str
    keys: Keys


DEPTHS = ("hashes", "unsigned", "all")
"""How deep an audit goes: bytes and tiles; entries, but not their signatures; everything."""


def read_bundles(bundles: Sequence[Bundle], task: Task) -> tuple[list[Read], Times]:
    """Say everything about some bundles that needs no entries before them."""
    done = []
    spent = [0.0, 0.0, 0.0]
    for bundle in bundles:
        begun = time.thread_time()
        entries, wrong = split_bundle(bundle.data, bundle.width, longer=bundle.longer)
        digest = hashlib.sha256
        hashes = [digest(b"\x00" + entry).digest() for entry in entries]
        hashed = time.thread_time()
        leaves = b"".join(hashes)
        root = tree_root(hashes)
        tile = bundle.tile[: 32 * bundle.width] if bundle.longer else bundle.tile
        differs_at, served_root = None, root
        if tile != leaves:
            claimed = split_hashes(tile)
            served_root = tree_root(claimed)
            pairs = enumerate(zip(claimed, hashes, strict=False))
            differs_at = next((at for at, (one, other) in pairs if one != other), 0)
        compared = time.thread_time()
        rows: list[Row] = []
        if task.depth != "hashes":
            keys = task.keys if task.depth == "all" else None
            rows = [read_entry(entry, keys) for entry in entries]
            rows += [ABSENT] * (bundle.width - len(rows))
        for part, seconds_ in enumerate((hashed - begun, compared - hashed)):
            spent[part] += seconds_
        spent[2] += time.thread_time() - compared
        kept = bundle if wrong or differs_at is not None else None
        done.append(Read(bundle.number, rows, leaves, root, wrong, differs_at, served_root, kept))
    return done, Times(*spent)


Reading = Callable[[], tuple[list[Read], Times]]


class Here:
    """Reads bundles in this process; threads fetch those that come next."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.pool = ThreadPoolExecutor(FETCHERS)

    def submit(self, task: Task) -> Reading:
        """Begin to fetch; what is returned waits and reads."""
        if not self.source.is_live:  # a disk has no latency that threads could hide
            numbers = range(task.first, task.stop)
            return lambda: read_bundles(
                [fetch_bundle(self.source, number, task.size) for number in numbers], task
            )
        coming: list[Future[Bundle]] = [
            self.pool.submit(fetch_bundle, self.source, number, task.size)
            for number in range(task.first, task.stop)
        ]
        return lambda: read_bundles([bundle.result() for bundle in coming], task)

    def close(self) -> None:
        """Let the threads end."""
        self.pool.shutdown(cancel_futures=True)


_at_work: dict[str, Any] = {}


def _begin_work(source: Source) -> None:
    """Begin a reader process: it has connections of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process says when to stop
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _at_work["source"] = source
    if source.is_live:
        _at_work["pool"] = ThreadPoolExecutor(FETCHERS)


def _work(task: Task) -> tuple[list[Read], Times]:
    source, pool = _at_work["source"], _at_work.get("pool")
    numbers = range(task.first, task.stop)
    if pool is None:
        bundles = [fetch_bundle(source, number, task.size) for number in numbers]
    else:
        bundles = list(pool.map(lambda number: fetch_bundle(source, number, task.size), numbers))
    return read_bundles(bundles, task)


class Elsewhere:
    """Reads bundles in ``jobs`` processes, which fetch for themselves."""

    def __init__(self, source: Source, jobs: int) -> None:
        self.pool = ProcessPoolExecutor(jobs, initializer=_begin_work, initargs=(source,))

    def submit(self, task: Task) -> Reading:
        """Give the task to a process; what is returned waits for it."""
        return self.pool.submit(_work, task).result

    def close(self) -> None:
        """Let the processes end."""
        self.pool.shutdown(cancel_futures=True)


# --- memory -----------------------------------------------------------------------------------

APPLICATION, VERSION = 0x41505349, 2
TABLES = """\
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE node (number INTEGER PRIMARY KEY, hashes BLOB NOT NULL);
CREATE TABLE key (author TEXT, key_id TEXT, role TEXT, vkey TEXT, added INTEGER, retired INTEGER,
    PRIMARY KEY (author, key_id)) WITHOUT ROWID;
CREATE TABLE charter (entry INTEGER PRIMARY KEY, since INTEGER, rules TEXT);
CREATE TABLE job (number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, state TEXT NOT NULL,
    gpus INTEGER, wall_s INTEGER, ceiling INTEGER, egress INTEGER, periods INTEGER,
    end_by INTEGER, began INTEGER, before TEXT, after TEXT, flags INTEGER, member TEXT,
    admitted INTEGER, charter INTEGER, classes TEXT);
CREATE INDEX job_running ON job (end_by) WHERE end_by IS NOT NULL;
CREATE TABLE artifact (id TEXT PRIMARY KEY, job INTEGER, bytes INTEGER) WITHOUT ROWID;
CREATE TABLE said (job INTEGER, digest BLOB, entry INTEGER, author TEXT,
    PRIMARY KEY (job, digest)) WITHOUT ROWID;
CREATE TABLE sealed (entry INTEGER PRIMARY KEY, job TEXT, author TEXT, schema TEXT,
    publish_by INTEGER, root BLOB);
CREATE INDEX sealed_due ON sealed (publish_by);
CREATE TABLE withheld (entry INTEGER PRIMARY KEY, target INTEGER, paths TEXT, review_by INTEGER,
    open INTEGER);
CREATE INDEX withheld_target ON withheld (target);
CREATE TABLE opened (entry INTEGER PRIMARY KEY)
""".rstrip("\n").split(";\n")
"""A row of ``node`` holds the roots of the full bundles that one tile of level 1 holds."""
EGRESS_TOLD, WEIGHTS_TOLD, QUARANTINED, CLAIMED, MISSING_TOLD, OWED = 1, 2, 4, 8, 16, 32
"""``CLAIMED``: the ledger found other weights by digests that were still sealed."""


class Job:
    """What the rules need to remember of a job. ``state`` is "" for one never submitted.

    ``began`` is the entry with which it was admitted, started or ended last; ``classes`` the bytes
    of its artifacts by class, as JSON, and None for a job that has none.
    """

    __slots__ = (
        "admitted",
        "after",
        "before",
        "began",
        "ceiling",
        "charter",
        "classes",
        "egress",
        "end_by",
        "flags",
        "gpus",
        "job_id",
        "member",
        "number",
        "periods",
        "state",
        "wall_s",
    )

    def __init__(self, number: int, job_id: str, state: str = "", *rest: Any) -> None:  # noqa: ANN401 - a row
        self.number, self.job_id, self.state = number, job_id, state
        self.gpus: int | None
        self.wall_s: int | None
        self.ceiling: int | None
        self.egress: int
        self.periods: int
        self.end_by: int | None
        self.began: int | None
        self.before: str | None
        self.after: str | None
        self.flags: int
        self.member: str | None
        self.admitted: int | None
        self.charter: int | None
        self.classes: str | None
        (
            self.gpus,
            self.wall_s,
            self.ceiling,
            self.egress,
            self.periods,
            self.end_by,
            self.began,
            self.before,
            self.after,
            self.flags,
            self.member,
            self.admitted,
            self.charter,
            self.classes,
        ) = rest or NO_JOB

    def row(self) -> tuple[Any, ...]:
        """Return the job as its table has it."""
        amounts = self.gpus, self.wall_s, self.ceiling, self.egress, self.periods
        times = self.end_by, self.began, self.before, self.after, self.flags
        whose = self.member, self.admitted, self.charter, self.classes
        return self.number, self.job_id, self.state, *amounts, *times, *whose


NO_JOB = (None, None, None, 0, 0, None, None, None, None, 0, None, None, None, None)


class Waiting:
    """A sealed entry that has not been opened; ``withheld``: paths and review by entry."""

    __slots__ = ("author", "job_id", "publish_by", "root", "schema", "withheld")

    def __init__(self, job_id: str, author: str, schema: str, publish_by: int, root: bytes) -> None:
        self.job_id, self.author, self.schema = job_id, author, schema
        self.publish_by, self.root = publish_by, root
        self.withheld: dict[int, tuple[tuple[str, ...], int]] = {}


class Memory:
    """What later entries may refer to: in a file, and the newest part of it in memory.

    Without a name, the file is SQLite's own temporary one. So the memory that an audit takes does
    not grow with the log.
    """

    def __init__(self, path: str = "", *, to_read: bool = False, older: bool = False) -> None:
        fresh = not path or not Path(path).exists() or not Path(path).stat().st_size
        self.path = path
        self.db = sqlite3.connect(path, timeout=0.0, isolation_level=None)
        try:
            self.db.execute("PRAGMA trusted_schema = OFF")
            self.db.execute("PRAGMA cache_size = -16000")
            self.db.execute("PRAGMA temp_store = FILE")
            self.db.execute("BEGIN" if to_read else "BEGIN IMMEDIATE")
            if fresh:
                for statement in TABLES:
                    self.db.execute(statement)
                self.db.execute(f"PRAGMA application_id = {APPLICATION}")
                self.db.execute(f"PRAGMA user_version = {VERSION}")
            else:
                self._check(older=older)
            (self._jobs,) = self.db.execute("SELECT coalesce(max(number), 0) FROM job").fetchone()
        except BaseException:
            self.db.close()
            raise
        self._young: dict[str, Job] = {}
        self._old: dict[str, Job] = {}
        self._sealed: dict[int, Waiting] = {}
        self._shut: dict[int, None] = {}
        self._said: list[tuple[int, bytes, int, str]] = []
        self._artifacts: dict[str, tuple[int, int]] = {}

    def marks(self) -> list[int]:
        """Return which program made the file, and which version of it."""
        names = "application_id", "user_version"
        return [self.db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    def _check(self, *, older: bool) -> None:
        """Refuse a file that this version of this script did not make, or an older one."""
        marks = self.marks()
        if older and marks == [APPLICATION, 1]:
            return
        found = {sql for (sql,) in self.db.execute("SELECT sql FROM sqlite_master") if sql}
        if marks != [APPLICATION, VERSION] or found != {*TABLES}:
            refuse("it is of another program or another version")

    def close(self) -> None:
        """Forget what was not saved."""
        self.db.close()

    def save(self) -> None:
        """Make everything durable, in one step."""
        self.db.execute("COMMIT")
        self.db.execute("BEGIN IMMEDIATE")

    # Single values.

    def read(self, name: str) -> Any:  # noqa: ANN401 - JSON, judged by whoever asked
        """Return a value by its name; None where there is none."""
        row = self.db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def write(self, name: str, value: object) -> None:
        """Keep a value under a name."""
        text = json.dumps(value, ensure_ascii=True)
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, text))

    def nodes(self) -> bytearray:
        """Return the roots of all full bundles, end to end."""
        return bytearray(
            b"".join(row[0] for row in self.db.execute("SELECT hashes FROM node ORDER BY number"))
        )

    def keep_nodes(self, nodes: bytearray, since: int) -> None:
        """Keep the roots of the full bundles from number ``since`` on."""
        span = 32 * TILE
        for number in range(since // TILE, -(-len(nodes) // span)):
            part = bytes(nodes[number * span : (number + 1) * span])
            self.db.execute("INSERT OR REPLACE INTO node VALUES (?, ?)", (number, part))

    # Jobs and what was said about them.

    def job(self, job_id: str) -> Job | None:
        """Return a job, to be changed at will; None where nothing was said about it."""
        if (found := self._young.get(job_id)) is not None:
            return found
        if (found := self._old.get(job_id)) is None:
            row = self.db.execute("SELECT * FROM job WHERE id = ?", (job_id,)).fetchone()
            if row is None:
                return None
            found = Job(*row)
        self._young[job_id] = found
        return found

    def new_job(self, job_id: str) -> Job:
        """Begin to remember a job."""
        self._jobs += 1
        job = self._young[job_id] = Job(self._jobs, job_id)
        return job

    def said(self, job: Job | None, digest: bytes, index: int, author: str) -> None:
        """Remember a statement; ``flush`` tells which ones were said before."""
        self._said.append((job.number if job else 0, digest, index, author))

    def author_of(self, job: Job, index: int) -> str | None:
        """Return who made a statement about a job, None where no entry ``index`` is about it."""
        for number, _, entry, author in self._said:
            if (number, entry) == (job.number, index):
                return author
        query = "SELECT author FROM said WHERE job = ? AND entry = ?"
        row = self.db.execute(query, (job.number, index)).fetchone()
        return None if row is None else str(row[0])

    def artifact(self, name: str) -> tuple[int, int] | None:
        """Return the job's number and the bytes of an artifact; None where none was taken."""
        if (found := self._artifacts.get(name)) is not None:
            return found
        query = "SELECT job, bytes FROM artifact WHERE id = ?"
        row: tuple[int, int] | None = self.db.execute(query, (name,)).fetchone()
        return row

    def take_artifact(self, name: str, job: Job, size: int) -> None:
        """Remember an artifact that was taken."""
        self._artifacts[name] = job.number, size

    # What is sealed.

    def seal(self, index: int, waiting: Waiting) -> None:
        """Remember a sealed entry."""
        self._sealed[index] = waiting

    def sealed(self, index: int) -> Waiting | None:
        """Return a sealed entry that was not opened."""
        if (found := self._sealed.get(index)) is not None or index in self._shut:
            return found
        query = "SELECT job, author, schema, publish_by, root FROM sealed WHERE entry = ?"
        row = self.db.execute(query, (index,)).fetchone()
        if row is None:
            return None
        waiting = Waiting(*row)
        query = "SELECT entry, paths, review_by FROM withheld WHERE target = ? ORDER BY entry"
        for by, paths, review_by in self.db.execute(query, (index,)):
            waiting.withheld[by] = (tuple(json.loads(paths)), review_by)
        return waiting

    def withhold(
        self, target: int, waiting: Waiting, by: int, paths: tuple[str, ...], review_by: int
    ) -> None:
        """Remember that fields of a sealed entry stay closed."""
        waiting.withheld[by] = (paths, review_by)
        row = (by, target, json.dumps(paths), review_by, 0)
        self.db.execute("INSERT OR REPLACE INTO withheld VALUES (?, ?, ?, ?, ?)", row)

    def open(self, index: int, *, in_part: bool) -> None:
        """Remember that a sealed entry was opened, all of it or in part."""
        self._sealed.pop(index, None)
        self._shut[index] = None
        if in_part:
            self.db.execute("UPDATE withheld SET open = 1 WHERE target = ?", (index,))

    def was_opened(self, index: int) -> bool:
        """Tell whether a sealed entry was opened before."""
        if index in self._shut:
            return True
        query = "SELECT 1 FROM opened WHERE entry = ?"
        return self.db.execute(query, (index,)).fetchone() is not None

    # From memory to the file.

    def flush(self) -> list[tuple[int, int]]:
        """Move everything to the file; returns statements that were said twice: entry, first."""
        jobs = [job.row() for job in self._young.values()]
        self.db.executemany(
            "INSERT OR REPLACE INTO job VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            jobs,
        )
        self._old, self._young = self._young, {}
        rows = [
            (index, each.job_id, each.author, each.schema, each.publish_by, each.root)
            for index, each in self._sealed.items()
        ]
        self.db.executemany("INSERT OR REPLACE INTO sealed VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._sealed.clear()
        shut = [(index,) for index in self._shut]
        self.db.executemany("DELETE FROM sealed WHERE entry = ?", shut)
        self.db.executemany("INSERT OR IGNORE INTO opened VALUES (?)", shut)
        self._shut.clear()
        artifacts = [(name, *each) for name, each in self._artifacts.items()]
        self.db.executemany("INSERT OR IGNORE INTO artifact VALUES (?, ?, ?)", artifacts)
        self._artifacts.clear()
        before = self.db.total_changes
        self.db.executemany("INSERT OR IGNORE INTO said VALUES (?, ?, ?, ?)", self._said)
        twice = []
        if self.db.total_changes - before != len(self._said):
            for job, digest, index, _ in self._said:
                query = "SELECT entry FROM said WHERE job = ? AND digest = ?"
                (first,) = self.db.execute(query, (job, digest)).fetchone()
                if first != index:
                    twice.append((index, first))
        self._said.clear()
        return twice

    def still_sealed(self, *, due_before: int | None = None) -> int:
        """Count what is sealed, or what of it was due before a time."""
        query = "SELECT count(*) FROM sealed"
        if due_before is None:
            return int(self.db.execute(query).fetchone()[0])
        row = self.db.execute(query + " WHERE publish_by < ?", (due_before,)).fetchone()
        return int(row[0])

    def due(self, since: int, before: int) -> list[tuple[int, int]]:
        """Return the first entries, with their deadlines, that were due in a span of time."""
        query = (
            "SELECT entry, publish_by FROM sealed WHERE publish_by >= ? AND publish_by < ?"
            " ORDER BY publish_by, entry LIMIT ?"
        )
        return self.db.execute(query, (since, before, FINDINGS_SHOWN)).fetchall()

    def unended(self, before: int, *, begun: bool) -> tuple[int, list[tuple[str, int, int]]]:
        """Count the jobs whose end was due before a time; the first ones: ID, start, due.

        Of those that never began the start is their admission.
        """
        where = "FROM job WHERE end_by IS NOT NULL AND end_by < ? AND (state = 'admitted') = ?"
        values = before, not begun
        (count,) = self.db.execute(f"SELECT count(*) {where}", values).fetchone()
        query = f"SELECT id, began, end_by {where} ORDER BY end_by LIMIT ?"
        return count, self.db.execute(query, (*values, FINDINGS_SHOWN)).fetchall()

    def unreviewed(self, before: int) -> tuple[int, list[tuple[int, int]]]:
        """Count what stays closed past its review; the first ones: entry, review."""
        where = "FROM withheld WHERE open = 1 AND review_by < ?"
        (count,) = self.db.execute(f"SELECT count(*) {where}", (before,)).fetchone()
        query = f"SELECT entry, review_by {where} ORDER BY review_by LIMIT ?"
        return count, self.db.execute(query, (before, FINDINGS_SHOWN)).fetchall()


# --- replaying --------------------------------------------------------------------------------


class KeyTerm(NamedTuple):
    """A key of an author: good for entries after ``added`` and before ``retired``."""

    role: str
    vkey: str
    public: bytes
    added: int
    retired: int | None


RUN_STATES = frozenset({"started", "interrupted"})
MAY_FOLLOW = {
    "admitted": frozenset({"submitted"}),
    "rejected": frozenset({"submitted"}),
    "started": frozenset({"admitted", "interrupted"}),
    "interrupted": frozenset({"started"}),
    "completed": frozenset({"started"}),
    "failed": RUN_STATES,
    "cancelled": RUN_STATES | {"admitted"},
    "terminated_by_policy": RUN_STATES | {"admitted"},
    "egress": RUN_STATES | ENDS,
}
KEEPS_STATE = frozenset({"egress", "open", "withheld", "corrected", "refused"})
NO_DIGESTS = frozenset({(None, None), ("null", None), (None, "null")})
"""What a disclosure shows of the weights where it shows no digest."""
FOUND_AFTER_RUN = frozenset({"R1_digest_mismatch"})
FOUND_AT_DOOR = frozenset({"R2_egress_ceiling", "R2_unmetered_egress"})
RUNS = frozenset(MAY_FOLLOW) - {"admitted", "rejected"}
NEVER_ADMITTED = frozenset({"", "submitted", "rejected"})


class Clocks(NamedTuple):
    """What is known of time outside the log, in unix seconds; None where nothing is.

    ``witnessed``: when a quorum had seen this checkpoint. ``before``: when one had seen the last
    checkpoint that this verifier kept, and ``visited``: when that was, by its own clock. Entries
    from ``since`` on were not in that one yet, so they came between.
    """

    now: int
    witnessed: int | None = None
    before: int | None = None
    visited: int | None = None
    since: int = 0


class Charter(NamedTuple):
    """One version of the rules: the entry that set it, and from when it counts."""

    entry: int
    since: int
    rules: Rules


Breach = tuple[str, str, Sentence]
"""What the charter has against a submission: this script's code, the ledger's, and the words."""


def breaches(rules: Rules, about: tuple[Any, ...], held: int) -> Iterator[Breach]:
    """Hold a submission against the charter; ``held``: GPUs that its member's jobs have by now."""
    workload, targets, ceiling, gpus, wall_s, _ = about
    forbidden, against = "forbidden-workload-admitted", "admitted-against-charter"
    if workload not in rules.allowed:
        code = "R1_forbidden_workload" if workload in rules.forbidden else "Q_malformed"
        told = say("admitted although the workload is {workload}", workload=workload[:60])
        yield forbidden, code, told
    elif workload in rules.forbidden:  # a charter that says both
        told = say("admitted although the workload is {workload}", workload=workload[:60])
        yield forbidden, "R1_forbidden_workload", told
    if "uploaded_model" in targets:
        told = say("admitted although an optimizer works on the uploaded model")
        yield forbidden, "R1_optimizer_on_uploaded_model", told
    if ceiling is None:
        yield against, "R2_unmetered_egress", say("admitted without an egress ceiling")
    elif ceiling > rules.ceiling:
        amounts = {"ceiling": ceiling, "most": rules.ceiling}
        told = say("admitted with an egress ceiling of {ceiling}, most is {most}", **amounts)
        yield against, "R2_egress_ceiling", told
    if gpus > rules.gpus:
        told = say("admitted with {gpus} GPUs, most is {most}", gpus=gpus, most=rules.gpus)
        yield against, "Q_quota", told
    if rules.job_wall_s is not None and wall_s > rules.job_wall_s:
        told = say("admitted for {wall:,} s, most is {most:,}", wall=wall_s, most=rules.job_wall_s)
        yield against, "Q_quota", told
    if rules.member_gpus is not None and held + gpus > rules.member_gpus:
        told = say(
            "admitted with {gpus} GPUs beside the {held} that its member holds, most is {most}",
            gpus=gpus,
            held=held,
            most=rules.member_gpus,
        )
        yield against, "Q_quota", told


class Window:
    """What a member has let out on a day and the 30 days before it; days are counted from 1970."""

    __slots__ = ("days", "today", "used")

    def __init__(self, today: int = 0, days: dict[int, int] | None = None) -> None:
        self.today, self.days = today, days or {}
        self.used = sum(self.days.values())

    def turn(self, today: int) -> None:
        """Forget what is older."""
        self.today = today
        self.days = {day: amount for day, amount in self.days.items() if day >= today - 30}
        self.used = sum(self.days.values())

    def add(self, amount: int) -> None:
        """Count something that left today."""
        self.days[self.today] = min(self.days.get(self.today, 0) + amount, 2**62)
        self.used += amount


class Replay:
    """The log's history, entry by entry, held against the rules. Knows no hashes and no network."""

    def __init__(
        self, key: Key, clocks: Clocks, memory: Memory, tally: Tally, *, own_clock: bool = False
    ) -> None:
        self.log_key, self.clocks, self.memory, self.tally = key, clocks, memory, tally
        self.own_clock = own_clock
        self.size = 0
        self.counts: Counter[str] = Counter()
        self.signatures = self.openings = self.came_due = self.closed_in_part = 0
        self.time_s = 0
        self.charters: dict[int, Charter] = {}
        self.live: list[Charter] = []
        """Those in force now or later: each counts from later on than the one before it."""
        self.newest_charter = 0
        self.modern = 0
        """Whether the log has had anything of ``charter/2`` or later, which logs its findings."""
        self.held: Counter[str] = Counter()
        """GPUs that the jobs of a member hold which are admitted and have not ended."""
        self.windows: dict[str, Window] = {}
        """What each member has let out in 30 days."""
        self.claims: set[str] = set()
        """Jobs of which the ledger found other weights, while the digests are still sealed."""
        self.ended: tuple[int, str] | None = None
        """The newest end of a job: entry and job."""
        self.keys: dict[tuple[str, str], KeyTerm] = {}
        self.authors: set[str] = set()
        self.council: Counter[str] = Counter()
        """The council's authors, by how many valid keys they have."""
        self.seats = 0
        self.chain = [(0, NOBODY)]
        """The log's own keys, and the entry from which on each of them speaks."""
        self.due: tuple[str, str, str, tuple[Any, ...]] | None = None
        self.own = "finding" if own_clock else None

    # Between runs.

    FIELDS = (
        "signatures",
        "openings",
        "came_due",
        "closed_in_part",
        "time_s",
        "newest_charter",
        "modern",
    )

    def keep(self) -> None:
        """Move to memory all that the next entry may need; nothing may be owed at the time."""
        self._flush()
        kept = {name: getattr(self, name) for name in self.FIELDS}
        kept |= {"size": self.size, "counts": dict(self.counts), "held": dict(+self.held)}
        kept |= {"claims": sorted(self.claims), "ended": self.ended}
        kept["chain"] = [[index, vkey_text(key)] for index, key in self.chain]
        windows = self.windows.items()
        kept["windows"] = {member: [each.today, [*each.days.items()]] for member, each in windows}
        self.memory.write("replay", kept)

    def resume(self) -> None:
        """Take up what ``keep`` kept; ValueError or KeyError where it is not that."""
        kept = self.memory.read("replay")
        for name in self.FIELDS:
            setattr(self, name, integer(kept[name]))
        self.size = integer(kept["size"])
        self.counts.update({str(kind): integer(n) for kind, n in kept["counts"].items()})
        self.held.update({str(member): integer(n) for member, n in kept["held"].items()})
        self.claims.update(map(string, kept["claims"]))
        # A state from before keys followed one another is of a log that has its first one.
        chain = kept.get("chain", [[0, vkey_text(self.log_key)]])
        self.chain = [(integer(index), parse_vkey(string(vkey))) for index, vkey in chain]
        for member, (today, days) in kept["windows"].items():
            amounts = {integer(day): integer(amount) for day, amount in days}
            self.windows[string(member)] = Window(integer(today), amounts)
        if kept["ended"] is not None:
            self.ended = integer(kept["ended"][0]), string(kept["ended"][1])
        query = "SELECT entry, since, rules FROM charter ORDER BY entry"
        for entry, since, rules in self.memory.db.execute(query):
            self._live_by(Charter(integer(entry), integer(since), read_rules(json.loads(rules))))
        query = "SELECT author, key_id, role, vkey, added, retired FROM key"
        for author, key_id, role, vkey, added, retired in self.memory.db.execute(query):
            term = KeyTerm(role, vkey, parse_vkey(vkey).public, added, retired)
            self.keys[author, key_id] = term
            self.authors.add(author)
            if role == "council" and retired is None:
                self._seat(author, 1)

    def known_keys(self) -> Keys:
        """Return the public keys that readers need."""
        return {names: term.public for names, term in self.keys.items()}

    def _flush(self) -> None:
        for index, first in self.memory.flush():
            sentence = say("the same statement as entry {first}", first=first)
            self.tally.add("duplicate-statement", index, sentence, first)

    # One entry after the other.

    def step(self, index: int, row: Row) -> None:
        """Judge the next entry."""
        due, self.due = self.due, None
        self.size = index + 1
        kind = row.kind or "unreadable"
        self.counts[kind if len(self.counts) < 1000 else "other"] += 1
        for code, sentence in row.problems:
            self.tally.add(code, index, sentence)
        if row.logged_at is not None:
            self._time(index, row.logged_at)
        if due is not None:
            self._due(index, row, due)
        if (index == 0) != (row.kind == "genesis"):
            code = "no-genesis" if index == 0 else "second-genesis"
            sentence = say("entry {index} is of kind {kind}", index=index, kind=row.kind or "none")
            self.tally.add(code, index, sentence)
        try:
            self._judge(index, row, due)
        except (CannotCheck, sqlite3.Error):
            raise
        except Exception as error:  # noqa: BLE001 - one odd entry does not end the audit
            why = f"{type(error).__name__}: {error}"
            sentence = say("not in the form of its kind: {why}", why=why)
            self.tally.add("malformed-entry", index, sentence)
        if self.size % FLUSH_EVERY == 0:
            self._flush()

    def _judge(self, index: int, row: Row, due: tuple[Any, ...] | None) -> None:
        body = row.body
        if isinstance(body, Said):
            self._statement(index, row, body)
        elif isinstance(body, Decided):
            self._decided(index, row, body, due)
        elif isinstance(body, Found):
            self._found(index, row, body)
        elif isinstance(body, Shown):
            self._shown(index, body, due)
        elif isinstance(body, Listed):
            if not 1 <= body.tree_size <= index:
                sentence = say("files of {size} entries", size=body.tree_size)
                self.tally.add("manifest-too-large", index, sentence)
        elif isinstance(body, Followed):
            self._follow(index, body)
        elif isinstance(body, dict):
            self._genesis(index, body)
        elif not row.problems:
            sentence = say("entries of kind {kind} are not judged", kind=row.kind)
            self.tally.add("unknown-kind", index, sentence)

    def _time(self, index: int, logged_at: int) -> None:
        """Hold an entry's time against its predecessors, the witnesses and the own clock."""
        clocks, at = self.clocks, clock_text(logged_at)
        if logged_at < self.time_s:
            sentence = say("{back} s before its predecessor", back=self.time_s - logged_at)
            self.tally.add("time-went-back", index, sentence, index - 1)
        if logged_at > clocks.now + GRACE_S:
            self.tally.add("logged-in-future", index, say("logged at {at}", at=at))
        if clocks.witnessed is not None and logged_at > clocks.witnessed + GRACE_S:
            seen = clock_text(clocks.witnessed)
            sentence = say("logged at {at}, but witnesses had seen it at {seen}", at=at, seen=seen)
            self.tally.add("post-dated", index, sentence)
        if index >= clocks.since > 0:
            if clocks.before is not None and logged_at < clocks.before - GRACE_S:
                seen = clock_text(clocks.before)
                sentence = say(
                    "logged at {at}, but at {seen} witnesses saw a log without it", at=at, seen=seen
                )
                self.tally.add("back-dated", index, sentence)
            elif clocks.visited is not None and logged_at < clocks.visited - GRACE_S:
                seen = clock_text(clocks.visited)
                sentence = say(
                    "logged at {at}, but at {seen} the log was without it here", at=at, seen=seen
                )
                self.tally.add("back-dated-by-own-clock", index, sentence, severity=self.own)
        self.time_s = max(self.time_s, logged_at)

    def _due(self, index: int, row: Row, due: tuple[Any, ...]) -> None:
        """Require what the next entry owes: a decision, or the disclosure asked for."""
        body = row.body
        if due[0] == "submitted":
            if not isinstance(body, Decided) or body.refers_to != index - 1:
                sentence = say("no decision follows it")
                self.tally.add("missing-decision", index - 1, sentence, index)
        elif due[0] in ENDS:
            if not isinstance(body, Found) or body.refers_to != index - 1:
                sentence = say("no finding follows it, although the weights are others")
                self.tally.add("missing-finding", index - 1, sentence, index)
        elif not isinstance(body, Shown) or body.opened_by != index - 1:
            self.tally.add("open-not-obeyed", index - 1, say("no disclosure follows it"), index)

    def _genesis(self, index: int, entry: dict[str, Any]) -> None:
        if index:
            return
        try:
            self._in_force_from(0, 0, entry["charter"], self._rules(0, entry["charter"]))
            for author in entry["authors"]:
                string(author["title"])
                self._add_key(0, author["name"], author["role"], author["vkey"])
            mine = (self.log_key.name, parse_vkey(string(entry["vkey"])))
        except (KeyError, TypeError, ValueError, Malformed) as error:
            why = f"{type(error).__name__}: {error}"
            sentence = say("the genesis entry lacks a part: {why}", why=why)
            self.tally.add("malformed-entry", 0, sentence)
            return
        self.chain = [(0, mine[1])]
        if entry["origin"] != mine[0]:
            self._other_key(entry["vkey"][:120])

    def _other_key(self, vkey: str) -> None:
        sentence = say(
            "the checkpoint is signed as {name} by the key {key}; the genesis entry names {vkey}",
            name=self.log_key.name,
            key=self.log_key.key_id.hex(),
            vkey=vkey,
        )
        self.tally.add("genesis-key-mismatch", 0, sentence)

    def _follow(self, index: int, named: Followed) -> None:
        """Take up the key that the log's key of the time has named."""
        try:
            key = follow(self.chain[-1][1], named)
        except (ValueError, Malformed) as error:
            self.tally.add("bad-registry", index, say("{why}", why=str(error)))
        else:
            self.chain.append((index, key))

    def spoken_for(self, note: Note) -> None:
        """Require that the entries name the key that is believed, and that the newest one signed.

        A thief of an old key can go on with a log, and not under a key that has followed it.
        """
        index, newest = self.chain[-1]
        if index == 0 and newest == NOBODY:
            return
        if self.log_key not in [key for _, key in self.chain]:
            self._other_key(vkey_text(self.chain[0][1]))
        elif not any(line_holds(newest, note.text, blob) for blob in note.blobs(newest)):
            sentence = say(
                "it names the log's key {key}, which has not signed the checkpoint",
                key=newest.key_id.hex(),
            )
            self.tally.add("genesis-key-mismatch", index, sentence)

    # The charter, and who may change it.

    def _rules(self, index: int, charter: object) -> Rules:
        """Read a charter and judge what no charter may say; raises Malformed."""
        rules = read_rules(charter)
        if not 1 <= rules.embargo_days <= LONGEST_EMBARGO_DAYS:
            sentence = say("the charter's embargo is {days} days", days=rules.embargo_days)
            self.tally.add("embargo-too-long", index, sentence)
        if both := rules.allowed & rules.forbidden:
            sentence = say("it allows and forbids {both}", both=listed(both))
            self.tally.add("bad-charter", index, sentence)
        return rules

    def _in_force_from(self, index: int, since: int, charter: object, rules: Rules) -> None:
        """Take a charter as one that counts, from a time on."""
        if len(self.charters) >= MOST_CHARTERS:
            raise CannotCheck(f"more than {MOST_CHARTERS} charters are in this log")
        self._live_by(Charter(index, since, rules))
        row = index, since, canonical(charter).decode()
        self.memory.db.execute("INSERT OR REPLACE INTO charter VALUES (?, ?, ?)", row)

    def _live_by(self, charter: Charter) -> None:
        self.charters[charter.entry] = charter
        self.newest_charter = charter.entry
        self.modern |= charter.rules.version != "charter/1"
        # One that is to count from later on than a newer one never counts.
        while self.live and self.live[-1].since >= charter.since:
            self.live.pop()
        self.live.append(charter)

    def _in_force(self, logged_at: int) -> Charter | None:
        """Return the newest charter by now that counts at a time."""
        live = self.live
        if not live or live[-1].since <= logged_at:
            return live[-1] if live else None
        at = bisect_right(live, logged_at, key=lambda charter: charter.since)
        return live[at - 1] if at else None

    def _of_council(
        self, index: int, kind: str, logged_at: int, said: Said, *, believed: bool
    ) -> None:
        if said.about and kind == "charter":
            if believed:  # what is not the council's word at all changes nothing
                self._charter(index, logged_at, said)
        elif said.about:
            self._registry(index, logged_at, said)

    def _charter(self, index: int, logged_at: int, said: Said) -> None:
        """Hold a change of the charter against the rules for it; follow it if it keeps them."""
        charter, since, replaces = said.about
        before = self.tally.findings.total()
        rules = self._rules(index, charter)
        if not logged_at <= since <= logged_at + LONGEST_NOTICE_S:
            times = {"since": clock_text(since), "at": clock_text(logged_at)}
            sentence = say("it is to count from {since} on and was logged at {at}", **times)
            self.tally.add("charter-out-of-time", index, sentence)
        if replaces != self.newest_charter:
            told = {"target": replaces, "newest": self.newest_charter}
            sentence = say(
                "it replaces entry {target}; the newest charter is entry {newest}", **told
            )
            self.tally.add("bad-charter", index, sentence)
        if rules.threshold is not None and not 1 <= rules.threshold <= self.seats:
            told = {"threshold": rules.threshold, "seats": self.seats}
            sentence = say("it asks for {threshold} signatures of a council of {seats}", **told)
            self.tally.add("bad-charter", index, sentence)
        sound = self.tally.findings.total() == before
        if self._endorsed(index, logged_at, said) and sound:
            self._in_force_from(index, since, charter, rules)

    def _threshold(self, logged_at: int) -> int:
        """Return how many of the council's authors have to sign for a change of charter or keys."""
        charter = self._in_force(logged_at)
        threshold = None if charter is None else charter.rules.threshold
        return self.seats // 2 + 1 if threshold is None else threshold

    def _signers(self, index: int, said: Said, *, needed: bool) -> int:
        """Count the council's authors who have signed a statement, its own author included.

        Where one signature is enough, the ledger does not ask whose the others are.
        """
        counted = {said.author}
        last = ""
        for each in said.endorsements:
            term = self.keys.get((each.author, each.key_id))
            holds = each.holds
            if term is not None and each.unread is not None:
                holds = ed25519_holds(term.public, *each.unread)
            who = {"author": each.author[:60], "key": each.key_id[:20]}
            if each.author <= last or each.author in counted:
                sentence = say("{author} endorses twice, or out of order", author=who["author"])
            elif term is None or (needed and term.role != "council"):
                sentence = say("{author} with key {key} is not of the council", **who)
            elif needed and not term.added < index < (term.retired or 2**62):
                sentence = say("{author} with key {key}: the key is not valid here", **who)
            elif holds is False:
                sentence = say("the signature by {author} with key {key} does not verify", **who)
            else:
                self.signatures += bool(holds)
                counted.add(each.author)
                last = each.author
                continue
            self.tally.add("bad-endorsement", index, sentence)
        return len(counted)

    def _endorsed(self, index: int, logged_at: int, said: Said) -> bool:
        """Tell whether enough of the council's authors have signed."""
        signers = self._signers(index, said, needed=True) if said.endorsements else 1
        most = self._threshold(logged_at)
        if signers >= most:
            return True
        told = {"count": signers, "most": most}
        sentence = say("{count} of the council have signed, {most} have to", **told)
        self.tally.add("too-few-endorsements", index, sentence)
        return False

    def _cited(self, index: int, target: int, logged_at: int) -> Charter | None:
        """Require that an entry names the charter in force, which is returned."""
        charter = self._in_force(logged_at)
        if charter is not None and target != charter.entry:
            if target in self.charters:
                sentence = say(
                    "by the charter of entry {target}; in force is entry {right}",
                    target=target,
                    right=charter.entry,
                )
                self.tally.add("wrong-charter", index, sentence, charter.entry)
            else:
                sentence = say("entry {target} is no charter", target=target)
                self.tally.add("bad-reference", index, sentence)
        return charter

    def _add_key(self, index: int, name: str, role: str, vkey: str) -> None:
        key = parse_vkey(string(vkey))
        term = (string(name), key.key_id.hex())
        if key.kind != ED25519 or key.name != f"{self.log_key.name}/{name}" or term in self.keys:
            raise ValueError(f"{vkey[:100]} cannot be a new key of {name[:60]}")
        if len(self.keys) >= MOST_KEYS:
            raise CannotCheck(f"more than {MOST_KEYS} keys are registered in this log")
        self._know(term, KeyTerm(string(role), vkey, key.public, index, None))

    def _know(self, names: tuple[str, str], term: KeyTerm) -> None:
        self.keys[names] = term
        self.authors.add(names[0])
        if term.role == "council":
            self._seat(names[0], 1 if term.retired is None else -1)
        row = (*names, term.role, term.vkey, term.added, term.retired)
        self.memory.db.execute("INSERT OR REPLACE INTO key VALUES (?, ?, ?, ?, ?, ?)", row)

    def _seat(self, author: str, keys: int) -> None:
        before = self.council[author] > 0
        self.council[author] += keys
        self.seats += (self.council[author] > 0) - before

    def _statement(self, index: int, row: Row, said: Said) -> None:
        kind, logged_at = row.kind, row.logged_at or 0
        believed = self._authority(index, kind, said)
        job = None
        if kind in OF_NO_JOB:
            self._of_council(index, kind, logged_at, said, believed=believed)
        elif said.job_id:
            job = self._life_cycle(index, kind, said.job_id)
            if said.about:
                self._usage(index, kind, job, said, logged_at)
        if kind == "corrected" and said.about and job is not None:
            self._corrected(index, said, job)
        self.memory.said(job, said.digest, index, said.author)
        if said.root is not None and said.publish_by is not None:
            self._seal(index, logged_at, said, said.root, said.publish_by)
        if kind in ("submitted", "open"):
            self.due = kind, said.author, said.job_id, said.about
        if kind == "open" and said.about:
            waiting = self.memory.sealed(said.about[0])
            self._same_origin(index, said, waiting, "open-by-another")
        elif kind == "withheld" and said.about:
            self._withheld(index, logged_at, said)
        self._ages(index, logged_at, said)
        if said.schema not in SCHEMAS:
            sentence = say("{schema} is not judged", schema=said.schema[:60])
            self.tally.add("unknown-schema", index, sentence)

    def _ages(self, index: int, logged_at: int, said: Said) -> None:
        """Hold the author's own times against the entry's."""
        if said.made_at > logged_at + GRACE_S:
            sentence = say("its author says {made}", made=clock_text(said.made_at))
            self.tally.add("made-after-logged", index, sentence)
        elif said.happened_at < logged_at - LATE_S:
            sentence = say("{late} s after what it reports", late=logged_at - said.happened_at)
            self.tally.add("late-logged", index, sentence)

    def _authority(self, index: int, kind: str, said: Said) -> bool:
        """Tell whether a statement is its author's, who may say it; findings say where not."""
        term = self.keys.get((said.author, said.key_id))
        who = {"author": said.author[:60], "key": said.key_id[:20]}
        if term is None:
            code = "unknown-key" if said.author in self.authors else "unknown-author"
            sentence = say("{author} with key {key} is not in the registry", **who)
            self.tally.add(code, index, sentence)
            return False
        believed = True
        if index <= term.added or (term.retired is not None and index >= term.retired):
            after = {"added": term.added, "retired": "-" if term.retired is None else term.retired}
            sentence = say(
                "{author} with key {key}: valid after entry {added} and before {retired}",
                **who,
                **after,
            )
            self.tally.add("key-not-valid", index, sentence, term.added)
            believed = False
        holds = said.holds
        if said.unread is not None:
            holds = ed25519_holds(term.public, *said.unread)
        if holds is False:
            sentence = say("the signature by {author} with key {key} does not verify", **who)
            self.tally.add("bad-signature", index, sentence)
        elif holds:
            self.signatures += 1
        schema = SCHEMAS.get(said.schema)
        if term.role not in (ROLES_FOR[kind] if schema is None else schema.roles):
            believed = False
            code = "withheld-without-committee" if kind == "withheld" else "wrong-role"
            sentence = say(
                "{author} with key {key} is {role} and may not say {kind}",
                **who,
                role=term.role[:60],
                kind=kind,
            )
            self.tally.add(code, index, sentence)
        return believed and holds is not False

    def _registry(self, index: int, logged_at: int, said: Said) -> None:
        try:
            action, name, role, vkey = said.about
            key_id = parse_vkey(vkey).key_id.hex()
            term = self.keys.get((name, key_id))
            whose = role if action == "add" else "" if term is None else term.role
            charter = self._in_force(logged_at)
            threshold = None if charter is None else charter.rules.threshold
            # Under charter/1 one signature changes the council, as it always did.
            if whose == "council" and threshold is not None and threshold > 1:
                if not self._endorsed(index, logged_at, said):
                    return
            elif said.endorsements:
                self._signers(index, said, needed=False)
            if action == "add":
                self._add_key(index, name, role, vkey)
                return
            if action != "retire" or term is None or term.vkey != vkey or term.retired is not None:
                refuse(f"{action[:20]} {vkey[:100]}, which {name[:60]} does not have")
            if term.role == "council" and self.council[name] == 1:
                self._seats_left(logged_at)
        except (ValueError, Malformed) as error:
            self.tally.add("bad-registry", index, say("{why}", why=str(error)))
        else:
            self._know((name, key_id), term._replace(retired=index))

    def _seats_left(self, logged_at: int) -> None:
        """Refuse, with ValueError, to take a council's author away that its threshold needs."""
        charter = self._in_force(logged_at)
        threshold = charter.rules.threshold if charter is not None else None
        seats = self.seats - 1
        if threshold is not None and seats < threshold:
            refuse(f"a council of {seats}, of which {threshold} have to sign")

    def _life_cycle(self, index: int, kind: str, job_id: str) -> Job:
        """Hold an event against its job's state, and return the job."""
        job = self.memory.job(job_id)
        if job is None:
            job = self.memory.new_job(job_id)
        if kind == "submitted":
            wrong = job.state != ""
        elif kind in MAY_FOLLOW:
            wrong = job.state not in MAY_FOLLOW[kind]
        else:
            wrong = job.state == ""
        if wrong:
            never = kind in RUNS and job.state in NEVER_ADMITTED
            code = "run-without-admission" if never else "out-of-order"
            told = {"kind": kind, "job": job_id}
            if job.state:
                sentence = say("{kind} for job {job}, which is {state}", **told, state=job.state)
            else:
                sentence = say("{kind} for job {job}, which was never submitted", **told)
            self.tally.add(code, index, sentence)
        elif kind not in KEEPS_STATE:
            if kind in ENDS:
                self.held[job.member or ""] -= job.gpus or 0
            job.state = kind
        return job

    def _usage(self, index: int, kind: str, job: Job, said: Said, logged_at: int) -> None:
        """Hold what a job uses against what was admitted."""
        about = said.about
        if kind == "submitted" and job.gpus is None:
            _, _, job.ceiling, job.gpus, job.wall_s, _ = about
            job.member = said.author
        elif kind == "started":
            job.periods += 1
            job.began = index
            job.end_by = None if job.wall_s is None else logged_at + job.wall_s + LATE_S
            if job.gpus is not None and about[0] > job.gpus:
                sentence = say("{used} GPUs, admitted were {most}", used=about[0], most=job.gpus)
                self.tally.add("usage-above-admitted", index, sentence)
        elif kind == "interrupted":
            # It may wait for long to be taken up again, but not for ever.
            job.end_by = None if job.wall_s is None else logged_at + job.wall_s + STALLED_S
        elif kind == "egress":
            if len(about) > 1:
                self._artifact(index, job, said, logged_at)
            self._let_out(index, job, about[0], reported=len(about) == 1)
            self._of_member(index, job, about[0], logged_at, reported=len(about) == 1)
        elif kind in ENDS:
            job.end_by, job.began = None, index
            self.ended = index, job.job_id
            self._ended(index, kind, job, about)

    def _artifact(self, index: int, job: Job, said: Said, logged_at: int) -> None:
        """Hold an artifact that was taken, or read by its member, against what is allowed."""
        amount, name, artifact, _ = said.about
        known = self.memory.artifact(artifact)
        if not name:
            self._read(index, job, said, known)
            return
        if known is not None:
            sentence = say("artifact {artifact} was taken before", artifact=artifact)
            self.tally.add("bad-artifact", index, sentence)
        else:
            self.memory.take_artifact(artifact, job, amount)
        classes = json.loads(job.classes or "{}")
        used = classes.get(name, 0)
        classes[name] = min(used + amount, 2**62)
        job.classes = json.dumps(classes)
        charters = (
            self.charters.get(0 if job.charter is None else job.charter),
            self._in_force(logged_at),
        )
        # A job has what it was admitted with; a charter that allows more since allows it, too.
        most = max((each.rules.artifacts[name] for each in charters if each), default=2**62)
        if used <= most < used + amount:
            sentence = say(
                "{sum:,} bytes of class {name} so far, the ceiling is {most:,}",
                sum=classes[name],
                name=name,
                most=most,
            )
            self.tally.add("artifact-above-ceiling", index, sentence)

    def _read(self, index: int, job: Job, said: Said, known: tuple[int, int] | None) -> None:
        """Hold what a member reads of an artifact against whose it is and how long it is."""
        amount, _, artifact, offset = said.about
        if said.author != job.member:
            told = {"author": said.author[:60], "member": (job.member or "-")[:60]}
            sentence = say("read by {author}; the job is {member}'s", **told)
            self.tally.add("artifact-read-by-another", index, sentence)
        if known is None or known[0] != job.number:
            sentence = say("the job has no artifact {artifact}", artifact=artifact)
            self.tally.add("bad-artifact", index, sentence)
        elif offset + amount > known[1]:
            amounts = {"end": offset + amount, "size": known[1]}
            sentence = say("read up to byte {end:,} of {size:,}", **amounts)
            self.tally.add("bad-artifact", index, sentence)

    def _of_member(
        self, index: int, job: Job, amount: int, logged_at: int, *, reported: bool
    ) -> None:
        """Count what a member's jobs have let out in 30 days, as the artifact door counts."""
        if job.member is None:
            return
        window = self.windows.get(job.member)
        if window is None:
            window = self.windows[job.member] = Window()
        if window.today != logged_at // DAY_S:
            window.turn(logged_at // DAY_S)
        charter = self._in_force(logged_at)
        most = 2**62 if charter is None else charter.rules.member_bytes
        room = max(most - window.used, 0)
        # What is reported afterwards cannot be refused any more: it takes what is left.
        window.add(min(amount, room) if reported else amount)
        if amount > room and not reported:
            told = {"member": job.member[:60], "sum": window.used, "most": most}
            sentence = say("{sum:,} bytes of {member} in 30 days, the quota is {most:,}", **told)
            self.tally.add("member-egress-above-quota", index, sentence)

    def _let_out(self, index: int, job: Job, amount: int, *, reported: bool) -> None:
        """Add up what left; ``reported``: afterwards, by a gateway that has a door of its own."""
        if job.flags & QUARANTINED:
            met = "note" if reported else None
            sentence = say("job {job} is in quarantine", job=job.job_id)
            self.tally.add("egress-after-quarantine", index, sentence, severity=met)
        job.egress = min(job.egress + amount, 2**62)
        told = job.flags & EGRESS_TOLD
        if job.ceiling is not None and job.egress > job.ceiling and not told:
            job.flags |= EGRESS_TOLD
            amounts = {"sum": job.egress, "most": job.ceiling}
            sentence = say("{sum:,} bytes so far, the ceiling is {most:,}", **amounts)
            self.tally.add("egress-above-ceiling", index, sentence)

    def _ended(self, index: int, kind: str, job: Job, about: tuple[Any, ...]) -> None:
        wall_s, gpu_s, unchanged, _ = about
        if self.modern:
            job.flags |= OWED
        if not unchanged:
            job.flags |= WEIGHTS_TOLD
            if self.modern:
                job.flags |= QUARANTINED
                self.due = kind, "", job.job_id, ()
            # Where the ledger owes a finding, its absence is what a log is blamed for.
            met = "note" if self.modern or kind == "terminated_by_policy" else None
            sentence = say("job {job} ended with other weights", job=job.job_id)
            self.tally.add("weights-changed", index, sentence, severity=met)
        if job.wall_s is None or job.gpus is None:
            return
        most = job.wall_s * max(1, job.periods) + GRACE_S
        if wall_s > most:
            sentence = say("{used:,} s, admitted were {most:,}", used=wall_s, most=most)
        elif gpu_s > most * job.gpus:
            amounts = {"used": gpu_s, "most": most * job.gpus}
            sentence = say("{used:,} GPU-seconds, admitted were {most:,}", **amounts)
        else:
            return
        self.tally.add("usage-above-admitted", index, sentence)

    def _seal(self, index: int, logged_at: int, said: Said, root: bytes, publish_by: int) -> None:
        charter = self._in_force(logged_at)
        days = LONGEST_EMBARGO_DAYS if charter is None else charter.rules.embargo_days
        right = logged_at + min(days, 10**6) * DAY_S
        if publish_by != right:
            sentence = say(
                "{off:+d} s from {right}", off=publish_by - right, right=clock_text(right)
            )
            self.tally.add("wrong-publish-by", index, sentence)
        waiting = Waiting(said.job_id, said.author, said.schema, min(publish_by, right), root)
        self.memory.seal(index, waiting)

    def _same_origin(self, index: int, said: Said, waiting: Waiting | None, code: str) -> None:
        target = said.about[0]
        if waiting is None or target >= index:
            if self.memory.was_opened(target):
                sentence = say("entry {target} was opened before", target=target)
            else:
                sentence = say("entry {target} is not a sealed entry", target=target)
            self.tally.add("bad-reference", index, sentence)
        elif (waiting.job_id, waiting.author) != (said.job_id, said.author):
            sentence = say(
                "entry {target} is {author}'s in job {job}",
                target=target,
                author=waiting.author[:60],
                job=waiting.job_id,
            )
            self.tally.add(code, index, sentence, target)

    def _corrected(self, index: int, said: Said, job: Job) -> None:
        target = said.about[0]
        if target >= index or self.memory.author_of(job, target) != said.author:
            sentence = say("entry {target} is not this author's", target=target)
            self.tally.add("bad-reference", index, sentence)

    def _withheld(self, index: int, logged_at: int, said: Said) -> None:
        target, paths, review_by = said.about
        waiting = self.memory.sealed(target)
        if waiting is None or waiting.job_id != said.job_id:
            sentence = say("entry {target} has nothing to withhold", target=target)
            self.tally.add("bad-reference", index, sentence)
            return
        schema = SCHEMAS.get(waiting.schema)
        for sentence, holds in (
            (say("it comes after the deadline"), logged_at < waiting.publish_by),
            (say("the review is over 180 days away"), review_by <= logged_at + LONGEST_REVIEW_S),
            (say("it names no path, or one twice"), paths and len({*paths}) == len(paths)),
            (say("it names other paths"), schema is None or {*paths} <= {*schema.sealed}),
        ):
            if not holds:
                self.tally.add("bad-withholding", index, sentence, target)
        self.memory.withhold(target, waiting, index, paths, review_by)

    def _decided(self, index: int, row: Row, decided: Decided, due: tuple[Any, ...] | None) -> None:
        kind = row.kind
        asked = (index - 1, due[2]) if due and due[0] == "submitted" else None
        if (decided.refers_to, decided.job_id) != asked:
            sentence = say("it refers to entry {target}", target=decided.refers_to)
            self.tally.add("decision-without-submission", index, sentence)
            return
        assert due is not None
        job = self._life_cycle(index, kind, decided.job_id)
        charter = self._cited(index, decided.charter, row.logged_at or 0)
        if (kind == "rejected") != bool(decided.findings):
            count = len(decided.findings)
            sentence = say("{kind} with {count} findings", kind=kind, count=count)
            self.tally.add("bad-decision", index, sentence)
        if due[3] and charter is not None:
            self._judged(index, kind, decided, list(
                breaches(charter.rules, due[3], self.held[job.member or ""])
            ), due[3])  # fmt: skip
        if job.state == "admitted" and job.admitted is None:
            self.held[job.member or ""] += job.gpus or 0
            job.admitted, job.charter = index, 0 if charter is None else charter.entry
            if job.wall_s is not None:
                job.began, job.end_by = index, self.time_s + job.wall_s + LATE_S

    def _judged(
        self, index: int, kind: str, decided: Decided, found: list[Breach], about: tuple[Any, ...]
    ) -> None:
        """Hold a decision, and its grounds, against what the charter finds in the submission."""
        if decided.findings:
            true = {code for _, code, _ in found}
            if about[1] and about[5] == "none":  # an optimizer without gradients
                true.add("Q_malformed")
            for rule, code in decided.findings:
                if RULE_OF.get(code) != rule or (code in SEEN_IN_PUBLIC and code not in true):
                    sentence = say("rejected for {code}, which is not so", code=code[:60])
                    self.tally.add("bad-decision", index, sentence)
        if kind == "admitted":
            for code, _, sentence in found:
                self.tally.add(code, index, sentence, index - 1)

    def _found(self, index: int, row: Row, found: Found) -> None:
        """Hold what the ledger found in a run against the log, and put the job in quarantine."""
        self._cited(index, found.charter, row.logged_at or 0)
        job = self.memory.job(found.job_id)
        codes = {code for _, code in found.findings}
        after_run = codes <= FOUND_AFTER_RUN
        target: int | None = -1
        if after_run and self.ended is not None and self.ended[1] == found.job_id:
            target = index - 1 if self.ended[0] == index - 1 else -1
        elif codes <= FOUND_AT_DOOR and job is not None:
            target = job.admitted
        for wrong, sentence in (
            (any(RULE_OF.get(code) != rule for rule, code in found.findings)
             or not (after_run or codes <= FOUND_AT_DOOR),
             say("its codes are not those of one kind of finding")),
            (found.refers_to != target,
             say("entry {target} is not what it can be about", target=found.refers_to)),
            (found.tells_digest, say("its words tell a digest")),
        ):  # fmt: skip
            if wrong:
                self.tally.add("bad-finding", index, sentence)
        if job is not None and after_run and found.refers_to == target:
            self.modern = 1
            if not job.flags & WEIGHTS_TOLD:
                job.flags |= CLAIMED
                if len(self.claims) < MOST_KEYS:
                    self.claims.add(job.job_id)
            job.flags |= QUARANTINED

    def _shown(self, index: int, shown: Shown, due: tuple[Any, ...] | None) -> None:
        target = shown.discloses
        waiting = self.memory.sealed(target)
        if waiting is None or waiting.job_id != shown.job_id:
            if waiting is None and self.memory.was_opened(target):
                sentence = say("entry {target} was opened before", target=target)
                self.tally.add("disclosed-twice", index, sentence, target)
            else:
                sentence = say("entry {target} is no sealed entry of this job", target=target)
                self.tally.add("bad-reference", index, sentence, *[target] * (target < index))
            return
        self.memory.open(target, in_part=bool(shown.closed))
        self.openings += 1
        schema = SCHEMAS.get(waiting.schema)
        if schema and tuple(sorted(shown.paths + shown.closed)) != schema.sealed:
            sentence = say("not the paths of entry {target}", target=target)
            self.tally.add("opening-mismatch", index, sentence, target)
        elif shown.root != waiting.root:
            sentence = say(
                "what it shows does not hash to the commitment of entry {target}", target=target
            )
            self.tally.add("opening-mismatch", index, sentence, target)
        self._closed_paths(index, shown, waiting)
        self._opened_in_time(index, shown, waiting, due)
        if shown.weights not in NO_DIGESTS or shown.job_id in self.claims:
            self._weights(index, shown)

    def _weights(self, index: int, shown: Shown) -> None:
        """Hold the weights that a job was given against those that it left, once both are open."""
        job = self.memory.job(shown.job_id)
        if job is None:
            return
        before, after = shown.weights
        job.before, job.after = before or job.before, after or job.after
        if not job.before or not job.after:
            return
        self.claims.discard(job.job_id)
        if job.before == job.after or "null" in (job.before, job.after):
            if job.flags & CLAIMED and not job.flags & MISSING_TOLD:
                job.flags |= MISSING_TOLD
                sentence = say("the weights of job {job} are what they were", job=job.job_id)
                # The finding stands right after the end of the run.
                self.tally.add("bad-finding", (job.began or 0) + 1, sentence, index)
            return
        if not job.flags & WEIGHTS_TOLD:
            job.flags |= WEIGHTS_TOLD
            met = "note" if job.flags & QUARANTINED else None
            sentence = say("job {job} left other weights than it was given", job=job.job_id)
            self.tally.add("weights-changed", index, sentence, shown.discloses, severity=met)
        if job.flags & OWED and not job.flags & (QUARANTINED | MISSING_TOLD):
            job.flags |= MISSING_TOLD
            sentence = say("no finding follows it, although the weights are others")
            self.tally.add("missing-finding", job.began, sentence, index)

    def _closed_paths(self, index: int, shown: Shown, waiting: Waiting) -> None:
        closed = {path for paths, _ in waiting.withheld.values() for path in paths}
        target = shown.discloses
        if shown.withheld_by is None:
            if closed:
                sentence = say("opened although withheld: {paths}", paths=listed(closed))
                self.tally.add("withheld-field-opened", index, sentence)
        elif shown.withheld_by not in waiting.withheld:
            sentence = say(
                "entry {by} does not withhold {paths}",
                by=shown.withheld_by,
                paths=listed(shown.closed),
            )
            self.tally.add("closed-without-withholding", index, sentence, target)
        elif closed != {*shown.closed}:
            sentence = say("not as withheld: {paths}", paths=listed(closed ^ {*shown.closed}))
            self.tally.add("closed-without-withholding", index, sentence)

    def _opened_in_time(
        self, index: int, shown: Shown, waiting: Waiting, due: tuple[Any, ...] | None
    ) -> None:
        late = self.time_s - waiting.publish_by
        target = shown.discloses
        if shown.reason == "early":
            asked = ("open", waiting.author, waiting.job_id, (target,))
            if shown.opened_by != index - 1 or due != asked:
                sentence = say(
                    "entry {by} is not its author's request just before", by=shown.opened_by
                )
                self.tally.add("early-without-open", index, sentence, target)
        else:
            self.came_due += 1
            self.closed_in_part += bool(shown.closed)
            if late < 0:
                sentence = say(
                    "opened {early} s before its date without its author's request", early=-late
                )
                self.tally.add("early-without-open", index, sentence, target)
        if late > GRACE_S:
            self.tally.add("late-disclosure", index, say("{late} s after its date", late=late))

    # What only the end shows: things left undone.

    def finish(self) -> None:
        """Judge what is owed and not there."""
        self._flush()
        tally, now = self.tally, self.clocks.now
        if self.due is not None:
            code = {"submitted": "missing-decision", "open": "open-not-obeyed"}.get(
                self.due[0], "missing-finding"
            )
            tally.add(code, self.size - 1, say("the log ends after it"))
        # The witnesses' clock can only make later what the log's own last entry says.
        time_s = max(self.time_s, self.clocks.witnessed or 0)
        proven, by_own = time_s - GRACE_S, max(time_s, now) - GRACE_S
        for code, since, before, severity, sentence in (
            ("overdue", 0, proven, None, "still sealed {late} s after its date"),
            ("due-by-own-clock", proven, by_own, self.own, "was due {at}; the log ends before"),
        ):
            count = self.memory.still_sealed(due_before=before)
            count -= self.memory.still_sealed(due_before=since)
            for index, publish_by in self.memory.due(since, before):
                told = say(sentence, late=time_s - publish_by, at=clock_text(publish_by))
                tally.add(code, index, told, severity=severity)
            if count > FINDINGS_SHOWN:
                tally.add(code, None, say("and more"), severity=severity,
                          count=count - FINDINGS_SHOWN)  # fmt: skip
        self._unfinished(time_s)
        count, reviews = self.memory.unreviewed(max(time_s, now))
        for index, review_by in reviews:
            said = say("review was due {at}", at=clock_text(review_by))
            tally.add("withheld-past-review", index, said)
        if count > len(reviews):
            tally.add("withheld-past-review", None, say("and more"), count=count - len(reviews))
        if self.closed_in_part > 3 and self.closed_in_part * 20 > self.came_due:
            part, whole = self.closed_in_part, self.came_due
            said = say("{part:,} of {whole:,} stay closed in part", part=part, whole=whole)
            tally.add("withholding-rate", None, said)

    def _unfinished(self, time_s: int) -> None:
        """Judge the jobs of which the log owes an end, or even a beginning."""
        for code, begun, sentence in (
            ("job-without-end", True, "job {job} has no end, due by {at}"),
            ("job-not-begun", False, "job {job} has neither begun nor ended, due by {at}"),
        ):
            count, jobs = self.memory.unended(time_s, begun=begun)
            for job_id, began, end_by in jobs:
                self.tally.add(code, began, say(sentence, job=job_id, at=clock_text(end_by)))
            if count > len(jobs):
                self.tally.add(code, None, say("and more"), count=count - len(jobs))


def listed(paths: Iterable[str]) -> str:
    """Write some paths in a sentence."""
    return ", ".join(sorted(paths))[:200]


# --- the audit --------------------------------------------------------------------------------


class Progress:
    """A bar on a terminal, a line every ten seconds elsewhere; always on standard error."""

    def __init__(self, begin: int, size: int, *, quiet: bool, lang: str) -> None:
        self.begin, self.size, self.quiet, self.lang = begin, size, quiet, lang
        self.bar = sys.stderr.isatty()
        self.next = time.monotonic() + (0 if self.bar else 10)

    def at(self, done: int) -> None:
        """Show how far it is."""
        if self.quiet or (time.monotonic() < self.next and done < self.size):
            return
        self.next = time.monotonic() + (0.2 if self.bar else 10)
        if self.bar:
            filled = 30 * (done - self.begin) // max(1, self.size - self.begin)
            unit = say("{done:,}/{size:,} entries", done=done, size=self.size).put(self.lang)
            end = "\n" if done == self.size else ""
            sys.stderr.write(f"\r[{'#' * filled:30}] {unit}{end}")
            sys.stderr.flush()
        elif done < self.size:
            line = say("{done:,} of {size:,} entries", done=done, size=self.size)
            print(line.put(self.lang), file=sys.stderr)


class Tree:
    """The log's tree as far as it was read: the roots of its full bundles, and the rest's leaves.

    32 bytes for 256 entries: 125 kB for a million of them.
    """

    def __init__(self, nodes: bytearray, tail: list[bytes]) -> None:
        self.nodes, self.tail = nodes, tail
        self.first_new = self.full
        self.leaves: dict[int, list[bytes]] = {}
        """The leaf hashes of the few bundles that a proof may lead into."""

    @property
    def full(self) -> int:
        """How many full bundles there are."""
        return len(self.nodes) // 32

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.full * TILE + len(self.tail)

    def grow(self, leaves: list[bytes], root: bytes, *, full: bool) -> None:
        """Put a bundle in the place of the rest; a full one may have lacked some entries."""
        if full:
            self.nodes += root
            self.tail = []
        else:
            self.tail = leaves

    def at_level_1(self) -> list[bytes]:
        """Return the roots of the full bundles."""
        return split_hashes(bytes(self.nodes))

    def root(self, changed: Mapping[int, bytes] | None = None) -> bytes:
        """Return the root; ``changed`` replaces what some bundles hash to."""
        nodes = self.at_level_1()
        if self.tail:
            nodes.append(tree_root(self.tail))
        for number, node in sorted((changed or {}).items()):
            # A last bundle of which nothing could be read has left no node.
            nodes[number : number + 1] = [node]
        return tree_root(nodes)

    def node(self, low: int, high: int) -> bytes:
        """Return the hash of a subtree; ValueError where its leaves were not kept."""
        number, at = divmod(low, TILE)
        if at == 0 and high - low == TILE and number < self.full:
            return bytes(self.nodes[32 * number : 32 * number + 32])
        if high - low <= TILE:
            leaves = self.tail if number == self.full else self.leaves.get(number, [])
            if len(leaves) < at + high - low:
                raise ValueError("leaves that were not kept")
            return tree_root(leaves[at : at + high - low])
        middle = halves(low, high)
        return sha256(b"\x01" + self.node(low, middle) + self.node(middle, high))

    def path(self, index: int) -> list[bytes]:
        """Return the inclusion proof of an entry, whose bundle's leaves are known."""
        path: list[bytes] = []
        low, high = 0, self.size
        while high - low > 1:
            middle = halves(low, high)
            if index < middle:
                path.append(self.node(middle, high))
                high = middle
            else:
                path.append(self.node(low, middle))
                low = middle
        return path[::-1]


class Audit:
    """One verification of one log, from where the state stands to its last entry."""

    def __init__(
        self,
        source: Source,
        checkpoint: Checkpoint,
        options: argparse.Namespace,
        now_s: int,
    ) -> None:
        self.source, self.checkpoint, self.options = source, checkpoint, options
        self.now_s = now_s
        self.keys: Sequence[Key] = [checkpoint.key]
        """Whose checkpoints of this log are believed: the newest one's, and those before it."""
        self.tally = Tally(options.fail_on)
        self.files: dict[str, bytes] = {"checkpoint": checkpoint.note.raw}
        self.held: list[Checkpoint] = []
        self.split: Contradiction | None = None
        self.forked_at: set[int] = set()
        self.served: dict[int, bytes] = {}
        self.differing: list[tuple[int, int]] = []
        self.kept: dict[int, list[bytes]] = {}
        self.shortfall: str | None = None
        self.cosigned: int | None = None
        self.before: int | None = None
        self.visited: int | None = None
        self.since = 0
        self.begin = 0
        self.tiles = 0
        self.timings: dict[str, float] = {}
        self.tree = Tree(bytearray(), [])
        self.memory: Memory | None = None
        self.replay: Replay | None = None
        self.saving: Callable[[], None] | None = None

    # Before any entry is read.

    def cosignatures(self, policy: Policy) -> None:
        """Count the witnesses; without a quorum nothing can be called verified."""
        note = self.checkpoint.note
        for name, key in policy.witnesses.items():
            if key.kind not in (COSIGNATURE_ED25519, COSIGNATURE_MLDSA44):
                self.tally.add(
                    "unknown-witness-type", None, say("{name} is not counted", name=name)
                )
        for name in unread_lines([*policy.witnesses.values(), *policy.logs], note):
            sentence = say("the line of {name}: install `cryptography` to check it", name=name)
            self.tally.add("mldsa-not-checked", None, sentence)
        for key in policy.logs:
            mine = key.kind == COSIGNATURE_MLDSA44 and key.name == self.checkpoint.key.name
            if mine and not note.blobs(key):
                sentence = say("no line of the log's own ML-DSA-44 key {name}", name=key.name)
                self.tally.add("mldsa-not-checked", None, sentence)
        try:
            self.cosigned = quorum_seen(policy, note)
        except CannotCheck as error:
            self.shortfall = str(error)

    def hold_against(self, other: Checkpoint, name: str) -> bool:
        """Compare with a checkpoint that this log had signed; True where both are one history.

        False where it cannot be told from the tiles, or where a finding says that they are not.
        """
        self.files[name] = other.note.raw
        if other.size > self.checkpoint.size:
            return False
        try:
            found = contradiction(
                self.checkpoint, other, nodes_of_tiles(self.source, self.checkpoint.size)
            )
        except (ValueError, CannotCheck):
            self.held.append(other)  # the tiles lie or are not there: the entries will tell
            return False
        if found is not None:
            self.contradicts(found)
        return found is None

    def contradicts(self, found: Contradiction) -> None:
        """Say that two signed checkpoints contradict one another, and keep the proof."""
        self.split = found
        self.files["split-view.json"] = found.file()
        smaller, larger = found.smaller.size, found.larger.size
        if smaller == larger:
            sentence = say("two different roots are signed for the size {size}", size=smaller)
        else:
            sentence = say(
                "the first {smaller:,} of {larger:,} entries are not those that were signed before",
                smaller=smaller,
                larger=larger,
            )
        self.tally.add("log-forked", None, sentence)

    def shrank(self, old: Checkpoint, tree: Tree) -> None:
        """Say that the log shows less than it had, and whether that is a part of it."""
        new = self.checkpoint
        told = {"old": old.size, "new": new.size}
        sentence = say("the log had {old:,} entries and now shows {new:,}", **told)
        try:
            found = contradiction(old, new, tree.node)
        except ValueError:
            found = None  # the hashes that would show it were not kept
        if found is not None:
            self.contradicts(found)
        self.tally.add("log-shrank", None, sentence)

    def _freshness(self) -> None:
        """Say how old the newest word on this log is."""
        newest, most = self.cosigned, self.options.max_age
        if most is not None and newest is None and self.replay is not None:
            newest = self.replay.time_s
        if newest is not None and self.now_s - newest > (FRESH_S if most is None else most):
            at = clock_text(newest)
            sentence = say("the newest word on this log is of {at}", at=at)
            severity = None if most is None else "finding"
            if most is not None or self.source.is_live:
                self.tally.add("stale-checkpoint", None, sentence, severity=severity)

    # The entries.

    def begin_with(self, memory: Memory, *, resumed: bool) -> None:
        """Take the memory to work with; with ``resumed``, go on where it stands."""
        self.memory = memory
        if resumed:
            self.tree = Tree(memory.nodes(), split_hashes(from_base64(memory.read("tail"))))
            self.tree.first_new = int(memory.read("verified")) // TILE
            self.begin = self.tree.size
            self.tally.restore(memory.read("tally"))
        if self.options.depth != "hashes":
            clocks = Clocks(self.now_s, self.cosigned, self.before, self.visited, self.since)
            own = self.options.clock == "own"
            key = self.checkpoint.key
            self.replay = Replay(key, clocks, memory, self.tally, own_clock=own)
            if resumed:
                self.replay.resume()
                if self.replay.size != self.begin:
                    refuse("its tree and its history are of different sizes")

    def run(self) -> None:
        """Check everything; findings made before something could not be fetched still count."""
        started = time.monotonic()
        try:
            self._entries()
            self.timings["entries_s"] = time.monotonic() - started
            self._roots()
            self._upper_tiles()
        except Unavailable as error:
            kind = "bundle" if "tile/entries/" in str(error) else "tile"
            code = "unavailable-bundle" if kind == "bundle" else "unavailable-tile"
            self.tally.add(code, None, say("{why}", why=str(error)))
            self.shortfall = str(error)
        except CannotCheck as error:
            if not self.tally.findings:
                raise
            self.shortfall = str(error)
        else:
            if self.replay is not None and self.options.depth != "hashes":
                self.replay.finish()
                self.replay.spoken_for(self.checkpoint.note)
            self._freshness()
        self.timings["total_s"] = time.monotonic() - started

    def _entries(self) -> None:
        """Read every bundle that is new, in order."""
        size, begin = self.checkpoint.size, self.tree.size
        if size == 0:
            self.tally.add("no-genesis", None, say("the log is empty"))
        progress = Progress(begin, size, quiet=self.options.json, lang=self.options.lang)
        jobs = self.options.jobs if size - begin >= PARALLEL_FROM else 1
        reader = Here(self.source) if jobs == 1 else Elsewhere(self.source, jobs)
        running: deque[Reading] = deque()
        try:
            for first in range(begin // TILE, -(-size // TILE), BUNDLES_PER_JOB):
                stop = min(first + BUNDLES_PER_JOB, -(-size // TILE))
                known = self.replay.known_keys() if self.replay else {}
                running.append(reader.submit(Task(first, stop, size, self.options.depth, known)))
                if len(running) > 2 * jobs:
                    self._take(running.popleft())
                    progress.at(self.tree.size)
            while running:
                self._take(running.popleft())
                progress.at(self.tree.size)
        except BrokenExecutor:
            raise CannotCheck("a reader process was ended from outside") from None
        finally:
            reader.close()
        progress.at(size)

    def _take(self, reading: Reading) -> None:
        """Take what was read of some bundles: grow the tree, replay what is new."""
        done, times = reading()
        for name, spent in times._asdict().items():
            self.timings[name] = self.timings.get(name, 0.0) + spent
        for read in done:
            before = self.tally.findings.total()
            first = read.number * TILE
            old = max(first, self.begin)
            if read.wrong:
                values = {**read.wrong.values, "number": read.number}
                sentence = Sentence(read.wrong.pattern, values)
                self.tally.add("malformed-bundle", None, sentence)
            leaves = split_hashes(read.leaves)
            if old > first:
                self._same_beginning(first, leaves)
            self._cut(read.number, leaves)
            full = (self.checkpoint.size - first) >= TILE
            self.tree.grow(leaves, read.root, full=full)
            self._tile_0(read)
            if self.replay is not None and read.rows:
                begun = time.thread_time()
                for index, row in enumerate(read.rows[old - first :], old):
                    self.replay.step(index, row)
                spent = time.thread_time() - begun
                self.timings["replay_s"] = self.timings.get("replay_s", 0.0) + spent
            if self.tally.findings.total() > before and len(self.kept) < 40:
                self._keep(read.number, read.bundle)
        if self.saving is not None and not self.differing and self.may_go_on():
            self.saving()

    def may_go_on(self) -> bool:
        """Tell whether a later run may build on what was read: nothing owed, no file false."""
        owed = self.replay is not None and self.replay.due is not None
        return not owed and not any(
            CHECKS[code].proof == "tree" for code in self.tally.findings if code in CHECKS
        )

    def _same_beginning(self, first: int, leaves: list[bytes]) -> None:
        """Hold the bundle that the last run saw in part against what it had seen."""
        known = self.tree.tail
        for at, (one, other) in enumerate(zip(known, leaves, strict=False)):
            if one != other:
                sentence = say("the entry is not the one that stood here before")
                self.tally.add("entry-hash-mismatch", first + at, sentence)
                return

    def _cut(self, number: int, leaves: list[bytes]) -> None:
        """Hold the tree at the size of an older checkpoint against it."""
        for held in self.held:
            if held.size // TILE == number and held.size >= self.tree.full * TILE:
                self.tree.leaves[number] = leaves
                rest = leaves[: held.size % TILE]
                nodes = self.tree.at_level_1() + [tree_root(rest)] * bool(rest)
                if tree_root(nodes) != held.root:
                    self.forked_at.add(held.size)

    def _keep(self, number: int, bundle: Bundle | None) -> list[bytes]:
        if bundle is None:
            try:
                bundle = fetch_bundle(self.source, number, self.checkpoint.size)
            except CannotCheck:
                return []
        entries, _ = split_bundle(bundle.data, bundle.width, longer=True)
        self.kept[number] = entries
        return entries

    def _tile_0(self, read: Read) -> None:
        """Note where the hashes of a bundle's entries are not those that its tile claims."""
        self.tiles += 2
        if read.differs_at is None or read.bundle is None:
            return
        self.differing.append((read.number, read.number * TILE + read.differs_at))
        if len(self.files) < 20:
            self.files[f"tile-0-{read.number}"] = read.bundle.tile
            self.files[f"bundle-{read.number}"] = read.bundle.data
        if len(self.served) < 10_000:
            self.served[read.number] = read.served_root

    def _roots(self) -> None:
        new = self.checkpoint
        root = self.tree.root()
        if root != new.root:
            sentence = say(
                "the entries hash to {root}, not to the signed root", root=to_base64(root)
            )
            self.tally.add("root-mismatch", None, sentence)
        # Where bundle and tile disagree, the signed root says which of them was altered.
        altered = root != new.root and self.tree.root(self.served) == new.root
        for number, index in self.differing:
            if altered:
                sentence = say("the entry is not the one whose hash is under the signed root")
                self.tally.add("entry-hash-mismatch", index, sentence)
            else:
                path = tile_path(0, number)
                sentence = say("{path} does not hold the hashes of its entries", path=path)
                self.tally.add("tile-mismatch", index, sentence)
        for held in self.held:
            if held.size in self.forked_at and root == new.root:
                with suppress(ValueError):
                    found = contradiction(new, held, self.tree.node)
                    if found is not None:
                        self.contradicts(found)

    def _upper_tiles(self) -> None:
        """Fetch every new tile above level 0 and compare it with what the entries hash to."""
        nodes, since, level = self.tree.at_level_1(), self.tree.first_new, 1
        while nodes:
            for number in range(since // TILE, -(-len(nodes) // TILE)):
                right = nodes[number * TILE : (number + 1) * TILE]
                if (number + 1) * TILE <= since:
                    continue
                tile, longer = get_tile(self.source, level, number, len(right))
                self.tiles += 1
                if b"".join(right) != (tile[: 32 * len(right)] if longer else tile):
                    path = tile_path(level, number, len(right))
                    sentence = say("{path} does not hold the hashes of the entries below it",
                                   path=path)  # fmt: skip
                    self.tally.add("tile-mismatch", None, sentence)
                    self.files[path.replace("/", "-")] = tile
            nodes = [
                tree_root(nodes[at : at + TILE]) for at in range(0, len(nodes) - TILE + 1, TILE)
            ]
            since //= TILE
            level += 1

    # Evidence: a receipt for every entry that a finding names, so that nobody need believe us.

    def receipts(self) -> dict[str, bytes]:
        """Return the entries that the findings name, each with a proof that the log signed it."""
        named = {
            index: None
            for finding in self.tally.of("finding")
            if not finding.standing
            for index in (finding.index, *finding.see)
            if index is not None and index < self.checkpoint.size
        }
        files = {}
        size = self.checkpoint.size
        provable = self.tree.size == size and self.tree.root() == self.checkpoint.root
        for index in [*named][:FINDINGS_SHOWN]:
            number, at = divmod(index, TILE)
            entries = self.kept.get(number) or self._keep(number, None)
            if at >= len(entries):
                continue
            files[f"entry-{index}"] = entries[at]
            self.tree.leaves[number] = leaves = [leaf_hash(entry) for entry in entries]
            right = self.tree.node(number * TILE, (number + 1) * TILE) if (
                number < self.tree.full
            ) else tree_root(self.tree.tail)  # fmt: skip
            if provable and tree_root(leaves) == right:
                path = self.tree.path(index)
                lines = ["c2sp.org/tlog-proof@v1", f"index {index}", *map(to_base64, path)]
                text = "\n".join(lines).encode() + b"\n\n" + self.checkpoint.note.raw
                files[f"entry-{index}.tlog-proof"] = text
        return files


# --- state ------------------------------------------------------------------------------------


def read_file(path: str, limit: int) -> bytes:
    """Read a file of bounded size; raises CannotCheck."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise CannotCheck(f"{path}: {error.strerror}") from None
    if len(data) > limit:
        raise CannotCheck(f"{path} is larger than {limit} bytes")
    return data


UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    sqlite3.Error,
    CannotCheck,
    Proven,
    Malformed,
)
"""What a file that this script did not write may end in."""


class State:
    """What is kept between runs: the last verified checkpoint, and all that later entries need.

    It is one SQLite file: the tree's right edge and the roots of its bundles, the registry, the
    charter, the jobs, what is sealed, and what was found. A short run changes it in one
    transaction; a long one works on a copy beside it, ``FILE.part``, which takes its place when all
    is verified, and from which an interrupted run goes on. Earlier versions of this script kept a
    small JSON file, or a file with fewer tables. Both are still read; the first run over one reads
    the whole log again.

    Raises CannotCheck for a file that is none of these.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.part = "" if path is None else path + ".part"
        self.kept: Checkpoint | None = None
        self.depth = ""
        self.older = False
        self.witnessed: int | None = None
        self.visited: int | None = None
        self.tree = Tree(bytearray(), [])
        self.memory: Memory | None = None
        self.in_place = False
        self._saved = 0, time.monotonic()
        if path is None:
            return
        if not Path(path).exists():
            if not Path(path).absolute().parent.is_dir():
                raise CannotCheck(f"{path}: no such folder to keep the state in")
            return
        try:
            self._load(path)
        except (*UNREADABLE, OSError, RecursionError) as error:
            why = "another run is using it" if "locked" in str(error) else proven_text(error)
            raise CannotCheck(f"{path} is not a state that this script wrote ({why})") from None

    def _load(self, path: str) -> None:
        with Path(path).open("rb") as file:
            begins = file.read(16)
        if begins != b"SQLite format 3\x00":
            kept = json.loads(read_file(path, CHECKPOINT_LIMIT))
            self.kept = open_checkpoint(kept["checkpoint"].encode(), [parse_vkey(kept["vkey"])])
            return
        with closing(Memory(path, to_read=True, older=True)) as memory:
            key = parse_vkey(string(memory.read("vkey")))
            self.kept = open_checkpoint(string(memory.read("checkpoint")).encode(), [key])
            self.depth = string(memory.read("depth"))
            self.witnessed, self.visited = memory.read("witnessed"), memory.read("visited")
            self.older = memory.marks()[1] < VERSION
            self.tree = Tree(memory.nodes(), split_hashes(from_base64(memory.read("tail"))))
        times = [self.witnessed, self.visited]
        if self.depth not in DEPTHS or not all(each is None or 0 <= each < 2**34 for each in times):
            refuse("a depth or a time that is none")
        if self.tree.size != self.kept.size or self.tree.root() != self.kept.root:
            refuse("its hashes are not those of its checkpoint")
        if self.older:
            self.depth = ""  # it lacks what is judged since: the whole log is read again

    def begin(self, audit: Audit, *, consistent: bool) -> None:
        """Give the audit a memory: the state's, a copy of it, an interrupted run's, or none yet.

        ``consistent``: the log begins with what the state knows.
        """
        options, size = audit.options, audit.checkpoint.size
        depth = options.depth
        go_on = (
            self.kept is not None
            and consistent
            and self.depth != ""
            and DEPTHS.index(self.depth) >= DEPTHS.index(depth)
        )
        try:
            if self.path is None:
                self.memory = Memory()
                audit.begin_with(self.memory, resumed=False)
                return
            if go_on and self.kept is not None and size - self.kept.size <= IN_PLACE:
                self.in_place = True
                self.memory = Memory(self.path)
                audit.begin_with(self.memory, resumed=True)
                self._saved = audit.begin, time.monotonic()
                return
            self._with_part(audit, go_on=go_on)
        except sqlite3.OperationalError as error:
            why = "another run is using it" if "locked" in str(error) else str(error)
            raise CannotCheck(f"{self.path}: {why}") from None
        except UNREADABLE as error:
            why = proven_text(error)
            raise CannotCheck(
                f"{self.path} is not a state that this script wrote ({why})"
            ) from None

    def _marks(self, audit: Audit, *, go_on: bool) -> list[Any]:
        """Return what an interrupted run must have had in common for another to go on with it."""
        base = to_base64(self.kept.root) if self.kept is not None else ""
        options = audit.options
        return [vkey_text(audit.checkpoint.key), base, options.depth, go_on, options.mirror]

    def _with_part(self, audit: Audit, *, go_on: bool) -> None:
        assert self.path is not None
        marks = self._marks(audit, go_on=go_on)
        if Path(self.part).exists():
            try:
                self.memory = Memory(self.part)
                aim = open_checkpoint(self.memory.read("aim").encode(), [audit.checkpoint.key])
                tail = from_base64(self.memory.read("tail"))
                size = Tree(self.memory.nodes(), split_hashes(tail)).size
                if self.memory.read("marks") == marks and 0 < size <= audit.checkpoint.size:
                    # What the interrupted run was shown has to be of the same log, too.
                    if aim.size <= audit.checkpoint.size:
                        audit.hold_against(aim, "checkpoint-before")
                    audit.begin_with(self.memory, resumed=True)
                    self._saved = size, time.monotonic()
                    audit.saving = lambda: self.pause(audit)
                    return
            except sqlite3.OperationalError:
                raise
            except UNREADABLE:
                audit.tally = Tally(audit.options.fail_on)
                audit.tree, audit.replay, audit.begin = Tree(bytearray(), []), None, 0
            self.drop()
        if go_on:
            shutil.copyfile(self.path, self.part)
        self.memory = Memory(self.part)
        self.memory.write("marks", marks)
        if go_on:
            self.memory.db.execute("DELETE FROM meta WHERE name IN ('aim', 'checkpoint')")
        audit.begin_with(self.memory, resumed=go_on)
        self._saved = audit.begin, time.monotonic()
        audit.saving = lambda: self.pause(audit)

    def pause(self, audit: Audit, *, now: bool = False) -> None:
        """Save how far a long run has come, now and then."""
        size, at = self._saved
        done = audit.tree.size - size
        if now or done >= SAVE_EVERY or (done and time.monotonic() - at > SAVE_EVERY_S):
            self._write(audit)
            assert self.memory is not None
            self.memory.write("aim", audit.checkpoint.note.raw.decode())
            self.memory.save()
            self._saved = audit.tree.size, time.monotonic()

    def _write(self, audit: Audit) -> None:
        memory, tree = self.memory, audit.tree
        assert memory is not None
        memory.keep_nodes(tree.nodes, min(tree.first_new, self._saved[0] // TILE))
        memory.write("tail", to_base64(b"".join(tree.tail)))
        memory.write("tally", audit.tally.kept())
        memory.write("vkey", vkey_text(audit.checkpoint.key))
        memory.write("depth", audit.options.depth)
        memory.write("verified", tree.first_new * TILE)
        if audit.replay is not None:
            audit.replay.keep()

    def settle(self, audit: Audit) -> None:
        """Keep a verified checkpoint, and all that was learnt under it, for the next run."""
        if self.path is None or self.memory is None:
            return
        audit.tally.settled()
        self._write(audit)
        self.memory.write("verified", audit.checkpoint.size)
        self.memory.write("checkpoint", audit.checkpoint.note.raw.decode())
        self.memory.write("witnessed", audit.cosigned)
        self.memory.write("visited", audit.now_s)
        self.memory.db.execute("DELETE FROM meta WHERE name IN ('aim', 'marks')")
        self.memory.save()
        self.memory.close()
        if not self.in_place:
            Path(self.part).replace(self.path)
            folder = os.open(Path(self.path).absolute().parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        self.memory = None

    def interrupt(self, audit: Audit) -> None:
        """Keep what an interrupted run has done, where another can go on with it."""
        if audit.saving is not None and not audit.differing and audit.may_go_on():
            with suppress(sqlite3.Error):
                self.pause(audit, now=True)

    def drop(self) -> None:
        """Forget the copy that a run worked on: what it found may not be built on."""
        if self.memory is not None:
            self.memory.close()
            self.memory = None
        if self.part and not self.in_place:
            for suffix in ("", "-journal"):
                Path(self.part + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file."""
        if self.memory is not None:
            self.memory.close()
            self.memory = None


# --- evidence and reports ---------------------------------------------------------------------

REPORT = "apsci-verify/report/1"


def json_text(value: object, *, indent: int | None = None) -> str:
    """Write JSON as UTF-8; what is no character (half a surrogate pair) stays an escape."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return text.encode("utf-8", "backslashreplace").decode()


def printable(text: str) -> str:
    """Take out what could steer a terminal: the log's authors chose these characters."""
    return "".join(char if char.isprintable() else "?" for char in text)


def write_evidence(folder: str | None, report: dict[str, Any], files: dict[str, bytes]) -> str:
    """Write the report and the bytes that prove it; returns the folder."""
    stamp = clock_text(time.time()).replace("-", "").replace(":", "")
    target = Path(folder or f"evidence-{stamp}")
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (target / name).write_bytes(data)
        report["evidence"] = str(target)
        text = json_text({**report, "files": sorted(files)}, indent=1)
        (target / "report.json").write_text(text + "\n", "utf-8")
    except OSError as error:
        print(f"the evidence could not be written: {target}: {error.strerror}", file=sys.stderr)
    return str(target)


def told(tally: Tally, severity: str, lang: str) -> list[dict[str, Any]]:
    """List the findings, or the notes, as JSON objects."""
    return [
        {
            "code": each.code,
            "group": CHECKS[each.code].group,
            "index": each.index,
            "sentence": each.sentence.put(lang),
            "see": list(each.see),
            "severity": each.severity,
            "standing": each.standing,
        }
        for each in tally.of(severity)
    ]


def base_report(verdict: str, tally: Tally, lang: str) -> dict[str, Any]:
    """Make the part of a report that every verdict on something that was read has."""
    return {
        "format": REPORT,
        "verdict": verdict,
        "findings": told(tally, "finding", lang),
        "finding_counts": dict(tally.findings),
        "warnings": told(tally, "note", lang),
        "warning_counts": dict(tally.notes),
    }


def audit_report(audit: Audit, verdict: str) -> dict[str, Any]:
    """Make the report of an audit; ``schema`` describes it."""
    checkpoint, replay, depth = audit.checkpoint, audit.replay, audit.options.depth
    return {
        **base_report(verdict, audit.tally, audit.options.lang),
        "log": audit.source.name,
        "origin": checkpoint.key.name,
        "vkey": vkey_text(checkpoint.key),
        "size": checkpoint.size,
        "root": to_base64(checkpoint.root),
        "read_from": audit.begin,
        "log_time": clock_text(replay.time_s) if replay else None,
        "cosigned_at": None if audit.cosigned is None else clock_text(audit.cosigned),
        "clock": {
            "not_before": None if audit.before is None else clock_text(audit.before),
            "not_after": None if audit.cosigned is None else clock_text(audit.cosigned),
            "from_entry": audit.since,
        },
        "counts": dict(replay.counts) if replay else {},
        "entries": "NOT CHECKED" if depth == "hashes" else "checked",
        "statement_signatures": "checked" if depth == "all" else "NOT CHECKED",
        "signatures_verified": replay.signatures if replay else 0,
        "openings_verified": replay.openings if replay else 0,
        "still_sealed": audit.memory.still_sealed() if audit.memory else 0,
        "incomplete": audit.shortfall,
        "timings": {name: round(value, 3) for name, value in audit.timings.items()},
        "evidence": None,
    }


Say = Callable[..., str]


def speaker(lang: str) -> Say:
    """Return a function that words a sentence in a language."""
    return lambda pattern, **values: say(pattern, **values).put(lang)


def print_tally(tally: Tally, severity: str, shown: int, lang: str) -> None:
    """Print each code with its count, what it means in one line, and its first entries."""
    word = speaker(lang)("FINDING" if severity == "finding" else "note")
    for code, count in (tally.findings if severity == "finding" else tally.notes).items():
        print(f"{word:11} {code}: {count:,} · {explained(code, lang)[0]}")
        mine = [each for each in tally.of(severity) if each.code == code]
        for each in mine[:shown]:
            where = ""
            if each.index is not None:
                where = speaker(lang)("entry {index}: ", index=each.index)
            print(f"            {where}{printable(each.sentence.put(lang))}")


def print_audit(audit: Audit, report: dict[str, Any]) -> None:
    """Print a verdict on a log for people."""
    lang = audit.options.lang
    word = speaker(lang)
    replay, total_s = audit.replay, audit.timings.get("total_s", 0.0)
    done = audit.tree.size - audit.begin
    key = audit.checkpoint.key
    told_of = {"size": report["size"], "root": report["root"], "key": key.key_id.hex()}
    print(word("log         {name} · {origin}", name=audit.source.name, origin=key.name))
    print(word("checkpoint  {size:,} entries, root {root}, key {key}", **told_of))
    print(
        word(
            "read        {done:,} entries, {tiles:,} files, {s:.2f} s, {rate:,} entries/s",
            done=done,
            tiles=audit.tiles,
            s=total_s,
            rate=round(done / max(total_s, 1e-9)),
        )
    )
    if audit.begin:
        print(word("            the {begin:,} before them were read earlier, as the state says",
                   begin=audit.begin))  # fmt: skip
    if replay:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in replay.counts.most_common(20))
        print(word("entries     {kinds}", kinds=kinds))
        print(
            word(
                "checked     {signatures:,} signatures, {openings:,} openings; {sealed:,} sealed",
                signatures=replay.signatures,
                openings=replay.openings,
                sealed=report["still_sealed"],
            )
        )
    print_clock(audit, word)
    if audit.options.depth == "unsigned":
        print(word("NOT CHECKED the statements' signatures: --skip-signatures was given"))
    if audit.options.depth == "hashes":
        print(word("NOT CHECKED what the entries say: --only-hashes was given"))
    print_tally(audit.tally, "note", 3, lang)
    print_tally(audit.tally, "finding", 10, lang)
    if report["verdict"] == "verified":
        print(verified_sentence(audit, word))
    elif report["verdict"] == "misbehaviour":
        count, evidence = audit.tally.findings.total(), report["evidence"]
        if evidence is None:
            print(word("Nothing new: {count:,} findings stand, as the state says.", count=count))
        else:
            print(word("Misbehaviour is proven ({count:,} findings); evidence: {evidence}",
                       count=count, evidence=evidence))  # fmt: skip


def print_clock(audit: Audit, word: Say) -> None:
    """Say what is known of the log's clock, and what cannot be."""
    if audit.replay is None:
        return
    if audit.cosigned is None:
        print(word("clock       no witnesses: the log's times are its own word"))
        return
    seen = clock_text(audit.cosigned)
    if audit.before is None:
        print(word("clock       witnesses saw all of it by {seen}; a first run cannot tell how much"
                   " earlier it was", seen=seen))  # fmt: skip
    else:
        before = clock_text(audit.before)
        print(word("clock       entries from {since:,} on came between {before} and {seen}, as"
                   " witnesses say", since=audit.since, before=before, seen=seen))  # fmt: skip


def verified_sentence(audit: Audit, word: Say) -> str:
    """Say what is proven and what is not."""
    done = audit.checkpoint.size
    if audit.options.depth == "hashes":
        return word("Verified: all {done:,} entries stand under the signed root; what they say was"
                    " not read.", done=done)  # fmt: skip
    parts = [word("Verified: all {done:,} entries stand under the signed root,", done=done)]
    if audit.options.depth == "all":
        parts.append(word(" every signature,"))
    if missed := audit.tally.notes["late-disclosure"]:
        parts.append(
            word(" every job's history and every opening holds, but {missed:,} came after the"
                 " deadline;", missed=missed))  # fmt: skip
    else:
        parts.append(word(" every job's history, every opening and every deadline holds;"))
    parts.append(word(" this does not prove that what was signed is true"))
    if not audit.cosigned:
        parts.append(word(" or that others are shown this same log"))
    return "".join(parts) + word(".")


def refused(error: Proven, options: argparse.Namespace, files: dict[str, bytes]) -> Outcome:
    """Report what is wrong before any entry was read."""
    tally = Tally(options.fail_on)
    tally.add(error.code, None, error.sentence)
    report = base_report("misbehaviour", tally, options.lang)
    report["evidence"] = write_evidence(options.evidence, report, files)
    if options.json:
        print(json_text(report))
    else:
        print_tally(tally, "finding", 10, options.lang)
        print(speaker(options.lang)("Refused; evidence: {evidence}", evidence=report["evidence"]))
    return Outcome(1, report)


class Outcome(NamedTuple):
    """What a run came to: its exit status and its report."""

    status: int
    report: dict[str, Any]


def report_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of what ``--json`` prints."""
    text, count = {"type": "string"}, {"type": "integer", "minimum": 0}
    moment = {"type": ["string", "null"], "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z$"}
    vkey = {"type": "string", "pattern": r"^[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$"}
    root = {"type": "string", "pattern": "^[A-Za-z0-9+/]{43}=$"}
    checked = {"enum": ["checked", "NOT CHECKED"]}
    counts = {"propertyNames": {"enum": [*CHECKS]}, "additionalProperties": count, "type": "object"}

    def listed_as(severity: str) -> dict[str, Any]:
        return {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "code": {"enum": [*CHECKS]},
                    "group": {"enum": [*GROUPS]},
                    "index": {"type": ["integer", "null"], "minimum": 0},
                    "sentence": text,
                    "see": {"type": "array", "items": count},
                    "severity": {"const": severity},
                    "standing": {"type": "boolean"},
                },
                "required": ["code", "group", "index", "sentence", "see", "severity", "standing"],
                "additionalProperties": False,
            },
        }

    def shape(of: str, properties: dict[str, Any], optional: Iterable[str] = ()) -> dict[str, Any]:
        return {
            "title": of,
            "type": "object",
            "properties": properties,
            "required": [name for name in properties if name not in optional],
            "additionalProperties": False,
        }

    base = {
        "format": {"const": REPORT},
        "verdict": {"enum": ["verified", "misbehaviour", "could-not-check"]},
        "findings": listed_as("finding"),
        "finding_counts": counts,
        "warnings": listed_as("note"),
        "warning_counts": counts,
    }
    log = {
        "log": text,
        "origin": text,
        "vkey": vkey,
        "size": count,
        "root": root,
        "read_from": count,
        "log_time": moment,
        "cosigned_at": moment,
        "clock": shape(
            "between which times the entries from one on came, as witnesses say",
            {"not_before": moment, "not_after": moment, "from_entry": count},
        ),
        "counts": {"type": "object", "additionalProperties": count},
        "entries": checked,
        "statement_signatures": checked,
        "signatures_verified": count,
        "openings_verified": count,
        "still_sealed": count,
        "incomplete": {"type": ["string", "null"]},
        "timings": {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}},
        "evidence": {"type": ["string", "null"]},
    }
    receipt = {"index": count, "size": count, "origin": text, "root": root, "says": text}
    split = {
        "vkey": vkey,
        "smaller": shape("a checkpoint", {"size": count, "root": root}),
        "larger": shape("a checkpoint", {"size": count, "root": root}),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What verify.py prints with --json",
        "anyOf": [
            shape("an audit of a log", {**base, **log}),
            shape("refused before any entry was read", {**base, "evidence": text}),
            shape("a receipt that holds", {**base, **receipt}),
            shape(
                "evidence that holds",
                {"format": {"const": REPORT}, "verdict": {"const": "evidence-holds"}, **split},
            ),
            shape(
                "nothing could be checked",
                {"format": {"const": REPORT}, "verdict": {"const": "could-not-check"},
                 "error": text},
            ),
        ],
    }  # fmt: skip


def explained(code: str, lang: str) -> tuple[str, str]:
    """Return a code's meaning in one line, and its paragraph."""
    return EXPLANATIONS[lang][code]


def explain(code: str | None, lang: str) -> int:
    """Print what a check means, or all checks in one line each."""
    word = speaker(lang)
    if code is not None:
        check, (line, paragraph) = CHECKS[code], explained(code, lang)
        grave = word("exit 1") if check.severity == "finding" else word("note, exit 0")
        print(f"{code} ({check.group}; {grave})\n{line}\n\n{paragraph}")
        return 0
    for group in GROUPS:
        print(f"\n{group}" if group != GROUPS[0] else group)
        for check in CHECKS.values():
            if check.group == group:
                mark = " " if check.severity == "finding" else "·"
                print(f"  {mark} {check.code:28} {explained(check.code, lang)[0]}")
    print("\n" + word("A dot marks what is only noted: it does not fail a run."))
    return 0


# --- telling and watching ---------------------------------------------------------------------

NOTICE_S = 30.0
"""How long a hook, a webhook or the mail may take."""


def notice(report: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Return the report with a few findings of each code: what is sent, not what is kept."""
    findings = report.get("findings", [])
    seen: Counter[str] = Counter()
    few = []
    for each in findings:
        seen[each["code"]] += 1
        if seen[each["code"]] <= 5:
            few.append(each)
    return {**report, "findings": few, "warnings": [], "log": options.url or options.offline}


def tell(outcome: Outcome, options: argparse.Namespace) -> None:
    """Tell those who asked for it. A failure is printed: the verdict stands without it."""
    if not (options.on_finding or options.webhook or options.mail):
        return
    report = notice(outcome.report, options)
    body = json_text(report, indent=1).encode() + b"\n"
    ways: tuple[tuple[str | None, Callable[[bytes], None]], ...] = (
        (options.on_finding, lambda body: run_hook(options.on_finding, outcome, body)),
        (options.webhook, lambda body: post(options.webhook, body)),
        (options.mail, lambda body: send_mail(options.mail, report, body)),
    )
    for asked, way in ways:
        if asked is None:
            continue
        try:
            way(body)
        except (OSError, ValueError, http.client.HTTPException, subprocess.SubprocessError,
                smtplib.SMTPException, CannotCheck) as error:  # fmt: skip
            reason = printable(str(error)[:200]) or type(error).__name__
            print(f"verify.py: could not tell {printable(asked[:100])}: {reason}", file=sys.stderr)


def run_hook(command: str, outcome: Outcome, body: bytes) -> None:
    """Run a command, without a shell, with the report on its standard input."""
    verdict = str(outcome.report.get("verdict"))
    told_by = {"VERIFY_VERDICT": verdict, "VERIFY_STATUS": str(outcome.status)}
    done = subprocess.run(
        shlex.split(command),
        input=body,
        env={**os.environ, **told_by},
        stdout=sys.stderr.fileno() if has_fileno(sys.stderr) else subprocess.DEVNULL,
        timeout=NOTICE_S,
        check=False,
    )
    if done.returncode:
        raise ValueError(f"it ended with {done.returncode}")


def has_fileno(stream: Any) -> bool:  # noqa: ANN401 - whatever stands in for a stream
    """Tell whether a stream is a real file."""
    try:
        return bool(stream.fileno() >= 0)
    except (OSError, AttributeError, ValueError):
        return False


def post(url: str, body: bytes) -> None:
    """Send the report to an address by HTTP POST."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=NOTICE_S)
    with closing(connection):
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Content-Type": "application/json", "User-Agent": "apsci-verify/1"}
        connection.request("POST", path, body, headers)
        status = connection.getresponse().status
        if not 200 <= status < 300:
            raise ValueError(f"HTTP {status}")


def send_mail(address: str, report: dict[str, Any], body: bytes) -> None:
    """Send the report by mail: with ``sendmail`` where there is one, else through localhost."""
    message = EmailMessage()
    codes = ", ".join(report.get("finding_counts", {})) or report.get("error", "")
    subject = f"verify.py: {report.get('verdict')}: {codes}"
    message["Subject"] = printable(subject[:150])
    message["From"] = message["To"] = address
    message.set_content(body.decode())
    sendmail = shutil.which("sendmail", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/lib")
    if sendmail is not None:
        command = [sendmail, "-i", "-t"]
        subprocess.run(command, input=bytes(message), timeout=NOTICE_S, check=True)
        return
    with smtplib.SMTP("localhost", timeout=NOTICE_S) as server:
        server.send_message(message)


class Heard:
    """What was told before, so that a daemon does not tell it every minute."""

    def __init__(self) -> None:
        self.findings: set[tuple[str, int | None]] = set()
        self.verdict = "verified"

    def is_new(self, outcome: Outcome) -> bool:
        """Tell whether an outcome holds something that was not told yet, and remember it."""
        verdict = outcome.report["verdict"]
        found = {(each["code"], each["index"]) for each in outcome.report.get("findings", [])
                 if not each["standing"]}  # fmt: skip
        new = bool(found - self.findings) or (
            verdict != self.verdict and verdict == "could-not-check"
        )
        if len(self.findings) < 100_000:
            self.findings |= found
        self.verdict = verdict
        return new


def watch(check: Callable[[], Outcome], options: argparse.Namespace) -> int:
    """Check every so many seconds until told to stop; the exit status is that of the last run.

    A finding is told once. That nothing could be checked is told when it begins, not in every
    round: a server that is down for a night makes one message.
    """
    heard, status = Heard(), 2
    try:
        while True:
            outcome = check()
            status = outcome.status
            if heard.is_new(outcome):
                tell(outcome, options)
            sys.stdout.flush()
            time.sleep(options.watch)
    except KeyboardInterrupt:
        return status


# --- the command line -------------------------------------------------------------------------


class Arguments(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Leave by the one exit for what cannot be checked."""
        raise CannotCheck(f"{message} (see --help)")


def number_to(most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from 1 to ``most``."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[1-9][0-9]{0,8}", text, re.ASCII) or int(text) > most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {most}")
        return int(text)

    return read


def known_code(text: str) -> str:
    """Read a code."""
    if text not in CHECKS:
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is no code: `verify.py explain` lists all")
    return text


def web_address(text: str) -> str:
    """Read an address for a webhook."""
    try:
        parts = urlsplit(text)
        fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fine = False
    if not fine or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise argparse.ArgumentTypeError(f"{text[:200]!r} is not an address")
    return text


def mail_address(text: str) -> str:
    """Read an address for mail; nothing that could begin another header."""
    if not re.fullmatch(r"[^\s@,<>\"\x00-\x1f\x7f]+@[^\s@,<>\"\x00-\x1f\x7f]+", text):
        raise argparse.ArgumentTypeError(f"{text[:200]!r} is not a mail address")
    return text


def own_language() -> str:
    """Return the language that the environment asks for."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "zh-Hans" if value.lower().startswith("zh") else "en"
    return "en"


DEFAULTS: dict[str, Any] = {
    "command": "log", "url": None, "offline": None, "receipt": None, "file": None, "code": None,
    "vkey": None, "policy": None, "state": None, "json": False, "evidence": None, "fail_on": [],
    "watch": None, "on_finding": None, "webhook": None, "mail": None,
}  # fmt: skip
SUMMARIES = {
    "proof": "Check one receipt, offline.",
    "evidence": "Check two signed checkpoints that contradict one another, offline. Exit 0: the"
    " evidence holds. Exit 2: the file proves nothing.",
    "explain": "Say what a check means, what proves it, what it may be, and what to do.",
    "schema": "Print the JSON Schema (2020-12) of what --json prints.",
}


def arguments(argv: list[str]) -> argparse.Namespace:
    """Read the command line; raises CannotCheck."""
    command = argv[0] if argv and argv[0] in SUMMARIES else "log"
    summary = SUMMARIES.get(command, (__doc__ or "").split("\n\n", 1)[0])
    parser = Arguments(
        prog="verify.py" if command == "log" else f"verify.py {command}",
        description=summary,
        epilog="exit status: 0 verified, 1 misbehaviour proven, 2 could not be checked",
        allow_abbrev=False,
    )
    parser.add_argument("--lang", choices=LANGUAGES, default=own_language(), help="of the words")
    if command == "explain":
        parser.add_argument("code", metavar="CODE", nargs="?", type=known_code, help="none: all")
    elif command != "schema":
        _add_trust(parser, command)
    if command == "proof":
        parser.add_argument("receipt", metavar="FILE", help="a .tlog-proof")
        parser.add_argument("--entry", metavar="FILE", help="the entry's bytes, if not inside")
    elif command == "evidence":
        parser.add_argument("file", metavar="FILE", help="split-view.json of an evidence folder")
    elif command == "log":
        _add_audit(parser)
    defaults = argparse.Namespace(**{**DEFAULTS, "command": command, "fail_on": []})
    options = parser.parse_args(argv if command == "log" else argv[1:], defaults)
    if command == "log":
        _settle_audit(options)
    return options


def _add_trust(parser: argparse.ArgumentParser, command: str) -> None:
    key = parser.add_mutually_exclusive_group()
    key.add_argument("--vkey", help="the log's verifier key, name+id+base64")
    if command != "evidence":
        key.add_argument(
            "--policy", metavar="FILE", help="C2SP tlog-policy: logs, witnesses, quorum"
        )
        parser.add_argument("--state", metavar="FILE", help="what was verified last")
        parser.add_argument("--evidence", metavar="DIR", help="where proof of misbehaviour goes")
    parser.add_argument("--json", action="store_true", help="print one JSON object (see schema)")


def _add_audit(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("url", metavar="URL", nargs="?", help="the site's or the log's address")
    add("--offline", metavar="DIR", help="read a static copy instead of the URL")
    add("--mirror", metavar="DIR", help="keep what was read; passes --offline afterwards")
    add("--against", metavar="FILE|URL", action="append", default=[],
        help="a checkpoint shown elsewhere: a file, a state, another address")  # fmt: skip
    add("--clock", choices=("log", "own"), default="log", help="judges what is due")
    add("--max-age", type=number_to(10**9), metavar="SECONDS", help="an older checkpoint fails")
    add("--fail-on", type=known_code, action="append", metavar="CODE", help="a note that fails")
    add("--jobs", type=number_to(99), default=os.cpu_count() or 1, metavar="N", help="processes")
    add("--retries", type=int, default=4, metavar="N", help="per request")
    add("--timeout", type=float, default=30.0, metavar="SECONDS", help="per read")
    add("--skip-signatures", action="store_true", help="leave statements unchecked")
    add("--only-hashes", action="store_true", help="bytes, tiles and roots; no entry is read")
    add("--watch", type=number_to(10**7), metavar="SECONDS", help="again and again, for ever")
    add("--on-finding", metavar="COMMAND", help="run it, with the report on standard input")
    add("--webhook", type=web_address, metavar="URL", help="post the report there on a finding")
    add("--mail", type=mail_address, metavar="ADDRESS", help="mail the report there on a finding")


def _settle_audit(options: argparse.Namespace) -> None:
    if (options.url is None) == (options.offline is None):
        raise CannotCheck("give either an address or --offline DIR (see --help)")
    if options.mirror is not None and options.offline is not None:
        raise CannotCheck("--mirror keeps what an address serves, not what --offline reads")
    options.depth = "unsigned" if options.skip_signatures else "all"
    if options.only_hashes:
        options.depth = "hashes"
    if options.on_finding is not None:
        try:
            words = shlex.split(options.on_finding)
        except ValueError as error:
            raise CannotCheck(f"--on-finding: {error}") from None
        if not words:
            raise CannotCheck("--on-finding is empty")


def trusted_keys(options: argparse.Namespace) -> tuple[list[Key], Policy | None]:
    """Return the log keys that --vkey or --policy trusts; none where neither is given."""
    if options.policy:
        policy = parse_policy(read_file(options.policy, CHECKPOINT_LIMIT))
        if not any(key.kind == ED25519 for key in policy.logs):
            raise CannotCheck(f"{options.policy} names no log with an Ed25519 key")
        return list(policy.logs), policy
    if options.vkey is None:
        return [], None
    return [log_key(options.vkey, "--vkey")], None


def log_key(text: str, where: str) -> Key:
    """Read a log's vkey; raises CannotCheck."""
    try:
        key = parse_vkey(text)
    except (ValueError, IndexError):
        raise CannotCheck(f"{where} is not a verifier key: {text[:100]!r}") from None
    if key.kind != ED25519:
        raise CannotCheck(f"{where} is not an Ed25519 log key (type 0x01)")
    return key


def fetch_key(source: Source) -> Key:
    """Take the key that the log names itself."""
    try:
        text = source.get("vkey", 4096).decode().removesuffix("\n")
    except ValueError:
        raise CannotCheck(f"{source.name}: vkey is not text") from None
    return log_key(text, f"{source.name} vkey")


def open_source(options: argparse.Namespace) -> Source:
    """Return where the log is read from."""
    if options.offline is not None:
        return Mirror(options.offline)
    server = Server(options.url, retries=options.retries, timeout_s=options.timeout)
    if options.mirror is None:
        return server
    try:
        Path(options.mirror).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotCheck(f"{options.mirror}: {error.strerror}") from None
    return Keeping(server, options.mirror)


def check_log(options: argparse.Namespace) -> Outcome:
    """Verify a log from its address or from a static copy; print and write what came out."""
    state = State(options.state)
    with closing(state), closing(open_source(options)) as source:
        return check_source(source, state, options)


def heirs(source: Source, trusted: Sequence[Key]) -> list[Key]:
    """Return the keys that followed the trusted ones, newest first, and those themselves.

    What the source says of that counts as far as each key has signed the next one itself.
    """
    try:
        lines = source.get("keys", KEYS_LIMIT).splitlines()
    except CannotCheck:
        return list(trusted)
    found: list[Key] = []
    for start in trusted:
        chain = [start]
        for line in lines:
            try:
                value = parse_json(line)[0]
                if not isinstance(value, dict):
                    break
                named = read_log_key(value["entry"])
                if named.replaces == chain[-1].key_id.hex():
                    chain.append(follow(chain[-1], named))
            except (ValueError, KeyError, TypeError, Malformed, RecursionError):
                break
        found += reversed(chain)
    return list(dict.fromkeys(found))


def with_heirs(source: Source, raw: bytes, trusted: Sequence[Key]) -> Sequence[Key]:
    """Return the trusted keys, and where none of them has signed, those that followed them."""
    note = parse_note(raw)
    return trusted if any(map(note.blobs, trusted)) else heirs(source, trusted)


def require_same_log(
    source: Source, keys: Sequence[Key], kept: Key, options: argparse.Namespace
) -> None:
    """Require that the state's key is one of those given, or that one of the two followed."""
    if kept in keys or kept in heirs(source, keys) or keys[0] in heirs(source, [kept]):
        return
    raise CannotCheck(f"{options.state} was kept for another key, {vkey_text(kept)}")


def check_source(source: Source, state: State, options: argparse.Namespace) -> Outcome:
    """Settle the key, hold the checkpoint against it and against the kept one, then audit."""
    keys, policy = trusted_keys(options)
    old = state.kept
    raw = find_checkpoint(source)
    if old is not None and keys:
        require_same_log(source, keys, old.key, options)
    first_use = not keys and old is None
    try:
        trusted = keys or ([old.key] if old else [fetch_key(source)])
        trusted = [*with_heirs(source, raw, trusted)]
        audit = Audit(source, open_checkpoint(raw, trusted), options, int(time.time()))
        audit.keys = trusted
        if policy:
            audit.cosignatures(policy)
    except Proven as error:
        files = {"checkpoint": raw} | ({"checkpoint-kept": old.note.raw} if old else {})
        return refused(error, options, files)
    if first_use:
        if options.state:
            sentence = say("the log itself named its key; kept in the state")
        else:
            sentence = say("the log itself named its key; kept nowhere: give --vkey or --state")
        audit.tally.add("trust-on-first-use", None, sentence)
    consistent = old is not None and compare_with_kept(audit, state, old)
    for number, name in enumerate(options.against):
        compare_elsewhere(audit, name, f"checkpoint-elsewhere-{number}", options)
    try:
        if not audit.tally.findings:
            begin_and_run(audit, state, consistent=consistent)
        return conclude(audit, state)
    except sqlite3.Error as error:
        raise CannotCheck(f"{options.state or 'the temporary file'}: {error}") from None


def begin_and_run(audit: Audit, state: State, *, consistent: bool) -> None:
    """Read what is new; what an interrupted run has done is kept for the next."""
    try:
        state.begin(audit, consistent=consistent)
        audit.run()
    except sqlite3.Error:
        raise
    except BaseException:
        state.interrupt(audit)
        raise


def compare_with_kept(audit: Audit, state: State, old: Checkpoint) -> bool:
    """Tell whether the audit may begin where the state ends; findings say where it may not."""
    audit.before, audit.visited, audit.since = state.witnessed, state.visited, old.size
    consistent = audit.hold_against(old, "checkpoint-kept")
    if old.size > audit.checkpoint.size:
        audit.shrank(old, state.tree)
    # A copy needs everything, so everything is read.
    mirror = audit.options.mirror
    return consistent and (mirror is None or kept_size(mirror) >= old.size)


def compare_elsewhere(audit: Audit, name: str, file: str, options: argparse.Namespace) -> None:
    """Hold the log against a checkpoint of it that was got elsewhere; raises CannotCheck."""
    mine = audit.checkpoint
    try:
        if re.match(r"https?://", name):
            source = Server(name, retries=options.retries, timeout_s=options.timeout)
            with closing(source):
                other = open_checkpoint(find_checkpoint(source), audit.keys)
                if other.size > mine.size:
                    audit.files[file] = other.note.raw
                    found = contradiction(mine, other, nodes_of_tiles(source, other.size))
                    if found is not None:
                        audit.contradicts(found)
                    return
        else:
            other = elsewhere(name, audit.keys)
    except Proven as error:
        raise CannotCheck(f"{name}: {proven_text(error)}") from None
    except ValueError as error:
        raise CannotCheck(f"{name}: {error}") from None
    if other.size > mine.size:
        audit.files[file] = other.note.raw
        audit.shortfall = f"{name} has {other.size} entries, the log shows {mine.size} here"
        return
    audit.hold_against(other, file)


def elsewhere(name: str, keys: Sequence[Key]) -> Checkpoint:
    """Read a checkpoint from a file: a note, a receipt, or somebody's state."""
    raw = read_file(name, RECEIPT_LIMIT) if Path(name).is_file() else b""
    if raw.startswith((b"SQLite format 3\x00", b"{")) or not raw:
        state = State(name)
        if state.kept is None:
            raise CannotCheck(f"{name}: no such file")
        return open_checkpoint(state.kept.note.raw, keys)
    if raw.startswith(b"c2sp.org/tlog-proof@v1\n"):
        raw = parse_receipt(raw).checkpoint
    return open_checkpoint(raw, keys)


def conclude(audit: Audit, state: State) -> Outcome:
    """Settle the verdict, write evidence or state, print, return the exit status."""
    options, tally = audit.options, audit.tally
    verdict = "misbehaviour" if tally.findings else "verified"
    if verdict == "verified" and audit.shortfall:
        verdict = "could-not-check"
    report = audit_report(audit, verdict)
    if any(not each.standing for each in tally.of("finding")):
        files = audit.files | audit.receipts()
        report["evidence"] = write_evidence(options.evidence, report, files)
    if audit.memory is not None and audit.shortfall is None and audit.may_go_on():
        try:
            state.settle(audit)
        except (sqlite3.Error, OSError) as error:
            # What was found stands; it is only that the next run has to find it again.
            state.drop()
            audit.shortfall = f"{options.state or 'the temporary file'}: {error}"
            verdict = "misbehaviour" if tally.findings else "could-not-check"
            report |= {"verdict": verdict, "incomplete": audit.shortfall}
        if isinstance(audit.source, Keeping) and verdict != "could-not-check":
            audit.source.settle(audit.checkpoint)
    else:
        state.drop()
    if options.json:
        print(json_text(report))
    else:
        print_audit(audit, report)
    if audit.shortfall:
        reason = printable(audit.shortfall)
        print(f"verify.py: could not check everything: {reason}", file=sys.stderr)
    return Outcome({"verified": 0, "misbehaviour": 1, "could-not-check": 2}[verdict], report)


class Receipt(NamedTuple):
    """A ``c2sp.org/tlog-proof@v1`` file, parsed and not yet believed."""

    extra: dict[str, Any]
    position: int
    path: list[bytes]
    checkpoint: bytes


def parse_receipt(raw: bytes) -> Receipt:
    """Parse a receipt; raises CannotCheck."""
    head, blank, checkpoint = raw.partition(b"\n\n")
    try:
        first, *lines = head.decode().split("\n")
        if first != "c2sp.org/tlog-proof@v1" or not blank:
            refuse("no c2sp.org/tlog-proof@v1 on the first line")
        extra: object = {}
        if lines[0].startswith("extra "):
            extra = DECODER.decode(from_base64(lines.pop(0).removeprefix("extra ")).decode())
        index = re.fullmatch(r"index (0|[1-9][0-9]{0,17})", lines.pop(0), re.ASCII)
        if index is None or len(lines) > 63 or not isinstance(extra, dict):
            refuse("no index, or too many hashes, or an extra that is no object")
        return Receipt(extra, int(index[1]), [from_base64(line, 32) for line in lines], checkpoint)
    except (ValueError, IndexError, RecursionError) as error:
        raise CannotCheck(f"not a receipt ({error})") from None


def check_receipt(options: argparse.Namespace) -> Outcome:
    """Check one receipt; print, write evidence, return what came out."""
    keys, policy = trusted_keys(options)
    old = State(options.state).kept
    keys = keys or ([old.key] if old else [])
    if not keys:
        raise CannotCheck("a receipt needs the log's key: give --vkey, --policy or --state")
    raw = read_file(options.receipt, RECEIPT_LIMIT)
    receipt = parse_receipt(raw)
    if options.entry:
        entry = read_file(options.entry, 65_535)
    elif "entry" in receipt.extra:
        entry = canonical(receipt.extra["entry"])
    else:
        raise CannotCheck("this receipt holds no entry: give it with --entry FILE")
    files = {"receipt.tlog-proof": raw, "entry": entry}
    try:
        checkpoint = open_checkpoint(receipt.checkpoint, keys)
        if old and old.size == checkpoint.size and old.root != checkpoint.root:
            files["checkpoint-kept"] = old.note.raw
            files["split-view.json"] = Contradiction(old.key, old, checkpoint, [], []).file()
            sentence = say("two different roots are signed for the size {size}", size=old.size)
            raise Proven("log-forked", sentence)  # noqa: TRY301 - as every other refusal
        seen = quorum_seen(policy, checkpoint.note) if policy else None
        said = receipt_facts(receipt, checkpoint, entry, seen)
    except Proven as error:
        return refused(error, options, files)
    word = speaker(options.lang)
    about = {
        "index": receipt.position,
        "size": checkpoint.size,
        "origin": checkpoint.key.name,
        "root": to_base64(checkpoint.root),
        "says": said.put(options.lang),
    }
    report = {**base_report("verified", Tally(), options.lang), **about}
    if options.json:
        print(json_text(report))
    else:
        print(word("entry {index} of {size:,} in {origin}: {says}", **about))
        if seen:
            print(word("A quorum of witnesses saw it by {at}.", at=clock_text(seen)))
        print(
            word("Verified: this entry stands under a root that the log signed; this does not prove"
                 " who signed the statement in it (the registry is in the log: verify.py URL).")
        )  # fmt: skip
    return Outcome(0, report)


def receipt_facts(
    receipt: Receipt, checkpoint: Checkpoint, entry: bytes, seen: int | None
) -> Sentence:
    """Check the path and the opening; say what the entry is. Raises Proven."""
    leaf = leaf_hash(entry)
    if receipt.position >= checkpoint.size or checkpoint.root != inclusion_root(
        leaf, receipt.position, checkpoint.size, receipt.path
    ):
        sentence = say("the path does not lead from this entry to the signed root")
        raise Proven("proof-mismatch", sentence)
    row = read_entry(entry, None)
    if row.problems:
        raise Proven(*row.problems[0])
    logged_at = row.logged_at or 0
    told_of = {"kind": row.kind, "at": clock_text(logged_at)}
    if seen is not None and logged_at > seen + GRACE_S:
        sentence = say("logged at {at}, but witnesses had seen it at {seen}", at=told_of["at"],
                       seen=clock_text(seen))  # fmt: skip
        raise Proven("post-dated", sentence)
    if "submission" in receipt.extra:
        target = answered(receipt, checkpoint, row)
        return say("{kind}, logged at {at}, in answer to entry {target}", **told_of, target=target)
    if "opening" not in receipt.extra:
        return say("{kind}, logged at {at}", **told_of)
    said = row.body
    try:
        root, _, closed = opening_root(receipt.extra["opening"])
    except (Malformed, ValueError, TypeError, LookupError) as error:
        sentence = say("the opening is malformed: {why}", why=str(error))
        raise Proven("opening-mismatch", sentence) from None
    if not isinstance(said, Said) or root != said.root:
        sentence = say("the opening does not hash to the entry's commitment")
        raise Proven("opening-mismatch", sentence)
    if closed:
        return say(
            "{kind}, logged at {at}, opened but for {paths}", **told_of, paths=listed(closed)
        )
    return say("{kind}, logged at {at}, opened", **told_of)


def answered(receipt: Receipt, checkpoint: Checkpoint, row: Row) -> int:
    """Check the submission that an admission's receipt carries; its index. Raises Proven."""
    try:
        told = exact(receipt.extra["submission"], frozenset({"entry", "index", "proof"}))
        index, entry = integer(told["index"]), canonical(told["entry"])
        path = [from_base64(string(node), 32) for node in listed_in(told["proof"])[:64]]
        submission = read_entry(entry, None).body
    except (Malformed, ValueError, TypeError, RecursionError) as error:
        sentence = say("not in the form of its kind: {why}", why=str(error))
        raise Proven("malformed-entry", sentence) from None
    root = None
    if index < checkpoint.size:
        root = inclusion_root(leaf_hash(entry), index, checkpoint.size, path)
    if root != checkpoint.root:
        sentence = say("the path does not lead from this entry to the signed root")
        raise Proven("proof-mismatch", sentence)
    asked = (index, submission.job_id) if isinstance(submission, Said) else None
    if not isinstance(row.body, Decided) or (row.body.refers_to, row.body.job_id) != asked:
        sentence = say("it refers to entry {target}", target=index)
        raise Proven("decision-without-submission", sentence)
    return index


def check_evidence(options: argparse.Namespace) -> Outcome:
    """Check the evidence of a split view; CannotCheck where it proves nothing."""
    trusted = log_key(options.vkey, "--vkey") if options.vkey is not None else None
    found = read_contradiction(read_file(options.file, EVIDENCE_LIMIT), trusted)
    sides = {
        name: {"size": each.size, "root": to_base64(each.root)}
        for name, each in (("smaller", found.smaller), ("larger", found.larger))
    }
    report = {"format": REPORT, "verdict": "evidence-holds", "vkey": vkey_text(found.key), **sides}
    word = speaker(options.lang)
    if options.json:
        print(json_text(report))
        return Outcome(0, report)
    print(word("key         {vkey}", vkey=vkey_text(found.key)))
    for side in sides.values():
        print(word("signed      {size:,} entries, root {root}", **side))
    print(
        word("The evidence holds: whoever has this key has signed two histories that cannot both be"
             " true.")
    )  # fmt: skip
    if trusted is None:
        print(
            word("Compare the key with the one that you know the log by: it stands in this file.")
        )
    return Outcome(0, report)


def run_command(options: argparse.Namespace) -> Outcome:
    """Do what the command line asks for."""
    if options.command == "explain":
        return Outcome(explain(options.code, options.lang), {})
    if options.command == "schema":
        print(json_text(report_schema(), indent=1))
        return Outcome(0, {})
    if options.command == "evidence":
        return check_evidence(options)
    if options.command == "proof":
        return check_receipt(options)
    if options.watch is not None:
        with stopped_by_signals():
            return Outcome(watch(lambda: guarded(check_log, options), options), {})
    outcome = check_log(options)
    if any(not each["standing"] for each in outcome.report["findings"]):
        tell(outcome, options)
    return outcome


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let a daemon that is asked to end by SIGTERM end as by Ctrl-C: what was done is kept."""

    def stop(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def guarded(run: Callable[[argparse.Namespace], Outcome], options: argparse.Namespace) -> Outcome:
    """Run something; whatever cannot be checked becomes an outcome, and one printed line."""
    try:
        return run(options)
    except CannotCheck as error:
        reason = str(error)
    except KeyboardInterrupt:
        if options.watch is not None:
            raise
        reason = "interrupted"
    except OSError as error:
        reason = f"{error.filename or 'the system'}: {error.strerror}"
    except Exception as error:  # noqa: BLE001 - no bytes of a log may end this in a traceback
        frame = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"an error in this script, line {frame.lineno}: {type(error).__name__}: {error}"
    return could_not_check(reason, as_json=options.json)


def could_not_check(reason: str, *, as_json: bool) -> Outcome:
    """Print the one line that says why."""
    report = {"format": REPORT, "verdict": "could-not-check", "error": reason}
    if as_json:
        print(json_text(report))
    print(f"verify.py: could not check: {printable(reason)}", file=sys.stderr)
    return Outcome(2, report)


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status; no exception leaves."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        options = arguments(argv)
    except CannotCheck as error:
        return could_not_check(str(error), as_json="--json" in argv).status
    return guarded(run_command, options).status


# --- the words --------------------------------------------------------------------------------

CHINESE = {
    # Verdicts and reports.
    "log         {name} · {origin}": "日志        {name} · {origin}",
    "checkpoint  {size:,} entries, root {root}, key {key}": (
        "检查点      {size:,}个条目，根哈希{root}，密钥{key}"
    ),
    "read        {done:,} entries, {tiles:,} files, {s:.2f} s, {rate:,} entries/s": (
        "已读        {done:,}个条目，{tiles:,}个文件，{s:.2f}秒，每秒{rate:,}个条目"
    ),
    "            the {begin:,} before them were read earlier, as the state says": (
        "            之前的{begin:,}个条目早先已读，见状态文件"
    ),
    "entries     {kinds}": "条目        {kinds}",
    "checked     {signatures:,} signatures, {openings:,} openings; {sealed:,} sealed": (
        "已核验      {signatures:,}个签名，{openings:,}次解封；{sealed:,}项仍封存"
    ),
    "NOT CHECKED the statements' signatures: --skip-signatures was given": (
        "未核验      声明的签名：用了--skip-signatures"
    ),
    "NOT CHECKED what the entries say: --only-hashes was given": (
        "未核验      条目的内容：用了--only-hashes"
    ),
    "clock       no witnesses: the log's times are its own word": (
        "时钟        没有见证方：时间只是日志自己的说法"
    ),
    "clock       witnesses saw all of it by {seen}; a first run cannot tell how much earlier it"
    " was": "时钟        见证方在{seen}之前已看到全部；首次核验无从得知早了多少",
    "clock       entries from {since:,} on came between {before} and {seen}, as witnesses say": (
        "时钟        见证方证实：第{since:,}号起的条目写入于{before}与{seen}之间"
    ),
    "FINDING": "问题",
    "note": "提醒",
    "entry {index}: ": "条目{index}：",
    "Verified: all {done:,} entries stand under the signed root; what they say was not read.": (
        "核验通过：全部{done:,}个条目都在已签名的根哈希之下；条目的内容没有查看。"
    ),
    "Verified: all {done:,} entries stand under the signed root,": (
        "核验通过：全部{done:,}个条目都在已签名的根哈希之下，"
    ),
    " every signature,": "每个签名、",
    " every job's history, every opening and every deadline holds;": (
        "每项任务的经过、每次解封和每个期限都成立；"
    ),
    " every job's history and every opening holds, but {missed:,} came after the deadline;": (
        "每项任务的经过和每次解封都成立，但有{missed:,}次晚于期限；"
    ),
    " this does not prove that what was signed is true": "这并不证明所签内容属实",
    " or that others are shown this same log": "，也不证明别人看到的是同一份日志",
    ".": "。",
    "Misbehaviour is proven ({count:,} findings); evidence: {evidence}": (
        "违规已经证实（{count:,}个问题）；证据在：{evidence}"
    ),
    "Nothing new: {count:,} findings stand, as the state says.": (
        "没有新问题：状态文件所记的{count:,}个问题依然成立。"
    ),
    "Refused; evidence: {evidence}": "拒绝；证据在：{evidence}",
    "{done:,}/{size:,} entries": "{done:,}/{size:,}个条目",
    "{done:,} of {size:,} entries": "{size:,}个条目中的{done:,}个",
    "exit 1": "退出码1",
    "note, exit 0": "提醒，退出码0",
    "A dot marks what is only noted: it does not fail a run.": "带点的只是提醒，不算核验失败。",
    "entry {index} of {size:,} in {origin}: {says}": (
        "{origin}第{index}号条目（共{size:,}个）：{says}"
    ),
    "A quorum of witnesses saw it by {at}.": "法定数目的见证方在{at}之前已看到它。",
    "Verified: this entry stands under a root that the log signed; this does not prove who signed"
    " the statement in it (the registry is in the log: verify.py URL).": (
        "核验通过：这个条目在日志签过名的根哈希之下；这并不证明其中的声明由谁签名"
        "（登记册在日志里：verify.py URL）。"
    ),
    "{kind}, logged at {at}": "{kind}，写入于{at}",
    "{kind}, logged at {at}, in answer to entry {target}": (
        "{kind}，写入于{at}，答复的是条目{target}"
    ),
    "{kind}, logged at {at}, opened": "{kind}，写入于{at}，已解封",
    "{kind}, logged at {at}, opened but for {paths}": "{kind}，写入于{at}，已解封，但不含{paths}",
    "key         {vkey}": "密钥        {vkey}",
    "signed      {size:,} entries, root {root}": "已签名      {size:,}个条目，根哈希{root}",
    "The evidence holds: whoever has this key has signed two histories that cannot both be true.": (
        "证据成立：持有这把密钥者签了两份不可能同时为真的历史。"
    ),
    "Compare the key with the one that you know the log by: it stands in this file.": (
        "请把这把密钥与你所知的日志密钥对照：它取自这个文件。"
    ),
    "and more": "还有更多",
    "{why}": "{why}",
    "it names the log's key {key}, which has not signed the checkpoint": (
        "它写明日志的密钥是{key}，而检查点上没有这把密钥的签名"
    ),
    # The log.
    "two different roots are signed for the size {size}": "大小同为{size}，却签了两个不同的根哈希",
    "the first {smaller:,} of {larger:,} entries are not those that were signed before": (
        "{larger:,}个条目中的前{smaller:,}个，不是先前签过的那些"
    ),
    "the log had {old:,} entries and now shows {new:,}": (
        "日志曾有{old:,}个条目，现在只出示{new:,}个"
    ),
    "the newest word on this log is of {at}": "关于这份日志的最新消息是{at}的",
    "the line of {name} does not verify": "{name}的签名行不成立",
    "the line of {name}: install `cryptography` to check it": (
        "{name}的签名行：要核验，请安装`cryptography`"
    ),
    "no line of the log's own ML-DSA-44 key {name}": ("没有日志自己的ML-DSA-44密钥{name}的签名行"),
    "no signature by the known key of {name}": "没有{name}已知密钥的签名",
    "the signed text is not origin, size and root on three lines": (
        "所签文本不是来源、大小和根哈希这三行"
    ),
    "the cosignature of {name} does not verify": "{name}的联署不成立",
    "{name} is not counted": "{name}不计入",
    "the entries hash to {root}, not to the signed root": "条目的根哈希是{root}，不是所签的根哈希",
    "the entry is not the one whose hash is under the signed root": (
        "这个条目不是已签名的根哈希之下的那一个"
    ),
    "the entry is not the one that stood here before": "这个条目不是先前在此处的那一个",
    "{path} does not hold the hashes of its entries": "{path}里不是其条目的哈希",
    "{path} does not hold the hashes of the entries below it": "{path}里不是其下条目的哈希",
    "bundle {number} ends after {done} of {width} entries": (
        "第{number}号条目包在{width}个条目中的第{done}个之后就结束了"
    ),
    "bundle {number} has {spare} bytes after its last entry": (
        "第{number}号条目包在最后一个条目之后还有{spare}字节"
    ),
    "the bundle ends before this entry": "条目包在这个条目之前就结束了",
    "the path does not lead from this entry to the signed root": (
        "路径不能从这个条目通到所签的根哈希"
    ),
    "the log is empty": "日志是空的",
    "entry {index} is of kind {kind}": "条目{index}的种类是{kind}",
    "the checkpoint is signed as {name} by the key {key}; the genesis entry names {vkey}": (
        "检查点以{name}之名由密钥{key}签名；创世条目写的却是{vkey}"
    ),
    "the genesis entry lacks a part: {why}": "创世条目不完整：{why}",
    "the entry is not canonical JSON": "条目不是规范形式的JSON",
    "not in the form of its kind: {why}": "不合其种类的格式：{why}",
    "{author} with key {key} is not in the registry": "登记册里没有{author}及其密钥{key}",
    "{author} with key {key}: valid after entry {added} and before {retired}": (
        "{author}的密钥{key}：在条目{added}之后、{retired}之前有效"
    ),
    "the signature by {author} with key {key} does not verify": "{author}用密钥{key}的签名不成立",
    "{author} with key {key} is {role} and may not say {kind}": (
        "{author}（密钥{key}）的角色是{role}，无权写{kind}"
    ),
    "{kind} for job {job}, which is {state}": "任务{job}的{kind}，而任务的状态是{state}",
    "{kind} for job {job}, which was never submitted": "任务{job}的{kind}，而任务从未提交",
    "no decision follows it": "其后没有裁定",
    "no disclosure follows it": "其后没有解封",
    "the log ends after it": "日志在它之后就结束了",
    "it refers to entry {target}": "它指向条目{target}",
    "{kind} with {count} findings": "{kind}，却有{count}条认定",
    "rejected for {code}, which is not so": "以{code}为由驳回，而事实并非如此",
    "entry {target} is no charter": "条目{target}不是章程",
    "entry {target} is not this author's": "条目{target}不是这位署名方的",
    "entry {target} was opened before": "条目{target}先前已解封",
    "entry {target} is not a sealed entry": "条目{target}不是封存的条目",
    "entry {target} is no sealed entry of this job": "条目{target}不是这项任务的封存条目",
    "entry {target} has nothing to withhold": "条目{target}没有可暂缓公开的内容",
    "entry {target} is {author}'s in job {job}": "条目{target}属于任务{job}的{author}",
    "the same statement as entry {first}": "与条目{first}是同一份声明",
    "files of {size} entries": "{size}个条目的文件",
    "{back} s before its predecessor": "比前一个条目早{back}秒",
    "logged at {at}": "写入于{at}",
    "its author says {made}": "署名方写的是{made}",
    "the log itself named its key; kept in the state": "密钥由日志自己报出；已存入状态文件",
    "the log itself named its key; kept nowhere: give --vkey or --state": (
        "密钥由日志自己报出；没有保存：请给出--vkey或--state"
    ),
    "entries of kind {kind} are not judged": "种类为{kind}的条目不作评判",
    "{schema} is not judged": "{schema}不作评判",
    # The embargo.
    "logged at {at}, but witnesses had seen it at {seen}": "写入于{at}，而见证方在{seen}已看到它",
    "logged at {at}, but at {seen} witnesses saw a log without it": (
        "写入于{at}，而见证方在{seen}看到的日志里没有它"
    ),
    "logged at {at}, but at {seen} the log was without it here": (
        "写入于{at}，而{seen}在这里看到的日志里没有它"
    ),
    "{late} s after what it reports": "比所报之事晚{late}秒",
    "the charter's embargo is {days} days": "章程的封存期是{days}天",
    "{off:+d} s from {right}": "与{right}相差{off:+d}秒",
    "still sealed {late} s after its date": "过期{late}秒仍封存",
    "was due {at}; the log ends before": "应于{at}解封；日志在此之前就结束了",
    "{late} s after its date": "晚于期限{late}秒",
    "not the paths of entry {target}": "不是条目{target}的字段",
    "what it shows does not hash to the commitment of entry {target}": (
        "所示内容的哈希不是条目{target}的承诺"
    ),
    "the opening is malformed: {why}": "解封内容的格式不对：{why}",
    "the opening does not hash to the entry's commitment": "解封内容的哈希不是该条目的承诺",
    "entry {by} is not its author's request just before": "条目{by}不是紧接其前的署名方请求",
    "opened {early} s before its date without its author's request": (
        "未经署名方请求，提前{early}秒解封"
    ),
    "it comes after the deadline": "晚于期限",
    "the review is over 180 days away": "复核日期在180天之后",
    "it names no path, or one twice": "没有写字段，或者同一字段写了两次",
    "it names other paths": "写的是别的字段",
    "opened although withheld: {paths}": "暂缓公开却解封了：{paths}",
    "entry {by} does not withhold {paths}": "条目{by}并未暂缓公开{paths}",
    "not as withheld: {paths}": "与暂缓公开的不符：{paths}",
    "review was due {at}": "应于{at}复核",
    "{part:,} of {whole:,} stay closed in part": "{whole:,}项中有{part:,}项部分不公开",
    # The charter.
    "it allows and forbids {both}": "既允许又禁止{both}",
    "it is to count from {since} on and was logged at {at}": "自{since}起生效，而写入于{at}",
    "it replaces entry {target}; the newest charter is entry {newest}": (
        "它取代条目{target}，而最新的章程是条目{newest}"
    ),
    "it asks for {threshold} signatures of a council of {seats}": (
        "它要求{threshold}个签名，而理事会有{seats}位署名方"
    ),
    "{author} endorses twice, or out of order": "{author}重复副署，或不按次序",
    "{author} with key {key} is not of the council": "{author}（密钥{key}）不属于理事会",
    "{author} with key {key}: the key is not valid here": "{author}的密钥{key}在此处无效",
    "{count} of the council have signed, {most} have to": ("理事会有{count}位签名，而应有{most}位"),
    "by the charter of entry {target}; in force is entry {right}": (
        "依据条目{target}的章程，而生效的是条目{right}"
    ),
    "admitted for {wall:,} s, most is {most:,}": "时限为{wall:,}秒，最多只能是{most:,}秒，却获准",
    "admitted with {gpus} GPUs beside the {held} that its member holds, most is {most}": (
        "GPU数为{gpus}，其成员已占用{held}，合计最多只能是{most}，却获准"
    ),
    "read by {author}; the job is {member}'s": "由{author}读取，而任务属于{member}",
    "{sum:,} bytes of class {name} so far, the ceiling is {most:,}": (
        "{name}类至此共{sum:,}字节，上限是{most:,}"
    ),
    "artifact {artifact} was taken before": "产物{artifact}先前已收取过",
    "the job has no artifact {artifact}": "这项任务没有产物{artifact}",
    "read up to byte {end:,} of {size:,}": "共{size:,}字节，却读到第{end:,}字节",
    "{sum:,} bytes of {member} in 30 days, the quota is {most:,}": (
        "{member}在30天内共{sum:,}字节，限额是{most:,}"
    ),
    "job {job} is in quarantine": "任务{job}已被隔离",
    "no finding follows it, although the weights are others": "权重已变，其后却没有认定",
    "its codes are not those of one kind of finding": "其代码不属于同一种认定",
    "entry {target} is not what it can be about": "条目{target}不是它所能认定的",
    "its words tell a digest": "文字里写出了摘要",
    "the weights of job {job} are what they were": "任务{job}的权重与原来相同",
    "admitted although the workload is {workload}": "工作类型是{workload}，却获准",
    "admitted although an optimizer works on the uploaded model": (
        "优化器作用于上传的模型，却获准"
    ),
    "admitted without an egress ceiling": "没有流出上限，却获准",
    "admitted with an egress ceiling of {ceiling}, most is {most}": (
        "流出上限为{ceiling}，最多只能是{most}，却获准"
    ),
    "admitted with {gpus} GPUs, most is {most}": "GPU数为{gpus}，最多只能是{most}，却获准",
    "{used} GPUs, admitted were {most}": "用了{used}块GPU，获准的是{most}块",
    "{used:,} s, admitted were {most:,}": "用了{used:,}秒，获准的是{most:,}秒",
    "{used:,} GPU-seconds, admitted were {most:,}": "用了{used:,} GPU秒，获准的是{most:,}",
    "{sum:,} bytes so far, the ceiling is {most:,}": "至此共{sum:,}字节，上限是{most:,}",
    "job {job} ended with other weights": "任务{job}结束时权重已变",
    "job {job} left other weights than it was given": "任务{job}留下的权重不是交给它的那些",
    "job {job} has no end, due by {at}": "任务{job}没有结束，应在{at}之前结束",
    "job {job} has neither begun nor ended, due by {at}": "任务{job}既无开始也无结束，期限{at}",
}
"""Every sentence that is said anywhere above, in Chinese."""


def _words(text: str, joint: str) -> dict[str, tuple[str, str]]:
    """Read the texts below: a code and its line, then its paragraph."""
    found = {}
    for block in text.strip().split("\n\n"):
        head, *lines = block.split("\n")
        code, line = head.split(": ", 1)
        found[code] = (line, joint.join(lines))
    return found


ENGLISH = """
log-forked: Two checkpoints that the log has signed contradict one another.
Either both have one size and two roots, or the larger does not begin with the smaller. Both bear
the log's signature, so no third party can have made them; split-view.json holds them with the
hashes that show it, and `verify.py evidence` checks it anywhere. An honest operator has this only
after restoring an old backup over a newer log, which is an incident to be told at once. Publish the
file, and compare with others which of the two they were shown.

log-shrank: The log shows fewer entries than it had signed before.
The checkpoint in your state is larger than the one served now. Both are signed; the kept one proves
that the larger log existed. An honest cause is an old answer from a cache or a mirror that lags:
ask again, and ask the log itself. If it lasts, entries were taken back: publish both checkpoints.

stale-checkpoint: The newest word on this log is old.
The witnesses' newest signature (or, with --max-age and no witnesses, the log's last entry) is older
than a day, or than --max-age. It proves no lie: witnesses may be down, or a cache old. But a server
that freezes its log hides what came since. Ask a witness, or another reader, what they see.

unsigned-checkpoint: The checkpoint bears no signature by the log's known key.
It names the right log and is signed by somebody else, or by nobody. It proves only that this server
cannot sign as the log. Honest causes: a new key that you have not been told of, or the wrong
--vkey. Take the key from a second source. A key change without an announcement is a finding in
itself.

bad-checkpoint-signature: The log's signature under the checkpoint does not verify.
A line bears the known key's name and number and is not its signature over this text. Somebody
altered the text or the line. An honest cause is a damaged answer: fetch it again, by another way.

malformed-checkpoint: The log's key has signed something that is no checkpoint.
The signature holds, the text is not origin, size and root on three lines in their one spelling. The
note itself proves it. It is a fault of the software at best; witnesses refuse such a note.

bad-cosignature: A known witness's line does not verify.
The checkpoint carries a line under a witness's name and key that the key did not make. Whoever
published it did not check it. Ask the witness what it signed; a log keeps verified lines only.

root-mismatch: The entries that are served do not hash to the signed root.
All entries were fetched and hashed, and the result is not what the log has signed. Either an entry
was altered, dropped or added after signing, or the checkpoint never stood for them. With
entry-hash-mismatch or tile-mismatch beside it, those name the place. Fetch again by another way to
rule out damage on it; then publish checkpoint and files.

entry-hash-mismatch: An entry is not the one that was signed.
The tile of hashes leads to the signed root, and this entry does not have its hash in it: its bytes
were altered, or another entry put in its place. Bundle, tile and checkpoint prove it together.
Damage on the way or on a disk looks the same: fetch it once more, or from a mirror.

tile-mismatch: A tile does not hold the hashes of what is below it.
The entries hash to the signed root, and the tile says otherwise, so proofs made from this tile
fail. The entries are whole; the tile is damaged or made up. The operator can make it anew from
them.

malformed-bundle: A bundle of entries is cut short or too long.
Its lengths do not add up to the entries that the checkpoint promises. A cut answer looks the same:
fetch it again. If it stays, the server serves something other than what it has signed.

unavailable-bundle: The server does not serve entries that it has signed.
Twice it answered that there is no such bundle, although its own checkpoint covers it. A missing
answer convinces nobody else: ask others to fetch the same address. Honest causes are a broken store
or an update in progress. What was once signed must never be pruned.

unavailable-tile: The server does not serve hashes that it has signed.
Twice it answered that there is no such tile, although its own checkpoint covers it. Without tiles
no reader can make a proof. Ask others to fetch the same address; then ask the operator.

proof-mismatch: A receipt's path does not lead to the signed root.
The entry, its place and the hashes of the receipt do not give the root of the checkpoint in it. The
receipt was altered, or never was one. Ask whoever gave it to you for another, or the log.

no-genesis: The log does not begin with a genesis entry.
Entry 0 has to name the log, its key, its authors and its charter. Without it nothing after it can
be judged. It is another kind of log, or one that was put together by hand.

second-genesis: A later entry claims to be the beginning.
There is one genesis entry, at index 0. A second one, which the log's signature covers, tries to
give other keys or another charter. It changes nothing here, and no honest ledger writes it.

genesis-key-mismatch: The log's entries name another key than the one that signs.
The key that you trust is neither the one in the genesis entry nor one that followed it, or the
newest key that the entries name has not signed. Either you were given a false key, or the log was
signed by somebody else, perhaps with a stolen old key. Compare the key with a printed one before
anything else.

malformed-entry: An entry has not the form of its kind.
A field is missing, unknown, of another type or too long. The entry stands under the signed root and
proves itself. The ledger refuses such entries, so something else wrote it, or a fault.

non-canonical: An entry is not written in its one permitted spelling.
Two spellings of one thing would have two hashes, so only one is allowed (RFC 8785 on a subset). The
entry proves itself. Look in it for a doubled key or hidden text before you call it a fault.

bad-signature: A statement is not signed by the author whom it names.
The registry has this author's key, and the signature is not one of it over this statement. Entry
and registry entry prove it. The operator cannot sign for an author: this is what inventing or
editing a statement looks like. Ask the author what it had sent, and for its receipt.

unknown-author: A statement names an author whom nobody registered.
No registry entry before it gives this name a key. Nothing such a statement says can be laid to
anybody. Honest ledgers refuse it at the door.

unknown-key: A known author, with a key that nobody registered.
The statement's key number is none of the author's. Either the key was never registered, or somebody
else speaks in the author's name. Ask the author whether the key is its own.

key-not-valid: A statement was signed with a key before or after its term.
A key is good from the entry after the one that adds it to the one before it is retired. A key that
was retired because it was stolen would speak here. Ask the author when it signed this.

wrong-role: An author said what its role may not say.
Members submit, the orchestrator reports runs, the gateway egress, the council keys. The signed
statement and the registry prove it. The ledger refuses such statements.

bad-registry: A registry statement that cannot be followed.
It adds a key that exists or is not of this log, or retires one that is not there. The keys stay
what they were. Ask the council what it meant.

bad-endorsement: Somebody endorsed a change of rules who could not.
Beside the author's signature stands one that does not verify, or is by a stranger, by somebody who
is not of the council, by a key before or after its term, or by the same author twice. It does not
count. Entry and registry prove it. An operator who wants a majority it does not have would make it
up like this: ask the council's members what they signed.

too-few-endorsements: A change of charter or council without enough of the council.
The charter in force says how many of the council's authors have to sign (an old charter: more than
half of them). Fewer valid signatures stand in the entry, and so nothing changes here. The entry,
the registry and the charter in force prove it. The ledger refuses it: ask the council who agreed.

out-of-order: An event that cannot follow what came before it.
A job ends before it starts, starts twice, or is submitted again. The entries about the job prove
it. The ledger refuses such events, so they were put in by another way, or one before was left out.

missing-decision: A submission without a decision right after it.
Each submission is admitted or rejected in the next entry. Without it nobody knows whether the job
was allowed to run. The two neighbouring entries prove it.

decision-without-submission: A decision about nothing that was just submitted.
It refers to another entry than the submission before it, or there is none. So a job was let in that
nobody asked for in public, or the submission was taken out.

bad-decision: A rejection without a true reason, or an admission with one.
Rejections carry what the charter found, and what can be seen in the submission, or counted in the
log before it, has to be so; admissions carry nothing. The two entries prove it. Ask the operator by
which rule it was decided.

bad-reference: An entry refers to one that is not what it says.
It opens, corrects, withholds or cites an entry that is another author's, another job's, or of
another kind. Both entries prove it. The ledger refuses such references.

duplicate-statement: One signed statement stands in the log twice.
The same bytes were logged again, so that one event counts double. The author signed once; it is the
log that repeats it. Both entries prove it.

manifest-too-large: A list of bulk files claims more entries than there were.
The files cannot have been made from this log at that time. The entry proves itself.

time-went-back: An entry is logged earlier than the one before it.
Times never decrease in the log, so the clock was set back between them, or the time was chosen.
Deadlines follow from it. Both entries prove it. Check how far: seconds are a fault, days a choice.

logged-in-future: An entry is logged at a time that has not come yet.
It is more than five minutes ahead of your own clock, which moves its deadline as far. If your clock
is right, the log's is wrong or false. Compare your clock first; the entry keeps the proof.

made-after-logged: An author's own time is later than the log's.
The author signed a time more than five minutes after the entry's. One of the two clocks is wrong.
If many authors disagree with the log in the same way, it is the log's, and it was set back.

trust-on-first-use: The log itself named the key that it was checked with.
Nothing else said which key is right. Take it from a second source and give it with --vkey; from the
first run on, --state holds the log to the key.

unknown-witness-type: A witness whose kind of signature is not known here.
Its line is not counted for the quorum. Get a newer version of this script.

mldsa-not-checked: An ML-DSA-44 signature could not be checked.
Python's `cryptography` is not installed here, or has no ML-DSA; or the log did not make the line
that the policy expects. Ed25519 lines were checked all the same. `pip install cryptography`.

unknown-kind: An entry of a kind that this script does not know.
It was hashed and not judged. A later version of the format may have it: get a newer script.

unknown-schema: A statement by a schema that this script does not know.
Its signature and its author were judged, its fields were not. Get a newer script.

post-dated: An entry is dated later than witnesses had already seen it.
A quorum had signed a checkpoint with this entry more than five minutes before the time that it
bears. The log's clock ran ahead, or was set so, which moves the deadline later by as much. Entry,
checkpoint and cosignatures prove it. Check that the witnesses' clocks agree with one another.

back-dated: An entry is dated earlier than it can have been there.
A quorum signed a log without it more than five minutes after the time that it bears. The log's
clock was set back, or the entry held back. The kept checkpoint and this one prove it, each with its
cosignatures. An honest cause is a witness that was given an old checkpoint: look at the others.

back-dated-by-own-clock: An entry is older than your last visit, when it was not there.
This script had read the whole log after the time that the entry bears, and it was not in it. It
convinces you and nobody else: use a policy with witnesses for proof. A cache that answered with an
old checkpoint then looks the same. --clock own makes it a failure.

late-logged: A statement was logged more than a day after what it reports.
What is sealed opens 90 days after logging, so logging late opens late. The entry proves how late.
Imports of old records and an orchestrator that was down are honest causes. Ask who held it back.

embargo-too-long: The charter's embargo is not one of 1 to 90 days.
The genesis entry, or a later charter, promises less than the rules of the consortium demand. It
proves itself. A later charter that says so does not count.

wrong-publish-by: A deadline that is not the entry's time and the embargo.
It has to be logged_at plus the days of the charter in force, to the second. A later one would open
late without ever being overdue. The entry proves itself, beside the charter.

overdue: A sealed record was not opened by its deadline.
Its date passed more than five minutes ago by the log's own last entry, or by the witnesses' clock,
and no disclosure stands in the log. Nobody needs a clock of their own to prove it. A ledger that
could not run opens late (late-disclosure) when it comes back. Until then this fails every run.

due-by-own-clock: A sealed record is past its date by your clock alone.
The log's last entry and the witnesses' word are older than the date, so only your clock says that
it is due. A log that stands still hides what is due behind this. --clock own makes it a failure.

late-disclosure: A record was opened, but later than promised.
A broken promise that was healed: it can be read now, so it does not fail the run, and it will be
said for ever, because both entries stand. --fail-on late-disclosure makes it fail. Ask for the
cause when it is more than minutes, or when it is a habit.

opening-mismatch: What was opened is not what was sealed.
The values and salts shown do not hash to the commitment that the author signed. Somebody changed a
value, a path or a salt. Commitment and disclosure prove it. The author has the seed: ask for the
opening that it had sent, and check which one hashes.

disclosed-twice: A record is opened that was open already.
The second opening may try to replace the first. The first that hashes to the commitment counts;
both entries are public. No honest ledger writes it.

early-without-open: A record was opened before its date, and its author did not ask.
Only the author may open earlier, by a signed request in the entry just before. Without it the
operator gave away what it was trusted with. Entry and deadline prove it.

open-by-another: Somebody asked to open what is another author's.
The signed request and the sealed entry name two authors. The ledger refuses it.

open-not-obeyed: An author asked to open its record, and it was not opened.
The disclosure has to be the next entry. The signed request proves it. The author can publish its
opening itself: anyone can check that against the commitment.

withheld-without-committee: Fields were withheld by somebody who is not the committee.
Only the safeguards committee may keep fields closed past the deadline. The statement and the
registry prove who signed. It is the way in which anybody would hide results: ask the committee.

bad-withholding: A withholding that breaks its own rules.
It comes after the deadline, names no fields, or others than the record has, or puts its review more
than 180 days away. The entry proves itself, beside the one that it withholds.

closed-without-withholding: Fields stay closed that no committee withheld.
A disclosure shows hashes in place of values, and no withholding entry names these fields. The
entries prove it. It is a missed deadline in part.

withheld-field-opened: A field was opened that the committee had withheld.
The hazard that was to stay closed is public now and cannot be taken back. Tell the committee.

withheld-past-review: The date for looking again at a withheld field is over.
The committee set a date, and the field is still closed. The format has no entry yet in which a
review could be recorded, so this is said and does not fail. Ask the committee what it decided.

withholding-rate: Many records stay closed in part.
More than one in twenty of those that came due, and more than three. Each may have its reason; the
rate says that the exception is becoming a rule. The entries can be counted by anybody.

bad-charter: A change of the charter that cannot be followed.
It does not replace the newest charter, allows and forbids one thing, or asks for more signatures
than the council has authors, after which nobody could ever change it again. The rules stay what
they were. The entry proves itself, beside the registry. Ask the council what it meant.

charter-out-of-time: A charter that counts from before it was logged, or too late.
Rules bind from the moment at which everybody can read them, and at most 366 days later. One that
reaches back would make right what was wrong when it happened. It does not count here. The entry
proves itself. Ask the council when it signed: a change that waited too long at the ledger's door
looks the same.

wrong-charter: A decision names a charter that is not the one in force.
In force is the newest charter logged before it whose time has come. A decision by an older one, or
by one that is yet to count, is judged here by the right one. The three entries prove it. Ask the
operator which rules its program had read.

forbidden-workload-admitted: A job was admitted that the charter forbids.
Its class of work is not among those allowed, or an optimizer works on the uploaded model. Charter,
submission and admission stand in the log and prove it. The ledger rejects these by itself, so
somebody changed what judges.

admitted-against-charter: A job was admitted above the charter's limits.
It has no egress ceiling, one above the charter's, asks for more GPUs than the cluster has or for
more time than a job may have, or its member would hold more GPUs than one may: counted are those of
its jobs that are admitted and have not ended. The entries prove it.

run-without-admission: A job ran, or sent data out, without having been admitted.
The orchestrator or the gateway reports a job that is unknown, undecided or rejected. Their signed
statement proves it. Either the ledger lost the admission, or a job ran outside the rules.

usage-above-admitted: A job used more than was admitted.
More GPUs than submitted, longer than its limit allows over all its periods (and five minutes), or
more GPU-seconds than both give. The orchestrator's signed figures prove it. A correction by the
orchestrator may explain it: look below the job.

egress-above-ceiling: More data left than the job was allowed to send out.
The gateway's signed figures add up to more than the submission's ceiling. The first one beyond it
is named. The gateway should have stopped it: ask what left.

artifact-above-ceiling: A job's artifacts of one class are more than the charter lets out.
The gateway's signed entries add up, class by class, to more than the charter allows, whether the
one under which the job was admitted or the one in force by now. The first entry beyond it is named.
The store debits before it takes anything, so it was gone around, or its counters were changed: ask
what left.

bad-artifact: An artifact was taken twice, or read where there is none.
Each artifact has an ID of its own and is debited once, whole. What a member reads has to be part of
one that its job has put out. The entries prove it. Bytes that left under another name were not
counted as what they are: ask the gateway.

member-egress-above-quota: One member's jobs let out more in 30 days than the charter allows.
Counted is what was taken and read through the artifact door, and what gateways reported as far as
there was room for it, on the day of the entry and the thirty days before. The charter in force at
the entry says how much it may be. The entries prove it. Ask the gateway what left.

artifact-read-by-another: An artifact was read by somebody whose job it is not.
Before it is disclosed only the member whose job made it may read an artifact. The signed entry
names another. The door should not have opened: ask what was read.

egress-after-quarantine: Something left a job whose weights had changed.
From then on nothing of the job may be taken or read. The entries prove it. What a gateway with a
door of its own reports afterwards may have left before, and is only noted.

weights-changed: The uploaded model's weights were not what they had been.
Either the orchestrator says so, or the digests before and after, now open, differ although it said
otherwise. That is what the charter is there to prevent. Where the ledger found it at once and put
the job in quarantine, or the run was stopped by policy, the breach was met, and it is only noted.

missing-finding: The weights had changed, and the ledger did not say so.
Where a run ends with other weights, by its own word or by the digests that it sealed, the next
entry has to be the ledger's finding, which puts the job in quarantine. The end of the run proves
it, with the openings where it is the digests that differ. The operator had them when it logged the
end: ask why it kept silent.

bad-finding: A finding that is not so, or about nothing.
It does not stand behind the entry that it is about, names another job, mixes its grounds, tells a
digest that is sealed, or says that weights changed of which both digests, now open, are the same.
The entries prove it. It can close a member's artifacts for good: ask the operator for its reason.

job-without-end: A job that started has no end in the log.
By the log's own time its limit passed more than a day ago, or thirty days ago if it was
interrupted. Either it still runs above its limit, or its end was not reported, and with it what it
used and found. It heals when the end is logged.

job-not-begun: A job was admitted, and nothing was heard of it since.
By the log's own time its limit passed more than a day after its admission. It may wait in the queue
of a busy cluster, or its author may have dropped it without a word. It may also have run and not
been reported: the log alone cannot tell. Ask the orchestrator for its queue.
"""

CHINESE_WORDS = """
log-forked: 日志签过名的两个检查点互相矛盾。
要么大小相同而根哈希不同，要么较大的一个不以较小的一个开头。两者都有日志的签名，第三方无法伪造；
split-view.json里有这两个检查点和说明问题的哈希，`verify.py evidence`在哪里都能核验。诚实的运营
方只有用旧备份覆盖了较新的日志才会如此，那也是应当立即公布的事故。请公布这个文件，并与别人比对各
自看到的是哪一个。

log-shrank: 日志出示的条目比先前签过的少。
状态文件里的检查点比现在提供的大，两者都有签名，留下的那个证明较大的日志存在过。诚实的原因可能是
缓存里的旧答复，或者镜像没有跟上：请再问一次，并直接问日志本身。如果一直如此，就是条目被收回了：
请公布两个检查点。

stale-checkpoint: 关于这份日志的最新消息已经陈旧。
见证方的最新签名（没有见证方而用了--max-age时，则是日志的最后一个条目）早于一天前，或早于
--max-age。这不证明谁说了谎：见证方可能停机，缓存可能过旧。但冻结日志的服务器会借此隐瞒后来的内
容。请问一问见证方或别的读者看到了什么。

unsigned-checkpoint: 检查点没有日志已知密钥的签名。
它写的是这份日志，签名的却是别人，或者没有人签。这只证明这台服务器不能以日志的名义签名。诚实的原
因：换了密钥而你还不知道，或者--vkey给错了。请从另一个来源取得密钥。不声不响地更换密钥，本身就是
问题。

bad-checkpoint-signature: 检查点下日志的签名不成立。
签名行用的是已知密钥的名称和编号，却不是它对这段文本的签名：文本或签名行被改动过。诚实的原因是传
输中损坏：请换一条途径再取一次。

malformed-checkpoint: 日志的密钥签了一段不是检查点的文本。
签名成立，但文本不是按唯一写法写成的来源、大小和根哈希三行。这段文本自己就是证明。往好里说也是软
件的差错；见证方会拒收。

bad-cosignature: 已知见证方的签名行不成立。
检查点上有一行用了某见证方的名称和密钥，却不是那把密钥签的。公布它的人没有核验。请问那个见证方签
过什么；日志只应保留核验过的签名行。

root-mismatch: 所提供条目的根哈希不是所签的那个。
全部条目都已取回并计算哈希，结果与日志签名的不同：要么签名之后有条目被改动、删去或添加，要么检查
点从来不代表它们。如果同时有entry-hash-mismatch或tile-mismatch，它们会指明位置。请换一条途径再取
一次以排除损坏，然后公布检查点和文件。

entry-hash-mismatch: 条目不是签过名的那一个。
分块里的哈希通向所签的根哈希，而这个条目的哈希不在其中：它的字节被改动过，或者被换成了别的条目。
条目包、分块和检查点合在一起就是证明。传输或硬盘损坏也会如此：请再取一次，或从镜像取。

tile-mismatch: 分块里不是其下内容的哈希。
条目的哈希通向所签的根哈希，分块却不是这样说的，用它做的证明都不成立。条目是完整的，分块损坏了或
是编造的。运营方可以由条目重新生成。

malformed-bundle: 条目包被截短，或者过长。
各条目的长度加起来，与检查点所承诺的条目数不符。答复被截断也会如此：请再取一次。如果依旧，服务器
提供的就不是它签过名的内容。

unavailable-bundle: 服务器不提供自己签过名的条目。
它两次答复说没有这个条目包，而它自己的检查点涵盖了它。没有答复不能使别人信服：请别人也去取同一个
地址。诚实的原因是存储损坏或正在更新。签过名的内容绝不可删去。

unavailable-tile: 服务器不提供自己签过名的哈希。
它两次答复说没有这个分块，而它自己的检查点涵盖了它。没有分块，读者就做不出证明。请别人也去取同一
个地址，然后询问运营方。

proof-mismatch: 回执的路径不能通到所签的根哈希。
由回执里的条目、位置和哈希，得不出其中检查点的根哈希。回执被改动过，或者从来就不是回执。请向给你
回执的人或日志另要一份。

no-genesis: 日志不以创世条目开头。
0号条目必须写明日志、密钥、署名方和章程。没有它，后面的都无从评判。这是另一种日志，或者是手工拼
凑的。

second-genesis: 后面的条目自称是开头。
创世条目只有一个，编号为0。日志签名所涵盖的第二个，是想换上别的密钥或别的章程。它在这里不起作用，
诚实的账本也不会写它。

genesis-key-mismatch: 日志条目写明的密钥，不是签名的那一把。
你信任的密钥既不是创世条目里的那一把，也没有接替过它；或者条目写明的最新密钥没有签名。要么给你的
密钥是假的，要么日志是别人签的，也许用的是被盗的旧密钥。请先把密钥与印出来的对照。

malformed-entry: 条目不合其种类的格式。
缺字段、有未知字段、类型不对或过长。条目在所签的根哈希之下，自己就是证明。账本会拒收这样的条目，
所以是别的东西写进去的，或者是差错。

non-canonical: 条目没有用唯一允许的写法。
同一内容若有两种写法，就有两个哈希，所以只允许一种（RFC 8785的一个子集）。条目自己就是证明。先看
看里面有没有重复的键或隐藏的文字，再说它是差错。

bad-signature: 声明不是由所写的署名方签名的。
登记册里有这个署名方的密钥，而签名不是它对这份声明所签。条目与登记条目合在一起就是证明。运营方不
能替署名方签名：编造或改动声明，就是这个样子。请问署名方当初发出的是什么，并要它的回执。

unknown-author: 声明写的署名方没有人登记过。
在它之前，没有登记条目给过这个名称密钥。这样的声明无法归于任何人。诚实的账本不会收下。

unknown-key: 已知的署名方，用了没有人登记的密钥。
声明里的密钥编号不属于这个署名方：要么密钥从未登记，要么有人冒名。请问署名方这把密钥是不是它的。

key-not-valid: 声明用的密钥尚未生效或已经停用。
密钥从登记它的条目之后生效，到停用它的条目之前为止。因被盗而停用的密钥会在这里发言。请问署名方是
何时签的。

wrong-role: 署名方说了其角色无权说的话。
成员提交，调度系统报告运行，网关报告流出，理事会管密钥。签过名的声明和登记册就是证明。账本会拒收
这样的声明。

bad-registry: 无法照办的登记声明。
它登记已有的或不属于这份日志的密钥，或者停用不存在的密钥。密钥保持原状。请问理事会原意是什么。

bad-endorsement: 副署变更的人无权副署。
署名方的签名旁边还有一个签名：它不成立，或者出自外人、理事会以外的署名方、尚未生效或已经停用的密
钥，或者同一位署名方签了两次。这样的签名不计数。条目和登记册就是证明。想要多数而又没有多数的运营方，
就会这样编造：请问理事会成员各自签过什么。

too-few-endorsements: 章程或理事会的变更，签名的理事不够。
生效的章程写明须有几位理事会署名方签名（旧章程：过半数）。条目里有效的签名少于此数，所以在这里什么
也不变。条目、登记册和生效的章程就是证明。账本会拒收：请问理事会有谁同意。

out-of-order: 事件与其先前的经过衔接不上。
任务未开始就结束、开始了两次或再次提交。关于这项任务的各条目就是证明。账本会拒收这样的事件，所以
是从别处塞进来的，或者前面漏掉了一个。

missing-decision: 提交之后没有紧接着裁定。
每次提交，下一个条目就是获准或驳回。没有裁定，谁也不知道任务能不能运行。相邻的两个条目就是证明。

decision-without-submission: 裁定所针对的并非刚才的提交。
它指向的不是前一个条目里的提交，或者根本没有提交。也就是说，放进了没有公开申请过的任务，或者提交
被拿掉了。

bad-decision: 没有真实理由的驳回，或者有理由的获准。
驳回要写明章程认定了什么，凡是提交里看得见的、从先前的日志里数得出的，就必须属实；获准则什么也
不写。两个条目就是证明。请问运营方依据哪条规则裁定。

bad-reference: 条目所指的不是它所说的那种条目。
它要解封、更正、暂缓公开或引用的，是别的署名方、别的任务或别的种类的条目。两个条目合在一起就是证
明。账本会拒收这样的引用。

duplicate-statement: 同一份签名的声明在日志里出现两次。
同样的字节又写了一遍，一件事就算了两次。署名方只签了一次，是日志重复了它。两个条目就是证明。

manifest-too-large: 批量文件清单所称的条目比当时的多。
这些文件不可能由当时的日志生成。条目自己就是证明。

time-went-back: 条目的写入时间早于前一个条目。
日志里的时间从不减小，所以其间时钟被拨慢了，或者时间是挑选的。期限由它而定。两个条目就是证明。请
看差了多少：差几秒是差错，差几天是有意。

logged-in-future: 条目的写入时间还没有到。
它比你的时钟早到五分钟以上，期限也就随之推后。如果你的时钟准，日志的时钟就不准或是假的。请先校对
自己的时钟；条目本身会留下证明。

made-after-logged: 署名方自己写的时间晚于日志的时间。
署名方所签的时间比条目晚五分钟以上，两个时钟必有一个不准。如果许多署名方都与日志有同样的出入，那
就是日志的时钟被拨慢了。

trust-on-first-use: 核验所用的密钥由日志自己报出。
没有别的来源说明哪把密钥是对的。请从另一个来源取得密钥，用--vkey给出；从第一次运行起，--state会
让日志不能再换密钥。

unknown-witness-type: 见证方的签名种类在这里不认识。
它的签名行不计入法定数目。请换用较新的脚本。

mldsa-not-checked: ML-DSA-44签名没能核验。
这里没有安装Python的`cryptography`，或者它不支持ML-DSA；也可能是日志没有写策略所要求的那一行。
Ed25519签名行照样核验过了。`pip install cryptography`。

unknown-kind: 这个脚本不认识的条目种类。
它计入了哈希，但没有评判。可能属于格式的较新版本：请换用较新的脚本。

unknown-schema: 这个脚本不认识的声明格式。
签名和署名方已评判，字段没有。请换用较新的脚本。

post-dated: 条目的时间晚于见证方看到它的时间。
法定数目的见证方给含有它的检查点签名，比它所写的时间早五分钟以上。日志的时钟快了，或被拨快了，期
限也随之推后。条目、检查点和见证签名就是证明。请查各见证方的时钟是否一致。

back-dated: 条目的时间早于它可能存在的时间。
在它所写时间的五分钟以后，法定数目的见证方签的日志里还没有它。日志的时钟被拨慢了，或者条目被压下
了。留下的检查点和这一个，连同各自的见证签名，就是证明。诚实的原因是给见证方看的是旧检查点：请看
其他见证方。

back-dated-by-own-clock: 条目自称早于你上次来访，那时却没有它。
这个脚本在条目所写的时间之后读过整份日志，里面没有它。这能使你信服，但不能使别人信服：要有证明，
请用带见证方的策略。当时缓存给了旧检查点也会如此。加上--clock own就算失败。

late-logged: 声明在所报之事过去一天以后才写入日志。
封存的内容在写入日志90天后解封，写得晚就解封得晚。晚了多少，条目自己就是证明。导入旧记录、调度系
统停过机，都是诚实的原因。请问是谁压下了它。

embargo-too-long: 章程的封存期不在1到90天之内。
创世条目或后来的章程所承诺的，低于联盟规则的要求。条目自己就是证明。后来的章程若如此，不生效。

wrong-publish-by: 期限不等于写入时间加封存期。
它必须等于logged_at加上生效的章程规定的天数，一秒不差。期限写晚了，就可以晚解封而从不逾期。条目
和章程就是证明。

overdue: 封存的记录到了期限没有解封。
按日志自己的最后一个条目，或者按见证方的时钟，期限已过五分钟以上，而日志里没有解封。证明它不需要
任何人自己的时钟。账本若曾停机，恢复后会晚解封（late-disclosure）。在此之前，每次核验都失败。

due-by-own-clock: 只有按你的时钟，封存的记录才过了期限。
日志的最后一个条目和见证方的签名都早于期限，说它到期的只有你的时钟。停滞不前的日志会把到期的内容
藏在这后面。加上--clock own就算失败。

late-disclosure: 记录解封了，但晚于承诺。
失信而后补救：现在已能读到，所以不算核验失败；但两个条目都在，这件事会一直说下去。加上
--fail-on late-disclosure就算失败。如果晚了不止几分钟，或者成了习惯，请追问原因。

opening-mismatch: 解封的不是当初封存的内容。
所示的值和盐的哈希，不是署名方签过名的承诺。有人改了值、字段或盐。承诺和解封条目就是证明。种子在
署名方手里：请向它要当初发出的内容，核验哪一份的哈希对得上。

disclosed-twice: 已经解封的记录又解封了一次。
第二次可能是想取代第一次。以第一份与承诺相符的为准；两个条目都是公开的。诚实的账本不会这样写。

early-without-open: 记录在期限之前解封，而署名方并未请求。
只有署名方可以提前解封，并且要在前一个条目里签名请求。没有请求，就是运营方泄露了受托保管的内容。
条目和期限就是证明。

open-by-another: 有人请求解封别人的记录。
签过名的请求与封存的条目，写的是两个署名方。账本会拒收。

open-not-obeyed: 署名方请求解封，却没有解封。
下一个条目必须就是解封。签过名的请求就是证明。署名方可以自己公开内容：谁都能与承诺对照。

withheld-without-committee: 暂缓公开的不是委员会。
只有安全保障委员会可以让字段过了期限仍不公开。声明和登记册证明是谁签的名。谁想隐藏结果都会走这条
路：请询问委员会。

bad-withholding: 暂缓公开不合自身的规则。
它晚于期限、没有写字段、写了记录里没有的字段，或者复核日期在180天之后。条目自己和它所暂缓的条目
就是证明。

closed-without-withholding: 没有委员会暂缓公开的字段仍不公开。
解封条目用哈希代替了值，而没有暂缓公开的条目写明这些字段。各条目就是证明。这等于部分逾期。

withheld-field-opened: 委员会暂缓公开的字段被解封了。
本应不公开的危险内容已经公开，收不回来了。请告知委员会。

withheld-past-review: 暂缓公开字段的复核日期已过。
委员会定了日期，而字段仍不公开。格式里还没有记录复核的条目，所以只提醒，不算失败。请问委员会的决
定。

withholding-rate: 许多记录部分不公开。
到期的记录里，每二十条有一条以上，并且超过三条。每一条也许都有理由；这个比例说明例外正在变成惯例。
条目人人都能数。

bad-charter: 无法照办的章程变更。
它取代的不是最新的章程，或者对同一件事既允许又禁止，或者要求的签名多于理事会的署名方，那样就再也没
有人能修改它。规则保持原状。条目和登记册就是证明。请问理事会原意是什么。

charter-out-of-time: 章程的生效时间早于写入，或者太晚。
规则从人人都能读到的时候起才有约束力，最晚不超过366天之后。追溯既往的章程，会使当时不对的事变成对
的。它在这里不生效。条目自己就是证明。请问理事会是何时签的：在账本门口等得太久的变更也会如此。

wrong-charter: 裁定所写的章程不是生效的那一个。
生效的是在它之前写入、时间已到的最新章程。依据更早的、或者尚未生效的章程所作的裁定，在这里按应当依
据的那一个评判。三个条目就是证明。请问运营方的程序读的是哪一份规则。

forbidden-workload-admitted: 章程禁止的任务获准了。
它的工作类型不在允许之列，或者优化器作用于上传的模型。章程、提交和裁定都在日志里，就是证明。账本
自己会驳回，所以是有人改动了评判的程序。

admitted-against-charter: 超出章程限度的任务获准了。
它没有流出上限，或上限高于章程，或要的GPU比集群还多，或时限比一项任务所能有的还长，或者它的成员
将占用的GPU超过限额：计入的是该成员已获准而未结束的任务。各条目就是证明。

run-without-admission: 任务未经获准就运行，或送出了数据。
调度系统或网关报告的任务，是未知的、没有裁定的或被驳回的。它们签过名的声明就是证明。要么账本丢了
裁定，要么任务在规则之外运行。

usage-above-admitted: 任务用得比获准的多。
GPU比提交的多，或各段运行加起来（外加五分钟）超过时限，或GPU秒数超出两者之积。调度系统签过名的数
字就是证明。调度系统的更正也许能解释：请看这项任务下方。

egress-above-ceiling: 流出的数据超过这项任务的上限。
网关签过名的数字加起来，超过提交里的上限。这里指明的是第一个超出的条目。网关本应拦住：请问流出了
什么。

artifact-above-ceiling: 任务某一类产物超过章程的上限。
网关签过名的条目按类相加，超过章程所允许的，无论依据任务获准时的章程，还是此时生效的章程。这里指明
的是第一个超出的条目。产物库在收取之前先记账，所以要么绕过了它，要么计数被改动过：请问流出了什么。

bad-artifact: 产物收取了两次，或者读取了没有的产物。
每件产物有自己的编号，一次整体记账。成员所读的，必须是其任务产物的一部分。各条目就是证明。借别的名
目流出的字节，没有照实计数：请问网关。

member-egress-above-quota: 一个成员的任务在30天内流出的超过章程所允许的。
计入的是条目当天及其前三十天里经产物之门收取和读取的，以及各网关所报、在余额以内的部分。限额由条目
写入时生效的章程而定。各条目就是证明。请问网关流出了什么。

artifact-read-by-another: 读取产物的不是任务的主人。
产物在解封之前，只有任务所属的成员可以读取。签过名的条目写的是别人。门本不该打开：请问读走了什么。

egress-after-quarantine: 权重变了的任务仍有数据流出。
从那时起，这项任务的任何产物都不得收取或读取。各条目就是证明。另有门户的网关事后上报的，可能在此之
前就已流出，只作提醒。

weights-changed: 上传的模型的权重变了。
要么调度系统如此报告，要么它说没变，而解封后前后两个摘要不同。章程要防止的正是这件事。如果账本当即
认定并隔离了任务，或者运行已按规定终止，说明违规已受处置，这里只作提醒。

missing-finding: 权重变了，账本却没有说。
运行结束时，如果它自己说、或者它所封存的摘要表明权重已变，下一个条目必须是账本的认定，任务由此被隔
离。结束的条目就是证明；如果不同的是摘要，还要加上两次解封。运营方在写入结束时就知道这些：请问为何
不说。

bad-finding: 不属实的认定，或者无所指的认定。
它不在所认定的条目之后，或者写的是别的任务，或者理由不是同一种，或者写出了封存的摘要，或者说权重变
了，而解封后前后两个摘要相同。各条目就是证明。它能使成员的产物永远取不出来：请问运营方的理由。

job-without-end: 开始了的任务在日志里没有结束。
按日志自己的时间，它的时限已过一天以上（中断的任务为三十天）：要么它还在超时运行，要么结束没有上报，用了多少、有什么结
果也就没有上报。补写结束之后即告消除。

job-not-begun: 任务获准之后再无音讯。
按日志自己的时间，从获准起算，它的时限已过一天以上。它可能在繁忙的集群里排队，也可能被作者不声不响地放弃；但也可能已经运行而没有上
报，仅凭日志无从分辨。请向调度系统查问队列。
"""

EXPLANATIONS = {"en": _words(ENGLISH, " "), "zh-Hans": _words(CHINESE_WORDS, "")}
"""For ``explain``: each code's line and its paragraph."""


if __name__ == "__main__":
    sys.exit(main())
