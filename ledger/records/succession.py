"""How the log's own key is followed by another: the old one names the new one, and both sign that.

The entry (kind ``log_key``, which the ledger makes itself, as it makes genesis) has ``vkey``, the
new key; ``replaces``, the key ID of the old one; and two signatures over the DSSE
pre-authentication encoding, type ``application/vnd.apsci.log-key.v1+json``, of the canonical

    {"origin":"ledger.example/log","replaces":"ce60b023","vkey":"ledger.example/log+…"}

``old`` says that the new key may speak for this log, ``new`` that somebody holds it. Trees with the
entry need the new key's signature on their checkpoint; trees without it need the old one's. So a
thief of the old key cannot go on with a log in which it has been replaced.

Pure: no clock, no file. A private key passes through ``succeed`` alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import FormatError, SignatureError
from ledger.records import canonical
from ledger.tlog.note import ED25519, Signer, VerifierKey, format_vkey, parse_vkey, verify_ed25519

KIND: Final = "log_key"
PAYLOAD_TYPE: Final = "application/vnd.apsci.log-key.v1+json"
MAX_HANDOVERS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Succession:
    """One key's naming of the next: ``replaces`` and ``vkey``, and both signatures, 64 bytes."""

    replaces: int
    vkey: str
    old: bytes
    new: bytes

    def to_dict(self) -> dict[str, Any]:
        """What stands in the entry beside ``format``, ``kind`` and ``logged_at``."""
        return {
            "replaces": f"{self.replaces:08x}",
            "vkey": self.vkey,
            "signatures": {
                "new": canonical.encode_base64(self.new),
                "old": canonical.encode_base64(self.old),
            },
        }


def succeed(old: Signer, new: Signer) -> Succession:
    """Name ``new`` as the key that follows ``old``, in both their names.

    Raises FormatError for keys of other names or types, or one key twice.
    """
    _require_fit(old.verifier, new.verifier)
    message = _message(new.vkey, replaces=old.key_id)
    return Succession(old.key_id, new.vkey, old.sign(message), new.sign(message))


def heir(named: Succession, *, of: VerifierKey) -> VerifierKey:
    """The key that ``of`` has named, once both signatures have verified.

    Raises FormatError for keys that do not fit together, SignatureError for a signature that is
    not of those two keys.
    """
    new = parse_vkey(named.vkey)
    _require_fit(of, new)
    if named.replaces != of.key_id:
        raise SignatureError(
            f"it replaces the key {named.replaces:08x}, and the log's key is {of.key_id:08x}"
        )
    message = _message(named.vkey, replaces=named.replaces)
    verify_ed25519(of.public_key, message=message, signature=named.old)
    verify_ed25519(new.public_key, message=message, signature=named.new)
    return new


def heirs(first: VerifierKey, named: Iterable[Succession]) -> Sequence[VerifierKey]:
    """``first`` and the keys that followed it, oldest first; links of other keys are skipped over.

    Raises what ``heir`` does for a link that ``first`` or one of its heirs did not sign.
    """
    chain = [first]
    for link in named:
        if link.replaces == chain[-1].key_id:
            chain.append(heir(link, of=chain[-1]))
            if len(chain) > MAX_HANDOVERS:
                raise FormatError(f"more than {MAX_HANDOVERS} keys followed one another")
    return chain


def _require_fit(old: VerifierKey, new: VerifierKey) -> None:
    if old.type != ED25519 or new.type != ED25519 or old.name != new.name:
        raise FormatError(
            f"{format_vkey(new)} cannot follow {format_vkey(old)}: both are Ed25519 keys with the"
            " log's name"
        )
    if old.key_id == new.key_id or old.public_key == new.public_key:
        raise FormatError("a key cannot follow itself")


def _message(vkey: str, *, replaces: int) -> bytes:
    origin = parse_vkey(vkey).name
    body = canonical.encode({"origin": origin, "replaces": f"{replaces:08x}", "vkey": vkey})
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)
