"""What an author says and signs: one canonical statement, in a DSSE envelope (formats.md 8).

``{"author":…,"job_id":…,"kind":…,"made_at":…,"public":{…},"schema":…,"sealed":{…}}``

The signature is Ed25519 over the pre-authentication encoding
``DSSEv1 <len(type)> <type> <len(body)> <body>``, lengths in decimal, body the canonical statement.

This module checks form, not facts: whose key may sign what, which event may follow, and whether an
opening belongs to its root are asked by those who know the log.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec import UNSET

from ledger.errors import FormatError
from ledger.records import canonical
from ledger.records.deadline import parse_time
from ledger.records.evidence import check_evidence
from ledger.records.wire import convert, refused
from ledger.tlog.note import Signer, verify_ed25519
from schemas.statements import (
    SCHEMAS,
    AboutJob,
    Endorsement,
    Opening,
    OutcomeEvidencedSealed,
    Schema,
    Signature,
    SignedStatement,
    Statement,
)
from schemas.values import Time, Wire

PAYLOAD_TYPE = "application/vnd.apsci.statement.v1+json"
MAX_STATEMENT = 1 << 20
"""The largest posted statement with its opening, in bytes."""

_PAE_START = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} ".encode()


def _sealed_paths(schema: Schema) -> frozenset[str]:
    if schema.sealed is None:
        return frozenset()
    return frozenset(each.encode_name for each in msgspec.structs.fields(schema.sealed))


def _time_fields(schema: Schema) -> tuple[str, ...]:
    hints = get_type_hints(schema.public, include_extras=True)
    return tuple(name for name, hint in hints.items() if Time in (hint, *get_args(hint)))


_SEALED_PATHS: Mapping[str, frozenset[str]] = {
    name: _sealed_paths(schema) for name, schema in SCHEMAS.items()
}
_TIME_FIELDS: Mapping[str, tuple[str, ...]] = {
    name: _time_fields(schema) for name, schema in SCHEMAS.items()
}


_ENDORSED = ("charter", "registry")
"""Kinds of statements that several of the council sign."""


@dataclass(frozen=True, slots=True)
class ParsedEndorsement:
    """A further author's signature over the same statement. It has not been verified."""

    author: str
    key_id: int
    signature: bytes
    """64 bytes."""


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """A well-formed signed statement. Neither its signature nor its opening has been verified."""

    statement: Statement
    public: Wire
    """The public fields as their schema's type."""
    schema: Schema
    body: bytes
    """The canonical bytes of the statement alone."""
    digest: bytes
    """SHA-256 of what is signed: the identity of the statement, 32 bytes."""
    signature: bytes
    """64 bytes."""
    key_id: int
    sealed_root: bytes | None = None
    """32 bytes where the statement commits to sealed fields."""
    seed: bytes | None = field(default=None, repr=False)
    """32 bytes where the opening came along."""
    fields: Mapping[str, Any] | None = field(default=None, repr=False)
    """The sealed values by path, as they were spelled, where the opening came along."""
    endorsements: tuple[ParsedEndorsement, ...] = ()
    """By author, ascending; none of them is the statement's own."""

    @property
    def job_id(self) -> str | None:
        """The job spoken of; None in a statement about none."""
        return None if self.statement.job_id is UNSET else self.statement.job_id


def sealed_paths(schema: Schema) -> frozenset[str]:
    """Return the paths that a commitment of this schema is over; empty where nothing is sealed."""
    return _SEALED_PATHS[schema.name]


def pae(body: bytes) -> bytes:
    """Return the DSSE pre-authentication encoding of a canonical statement: what is signed."""
    return b"%b%d %b" % (_PAE_START, len(body), body)


def statement_digest(body: bytes) -> bytes:
    """Return the SHA-256 of the pre-authentication encoding, 32 bytes."""
    return sha256(pae(body)).digest()


def sign_statement(statement: Mapping[str, Any], signer: Signer) -> dict[str, Any]:
    """Return ``{"statement":…,"signature":{"key_id":…,"value":…}}``, ready for an opening.

    Raises FormatError if the statement is outside of the canonical subset.
    """
    value = signer.sign(pae(canonical.encode(dict(statement))))
    return {
        "statement": statement,
        "signature": {"key_id": f"{signer.key_id:08x}", "value": canonical.encode_base64(value)},
    }


def verify_statement(body: bytes, *, public_key: bytes, signature: bytes) -> None:
    """Check the author's ``signature`` over the canonical statement ``body``.

    Raises SignatureError if it is not by this key.
    """
    verify_ed25519(public_key, pae(body), signature)


def decode_signed(body: bytes) -> ParsedStatement:
    """Return the statement that was posted: canonical JSON of at most 1 MiB.

    ``{"opening":{"fields":{…},"seed":…},"signature":{…},"statement":{…}}``, the opening exactly
    where the statement has something sealed, its fields exactly the schema's paths; and
    ``endorsements`` where several of the council sign.

    Raises TooLarge, FormatError, and ValueRefused naming the field, never with a sealed value.
    """
    value = canonical.decode(body, limit=MAX_STATEMENT)
    # The opening is taken out first, so that no message about the rest can show any of it.
    opened = value.get("opening", UNSET) if type(value) is dict else UNSET
    if opened is not UNSET:
        value = {key: below for key, below in value.items() if key != "opening"}
    signed = convert(value, SignedStatement, at="")
    endorsed = () if signed.endorsements is UNSET else signed.endorsements
    return _parse(
        signed.statement, value["statement"], signed.signature, endorsed, _opened_by(opened)
    )


