"""C2SP tlog-policy: which logs are known, which witnesses, and how many of those must agree.

    # one log, two of three witnesses
    log ledger.example/apsci+ce60b023+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4
    witness W1 witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X
    …
    group both 2 W1 W2 W3
    quorum both

A policy is the reader's, written by hand; it has no single spelling. It says what to believe
and fetches nothing: the addresses in it are only carried.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from ledger.errors import FormatError, SignatureError
from ledger.tlog.checkpoint import Checkpoint, signed_checkpoint
from ledger.tlog.note import COSIGNER_TYPES, LOG_TYPES, VerifierKey, open_note, parse_vkey
from ledger.tlog.spelling import decode_size, encode_text, excerpt

MAX_POLICY_BYTES = 256 * 1024

_NO_TIME = bytes(8)
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_BLANKS = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """A log whose checkpoints are believed; its key is named like its origin."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """A cosigner, by the name that it has in this policy only."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """Counts as one voice once ``threshold`` of its members, witnesses or groups, have spoken."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Logs, witnesses and groups in the order of their lines; ``quorum`` is a name, or None."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[PolicyGroup, ...]
    quorum: str | None

    def is_met_by(self, names: Collection[str]) -> bool:
        """Whether the witnesses of these names, together, are the quorum."""
        heard = set(names)
        # A group only names what stands above it, so one pass in order settles all of them.
        for group in self.groups:
            if len(heard.intersection(group.members)) >= group.threshold:
                heard.add(group.name)
        return self.quorum is None or self.quorum in heard

    @property
    def excludes_two(self) -> bool:
        """Whether any two quorums share a witness, so that two trees cannot both have one.

        What two disjoint sets of witnesses can both meet, at once, is a group of n members with the
        threshold t of which s are such themselves and 2t <= n + s: each side has the voices of
        those, and of the others each has one for one side.
        """
        both: set[str] = set()
        for group in self.groups:
            voices = len(group.members) + len(both.intersection(group.members))
            if 2 * group.threshold <= voices:
                both.add(group.name)
        return self.quorum is not None and self.quorum not in both


def parse_policy(text: str) -> Policy:
    """Read a policy file. Raises FormatError with the number of the line that is wrong."""
    size = len(encode_text(text, what="policy"))
    if size > MAX_POLICY_BYTES:
        raise FormatError(f"a policy of {size} bytes; at most {MAX_POLICY_BYTES} are read")
    if found := _FORBIDDEN.search(text):
        raise FormatError(f"a policy with the control character U+{ord(found[0]):04X}")
    if not text.endswith("\n"):
        raise FormatError("the last line of a policy has no newline")
    reader = _PolicyReader()
    for number, line in enumerate(text[:-1].split("\n"), 1):
        words = _BLANKS.split(line.strip(" \t"))
        if words == [""] or words[0].startswith("#"):
            continue
        try:
            reader.read(words)
        except FormatError as error:
            raise FormatError(f"line {number} of the policy: {error}") from None
    return reader.policy()


def check_policy(note: bytes, policy: Policy) -> Checkpoint:
    """Return the checkpoint in ``note`` if a log of the policy signed it and the quorum is met.

    Raises FormatError for a malformed note; SignatureError if the policy has no such log, the
    log's line is missing, any known line fails, or too few witnesses cosigned.
    """
    log_keys = [log.key for log in policy.logs]
    opened = open_note(note, [*log_keys, *(witness.key for witness in policy.witnesses)])
    checkpoint = signed_checkpoint(opened, log_keys)
    # A cosigner that states no time (tlog-cosignature lets type 0x06) speaks of no largest tree.
    signed = {(line.name, line.key_id) for line in opened.signatures if line.blob[:8] != _NO_TIME}
    heard = {
        witness.name
        for witness in policy.witnesses
        if (witness.key.name, witness.key.key_id) in signed
    }
    cosigners = ", ".join(sorted(heard)) or "nobody"
    if not policy.is_met_by(heard):
        raise SignatureError(
            f"the quorum {policy.quorum} of the policy is not met; cosigned by: {cosigners}"
        )
    return checkpoint


class _PolicyReader:
    """Collects the lines of one policy file."""

    def __init__(self) -> None:
        self._logs: dict[bytes, PolicyLog] = {}
        self._witnesses: dict[bytes, PolicyWitness] = {}
        self._groups: list[PolicyGroup] = []
        self._names: set[str] = set()
        self._members: set[str] = set()
        self._quorum: str | None = None

    def read(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._log(vkey, url)
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._witness(name, vkey, url)
            case ["group", name, threshold, _, *_]:
                self._group(name, threshold, words[3:])
            case ["quorum", name]:
                self._set_quorum(name)
            case _:
                raise FormatError(f"not a line of a policy: {excerpt(' '.join(words))}")

    def policy(self) -> Policy:
        if self._quorum is None:
            raise FormatError("a policy has one quorum line; 'quorum none' asks for no witness")
        return Policy(
            logs=tuple(self._logs.values()),
            witnesses=tuple(self._witnesses.values()),
            groups=tuple(self._groups),
            quorum=None if self._quorum == "none" else self._quorum,
        )

    def _log(self, vkey: str, url: list[str]) -> None:
        key = parse_vkey(vkey)
        if key.type not in LOG_TYPES:
            raise FormatError(f"a log's key has the type 0x01 or 0x06, not {key.type:#04x}")
        if key.public_key in self._logs:
            raise FormatError(f"the key of {key.name} is a log's already")
        self._logs[key.public_key] = PolicyLog(key, *url)

    def _witness(self, name: str, vkey: str, url: list[str]) -> None:
        key = parse_vkey(vkey)
        if key.type not in COSIGNER_TYPES:
            raise FormatError(f"a witness's key has the type 0x04 or 0x06, not {key.type:#04x}")
        if key.public_key in self._witnesses:
            raise FormatError(f"the key of {key.name} is a witness's already")
        self._define(name)
        self._witnesses[key.public_key] = PolicyWitness(name, key, *url)

    def _group(self, name: str, threshold: str, members: list[str]) -> None:
        for member in members:
            if member not in self._names:
                raise FormatError(f"{excerpt(member)} is not defined above")
            # One voice each: a witness in two groups would count twice.
            if member in self._members:
                raise FormatError(f"{excerpt(member)} is a member already")
            self._members.add(member)
        counts = {"any": 1, "all": len(members)}
        count = counts.get(threshold)
        if count is None:
            count = decode_size(threshold, what="the threshold")
        if not 1 <= count <= len(members):
            raise FormatError(f"{count} of {len(members)} members cannot be asked for")
        self._define(name)
        self._groups.append(PolicyGroup(name, count, tuple(members)))

    def _set_quorum(self, name: str) -> None:
        if self._quorum is not None:
            raise FormatError("a second quorum line")
        if name != "none" and name not in self._names:
            raise FormatError(f"{excerpt(name)} is not defined above")
        self._quorum = name

    def _define(self, name: str) -> None:
        if name == "none" or name in self._names:
            raise FormatError(f"the name {excerpt(name)} is taken")
        self._names.add(name)
