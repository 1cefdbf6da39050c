"""The policy that a ledger holds its own checkpoints to: who cosigns, and what counts as enough.

A C2SP tlog-policy is the reader's; here the log reads one about itself. It has to name this log, if
it names any, and its quorum has to be within reach of witnesses that have an address. Judges notes
by ``check_policy``, as a stranger would; asks nobody and keeps nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from ledger.errors import FormatError, SignatureError
from ledger.tlog.note import (
    MLDSA44,
    Note,
    VerifierKey,
    format_note,
    format_vkey,
    parse_note,
    parse_signatures,
)
from ledger.tlog.policy import Policy, PolicyLog, PolicyWitness, check_policy

MAX_WITNESSES: Final = 64


@dataclass(frozen=True, slots=True)
class Standard:
    """A policy for one log. ``closed``: nothing is shown to the public that does not meet it.

    ``strict``: and nobody is promised anything by a tree that does not.
    """

    policy: Policy
    closed: bool
    digest: str
    """SHA-256, in hex, of keys, groups and quorum: names of files, comments and addresses aside."""
    strict: bool = False

    @property
    def asks(self) -> bool:
        """Whether it asks for any witness at all; ``quorum none`` does not."""
        return self.policy.quorum is not None

    @property
    def mode(self) -> str:
        """Its name among the settings: open, closed or strict."""
        return "strict" if self.strict else "closed" if self.closed else "open"

    @property
    def witnesses(self) -> tuple[str, ...]:
        """Every witness as ``name+hex8``, in the order of the policy."""
        return tuple(identity(each.key) for each in self.policy.witnesses)

    def is_met_without(self, names: Collection[str]) -> bool:
        """Whether the other witnesses are enough: those of these names stand by another tree."""
        return self.policy.is_met_by(
            {each.name for each in self.policy.witnesses}.difference(names)
        )

    def is_met_by(self, note: bytes) -> bool:
        """Whether a checkpoint with its cosignatures meets the policy; a forged line meets none."""
        try:
            check_policy(note, self.policy)
        except (FormatError, SignatureError):
            return False
        return True


def hold_to(policy: Policy, *keys: VerifierKey, closed: bool, strict: bool = False) -> Standard:
    """The standard that ``policy`` sets for the log with these keys, which followed one another.

    Raises FormatError, in one line, for a policy that can have nothing to do with it: it names logs
    and not this one, has an address that is none, or asks for witnesses that have no address;
    where it is to be ``strict``, for one that two trees of one size could both meet.
    """
    log = keys[-1]
    if policy.logs and not any(_speaks_for(each.key, key) for each in policy.logs for key in keys):
        raise FormatError(f"no log line has this log's key, {format_vkey(log)}")
    if len(policy.witnesses) > MAX_WITNESSES:
        raise FormatError(f"{len(policy.witnesses)} witnesses; at most {MAX_WITNESSES} are asked")
    for witness in policy.witnesses:
        if witness.url is not None:
            _check_address(witness)
        if witness.key.name == log.name:
            raise FormatError(f"the witness {witness.name} has the name of the log itself")
    reachable = {each.name for each in policy.witnesses if each.url is not None}
    if not policy.is_met_by(reachable):
        raise FormatError(
            f"the quorum {policy.quorum} cannot be met: too few of its witnesses have an address"
        )
    if strict and not policy.excludes_two:
        raise FormatError(
            f"the quorum {policy.quorum or 'none'} can be met twice, by witnesses of which none is"
            " in both: so two histories could be. LEDGER_WITNESS_MODE=strict asks for more than"
            " half of them"
        )
    own = Policy(
        # All of them: what the quorum held before a key followed another, it holds still.
        logs=policy.logs or tuple(map(PolicyLog, keys)),
        witnesses=policy.witnesses,
        groups=policy.groups,
        quorum=policy.quorum,
    )
    return Standard(own, closed or strict, _digest(own), strict)


def _speaks_for(key: VerifierKey, log: VerifierKey) -> bool:
    # A second key, of type 0x06, is not in the genesis entry; what tells it is the log's name.
    return key == log or (key.type == MLDSA44 and key.name == log.name)


def identity(key: VerifierKey) -> str:
    """``name+hex8``, by which a signature line names the key that made it."""
    return f"{key.name}+{key.key_id:08x}"


def with_lines(note: bytes, lines: list[str]) -> bytes:
    """A checkpoint with cosignature lines under it, one for each name and key ID.

    Raises FormatError for what is no line, or a line by a key that stands there already.
    """
    if not lines:
        return note
    parsed = parse_note(note)
    added = parse_signatures("".join(lines).encode())
    return format_note(Note(parsed.text, (*parsed.signatures, *added)))


def _check_address(witness: PolicyWitness) -> None:
    assert witness.url is not None
    try:
        parts = urlsplit(witness.url)
        sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    plain = witness.url.isascii() and witness.url.isprintable() and "@" not in witness.url
    if not sound or not plain or "?" in witness.url or "#" in witness.url:
        raise FormatError(
            f"the address of the witness {witness.name} is not an http:// or https:// address"
            " without user name, query and fragment"
        )


def _digest(policy: Policy) -> str:
    lines = [
        *(f"log {format_vkey(each.key)}" for each in policy.logs),
        *(f"witness {each.name} {format_vkey(each.key)}" for each in policy.witnesses),
        *(f"group {each.name} {each.threshold} {' '.join(each.members)}" for each in policy.groups),
        f"quorum {policy.quorum}" if policy.quorum is not None else "quorum none",
    ]
    return sha256("\n".join(lines).encode()).hexdigest()
