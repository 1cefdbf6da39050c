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

    verify.py URL [--vkey VKEY | --policy FILE] [--state FILE] [--json] [--offline DIR]
    verify.py proof FILE [--entry FILE] (--vkey VKEY | --policy FILE | --state FILE)

Exit 0: verified. Exit 1: misbehaviour is proven, and the evidence is on disk.
Exit 2: it could not be checked (network, arguments, no key); one line says why.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import http.client
import json
import multiprocessing
import os
import random
import re
import sys
import tempfile
import threading
import time
import traceback
from array import array
from base64 import b64decode, b64encode
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
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
LONGEST_EMBARGO_DAYS = 90
LONGEST_REVIEW_S = 180 * DAY_S
TILE = 256
FINDINGS_SHOWN = 100
"""How many findings of one code are told in full; all are counted."""
BUNDLES_PER_JOB = 4
FETCHERS = 8
PARALLEL_FROM = 20_000
"""Below this many entries, starting processes costs more than they save."""
CHECKPOINT_LIMIT, BUNDLE_LIMIT, RECEIPT_LIMIT = 64 * 1024, TILE * (2 + 65_535), 2 * 1024 * 1024
ED25519, COSIGNATURE_ED25519 = 0x01, 0x04


class CannotCheck(Exception):
    """Exit 2: the message is the one line that says why."""


class Missing(CannotCheck):
    """The server answered that there is no such resource."""


class Proven(Exception):
    """Exit 1 before any entry was read: the checkpoint or the receipt itself is wrong."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Malformed(Exception):
    """An entry that has not the shape of its kind."""


def refuse(message: str) -> NoReturn:
    """Raise ValueError, for the caller's handler to say where."""
    raise ValueError(message)


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


# --- notes, checkpoints, policies -------------------------------------------------------------


class Key(NamedTuple):
    """A signed-note verifier key: ``name+hex8+base64(type ‖ public key)``."""

    name: str
    key_id: bytes
    kind: int
    public: bytes


def parse_vkey(text: str) -> Key:
    """Read a vkey; ValueError where the key ID is not that of its name, type and key."""
    name, hex_id, encoded = text.split("+", 2)
    data = from_base64(encoded)
    key_id = sha256(name.encode() + b"\n" + data)[:4]
    if not name or re.search(r"[\s\x00-\x1f]", name) or hex_id != key_id.hex():
        raise ValueError("the key ID is not that of the name and the key")
    if data[0] in (ED25519, COSIGNATURE_ED25519) and len(data) != 33:
        raise ValueError("an Ed25519 key has 32 bytes")
    return Key(name, key_id, data[0], data[1:])


class Note(NamedTuple):
    """A signed note, opened but not yet believed: ``text`` ends in a newline."""

    raw: bytes
    text: bytes
    lines: tuple[tuple[str, bytes, bytes], ...]


def parse_note(raw: bytes) -> Note:
    """Open a note by C2SP signed-note; raises CannotCheck where it is none."""
    at = raw.rfind(b"\n\n")
    try:
        text = raw.decode()
        if at < 1 or not text.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text):
            refuse("no blank line before the signatures")
        lines = []
        for line in raw[at + 2 : -1].decode().split("\n"):
            dash, name, encoded = line.split(" ")
            blob = from_base64(encoded)
            if dash != "—" or not name or "+" in name or len(blob) < 5:
                refuse("not a signature line")
            lines.append((name, blob[:4], blob[4:]))
    except ValueError as error:
        raise CannotCheck(f"not a signed note ({error})") from None
    if len(lines) > 100:
        raise CannotCheck(f"a note with {len(lines)} signature lines, more than 100")
    return Note(raw, raw[: at + 1], tuple(lines))


def log_signature_holds(note: Note, key: Key) -> bool:
    """Tell whether ``key`` has signed. Its line, where it fails, is refused with Proven."""
    blobs = [blob for name, key_id, blob in note.lines if (name, key_id) == key[:2]]
    if not all(ed25519_holds(key.public, note.text, blob) for blob in blobs):
        raise Proven("bad-checkpoint-signature", f"the line of {key.name} does not verify")
    return bool(blobs)


def cosigned_at(note: Note, key: Key) -> int | None:
    """Return the unix seconds of a witness's ``cosignature/v1``, or None where it has none."""
    for name, key_id, blob in note.lines:
        if (name, key_id) != key[:2]:
            continue
        moment = int.from_bytes(blob[:8], "big")
        message = b"cosignature/v1\ntime %d\n" % moment + note.text
        if not ed25519_holds(key.public, message, blob[8:]):
            raise Proven("bad-cosignature", f"the cosignature of {key.name} does not verify")
        return moment
    return None


class Checkpoint(NamedTuple):
    """A checkpoint whose signature by ``key`` holds."""

    note: Note
    key: Key
    size: int
    root: bytes


