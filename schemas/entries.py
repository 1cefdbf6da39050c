"""The leaves of the log, as they stand in it: one shape for each family of kinds.

Here for those who read the log without us. What a leaf must be beyond its form, and whether it may
stand where it stands, ``ledger.records`` decides, and a test holds its fields to these.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from schemas.statements import Endorsements, Role, Signature, Statement
from schemas.values import (
    AuthorName,
    Base64Seed,
    Base64Signature,
    DigestSet,
    Index,
    KeyId,
    Line,
    Sha256Hex,
    Slug,
    Time,
    Title,
    Ulid,
    Vkey,
    Wire,
)

Salt = Annotated[str, Meta(pattern=r"^[A-Za-z0-9+/]{22}==\Z")]
"""16 bytes, base64."""


class FirstAuthor(Wire, frozen=True):
    """One of the first authors, as the genesis entry names them."""

    name: AuthorName
    role: Role
    title: Title
    vkey: Vkey


class EntryFinding(Wire, frozen=True):
    """One thing that a rule of the charter found."""

    rule: Annotated[int, Meta(ge=1, le=4)]
    code: str
    finding: str


class GenesisEntry(Wire, frozen=True):
    """Entry 0: whose log it is, who may speak first, and the first charter."""

    format: Literal["apsci-ledger/1"]
    kind: Literal["genesis"]
    logged_at: Time
    origin: Line
    vkey: Vkey
    authors: tuple[FirstAuthor, ...]
    charter: dict[str, Any]


class StatementEntry(Wire, frozen=True):
    """What an author signed. ``publish_by`` is there exactly where something is sealed.

    ``endorsements`` are there where several of the council signed.
    """

    format: Literal["apsci-ledger/1"]
    kind: Slug
    logged_at: Time
    statement: Statement
    signature: Signature
    publish_by: Time | UnsetType = UNSET
    endorsements: Endorsements | UnsetType = UNSET


class DecisionEntry(Wire, frozen=True):
    """The ledger's judgement of the submission at ``refers_to`` by the charter at ``charter``."""

    format: Literal["apsci-ledger/1"]
    kind: Literal["admitted", "rejected"]
    logged_at: Time
    refers_to: Index
    job_id: Ulid
    charter: Index
    findings: tuple[EntryFinding, ...]


class FindingEntry(Wire, frozen=True):
    """What the ledger found about a run, at ``refers_to``, by the charter at ``charter``."""

    format: Literal["apsci-ledger/1"]
    kind: Literal["finding"]
    logged_at: Time
    refers_to: Index
    job_id: Ulid
    charter: Index
    findings: Annotated[tuple[EntryFinding, ...], Meta(min_length=1)]


class DisclosedEntry(Wire, frozen=True):
    """The opening of the entry at ``discloses``.

    ``seed`` opens it whole; ``salts`` and ``closed`` open it but for what the entry at
    ``withheld_by`` keeps closed. ``opened_by`` is the author's entry that asked for it early.
    """

    format: Literal["apsci-ledger/1"]
    kind: Literal["disclosed"]
    logged_at: Time
    discloses: Index
    job_id: Ulid
    reason: Literal["deadline", "early"]
    fields: dict[str, Any]
    seed: Base64Seed | UnsetType = UNSET
    salts: dict[str, Salt] | UnsetType = UNSET
    closed: dict[str, Sha256Hex] | UnsetType = UNSET
    opened_by: Index | UnsetType = UNSET
    withheld_by: Index | UnsetType = UNSET


class ManifestEntry(Wire, frozen=True):
    """What the ledger published as files: the SHA-256 of their list, which ``name`` names.

    They hold what the log held at ``tree_size`` entries.
    """

    format: Literal["apsci-ledger/1"]
    kind: Literal["manifest"]
    logged_at: Time
    name: Annotated[str, Meta(pattern=r"^[a-z][A-Za-z0-9._/-]{0,199}\Z")]
    digest: DigestSet
    tree_size: Annotated[int, Meta(ge=1, lt=2**53)]


class BothKeysSignatures(Wire, frozen=True):
    """What two keys of the log have signed: the one before, and the one that follows it."""

    new: Base64Signature
    old: Base64Signature


class LogKeyEntry(Wire, frozen=True):
    """The log's key names the next one: ``vkey`` follows the key with the ID ``replaces``.

    Both sign the DSSE pre-authentication encoding, of the type
    ``application/vnd.apsci.log-key.v1+json``, of the canonical object with ``origin``,
    ``replaces`` and ``vkey``.
    """

    format: Literal["apsci-ledger/1"]
    kind: Literal["log_key"]
    logged_at: Time
    replaces: KeyId
    vkey: Vkey
    signatures: BothKeysSignatures
