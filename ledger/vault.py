"""Openings at rest: encrypted with a key that lives outside the database.

A stolen database or backup breaks no embargo. XChaCha20-Poly1305 (libsodium), a random 24-byte
nonce before each ciphertext, the commitment's root as associated data: an opening put beside
another entry does not decrypt.
"""

import hmac
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

import msgspec
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
    crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
)
from nacl.exceptions import CryptoError

from ledger.errors import CommitmentError, FormatError
from ledger.records import canonical
from ledger.records.commitment import check_opening, partial_opening
from ledger.records.entry import Reason, parse_entry
from ledger.records.proposal import NO_TAGS, Disclosure, Tags
from ledger.records.statement import ParsedStatement
from ledger.storage.shapes import StoredEmbargo
from ledger.storage.snapshot import Snapshot
from schemas.statements import JobSubmitted, JobWithheld

KEY_BYTES: Final = 32
NONCE_BYTES: Final = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_SEED_BYTES: Final = 32
_TAG_BYTES: Final = 16


class Vault:
    """Locks openings up and brings them back. ``random`` gives n unpredictable bytes."""

    def __init__(self, key: bytes, *, random: Callable[[int], bytes]) -> None:
        if len(key) != KEY_BYTES:
            raise FormatError(f"the openings key has {len(key)} bytes where {KEY_BYTES} are needed")
        self._key = key
        self._tag_key = hmac.digest(key, b"apsci-ledger/tag/1", sha256)
        self._sealing_key = self.subkey("sealed details")
        self._random = random

    def __repr__(self) -> str:
        return "Vault(…)"

    def lock(self, *, seed: bytes, fields: dict[str, Any], root: bytes) -> bytes:
        """The opening of the commitment ``root``: nonce, then ciphertext."""
        nonce = self._random(NONCE_BYTES)
        plain = seed + msgspec.json.encode(fields)
        return nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(plain, root, nonce, self._key)

    def unlock(self, locked: bytes, *, root: bytes) -> tuple[bytes, dict[str, Any]]:
        """(seed, fields) of the commitment ``root``.

        Raises CommitmentError if the key is another one, or the bytes are not what was locked up.
        """
        nonce, ciphertext = locked[:NONCE_BYTES], locked[NONCE_BYTES:]
        try:
            plain = crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, root, nonce, self._key)
        except (CryptoError, ValueError, TypeError):
            raise CommitmentError(
                "a stored opening does not decrypt: another openings key, or damaged bytes"
            ) from None
        fields = canonical.decode(plain[_SEED_BYTES:], limit=len(plain))
        return plain[:_SEED_BYTES], fields

    def seal(self, plain: bytes, *, said: bytes) -> bytes:
        """What belongs to ``said`` alone, encrypted: nonce, then ciphertext."""
        nonce = self._random(NONCE_BYTES)
        return nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(
            plain, said, nonce, self._sealing_key
        )

    def unseal(self, sealed: bytes, *, said: bytes) -> bytes:
        """What was sealed for ``said``. Raises CommitmentError if it was not, or not here."""
        nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        try:
            return crypto_aead_xchacha20poly1305_ietf_decrypt(
                ciphertext, said, nonce, self._sealing_key
            )
        except (CryptoError, ValueError, TypeError):
            raise CommitmentError(
                "what is sealed does not decrypt: another openings key, or damaged bytes"
            ) from None

    def subkey(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose, which tells nothing of any other."""
        return hmac.digest(self._key, f"apsci-ledger/{purpose}/1".encode(), sha256)

    def tags(self, parsed: ParsedStatement) -> Tags:
        """What lets sealed weights and models be told apart while they are sealed.

        Under a key of their own, the weights within one job and the model within one member's
        jobs: whoever holds the database alone learns which jobs of one member share a model, and
        of no two members whether they do.
        """
        fields = parsed.fields
        if fields is None:
            return NO_TAGS
        if isinstance(parsed.public, JobSubmitted):
            digest = fields["model.weights_digest"]
            model = digest if digest is not None else fields["model.name"]
            return Tags(
                weights=self._tag("weights", parsed.job_id, digest),
                model=self._tag("model", parsed.statement.author, model),
            )
        digest = fields.get("model.weights_digest_after")
        return Tags(weights=self._tag("weights", parsed.job_id, digest))

    def _tag(self, name: str, within: str | None, value: object) -> bytes | None:
        if value is None:
            return None
        said = canonical.encode([name, within, value])
        return hmac.digest(self._tag_key, said, sha256)[:_TAG_BYTES]


def sealed_weights(reads: Snapshot, vault: Vault, index: int) -> bytes | None:
    """The tag of the weights that the sealed entry at ``index`` names; None where it names none.

    For openings that were stored before there were tags: those that have one need no key.
    """
    sealed, locked = reads.entry(index), reads.opening(index)
    signed = parse_entry(sealed.data).signed if sealed else None
    if locked is None or signed is None or signed.sealed_root is None:
        return None
    try:
        _, fields = vault.unlock(locked, root=signed.sealed_root)
    except CommitmentError:
        return None
    return vault.tags(replace(signed, fields=fields)).weights


def prepare_disclosure(
    reads: Snapshot, vault: Vault, embargo: StoredEmbargo, *, reason: Reason
) -> Disclosure:
    """What opens one sealed entry: everything, or all but what the committee has withheld.

    Raises CommitmentError if the stored opening is missing, does not decrypt, or does not belong
    to the entry's commitment.
    """
    sealed = reads.entry(embargo.index)
    locked = reads.opening(embargo.index)
    if sealed is None or locked is None:
        raise CommitmentError(f"the opening of entry {embargo.index} is not in the database")
    signed = parse_entry(sealed.data).signed
    assert signed is not None
    assert signed.sealed_root is not None
    seed, fields = vault.unlock(locked, root=signed.sealed_root)
    check_opening(signed.sealed_root, seed=seed, fields=fields)
    if embargo.withheld_index is None:
        return Disclosure(
            index=embargo.index, job_id=embargo.job_id, reason=reason, fields=fields, seed=seed
        )
    withheld = reads.entry(embargo.withheld_index)
    assert withheld is not None
    statement = parse_entry(withheld.data).signed
    assert statement is not None
    assert isinstance(statement.public, JobWithheld)
    partial = partial_opening(seed, fields, statement.public.paths)
    return Disclosure(
        index=embargo.index,
        job_id=embargo.job_id,
        reason=reason,
        fields=partial.fields,
        partial=partial,
        withheld_by=embargo.withheld_index,
    )