def open_checkpoint(raw: bytes, keys: Sequence[Key]) -> Checkpoint:
    """Believe a checkpoint that one of ``keys`` has signed.

    Raises CannotCheck where there is no checkpoint or it is another log's, and Proven where its
    signature fails, is missing, or stands under something that is not a checkpoint.
    """
    note = parse_note(raw)
    origin = note.text.split(b"\n", 1)[0].decode()
    signers = [key for key in keys if log_signature_holds(note, key)]
    if not signers:
        if origin not in [key.name for key in keys]:
            known = ", ".join(key.name for key in keys)
            raise CannotCheck(f"this is the log {origin[:80]!r}; the key given is for {known}")
        raise Proven("unsigned-checkpoint", f"no signature by the known key of {origin}")
    parts = note.text.decode().split("\n")
    try:
        if len(parts) != 4 or parts[0] != signers[0].name:
            refuse("other lines")
        if not re.fullmatch(r"0|[1-9][0-9]{0,17}", parts[1], re.ASCII):
            refuse("no size")
        return Checkpoint(note, signers[0], int(parts[1]), from_base64(parts[2], 32))
    except ValueError:
        raise Proven(
            "malformed-checkpoint", "the signed text is not origin, size and root on three lines"
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

    Raises CannotCheck without the quorum, Proven for a known witness's line that does not verify.
    """
    times = {
        name: moment
        for name, key in policy.witnesses.items()
        if key.kind == COSIGNATURE_ED25519 and (moment := cosigned_at(note, key)) is not None
    }
    seen = policy.quorum_time(times)
    if seen is None and policy.quorum != "none":
        known = ", ".join(sorted(times)) or "nobody"
        raise CannotCheck(f"no witness quorum: cosigned by {known}, wanted {policy.quorum}")
    return seen


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
    if any(key.kind != ED25519 for key in reader.logs):
        raise CannotCheck("policy: a log's key must be Ed25519 (type 0x01)")
    return Policy(tuple(reader.logs), reader.witnesses, reader.groups, reader.quorums[0])


# --- fetching ---------------------------------------------------------------------------------


class Source(Protocol):
    """Where the log's files are read from, by their path under the log's prefix."""

    name: str
    prefix: str

    def get(self, path: str, limit: int) -> bytes:
        """Return the bytes, at most ``limit``. Raises Missing, or CannotCheck."""

    def close(self) -> None:
        """Let go of what is open."""


class Mirror:
    """A static copy in a folder."""

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
        self.retries = retries
        self._local = threading.local()
        self._connections: list[http.client.HTTPConnection] = []
        self._make: Callable[[], http.client.HTTPConnection] = lambda: (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )(parts.hostname or "", port, timeout=timeout_s)

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
        answer = connection.getresponse()
        if answer.status != 200:
            self._drop()
            if answer.status in (404, 410):
                raise Missing(f"{self.name}: {address}: HTTP {answer.status}")
            if answer.status == 429 or answer.status >= 500:
                raise http.client.HTTPException(f"HTTP {answer.status}")
            moved = (
                f" to {answer.headers['Location'][:200]}" if "Location" in answer.headers else ""
            )
            raise CannotCheck(f"{self.name}: {address}: HTTP {answer.status}{moved}")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise CannotCheck(f"{self.name}: {address}: compressed although not asked for")
        data: bytes = answer.read(limit + 1)
        if len(data) > limit:
            self._drop()
            raise CannotCheck(f"{self.name}: {address}: larger than {limit} bytes")
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


def get_tile(source: Source, level: int | str, number: int, width: int) -> tuple[bytes, bool]:
    """Return a tile or bundle, and whether it is the full one where a part was asked for.

    A log may drop a partial tile once the full one exists (tlog-tiles), so that is tried next.
    """
    limit = BUNDLE_LIMIT if level == "entries" else TILE * 32
    try:
        return source.get(tile_path(level, number, width), limit), False
    except Missing:
        if width == TILE:
            raise
    return source.get(tile_path(level, number), limit), True


def split_bundle(data: bytes, width: int, *, longer: bool) -> tuple[list[bytes], str | None]:
    """Return up to ``width`` entries of a bundle, and what is wrong with it."""
    entries: list[bytes] = []
    at = 0
    while len(entries) < width:
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if len(data) < at + 2 or len(data) < end:
            return entries, f"ends after {len(entries)} of {width} entries"
        entries.append(data[at + 2 : end])
        at = end
    spare = len(data) - at
    return entries, f"has {spare} bytes after its last entry" if spare and not longer else None


class Bundle(NamedTuple):
    """One bundle as fetched, with the level-0 tile that should agree with it."""

    number: int
    width: int
    data: bytes
    longer: bool
    tile: bytes


def fetch_bundles(source: Source, size: int) -> Iterator[Bundle]:
    """Yield every bundle below ``size`` with its tile, in order, fetching some ahead."""

    def fetch(number: int) -> Bundle:
        width = min(TILE, size - number * TILE)
        data, longer = get_tile(source, "entries", number, width)
        return Bundle(number, width, data, longer, get_tile(source, 0, number, width)[0])

    pool = ThreadPoolExecutor(FETCHERS)
    ahead: deque[Future[Bundle]] = deque()
    try:
        for number in range(-(-size // TILE)):
            ahead.append(pool.submit(fetch, number))
            if len(ahead) > 2 * FETCHERS:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


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
    "job-ended/1": _schema(
        "completed failed cancelled terminated_by_policy",
        "orchestrator",
        "started_at ended_at wall_seconds gpu_seconds h200e_seconds h200e_basis exit_status"
        " weights_unchanged weights_check",
        "artifacts completions energy_joules metrics model.weights_digest_after samples.completed"
        " samples.total source tokens.input tokens.output",
    ),
    "job-egress/1": _schema("egress", "gateway", "egress_bytes artifact_count"),
    "job-open/1": _schema("open", JOB_AUTHORS, "discloses"),
    "job-corrected/1": _schema("corrected", JOB_AUTHORS, "corrects field value reason"),
    "job-withheld/1": _schema("withheld", "committee", "withholds paths basis review_by"),
    "registry/1": _schema("registry", "council", "action name role title vkey"),
}
ROLES_FOR = {kind: schema.roles for schema in SCHEMAS.values() for kind in schema.kinds}
TYPE = b"application/vnd.apsci.statement.v1+json"
KIND = re.compile(r"[a-z][a-z0-9_]{0,62}")
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
COMMON = frozenset({"format", "kind", "logged_at"})
SIGNED = COMMON | {"signature", "statement"}
STATEMENT = frozenset({"author", "kind", "made_at", "public", "schema"})


class Said(NamedTuple):
    """What the replay needs of an entry that carries a statement."""

    author: str
    key_id: str
    job_id: str
    schema: str
    publish_by: int | None
    root: bytes | None
    digest: bytes
    holds: bool | None
    about: tuple[Any, ...]


class Decided(NamedTuple):
    """What the replay needs of ``admitted`` and ``rejected``."""

    refers_to: int
    job_id: str
    charter: int
    findings: int


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


class Listed(NamedTuple):
    """What the replay needs of ``manifest``: at which size the files were made that it lists."""

    tree_size: int


class Row(NamedTuple):
    """One entry, read: ``kind`` is "" where it has no readable one."""

    kind: str
    logged_at: int | None
    body: Said | Decided | Shown | Listed | dict[str, Any] | None
    problems: tuple[tuple[str, str], ...]


Keys = dict[tuple[str, str], bytes]
"""Public key by author and key ID in hex."""


def exact(value: object, required: frozenset[str], *optional: str) -> dict[str, Any]:
    """Return ``value`` if it is an object of exactly these fields."""
    if not isinstance(value, dict):
        raise Malformed("an object is missing")
    if value.keys() != required and not (required <= value.keys() <= required.union(optional)):
        odd = sorted((required ^ value.keys()) - {*optional})
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


def _about(kind: str, public: dict[str, Any]) -> tuple[Any, ...]:
    """Return the public fields that the replay judges, checked for their types."""
    match kind:
        case "submitted":
            ceiling = public["egress_ceiling_bytes"]
            return (
                string(public["workload_type"]),
                tuple(map(string, public["optimizer_targets"])),
                None if ceiling is None else integer(ceiling),
            )
        case "open":
            return (integer(public["discloses"]),)
        case "corrected":
            return (integer(public["corrects"]),)
        case "withheld":
            paths = tuple(map(string, public["paths"]))
            return integer(public["withholds"]), paths, seconds(string(public["review_by"]))
        case "registry":
            return tuple(string(public[name]) for name in ("action", "name", "role", "vkey"))
    return ()


def read_statement(entry: dict[str, Any], data: bytes | None, keys: Keys | None) -> Said:
    """Check shape and signature. ``data``: the entry if canonical; ``keys`` None: no signatures."""
    kind = entry["kind"]
    statement = exact(entry.get("statement"), STATEMENT, "job_id", "sealed")
    exact(entry, SIGNED | {"publish_by"} if "sealed" in statement else SIGNED)
    author, name = string(statement["author"]), string(statement["schema"])
    seconds(string(statement["made_at"]))
    signature = exact(entry["signature"], frozenset({"key_id", "value"}))
    key_id = string(signature["key_id"])
    schema = SCHEMAS.get(name)
    if statement["kind"] != kind or (schema and kind not in schema.kinds):
        raise Malformed(f"a statement of kind {statement['kind']!r} and {name} in a {kind} entry")
    if kind == "registry":
        if "job_id" in statement:
            raise Malformed("a registry statement names a job")
    elif not ULID.fullmatch(string(statement.get("job_id"))):
        raise Malformed("the job ID is not a ULID")
    publish_by = root = None
    if "sealed" in statement:
        sealed = exact(statement["sealed"], frozenset({"fields", "root"}))
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
    holds = None
    if keys is not None and (public_key := keys.get((author, key_id))) is not None:
        holds = ed25519_holds(public_key, message, from_base64(string(signature["value"]), 64))
    about = _about(kind, public) if schema else ()
    job_id = statement.get("job_id", "")
    return Said(author, key_id, job_id, name, publish_by, root, sha256(message), holds, about)


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


def read_disclosed(entry: dict[str, Any]) -> Shown:
    """Check the shape of a disclosure and hash what it shows."""
    required = COMMON | {"discloses", "job_id", "reason", "fields"}
    if "seed" in entry:
        required |= {"seed"}
    else:
        required |= {"salts", "closed", "withheld_by"}
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
    )


def read_decision(entry: dict[str, Any]) -> Decided:
    """Check the shape of the ledger's answer to a submission."""
    exact(entry, COMMON | {"refers_to", "job_id", "charter", "findings"})
    if not isinstance(entry["findings"], list):
        raise Malformed("findings is not a list")
    for finding in entry["findings"]:
        exact(finding, frozenset({"rule", "code", "finding"}))
    refers_to, charter = integer(entry["refers_to"]), integer(entry["charter"])
    return Decided(refers_to, string(entry["job_id"]), charter, len(entry["findings"]))


def read_manifest(entry: dict[str, Any]) -> Listed:
    """Check the shape of an entry that holds the digest of a list of bulk files."""
    exact(entry, COMMON | {"digest", "name", "tree_size"})
    string(entry["name"])
    _digest(exact(entry["digest"], frozenset({"sha256"}))["sha256"])
    return Listed(integer(entry["tree_size"]))


def read_entry(data: bytes, keys: Keys | None) -> Row:
    """Read one entry by itself; whatever is wrong with it becomes a problem of its row."""
    problems: list[tuple[str, str]] = []
    kind = ""
    logged_at: int | None = None
    body: Said | Decided | Shown | Listed | dict[str, Any] | None = None
    try:
        entry, one_spelling = parse_json(data)
        if not one_spelling:
            problems.append(("non-canonical", "the entry is not canonical JSON"))
        if not isinstance(entry, dict) or entry.get("format") != "apsci-ledger/1":
            refuse("not an entry of the format apsci-ledger/1")
        if not KIND.fullmatch(string(entry.get("kind"))):
            refuse("the kind is not a code")
        kind = entry["kind"]
        logged_at = seconds(string(entry.get("logged_at")))
        if kind in ROLES_FOR:
            body = read_statement(entry, data if one_spelling else None, keys)
        elif kind in ("admitted", "rejected"):
            body = read_decision(entry)
        elif kind == "disclosed":
            body = read_disclosed(entry)
        elif kind == "genesis":
            body = exact(entry, COMMON | {"authors", "charter", "origin", "vkey"})
        elif kind == "manifest":
            body = read_manifest(entry)
    except (Malformed, ValueError, TypeError) as error:
        problems.append(("malformed-entry", str(error)))
    return Row(kind, logged_at, body, tuple(problems))


ABSENT = Row("", None, None, (("malformed-bundle", "the bundle ends before this entry"),))


class Read(NamedTuple):
    """A bundle, read: its rows, its leaf hashes end to end, its subtree's root, what is wrong."""

    rows: list[Row]
    leaves: bytes
    root: bytes
    wrong: str | None


def read_bundles(bundles: Sequence[Bundle], keys: Keys | None) -> list[Read]:
    """Say everything about some bundles that needs no entries before them."""
    done = []
    for bundle in bundles:
        entries, wrong = split_bundle(bundle.data, bundle.width, longer=bundle.longer)
        digest = hashlib.sha256
        leaves = [digest(b"\x00" + entry).digest() for entry in entries]
        rows = [read_entry(entry, keys) for entry in entries]
        rows += [ABSENT] * (bundle.width - len(rows))
        done.append(Read(rows, b"".join(leaves), tree_root(leaves), wrong))
    return done


# --- replaying: the rules that need the whole history ------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: a stable code, the entry, a sentence, other entries that show it."""

    code: str
    index: int | None
    sentence: str
    see: tuple[int, ...] = ()


class Tally:
    """Findings or warnings: the first of each code in full, all of them counted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.told: list[Finding] = []

    def add(self, code: str, index: int | None, sentence: str, *see: int) -> None:
        """Count a finding and, among the first of its code, keep it."""
        self.counts[code] += 1
        if self.counts[code] <= FINDINGS_SHOWN:
            self.told.append(Finding(code, index, sentence, see))


class KeyTerm(NamedTuple):
    """A key of an author: good for entries after ``added`` and before ``retired``."""

    role: str
    vkey: str
    added: int
    retired: float


class Waiting(NamedTuple):
    """A sealed entry that has not been opened."""

    job_id: str
    author: str
    schema: str
    publish_by: int
    root: bytes
    withheld: dict[int, tuple[tuple[str, ...], int]]


RUN_STATES = frozenset({"started", "interrupted"})
ENDED = frozenset({"completed", "failed", "cancelled", "terminated_by_policy"})
MAY_FOLLOW = {
    "admitted": frozenset({"submitted"}),
    "rejected": frozenset({"submitted"}),
    "started": frozenset({"admitted", "interrupted"}),
    "interrupted": frozenset({"started"}),
    "completed": frozenset({"started"}),
    "failed": RUN_STATES,
    "cancelled": RUN_STATES | {"admitted"},
    "terminated_by_policy": RUN_STATES | {"admitted"},
    "egress": RUN_STATES | ENDED,
}
KEEPS_STATE = frozenset({"egress", "open", "withheld", "corrected"})


class Replay:
    """The log's history, entry by entry, held against the rules. Knows no hashes and no network."""

    def __init__(self, key: Key, now_s: int) -> None:
        self.log_key, self.now_s = key, now_s
        self.findings, self.warnings = Tally(), Tally()
        self.counts: Counter[str] = Counter()
        self.signatures = self.openings = 0
        self.time_s = 0
        self.embargo_s = LONGEST_EMBARGO_DAYS * DAY_S
        self.charter: dict[str, Any] = {}
        self.charters = {0}
        self.keys: dict[tuple[str, str], KeyTerm] = {}
        self.candidates: Keys = {}
        self.states: dict[str, str] = {}
        self.waiting: dict[int, Waiting] = {}
        # What later entries may refer to, per index, in a few bytes: author and job as numbers.
        self.opened = bytearray()
        self.author_of, self.job_of = array("I"), array("I")
        self.numbers: dict[str, int] = {"": 0}
        self.digests = [bytearray() for _ in range(256)]
        self.due: Row | None = None

    def learn(self, data: bytes) -> None:
        """Note the keys that an entry may add, for the readers to know; ``step`` judges them."""
        try:
            entry = DECODER.decode(data.decode())
            if entry["kind"] == "genesis":
                added = [(author["name"], author["vkey"]) for author in entry["authors"]]
            else:
                public = entry["statement"]["public"]
                added = [(public["name"], public["vkey"])]
            for name, vkey in added:
                key = parse_vkey(vkey)
                if key.kind == ED25519:
                    self.candidates.setdefault((name, key.key_id.hex()), key.public)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return  # the reader reports the shape, and a key that is not learnt is unknown

    def step(self, index: int, row: Row) -> None:
        """Judge the next entry."""
        due, self.due = self.due, None
        self.opened.append(0)
        self.author_of.append(0)
        self.job_of.append(0)
        self.counts[row.kind or "unreadable"] += 1
        for code, sentence in row.problems:
            self.findings.add(code, index, sentence)
        if row.logged_at is not None:
            self._time(index, row.logged_at)
        if due is not None:
            self._due(index, row, due)
        if (index == 0) != (row.kind == "genesis"):
            code = "no-genesis" if index == 0 else "second-genesis"
            self.findings.add(code, index, f"entry {index} is of kind {row.kind or 'none'}")
        self._judge(index, row, due)

    def _judge(self, index: int, row: Row, due: Row | None) -> None:
        body = row.body
        if isinstance(body, Said):
            self._statement(index, row, body)
        elif isinstance(body, Decided):
            self._decided(index, row.kind, body, due)
        elif isinstance(body, Shown):
            self._shown(index, body, due)
        elif isinstance(body, Listed):
            if not 1 <= body.tree_size <= index:
                size = body.tree_size
                self.findings.add("manifest-too-large", index, f"files of {size} entries")
        elif isinstance(body, dict):
            self._genesis(index, body)
        elif not row.problems:
            self.warnings.add("unknown-kind", index, f"entries of kind {row.kind} are not judged")
            if row.kind == "charter":
                self.charters.add(index)

    def _time(self, index: int, logged_at: int) -> None:
        if logged_at < self.time_s:
            back = self.time_s - logged_at
            self.findings.add(
                "time-went-back", index, f"{back} s before its predecessor", index - 1
            )
        if logged_at > self.now_s + GRACE_S:
            self.findings.add("logged-in-future", index, f"logged at {clock_text(logged_at)}")
        self.time_s = max(self.time_s, logged_at)

    def _due(self, index: int, row: Row, due: Row) -> None:
        """Require what the next entry owes: a decision, or the disclosure asked for."""
        body = row.body
        if due.kind == "submitted":
            if not isinstance(body, Decided) or body.refers_to != index - 1:
                self.findings.add("missing-decision", index - 1, "no decision follows it", index)
        elif not isinstance(body, Shown) or body.opened_by != index - 1:
            self.findings.add("open-not-obeyed", index - 1, "no disclosure follows it", index)

    def _genesis(self, index: int, entry: dict[str, Any]) -> None:
        if index:
            return
        try:
            charter = entry["charter"]
            days = integer(charter["embargo_days"])
            if not 1 <= days <= LONGEST_EMBARGO_DAYS:
                self.findings.add("embargo-too-long", 0, f"the charter's embargo is {days} days")
            self.embargo_s = days * DAY_S
            integer(charter["egress_ceiling_bytes"])
            self.charter = {**charter, "allowed_workloads": {*charter["allowed_workloads"]}}
            for author in entry["authors"]:
                self._add_key(0, author["name"], author["role"], author["vkey"])
            mine = (self.log_key.name, parse_vkey(entry["vkey"]))
        except (KeyError, TypeError, ValueError, Malformed) as error:
            self.findings.add("malformed-entry", 0, f"the genesis entry lacks a part ({error})")
            return
        if (entry["origin"], mine[1]) != (mine[0], self.log_key):
            self.findings.add(
                "genesis-key-mismatch",
                0,
                f"the checkpoint is signed as {self.log_key.name} by the key"
                f" {self.log_key.key_id.hex()}; the genesis entry names {entry['vkey'][:120]}",
            )

    def _add_key(self, index: int, name: str, role: str, vkey: str) -> None:
        key = parse_vkey(vkey)
        term = (name, key.key_id.hex())
        if key.kind != ED25519 or key.name != f"{self.log_key.name}/{name}" or term in self.keys:
            raise ValueError(f"{vkey[:100]} cannot be a new key of {name}")
        self.keys[term] = KeyTerm(role, vkey, index, float("inf"))

    def _statement(self, index: int, row: Row, said: Said) -> None:
        kind = row.kind
        self.author_of[index] = self.numbers.setdefault("author " + said.author, len(self.numbers))
        self.job_of[index] = self.numbers.setdefault(said.job_id, len(self.numbers))
        bucket = self.digests[said.digest[0]]
        bucket += said.digest + index.to_bytes(8, "big")
        self._authority(index, kind, said)
        if kind == "registry":
            if said.about:
                self._registry(index, said.about)
        else:
            self._life_cycle(index, kind, said.job_id)
        if said.root is not None and said.publish_by is not None:
            assert row.logged_at is not None
            self._seal(index, row.logged_at, said, said.root, said.publish_by)
        if kind == "submitted":
            self.due = row
        elif kind == "open" and said.about:
            self.due = row
            self._same_origin(index, said, self.waiting.get(said.about[0]), "open-by-another")
        elif kind == "corrected" and said.about:
            self._corrected(index, said)
        elif kind == "withheld" and said.about:
            self._withheld(index, row.logged_at or 0, said)
        if said.schema not in SCHEMAS:
            self.warnings.add("unknown-schema", index, f"{said.schema[:60]} is not judged")

    def _authority(self, index: int, kind: str, said: Said) -> None:
        term = self.keys.get((said.author, said.key_id))
        who = f"{said.author[:60]} with key {said.key_id[:20]}"
        if term is None:
            known = any(author == said.author for author, _ in self.keys)
            code = "unknown-key" if known else "unknown-author"
            self.findings.add(code, index, f"{who} is not in the registry")
            return
        if not term.added < index < term.retired:
            bounds = f"after entry {term.added} and before {term.retired}"
            self.findings.add("key-not-valid", index, f"{who}: valid {bounds}", term.added)
        if said.holds is False:
            self.findings.add("bad-signature", index, f"the signature by {who} does not verify")
        elif said.holds:
            self.signatures += 1
        if term.role not in ROLES_FOR[kind]:
            self.findings.add("wrong-role", index, f"{who} is {term.role} and may not say {kind}")

    def _registry(self, index: int, about: tuple[str, ...]) -> None:
        try:
            action, name, role, vkey = about
            key_id = parse_vkey(vkey).key_id.hex()
            if action == "add":
                self._add_key(index, name, role, vkey)
                return
            term = self.keys.get((name, key_id))
            if action != "retire" or term is None or term.vkey != vkey or term.retired < index:
                refuse(f"{action[:20]} {vkey[:100]}, which {name[:60]} does not have")
        except ValueError as error:
            self.findings.add("bad-registry", index, str(error))
        else:
            self.keys[name, key_id] = term._replace(retired=index)

    def _life_cycle(self, index: int, kind: str, job_id: str) -> None:
        state = self.states.get(job_id)
        if kind == "submitted":
            wrong = state is not None
        elif kind in MAY_FOLLOW:
            wrong = state not in MAY_FOLLOW[kind]
        else:
            wrong = state is None
        if wrong:
            met = f"is {state}" if state else "was never submitted"
            self.findings.add("out-of-order", index, f"{kind} for job {job_id}, which {met}")
        elif kind not in KEEPS_STATE:
            self.states[job_id] = kind

    def _seal(self, index: int, logged_at: int, said: Said, root: bytes, publish_by: int) -> None:
        right = logged_at + self.embargo_s
        # A later charter may shorten the embargo; nothing may lengthen it.
        if publish_by > right or (publish_by != right and len(self.charters) == 1):
            self.findings.add(
                "wrong-publish-by", index, f"{publish_by - right:+d} s from {clock_text(right)}"
            )
        self.waiting[index] = Waiting(
            said.job_id, said.author, said.schema, min(publish_by, right), root, {}
        )

    def _same_origin(self, index: int, said: Said, waiting: Waiting | None, code: str) -> None:
        target = said.about[0]
        if waiting is None or target >= index:
            what = "was opened before" if self._was_opened(target) else "is not a sealed entry"
            self.findings.add("bad-reference", index, f"entry {target} {what}")
        elif (waiting.job_id, waiting.author) != (said.job_id, said.author):
            whose = f"{waiting.author}'s in job {waiting.job_id}"
            self.findings.add(code, index, f"entry {target} is {whose}", target)

    def _was_opened(self, index: int) -> bool:
        return index < len(self.opened) and bool(self.opened[index])

    def _corrected(self, index: int, said: Said) -> None:
        target = said.about[0]
        mine = (self.author_of[index], self.job_of[index])
        if target >= index or (self.author_of[target], self.job_of[target]) != mine:
            self.findings.add("bad-reference", index, f"entry {target} is not this author's")

    def _withheld(self, index: int, logged_at: int, said: Said) -> None:
        target, paths, review_by = said.about
        waiting = self.waiting.get(target)
        if waiting is None or waiting.job_id != said.job_id:
            self.findings.add("bad-reference", index, f"entry {target} has nothing to withhold")
            return
        schema = SCHEMAS.get(waiting.schema)
        wrong = [
            reason
            for reason, holds in (
                ("it comes after the deadline", logged_at < waiting.publish_by),
                ("the review is over 180 days away", review_by <= logged_at + LONGEST_REVIEW_S),
                ("it names no path, or one twice", paths and len({*paths}) == len(paths)),
                ("it names other paths", schema is None or {*paths} <= {*schema.sealed}),
            )
            if not holds
        ]
        if wrong:
            self.findings.add("bad-withholding", index, "; ".join(wrong), target)
        waiting.withheld[index] = (paths, review_by)

    def _decided(self, index: int, kind: str, decided: Decided, due: Row | None) -> None:
        said = due.body if due and due.kind == "submitted" else None
        if not isinstance(said, Said) or (decided.refers_to, decided.job_id) != (
            index - 1,
            said.job_id,
        ):
            target = decided.refers_to
            self.findings.add("decision-without-submission", index, f"it refers to entry {target}")
            return
        self._life_cycle(index, kind, decided.job_id)
        if decided.charter not in self.charters:
            self.findings.add("bad-reference", index, f"entry {decided.charter} is no charter")
        if (kind == "rejected") != bool(decided.findings):
            self.findings.add("bad-decision", index, f"{kind} with {decided.findings} findings")
        if kind == "admitted" and said.about and self.charter and len(self.charters) == 1:
            self._admissible(index, *said.about)

    def _admissible(
        self, index: int, workload: str, targets: tuple[str, ...], ceiling: int | None
    ) -> None:
        most = self.charter["egress_ceiling_bytes"]
        for wrong, breach in (
            (workload not in self.charter["allowed_workloads"], f"the workload is {workload}"),
            ("uploaded_model" in targets, "an optimizer on the uploaded model"),
            (ceiling is None or ceiling > most, f"an egress ceiling of {ceiling}, most is {most}"),
        ):
            if wrong:
                code = "admitted-against-charter"
                self.findings.add(code, index, f"admitted although {breach}", index - 1)

    def _shown(self, index: int, shown: Shown, due: Row | None) -> None:
        target = shown.discloses
        waiting = self.waiting.get(target)
        if waiting is None or waiting.job_id != shown.job_id:
            again = waiting is None and self._was_opened(target)
            code = "disclosed-twice" if again else "bad-reference"
            what = "was opened before" if again else "is no sealed entry of this job"
            self.findings.add(code, index, f"entry {target} {what}", *[target] * (target < index))
            return
        del self.waiting[target]
        self.opened[target] = 1
        self.openings += 1
        schema = SCHEMAS.get(waiting.schema)
        if schema and tuple(sorted(shown.paths + shown.closed)) != schema.sealed:
            self.findings.add("opening-mismatch", index, f"not the paths of entry {target}", target)
        elif shown.root != waiting.root:
            sentence = f"what it shows does not hash to the commitment of entry {target}"
            self.findings.add("opening-mismatch", index, sentence, target)
        self._closed_paths(index, shown, waiting)
        self._opened_in_time(index, shown, waiting, due)

    def _closed_paths(self, index: int, shown: Shown, waiting: Waiting) -> None:
        closed = {path for paths, _ in waiting.withheld.values() for path in paths}
        if shown.withheld_by is None:
            if closed:
                self.findings.add("withheld-field-opened", index, ", ".join(sorted(closed)))
        elif shown.withheld_by not in waiting.withheld:
            sentence = f"entry {shown.withheld_by} does not withhold {', '.join(shown.closed)}"
            self.findings.add("closed-without-withholding", index, sentence, shown.discloses)
        elif closed != {*shown.closed}:
            odd = ", ".join(sorted(closed ^ {*shown.closed}))
            self.findings.add("closed-without-withholding", index, f"not as withheld: {odd}")
        for by, (_, review_by) in waiting.withheld.items():
            if review_by < self.now_s:
                self.warnings.add("review-passed", by, f"review was due {clock_text(review_by)}")

    def _opened_in_time(self, index: int, shown: Shown, waiting: Waiting, due: Row | None) -> None:
        late = self.time_s - waiting.publish_by
        if shown.reason == "early":
            said = due.body if due and due.kind == "open" else None
            if (
                shown.opened_by != index - 1
                or not isinstance(said, Said)
                or said.about != (shown.discloses,)
                or (said.author, said.job_id) != (waiting.author, waiting.job_id)
            ):
                sentence = f"entry {shown.opened_by} is not its author's request just before"
                self.findings.add("early-without-open", index, sentence, shown.discloses)
        elif late < 0:
            sentence = f"opened {-late} s before its date without its author's request"
            self.findings.add("early-without-open", index, sentence, shown.discloses)
        if late > GRACE_S:
            self.warnings.add("late-disclosure", index, f"{late} s after its date")

    def finish(self, *, own_clock: bool) -> None:
        """Judge what only the end shows: things left undone, statements logged twice."""
        if self.due is not None:
            code = "missing-decision" if self.due.kind == "submitted" else "open-not-obeyed"
            self.findings.add(code, len(self.opened) - 1, "the log ends after it")
        for index, waiting in self.waiting.items():
            if waiting.publish_by + GRACE_S < self.time_s:
                late = self.time_s - waiting.publish_by
                sentence = f"still sealed {late} s after its date, by the log's own last entry"
                self.findings.add("overdue", index, sentence)
            elif waiting.publish_by + GRACE_S < self.now_s:
                tally = self.findings if own_clock else self.warnings
                due_at = clock_text(waiting.publish_by)
                tally.add("due-by-own-clock", index, f"was due {due_at}; the log ends before")
        for bucket in self.digests:
            seen: dict[bytes, int] = {}
            for at in range(0, len(bucket), 40):
                digest = bytes(bucket[at : at + 32])
                index = int.from_bytes(bucket[at + 32 : at + 40], "big")
                first = seen.setdefault(digest, index)
                if first != index:
                    sentence = f"the same statement as entry {first}"
                    self.findings.add("duplicate-statement", index, sentence, first)


# --- the audit --------------------------------------------------------------------------------


class Progress:
    """A bar on a terminal, a line every ten seconds elsewhere; always on standard error."""

    def __init__(self, size: int, *, quiet: bool) -> None:
        self.size, self.quiet = size, quiet
        self.bar = sys.stderr.isatty()
        self.next = time.monotonic() + (0 if self.bar else 10)

    def at(self, done: int) -> None:
        """Show how far it is."""
        if self.quiet or (time.monotonic() < self.next and done < self.size):
            return
        self.next = time.monotonic() + (0.2 if self.bar else 10)
        if self.bar:
            filled = 30 * done // max(1, self.size)
            end = "\n" if done == self.size else ""
            sys.stderr.write(f"\r[{'#' * filled:30}] {done:,}/{self.size:,} entries{end}")
            sys.stderr.flush()
        elif done < self.size:
            print(f"{done:,} of {self.size:,} entries", file=sys.stderr)


class Audit:
    """One verification of one log, from its checkpoint to its last entry."""

    def __init__(self, source: Source, checkpoint: Checkpoint, options: argparse.Namespace) -> None:
        self.source, self.checkpoint, self.options = source, checkpoint, options
        self.now_s = int(time.time())
        self.replay = Replay(checkpoint.key, self.now_s)
        self.findings, self.warnings = self.replay.findings, self.replay.warnings
        self.files: dict[str, bytes] = {"checkpoint": checkpoint.note.raw}
        self.old: Checkpoint | None = None
        self.old_tail: list[bytes] = []
        self.subtrees: list[bytes] = []
        self.served: list[bytes] = []
        self.differing: list[tuple[int, int]] = []
        self.last_leaves: list[bytes] = []
        self.kept: dict[int, list[bytes]] = {}
        self.shortfall: str | None = None
        self.cosigned: int | None = None
        self.timings: dict[str, float] = {}
        self.tiles = 0

    def run(self) -> None:
        """Check everything; findings made before something could not be fetched still count."""
        started = time.monotonic()
        try:
            self._entries()
            self.timings["entries_s"] = time.monotonic() - started
            self._roots()
            self._upper_tiles()
        except CannotCheck as error:
            if not self.findings.counts:
                raise
            self.shortfall = str(error)
        else:
            self.replay.finish(own_clock=self.options.clock == "own")
            if self.cosigned is not None and self.replay.time_s > self.cosigned + GRACE_S:
                ahead = self.replay.time_s - self.cosigned
                sentence = f"{ahead} s ahead of the witnesses who had already seen it"
                self.findings.add("ahead-of-witnesses", self.checkpoint.size - 1, sentence)
        self.timings["total_s"] = time.monotonic() - started

    def compare_with(self, old: Checkpoint) -> None:
        """Hold the new checkpoint against one that this log had signed before."""
        self.old = old
        new = self.checkpoint
        if new.size < old.size:
            sentence = f"the log had {old.size} entries and now shows {new.size}"
            self.findings.add("log-shrank", None, sentence)
        elif new.size == old.size and new.root != old.root:
            sentence = f"two different roots are signed for the size {old.size}"
            self.findings.add("log-forked", None, sentence)

    def cosignatures(self, policy: Policy) -> None:
        """Count the witnesses; without a quorum nothing can be called verified."""
        for name, key in policy.witnesses.items():
            if key.kind != COSIGNATURE_ED25519:
                self.warnings.add("unknown-witness-type", None, f"{name} is not counted")
        try:
            self.cosigned = quorum_seen(policy, self.checkpoint.note)
        except CannotCheck as error:
            self.shortfall = str(error)

    def _entries(self) -> None:
        size = self.checkpoint.size
        if size == 0:
            self.findings.add("no-genesis", None, "the log is empty")
        progress = Progress(size, quiet=self.options.json)
        jobs = self.options.jobs if size >= PARALLEL_FROM else 1
        with _readers(jobs) as read:
            running: deque[tuple[list[Bundle], Callable[[], list[Read]]]] = deque()
            batch: list[Bundle] = []
            for bundle in fetch_bundles(self.source, size):
                self._learn(bundle)
                batch.append(bundle)
                if len(batch) == BUNDLES_PER_JOB or bundle.number == (size - 1) // TILE:
                    keys = None if self.options.skip_signatures else dict(self.replay.candidates)
                    running.append((batch, read(batch, keys)))
                    batch = []
                if len(running) > 2 * jobs or (running and jobs == 1):
                    self._take(*running.popleft())
                    progress.at(self.replay.counts.total())
            while running:
                self._take(*running.popleft())
        progress.at(size)

    def _learn(self, bundle: Bundle) -> None:
        if bundle.number == 0 or b'"kind":"registry"' in bundle.data:
            entries, _ = split_bundle(bundle.data, bundle.width, longer=True)
            for entry in entries:
                if b'"kind":"registry"' in entry or b'"kind":"genesis"' in entry:
                    self.replay.learn(entry)

    def _take(self, batch: list[Bundle], read: Callable[[], list[Read]]) -> None:
        for bundle, done in zip(batch, read(), strict=True):
            before = self.findings.counts.total()
            first = bundle.number * TILE
            if done.wrong:
                self.findings.add("malformed-bundle", None, f"bundle {bundle.number} {done.wrong}")
            self._tile_0(bundle, done)
            for index, row in enumerate(done.rows, first):
                self.replay.step(index, row)
            self.last_leaves = split_hashes(done.leaves)
            if self.old and self.old.size // TILE == bundle.number:
                self.old_tail = self.last_leaves[: self.old.size % TILE]
            if self.findings.counts.total() > before and len(self.kept) < 40:
                self._keep(bundle)

    def _keep(self, bundle: Bundle) -> list[bytes]:
        entries, _ = split_bundle(bundle.data, bundle.width, longer=True)
        self.kept[bundle.number] = entries
        return entries

    def _tile_0(self, bundle: Bundle, done: Read) -> None:
        """Compare the hashes of a bundle's entries with those that the level-0 tile claims."""
        self.tiles += 2
        tile = bundle.tile[: 32 * bundle.width] if bundle.longer else bundle.tile
        self.subtrees.append(done.root)
        self.served.append(done.root)
        if tile == done.leaves:
            return
        self.served[-1] = tree_root(split_hashes(tile))
        claimed, found = split_hashes(tile), split_hashes(done.leaves)
        at = next((i for i, (a, b) in enumerate(zip(claimed, found, strict=False)) if a != b), 0)
        self.differing.append((bundle.number, bundle.number * TILE + at))
        if len(self.files) < 20:
            self.files[f"tile-0-{bundle.number}"] = bundle.tile
            self.files[f"bundle-{bundle.number}"] = bundle.data

    def _roots(self) -> None:
        new = self.checkpoint
        root = tree_root(self.subtrees)
        if root != new.root:
            sentence = f"the entries hash to {to_base64(root)}, not to the signed root"
            self.findings.add("root-mismatch", None, sentence)
        # Where bundle and tile disagree, the signed root says which of them was altered.
        entries_altered = root != new.root and tree_root(self.served) == new.root
        for number, index in self.differing:
            if entries_altered:
                sentence = "the entry is not the one whose hash is under the signed root"
                self.findings.add("entry-hash-mismatch", index, sentence)
            else:
                path = tile_path(0, number)
                sentence = f"{path} does not hold the hashes of its entries"
                self.findings.add("tile-mismatch", index, sentence)
        old = self.old
        if old is not None and old.size < new.size and old.root != self._root_at(old):
            sentence = f"its first {old.size} entries are not those that it had signed before"
            self.findings.add("log-forked", None, sentence)

    def _root_at(self, old: Checkpoint) -> bytes:
        tail = [tree_root(self.old_tail)] if old.size % TILE else []
        return tree_root(self.subtrees[: old.size // TILE] + tail)

    def _upper_tiles(self) -> None:
        """Fetch every tile above level 0 and compare it with what the entries hash to."""
        nodes = self.subtrees[: self.checkpoint.size // TILE]
        level = 1
        while nodes:
            for number in range(-(-len(nodes) // TILE)):
                right = nodes[number * TILE : (number + 1) * TILE]
                tile, longer = get_tile(self.source, level, number, len(right))
                self.tiles += 1
                if b"".join(right) != (tile[: 32 * len(right)] if longer else tile):
                    path = tile_path(level, number, len(right))
                    sentence = f"{path} does not hold the hashes of the entries below it"
                    self.findings.add("tile-mismatch", None, sentence)
                    self.files[path.replace("/", "-")] = tile
            nodes = [
                tree_root(nodes[at : at + TILE]) for at in range(0, len(nodes) - TILE + 1, TILE)
            ]
            level += 1

    # Evidence: a receipt for every entry that a finding names, so that nobody need believe us.

    def receipts(self) -> dict[str, bytes]:
        """Return the entries that the findings name, each with a proof that the log signed it."""
        named = {
            index: None
            for finding in self.findings.told
            for index in (finding.index, *finding.see)
            if index is not None and index < self.checkpoint.size
        }
        files = {}
        provable = tree_root(self.subtrees) == self.checkpoint.root
        for index in [*named][:FINDINGS_SHOWN]:
            number, at = divmod(index, TILE)
            entries = self.kept.get(number) or self._fetch_again(number)
            if at < len(entries):
                files[f"entry-{index}"] = entries[at]
                if provable:
                    leaves = {number: [leaf_hash(entry) for entry in entries]}
                    path = self._path(index, 0, self.checkpoint.size, leaves)
                    lines = ["c2sp.org/tlog-proof@v1", f"index {index}", *map(to_base64, path)]
                    text = "\n".join(lines).encode() + b"\n\n" + self.checkpoint.note.raw
                    files[f"entry-{index}.tlog-proof"] = text
        return files

    def _fetch_again(self, number: int) -> list[bytes]:
        width = min(TILE, self.checkpoint.size - number * TILE)
        try:
            data, longer = get_tile(self.source, "entries", number, width)
        except CannotCheck:
            return []
        entries = self._keep(Bundle(number, width, data, longer, b""))
        return entries if tree_root([*map(leaf_hash, entries)]) == self.subtrees[number] else []

    def _subtree(self, low: int, high: int, leaves: Mapping[int, list[bytes]]) -> bytes:
        if low % TILE == 0 and high - low == TILE:
            return self.subtrees[low // TILE]
        if high - low == 1:
            number, at = divmod(low, TILE)
            return leaves.get(number, self.last_leaves)[at]
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        left, right = self._subtree(low, middle, leaves), self._subtree(middle, high, leaves)
        return sha256(b"\x01" + left + right)

    def _path(
        self, index: int, low: int, high: int, leaves: Mapping[int, list[bytes]]
    ) -> list[bytes]:
        if high - low == 1:
            return []
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        if index < middle:
            below = self._path(index, low, middle, leaves)
            return [*below, self._subtree(middle, high, leaves)]
        return [*self._path(index, middle, high, leaves), self._subtree(low, middle, leaves)]


Reader = Callable[[list[Bundle], Keys | None], Callable[[], list[Read]]]


@contextmanager
def _readers(jobs: int) -> Iterator[Reader]:
    """Read bundles here, or in ``jobs`` processes, which are started before any thread is."""
    if jobs == 1:
        yield lambda batch, keys: lambda: read_bundles(batch, keys)
        return
    with multiprocessing.Pool(jobs) as pool:
        yield lambda batch, keys: pool.apply_async(read_bundles, (batch, keys)).get


# --- state, evidence, reports -----------------------------------------------------------------


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


def load_state(path: str | None) -> Checkpoint | None:
    """Return the checkpoint kept from the last success, or None where there is none yet."""
    if path is None or not Path(path).exists():
        if path is not None and not Path(path).parent.is_dir():
            raise CannotCheck(f"{path}: no such folder to keep the state in")
        return None
    try:
        kept = json.loads(read_file(path, CHECKPOINT_LIMIT))
        return open_checkpoint(kept["checkpoint"].encode(), [parse_vkey(kept["vkey"])])
    except (ValueError, TypeError, LookupError, AttributeError, Proven) as error:
        raise CannotCheck(f"{path} is not a state that this script wrote ({error})") from None


def write_atomically(path: Path, data: bytes) -> None:
    """After a crash the file is the old one or the new one, never a part of either."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def vkey_text(key: Key) -> str:
    """Write a key as a vkey."""
    data = bytes([key.kind]) + key.public
    return f"{key.name}+{key.key_id.hex()}+{to_base64(data)}"


def save_state(path: str, checkpoint: Checkpoint) -> None:
    """Keep a checkpoint that was verified, for the next run to hold the log to."""
    state = {"vkey": vkey_text(checkpoint.key), "checkpoint": checkpoint.note.raw.decode()}
    write_atomically(Path(path), json.dumps(state, indent=1, ensure_ascii=False).encode() + b"\n")


def write_evidence(folder: str | None, report: dict[str, Any], files: dict[str, bytes]) -> str:
    """Write the report and the bytes that prove it; returns the folder."""
    target = Path(folder or f"evidence-{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}")
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (target / name).write_bytes(data)
        report["evidence"] = str(target)
        text = json.dumps({**report, "files": sorted(files)}, indent=1, ensure_ascii=False)
        (target / "report.json").write_text(text + "\n")
    except OSError as error:
        print(f"the evidence could not be written: {target}: {error.strerror}", file=sys.stderr)
    return str(target)


def told(tally: Tally) -> list[dict[str, Any]]:
    """List the findings as JSON objects."""
    return [asdict(finding) for finding in tally.told]


def printable(text: str) -> str:
    """Take out what could steer a terminal: the log's authors chose these characters."""
    return "".join(char if char.isprintable() else "?" for char in text)


def base_report(verdict: str, tally: Tally, warnings: Tally) -> dict[str, Any]:
    """Make the part of a report that every verdict has."""
    return {
        "verdict": verdict,
        "findings": told(tally),
        "finding_counts": dict(tally.counts),
        "warnings": told(warnings),
        "warning_counts": dict(warnings.counts),
    }


def print_tally(word: str, tally: Tally, shown: int) -> None:
    """Print each code with its count and its first entries."""
    for code, count in tally.counts.items():
        first = [finding for finding in tally.told if finding.code == code][:shown]
        print(f"{word:11} {code}: {count:,}")
        for finding in first:
            where = f"entry {finding.index}: " if finding.index is not None else ""
            print(f"            {where}{printable(finding.sentence)}")


def print_audit(audit: Audit, report: dict[str, Any]) -> None:
    """Print a verdict on a log for people."""
    replay, total_s = audit.replay, audit.timings["total_s"]
    done = replay.counts.total()
    key = audit.checkpoint.key
    print(f"log         {audit.source.name} · {key.name}")
    print(f"checkpoint  {report['size']:,} entries, root {report['root']}, key {key.key_id.hex()}")
    rate = f"{done / max(total_s, 1e-9):,.0f} entries/s"
    print(
        f"read        {done:,} entries, {audit.tiles:,} tiles and bundles, {total_s:.2f} s, {rate}"
    )
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in replay.counts.most_common(20))
    print(f"entries     {kinds}")
    sealed = f"{len(replay.waiting):,} still sealed"
    print(f"checked     {replay.signatures:,} signatures, {replay.openings:,} openings; {sealed}")
    if audit.options.skip_signatures:
        print("NOT CHECKED the statements' signatures: --skip-signatures was given")
    print_tally("warning", audit.warnings, 3)
    print_tally("FINDING", audit.findings, 10)
    if report["verdict"] == "verified":
        checked = "" if audit.options.skip_signatures else "every signature, "
        witnessed = "" if audit.cosigned else " or that others are shown this same log"
        kept = ", every opening and every deadline holds"
        if missed := audit.warnings.counts["late-disclosure"]:
            kept = f" and every opening holds, but {missed:,} came after the deadline"
        print(
            f"Verified: all {done:,} entries stand under the signed root, and {checked}every job's"
            f" history{kept}; this does not prove that what was signed is true{witnessed}."
        )
    elif report["verdict"] == "misbehaviour":
        count = audit.findings.counts.total()
        print(f"Misbehaviour is proven ({count:,} findings); evidence: {report['evidence']}")


# --- the command line -------------------------------------------------------------------------


class Arguments(argparse.ArgumentParser):
    """An argument parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Leave by the one exit for what cannot be checked."""
        raise CannotCheck(f"{message} (see --help)")


def job_count(text: str) -> int:
    """Read --jobs."""
    if not re.fullmatch(r"[1-9][0-9]?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 99")
    return int(text)


def arguments(argv: list[str]) -> argparse.Namespace:
    """Read the command line; raises CannotCheck."""
    proof = argv[:1] == ["proof"]
    parser = Arguments(
        prog="verify.py proof" if proof else "verify.py",
        description="Check one receipt, offline." if proof else (__doc__ or "").split("\n\n", 1)[0],
        epilog="exit status: 0 verified, 1 misbehaviour proven, 2 could not be checked",
        allow_abbrev=False,
    )
    key = parser.add_mutually_exclusive_group()
    key.add_argument("--vkey", help="the log's verifier key, name+id+base64")
    key.add_argument("--policy", metavar="FILE", help="C2SP tlog-policy: logs, witnesses, quorum")
    parser.add_argument("--state", metavar="FILE", help="the checkpoint that was verified last")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--evidence", metavar="DIR", help="where proof of misbehaviour is written")
    if proof:
        parser.add_argument("receipt", metavar="FILE", help="a .tlog-proof")
        parser.add_argument("--entry", metavar="FILE", help="the entry's bytes, if not inside")
        return parser.parse_args(argv[1:], argparse.Namespace(url=None))
    parser.add_argument("url", metavar="URL", nargs="?", help="the site's or the log's address")
    parser.add_argument("--offline", metavar="DIR", help="read a static copy instead of the URL")
    parser.add_argument("--clock", choices=("log", "own"), default="log", help="judges what is due")
    parser.add_argument("--jobs", type=job_count, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--retries", type=int, default=4, metavar="N", help="per request")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="per read")
    parser.add_argument("--skip-signatures", action="store_true", help="leave statements unchecked")
    options = parser.parse_args(argv, argparse.Namespace(receipt=None))
    if (options.url is None) == (options.offline is None):
        raise CannotCheck("give either an address or --offline DIR (see --help)")
    return options


def trusted_keys(options: argparse.Namespace) -> tuple[list[Key], Policy | None]:
    """Return the log keys that --vkey or --policy trusts; none where neither is given."""
    if options.policy:
        policy = parse_policy(read_file(options.policy, CHECKPOINT_LIMIT))
        if not policy.logs:
            raise CannotCheck(f"{options.policy} names no log")
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


def check_log(options: argparse.Namespace) -> int:
    """Verify a log from its address or from a static copy; print, write, return the exit status."""
    source: Source = (
        Mirror(options.offline)
        if options.offline
        else Server(options.url, retries=options.retries, timeout_s=options.timeout)
    )
    with closing(source):
        return check_source(source, options)


def check_source(source: Source, options: argparse.Namespace) -> int:
    """Settle the key, hold the checkpoint against it and against the kept one, then audit."""
    keys, policy = trusted_keys(options)
    old = load_state(options.state)
    if old is not None and keys and old.key not in keys:
        raise CannotCheck(f"{options.state} was kept for another key, {vkey_text(old.key)}")
    raw = find_checkpoint(source)
    first_use = not keys and old is None
    try:
        trusted = keys or ([old.key] if old else [fetch_key(source)])
        audit = Audit(source, open_checkpoint(raw, trusted), options)
        if policy:
            audit.cosignatures(policy)
    except Proven as error:
        files = {"checkpoint": raw} | ({"checkpoint-kept": old.note.raw} if old else {})
        return refused(error, options, files)
    if first_use:
        kept = "kept in the state" if options.state else "kept nowhere: give --vkey or --state"
        audit.warnings.add("trust-on-first-use", None, f"the log itself named its key; {kept}")
    if old is not None:
        audit.files["checkpoint-kept"] = old.note.raw
        audit.compare_with(old)
    audit.run()
    return conclude(audit)


def conclude(audit: Audit) -> int:
    """Settle the verdict, write evidence or state, print, return the exit status."""
    options, checkpoint = audit.options, audit.checkpoint
    verdict = "misbehaviour" if audit.findings.counts else "verified"
    if verdict == "verified" and audit.shortfall:
        verdict = "could-not-check"
    report = {
        **base_report(verdict, audit.findings, audit.warnings),
        "log": audit.source.name,
        "origin": checkpoint.key.name,
        "vkey": vkey_text(checkpoint.key),
        "size": checkpoint.size,
        "root": to_base64(checkpoint.root),
        "log_time": clock_text(audit.replay.time_s),
        "cosigned_at": None if audit.cosigned is None else clock_text(audit.cosigned),
        "counts": dict(audit.replay.counts),
        "statement_signatures": "NOT CHECKED" if options.skip_signatures else "checked",
        "signatures_verified": audit.replay.signatures,
        "openings_verified": audit.replay.openings,
        "still_sealed": len(audit.replay.waiting),
        "incomplete": audit.shortfall,
        "timings": {name: round(value, 3) for name, value in audit.timings.items()},
        "evidence": None,
    }
    if verdict == "misbehaviour":
        report["evidence"] = write_evidence(
            options.evidence, report, audit.files | audit.receipts()
        )
    elif verdict == "verified" and options.state:
        save_state(options.state, checkpoint)
    if options.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        print_audit(audit, report)
    if audit.shortfall:
        print(f"verify.py: could not check everything: {audit.shortfall}", file=sys.stderr)
    return {"verified": 0, "misbehaviour": 1, "could-not-check": 2}[verdict]


def refused(error: Proven, options: argparse.Namespace, files: dict[str, bytes]) -> int:
    """Report what is wrong before any entry was read."""
    tally = Tally()
    tally.add(error.code, None, str(error))
    report = base_report("misbehaviour", tally, Tally())
    report["evidence"] = write_evidence(options.evidence, report, files)
    if options.json:
        print(json.dumps(report, ensure_ascii=False))
    else:
        print_tally("FINDING", tally, 10)
        print(f"Refused; evidence: {report['evidence']}")
    return 1


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


def check_receipt(options: argparse.Namespace) -> int:
    """Check one receipt; print, write evidence, return the exit status."""
    keys, policy = trusted_keys(options)
    old = load_state(options.state)
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
            raise Proven("log-forked", f"two roots are signed for the size {old.size}")  # noqa: TRY301 - as every other refusal
        said = receipt_facts(receipt, checkpoint, entry)
        seen = quorum_seen(policy, checkpoint.note) if policy else None
    except Proven as error:
        return refused(error, options, files)
    if options.json:
        report = base_report("verified", Tally(), Tally())
        more = {"index": receipt.position, "size": checkpoint.size, "origin": checkpoint.key.name}
        print(json.dumps({**report, **more, "root": to_base64(checkpoint.root), "says": said}))
    else:
        print(f"entry {receipt.position} of {checkpoint.size:,} in {checkpoint.key.name}: {said}")
        cosigned = f" and a quorum of witnesses saw by {clock_text(seen)}" if seen else ""
        print(
            f"Verified: this entry stands under a root that the log signed{cosigned}; this does not"
            " prove who signed the statement in it (the registry is in the log: verify.py URL)."
        )
    return 0


def receipt_facts(receipt: Receipt, checkpoint: Checkpoint, entry: bytes) -> str:
    """Check the path and the opening; say what the entry is. Raises Proven."""
    leaf = leaf_hash(entry)
    if receipt.position >= checkpoint.size or checkpoint.root != inclusion_root(
        leaf, receipt.position, checkpoint.size, receipt.path
    ):
        raise Proven("proof-mismatch", "the path does not lead from this entry to the signed root")
    row = read_entry(entry, None)
    if row.problems:
        raise Proven(*row.problems[0])
    kind = f"{row.kind}, logged at {clock_text(row.logged_at or 0)}"
    if "opening" not in receipt.extra:
        return kind
    said = row.body
    try:
        root, _, closed = opening_root(receipt.extra["opening"])
    except (Malformed, ValueError, TypeError, LookupError) as error:
        raise Proven("opening-mismatch", f"the opening is malformed ({error})") from None
    if not isinstance(said, Said) or root != said.root:
        raise Proven("opening-mismatch", "the opening does not hash to the entry's commitment")
    return f"{kind}, opened" + (f" but for {', '.join(closed)}" if closed else "")


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit status; no exception leaves."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        options = arguments(argv)
        return check_receipt(options) if options.receipt else check_log(options)
    except CannotCheck as error:
        reason = str(error)
    except KeyboardInterrupt:
        reason = "interrupted"
    except OSError as error:
        reason = f"{error.filename or 'the system'}: {error.strerror}"
    except Exception as error:  # noqa: BLE001 - no bytes of a log may end this in a traceback
        frame = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"an error in this script, line {frame.lineno}: {type(error).__name__}: {error}"
    if "--json" in argv:
        print(json.dumps({"verdict": "could-not-check", "error": reason}))
    print(f"verify.py: could not check: {printable(reason)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
