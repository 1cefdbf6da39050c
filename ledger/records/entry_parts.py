"""What an entry holds, decoded: one class for each kind that the ledger itself speaks.

Built by ``entry_parser`` from bytes that it has checked. Nothing here reads, checks or encodes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ledger.records.charter import Charter, Finding
from ledger.records.commitment import PartialOpening
from ledger.records.statement import ParsedStatement
from ledger.records.succession import Succession
from schemas.statements import Role
from schemas.values import AuthorName, Title, Vkey, Wire

FORMAT = "apsci-ledger/1"
MAX_ENTRY = 60_000
"""The largest entry in bytes; a tile's entry bundle could take 65,535."""


class Reason(StrEnum):
    """Why a record was opened."""

    DEADLINE = "deadline"
    EARLY = "early"


class Author(Wire, frozen=True):
    """One of the first authors, as the genesis entry names them."""

    name: AuthorName
    role: Role
    title: Title
    vkey: Vkey


@dataclass(frozen=True, slots=True)
class Genesis:
    """What the log begins with: whose it is, who may speak first, and the first charter."""

    origin: str
    vkey: str
    authors: tuple[Author, ...]
    charter: Charter


@dataclass(frozen=True, slots=True)
class Decision:
    """The ledger's judgement of the submission at ``refers_to`` by the charter at ``charter``."""

    refers_to: int
    charter: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What the ledger found about a run, at the entry ``refers_to``, by the charter in force."""

    refers_to: int
    charter: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Disclosed:
    """The opening of the entry at ``discloses``: by ``seed`` in full, or by ``partial``."""

    discloses: int
    reason: Reason
    fields: Mapping[str, Any]
    seed: bytes | None
    partial: PartialOpening | None
    opened_by: int | None
    withheld_by: int | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the ledger published as files: their list's name and SHA-256, made at ``tree_size``."""

    name: str
    digest: bytes
    tree_size: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A parsed leaf. Of the seven parts the one of its kind is there, none for an unknown kind."""

    kind: str
    logged_at: int
    """Seconds since 1970."""
    job_id: str | None
    publish_by: int | None
    """Seconds since 1970; None where nothing is sealed."""
    value: Mapping[str, Any] = field(repr=False)
    """The whole entry, decoded."""
    signed: ParsedStatement | None = None
    decision: Decision | None = None
    disclosed: Disclosed | None = None
    genesis: Genesis | None = None
    manifest: Manifest | None = None
    found: Found | None = None
    succession: Succession | None = None
