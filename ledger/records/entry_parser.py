"""From the bytes of a leaf to what it says, strictly: one spelling, no unknown field, real times.

Form alone is checked here. No signature is verified, no commitment recomputed, and no entry is
held against another.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ledger.errors import FormatError
from ledger.records import canonical
from ledger.records.charter import Code, Finding, parse_charter
from ledger.records.commitment import PartialOpening
from ledger.records.deadline import parse_time
from ledger.records.entry_parts import (
    MAX_ENTRY,
    Author,
    Decision,
    Disclosed,
    Entry,
    Found,
    Genesis,
    Manifest,
    Reason,
)
from ledger.records.statement import parse_statement
from ledger.records.succession import KIND as LOG_KEY_KIND
from ledger.records.succession import Succession
from ledger.records.wire import convert, refused
from schemas.statements import SCHEMAS, Endorsements, Signature, Statement
from schemas.values import (
    Base64Seed,
    Base64Signature,
    DigestSet,
    Index,
    KeyId,
    Line,
    Sha256Hex,
    Slug,
    Time,
    Ulid,
    Vkey,
    Wire,
)

STATEMENT_KINDS = frozenset(kind for schema in SCHEMAS.values() for kind in schema.kinds)
DECISION_KINDS = ("admitted", "rejected")

FINDING_KIND = "finding"
MANIFEST_KIND = "manifest"

_Salt = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{22}==\Z")]


class _Finding(Wire, frozen=True):
    rule: Annotated[int, Meta(ge=1, le=4)]
    code: Code
    finding: str


class _Common(Wire, frozen=True):
    format: Literal["apsci-ledger/1"]
    kind: Slug
    logged_at: Time


class _OfUnknown(msgspec.Struct, frozen=True):
    format: Literal["apsci-ledger/1"]
    kind: Slug
    logged_at: Time


class _OfGenesis(_Common, frozen=True):
    origin: Line
    vkey: Vkey
    authors: tuple[Author, ...]
    charter: dict[str, Any]


class _OfStatement(_Common, frozen=True):
    statement: Statement
    signature: Signature
    publish_by: Time | UnsetType = UNSET
    endorsements: Endorsements | UnsetType = UNSET


class _OfDecision(_Common, frozen=True):
    refers_to: Index
    job_id: Ulid
    charter: Index
    findings: tuple[_Finding, ...]


class _OfDisclosure(_Common, frozen=True):
    discloses: Index
    job_id: Ulid
    reason: Reason
    fields: dict[str, Any]
    seed: Base64Seed | UnsetType = UNSET
    salts: dict[str, _Salt] | UnsetType = UNSET
    closed: dict[str, Sha256Hex] | UnsetType = UNSET
    opened_by: Index | UnsetType = UNSET
    withheld_by: Index | UnsetType = UNSET


class _OfManifest(_Common, frozen=True):
    name: Annotated[str, Meta(pattern=r"^[a-z][A-Za-z0-9._/-]{0,199}\Z")]
    digest: DigestSet
    tree_size: Annotated[int, Meta(ge=1, lt=canonical.INTEGER_LIMIT)]


class _BothSignatures(Wire, frozen=True):
    new: Base64Signature
    old: Base64Signature


class _OfLogKey(_Common, frozen=True):
    replaces: KeyId
    vkey: Vkey
    signatures: _BothSignatures


def parse_entry(data: bytes) -> Entry:
    """Return the entry that ``data`` is, strictly: one spelling, no unknown field, real times.

    An entry of an unknown kind is returned with its value alone: a later version of the ledger
    may have made it, and a reader reports it and goes on hashing.

    Raises TooLarge, FormatError, and ValueRefused naming the field.
    """
    value = canonical.decode(data, limit=MAX_ENTRY)
    kind = value.get("kind") if type(value) is dict else None
    if type(kind) is not str:
        kind = ""  # refused below as any value without a kind
    parse = _PARSERS.get(kind, _parse_unknown)
    return parse(value)


def _parse_unknown(value: dict[str, Any]) -> Entry:
    unknown = convert(value, _OfUnknown, at="")
    return Entry(
        kind=unknown.kind,
        logged_at=_parse_time(unknown.logged_at, "logged_at"),
        job_id=None,
        publish_by=None,
        value=value,
    )


def _parse_statement(value: dict[str, Any]) -> Entry:
    shape = convert(value, _OfStatement, at="")
    endorsed = () if shape.endorsements is UNSET else shape.endorsements
    signed = parse_statement(shape.statement, value["statement"], shape.signature, endorsed)
    if signed.statement.kind != shape.kind:
        raise refused("kind", f"{shape.kind}, where the statement's is {signed.statement.kind}")
    if (shape.publish_by is UNSET) != (signed.sealed_root is None):
        sealed = signed.sealed_root is not None
        raise refused(
            "publish_by", "missing from a sealed entry" if sealed else "nothing is sealed"
        )
    return Entry(
        kind=shape.kind,
        logged_at=_parse_time(shape.logged_at, "logged_at"),
        job_id=signed.job_id,
        publish_by=_parse_time(shape.publish_by, "publish_by")
        if shape.publish_by is not UNSET
        else None,
        value=value,
        signed=signed,
    )


def _parse_decision(value: dict[str, Any]) -> Entry:
    shape = convert(value, _OfDecision, at="")
    if bool(shape.findings) != (shape.kind == "rejected"):
        raise refused("findings", f"{len(shape.findings)} of them in an entry {shape.kind}")
    return Entry(
        kind=shape.kind,
        logged_at=_parse_time(shape.logged_at, "logged_at"),
        job_id=shape.job_id,
        publish_by=None,
        value=value,
        decision=Decision(shape.refers_to, shape.charter, _findings(shape)),
    )


def _parse_finding(value: dict[str, Any]) -> Entry:
    shape = convert(value, _OfDecision, at="")
    if not shape.findings:
        raise refused("findings", "there is none")
    return Entry(
        kind=shape.kind,
        logged_at=_parse_time(shape.logged_at, "logged_at"),
        job_id=shape.job_id,
        publish_by=None,
        value=value,
        found=Found(shape.refers_to, shape.charter, _findings(shape)),
    )


def _findings(shape: _OfDecision) -> tuple[Finding, ...]:
    return tuple(Finding(each.rule, each.code, each.finding) for each in shape.findings)


def _parse_disclosed(value: dict[str, Any]) -> Entry:
    shape = convert(value, _OfDisclosure, at="")
    if (shape.opened_by is UNSET) != (shape.reason is Reason.DEADLINE):
        raise refused("opened_by", f"goes with the reason early, and this one is {shape.reason}")
    partly = shape.withheld_by is not UNSET
    for name in ("salts", "closed"):
        if (getattr(shape, name) is not UNSET) != partly:
            raise refused(name, "goes with withheld_by, and one of the two is missing")
    if (shape.seed is UNSET) != partly:
        raise refused("seed", "stands exactly where no field is withheld")
    partial = None
    if shape.salts is not UNSET and shape.closed is not UNSET:
        if shape.salts.keys() != shape.fields.keys():
            raise refused("salts", "the paths are not those of the fields")
        if not shape.closed or shape.closed.keys() & shape.fields.keys():
            raise refused("closed", "names no path, or one that is open")
        partial = PartialOpening(
            fields=shape.fields,
            salts={path: _decode_base64(salt, "salts") for path, salt in shape.salts.items()},
            closed={path: bytes.fromhex(leaf) for path, leaf in shape.closed.items()},
        )
    return Entry(
        kind=shape.kind,
        logged_at=_parse_time(shape.logged_at, "logged_at"),
        job_id=shape.job_id,
        publish_by=None,
        value=value,
        disclosed=Disclosed(
            discloses=shape.discloses,
            reason=shape.reason,
            fields=shape.fields,
            seed=None if shape.seed is UNSET else _decode_base64(shape.seed, "seed"),
            partial=partial,
            opened_by=None if shape.opened_by is UNSET else shape.opened_by,
            withheld_by=None if shape.withheld_by is UNSET else shape.withheld_by,
        ),
    )


def _parse_genesis(value: dict[str, Any]) -> Entry:
    shape = convert(value, _OfGenesis, at="")
    names = [author.name for author in shape.authors]
    if len(set(names)) != len(names):
        raise refused("authors", "one name stands twice")
    return Entry(
        kind=shape.kind,
        logged_at=_parse_time(shape.logged_at, "logged_at"),
        job_id=None,
        publish_by=None,
        value=value,
        genesis=Genesis(
            origin=shape.origin,
            vkey=shape.vkey,
            authors=shape.authors,
            charter=parse_charter(shape.charter),
        ),
    )


def _parse_manifest(value: dict[str, Any]) -> Entry:
    shape = convert(value, _OfManifest, at="")
    return Entry(
        kind=shape.kind,
        logged_at=_parse_time(shape.logged_at, "logged_at"),
        job_id=None,
        publish_by=None,
        value=value,
        manifest=Manifest(
            name=shape.name,
            digest=bytes.fromhex(shape.digest.sha256),
            tree_size=shape.tree_size,
        ),
    )


def _parse_log_key(value: dict[str, Any]) -> Entry:
    shape = convert(value, _OfLogKey, at="")
    return Entry(
        kind=shape.kind,
        logged_at=_parse_time(shape.logged_at, "logged_at"),
        job_id=None,
        publish_by=None,
        value=value,
        succession=Succession(
            replaces=int(shape.replaces, 16),
            vkey=shape.vkey,
            old=_decode_base64(shape.signatures.old, "signatures.old"),
            new=_decode_base64(shape.signatures.new, "signatures.new"),
        ),
    )


def _parse_time(text: str, name: str) -> int:
    try:
        return parse_time(text)
    except FormatError as error:
        raise refused(name, str(error)) from None


def _decode_base64(text: str, name: str) -> bytes:
    try:
        return canonical.decode_base64(text)
    except FormatError as error:
        raise refused(name, str(error)) from None


_PARSERS: Final[Mapping[str, Callable[[dict[str, Any]], Entry]]] = {
    **dict.fromkeys(STATEMENT_KINDS, _parse_statement),
    **dict.fromkeys(DECISION_KINDS, _parse_decision),
    FINDING_KIND: _parse_finding,
    "disclosed": _parse_disclosed,
    "genesis": _parse_genesis,
    MANIFEST_KIND: _parse_manifest,
    LOG_KEY_KIND: _parse_log_key,
}