def parse_statement(
    statement: Statement,
    value: Mapping[str, Any],
    signature: Signature,
    endorsements: Sequence[Endorsement] = (),
) -> ParsedStatement:
    """Return a statement of which ``value`` is the decoded canonical JSON, without an opening.

    Raises ValueRefused naming the field.
    """
    return _parse(statement, value, signature, endorsements, _without_opening)


Opened = tuple[bytes | None, Mapping[str, Any] | None]
"""The seed and the sealed values by path; None and None without an opening."""


def _without_opening(_schema: Schema, _root: bytes | None) -> Opened:
    return None, None


def _opened_by(value: object) -> Callable[[Schema, bytes | None], Opened]:
    """Return what reads the opening that was posted with a statement, UNSET for none."""

    def read(schema: Schema, root: bytes | None) -> Opened:
        if value is UNSET:
            if root is not None:
                raise refused("opening", "missing, where the statement has sealed fields")
            return None, None
        if root is None:
            raise refused("opening", "given, where the statement seals nothing")
        return _read_opening(convert(value, Opening, at="opening", sealed=True), schema)

    return read


def _parse(
    statement: Statement,
    value: Mapping[str, Any],
    signature: Signature,
    endorsements: Sequence[Endorsement],
    read_opening: Callable[[Schema, bytes | None], Opened],
) -> ParsedStatement:
    schema = SCHEMAS.get(statement.schema)
    if schema is None:
        raise refused("statement.schema", f"{statement.schema!a} is not a schema known here")
    if statement.kind not in schema.kinds:
        kinds = ", ".join(schema.kinds)
        raise refused("statement.kind", f"{statement.kind}, where {schema.name} is for {kinds}")
    has_job = statement.job_id is not UNSET
    if schema.job is (AboutJob.NEVER if has_job else AboutJob.ALWAYS):
        unfit = f"given, but a {statement.kind} statement is about no job"
        raise refused("statement.job_id", unfit if has_job else "missing")
    root = _sealed_root(statement, schema)
    public = convert(statement.public, schema.public, at="statement.public")
    endorsed = _endorsements(statement, endorsements) if endorsements else ()
    _check_time(statement.made_at, "statement.made_at")
    for name in _TIME_FIELDS[schema.name]:
        time = getattr(public, name)
        if time is not None:
            _check_time(time, f"statement.public.{name}")
    body = canonical.encode_checked(value)
    signed = _decode_base64(signature.value, "signature.value")
    seed, fields = read_opening(schema, root)
    return ParsedStatement(
        statement=statement,
        public=public,
        schema=schema,
        body=body,
        digest=statement_digest(body),
        signature=signed,
        key_id=int(signature.key_id, 16),
        sealed_root=root,
        seed=seed,
        fields=fields,
        endorsements=endorsed,
    )


def _endorsements(
    statement: Statement, endorsements: Sequence[Endorsement]
) -> tuple[ParsedEndorsement, ...]:
    if statement.kind not in _ENDORSED:
        raise refused("endorsements", f"given, but one author signs what is {statement.kind}")
    names = [each.author for each in endorsements]
    if names != sorted(set(names)) or statement.author in names:
        raise refused(
            "endorsements",
            "they stand in the order of their authors, each once, without the statement's own",
        )
    return tuple(
        ParsedEndorsement(
            author=each.author,
            key_id=int(each.signature.key_id, 16),
            signature=_decode_base64(each.signature.value, f"endorsements[{n}].signature.value"),
        )
        for n, each in enumerate(endorsements)
    )


def _sealed_root(statement: Statement, schema: Schema) -> bytes | None:
    sealed = statement.sealed
    paths = _SEALED_PATHS[schema.name]
    if sealed is UNSET:
        if paths:
            raise refused("statement.sealed", f"missing, where {schema.name} seals fields")
        return None
    if not paths:
        raise refused("statement.sealed", f"given, where {schema.name} seals nothing")
    if sealed.fields != len(paths):
        raise refused(
            "statement.sealed.fields", f"{sealed.fields}, where {schema.name} has {len(paths)}"
        )
    return bytes.fromhex(sealed.root)


def _read_opening(opening: Opening, schema: Schema) -> Opened:
    paths = _SEALED_PATHS[schema.name]
    if opening.fields.keys() != paths:
        odd = min(opening.fields.keys() ^ paths)
        reason = "this path is missing; an absent value is null" if odd in paths else "unknown path"
        raise refused(f"opening.fields.{odd}"[:200], reason)
    assert schema.sealed is not None
    sealed = convert(opening.fields, schema.sealed, at="opening.fields", sealed=True)
    if isinstance(sealed, OutcomeEvidencedSealed):
        check_evidence(sealed)
    return _decode_base64(opening.seed, "opening.seed"), opening.fields


def _check_time(text: str, name: str) -> None:
    try:
        parse_time(text)
    except FormatError as error:
        raise refused(name, str(error)) from None


def _decode_base64(text: str, name: str) -> bytes:
    try:
        return canonical.decode_base64(text)
    except FormatError as error:
        raise refused(name, str(error)) from None
