"""The bytes that become a leaf: canonical JSON, one builder for each kind (formats.md 9 and 11).

Every entry has ``format``, ``kind`` and ``logged_at``; those of authors carry the signed statement,
those of the ledger itself their fields. An entry does not know its index. Form alone is the matter
here: whether an entry may stand where it stands is for those who know the log.
"""

from binascii import b2a_base64
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from ledger.errors import TooLarge
from ledger.records import canonical
from ledger.records.charter import Charter, Finding
from ledger.records.commitment import PartialOpening
from ledger.records.deadline import format_time
from ledger.records.entry_parser import (
    DECISION_KINDS,
    FINDING_KIND,
    MANIFEST_KIND,
    STATEMENT_KINDS,
    parse_entry,
)
from ledger.records.entry_parts import (
    FORMAT,
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
from ledger.records.statement import ParsedStatement
from ledger.records.succession import KIND as LOG_KEY_KIND
from ledger.records.succession import Succession

__all__ = [
    "DECISION_KINDS",
    "FINDING_KIND",
    "FORMAT",
    "LOG_KEY_KIND",
    "MANIFEST_KIND",
    "MAX_ENTRY",
    "STATEMENT_KINDS",
    "Author",
    "Decision",
    "Disclosed",
    "Entry",
    "Found",
    "Genesis",
    "Manifest",
    "Reason",
    "check_disclosable",
    "decision_entry",
    "disclosed_entry",
    "finding_entry",
    "genesis_entry",
    "log_key_entry",
    "manifest_entry",
    "parse_entry",
    "statement_entry",
]


def genesis_entry(
    *, origin: str, vkey: str, authors: Sequence[Author], charter: Charter, logged_at: int
) -> bytes:
    """Return the leaf at index 0.

    Raises FormatError naming the field, TooLarge above 60,000 bytes.
    """
    entry = _bounded(
        canonical.encode(
            {
                "format": FORMAT,
                "kind": "genesis",
                "logged_at": format_time(logged_at),
                "origin": origin,
                "vkey": vkey,
                "authors": [msgspec.to_builtins(author) for author in authors],
                "charter": charter.to_dict(),
            }
        )
    )
    parse_entry(entry)
    return entry


def statement_entry(parsed: ParsedStatement, *, logged_at: int, publish_by: int | None) -> bytes:
    """Return the leaf of an author's statement, ``publish_by`` exactly where it seals something.

    Raises TooLarge above 60,000 bytes.
    """
    assert (publish_by is None) == (parsed.sealed_root is None)
    deadline = b"" if publish_by is None else b'"publish_by":"%b",' % _time(publish_by)
    # In key order, around the statement's own canonical bytes; the kind is a slug of its schema.
    return _bounded(
        b'{%b"format":"%b","kind":"%b","logged_at":"%b",%b'
        b'"signature":{"key_id":"%08x","value":"%b"},"statement":%b}'
        % (
            _endorsements(parsed) if parsed.endorsements else b"",
            _FORMAT,
            parsed.statement.kind.encode(),
            _time(logged_at),
            deadline,
            parsed.key_id,
            b2a_base64(parsed.signature, newline=False),
            parsed.body,
        )
    )


def decision_entry(
    kind: str,
    *,
    refers_to: int,
    job_id: str,
    charter: int,
    findings: Sequence[Finding],
    logged_at: int,
) -> bytes:
    """Return the leaf of the ledger's judgement, ``admitted`` or ``rejected``.

    ``refers_to`` and ``charter`` are the indices of the submission and of the charter in force.
    """
    assert kind in DECISION_KINDS
    if not findings:
        # What nearly every decision is, spelled out: the encoder takes longer than all the rest.
        # A job's ID and a kind have no character that JSON escapes.
        return (
            b'{"charter":%d,"findings":[],"format":"%b","job_id":"%b","kind":"%b",'
            b'"logged_at":"%b","refers_to":%d}'
            % (charter, _FORMAT, job_id.encode(), kind.encode(), _time(logged_at), refers_to)
        )
    return _judgement(
        kind,
        refers_to=refers_to,
        job_id=job_id,
        charter=charter,
        findings=findings,
        logged_at=logged_at,
    )


def finding_entry(
    *,
    refers_to: int,
    job_id: str,
    charter: int,
    findings: Iterable[Finding],
    logged_at: int,
) -> bytes:
    """Return the leaf of what the ledger found about a run, at the entry ``refers_to``."""
    return _judgement(
        FINDING_KIND,
        refers_to=refers_to,
        job_id=job_id,
        charter=charter,
        findings=findings,
        logged_at=logged_at,
    )


def _judgement(
    kind: str,
    *,
    refers_to: int,
    job_id: str,
    charter: int,
    findings: Iterable[Finding],
    logged_at: int,
) -> bytes:
    return _bounded(
        canonical.encode(
            {
                "format": FORMAT,
                "kind": kind,
                "logged_at": format_time(logged_at),
                "refers_to": refers_to,
                "job_id": job_id,
                "charter": charter,
                "findings": [finding.to_dict() for finding in findings],
            }
        )
    )


def _endorsements(parsed: ParsedStatement) -> bytes:
    said = [
        {
            "author": each.author,
            "signature": {
                "key_id": f"{each.key_id:08x}",
                "value": canonical.encode_base64(each.signature),
            },
        }
        for each in parsed.endorsements
    ]
    return b'"endorsements":%b,' % canonical.encode(said)


def disclosed_entry(
    *,
    discloses: int,
    job_id: str,
    reason: Reason,
    logged_at: int,
    fields: Mapping[str, Any] | None = None,
    seed: bytes | None = None,
    partial: PartialOpening | None = None,
    opened_by: int | None = None,
    withheld_by: int | None = None,
) -> bytes:
    """Return the leaf that opens the entry at ``discloses``.

    In full with ``fields`` and ``seed``; in part with ``partial`` and ``withheld_by``. An early
    one names the author's open entry, ``opened_by``.

    Raises TooLarge above 60,000 bytes, which ``check_disclosable`` prevents at intake.
    """
    assert (seed is None) == (fields is None) == (partial is not None) == (withheld_by is not None)
    assert (opened_by is not None) == (reason is Reason.EARLY)
    value: dict[str, Any] = {
        "format": FORMAT,
        "kind": "disclosed",
        "logged_at": format_time(logged_at),
        "discloses": discloses,
        "job_id": job_id,
        "reason": reason.value,
    }
    if opened_by is not None:
        value["opened_by"] = opened_by
    if partial is not None:
        value |= {"withheld_by": withheld_by, **partial.to_dict()}
    elif seed is not None and fields is not None:
        value |= {"fields": dict(fields), "seed": canonical.encode_base64(seed)}
    return _bounded(canonical.encode(value))


def manifest_entry(manifest: Manifest, *, logged_at: int) -> bytes:
    """Return the leaf that holds the SHA-256 of a list of files which the ledger published.

    Raises ValueRefused naming the field.
    """
    entry = _bounded(
        canonical.encode(
            {
                "format": FORMAT,
                "kind": MANIFEST_KIND,
                "logged_at": format_time(logged_at),
                "name": manifest.name,
                "digest": {"sha256": manifest.digest.hex()},
                "tree_size": manifest.tree_size,
            }
        )
    )
    parse_entry(entry)
    return entry


def log_key_entry(succession: Succession, *, logged_at: int) -> bytes:
    """Return the leaf in which the log's key names the one that follows it.

    Raises ValueRefused naming the field.
    """
    entry = _bounded(
        canonical.encode(
            {
                "format": FORMAT,
                "kind": LOG_KEY_KIND,
                "logged_at": format_time(logged_at),
                **succession.to_dict(),
            }
        )
    )
    parse_entry(entry)
    return entry


def check_disclosable(fields: Mapping[str, Any]) -> None:
    """Check that the entry which discloses ``fields`` fits, whichever of them will stay closed.

    Raises TooLarge with the limit and the largest size that it could have.
    """
    # Each path and value stands there at most twice, with a salt or a leaf: mostly that is enough.
    most = 2 * len(canonical.encode(dict(fields))) + len(fields) * (_LEAF_TEXT + len('""'))
    if _DISCLOSURE_FRAME + most <= MAX_ENTRY:
        return
    size = _DISCLOSURE_FRAME
    for path, value in fields.items():
        name = len(path) + len('"":,')
        shown = name + len(canonical.encode(value)) + name + len('""') + _SALT_TEXT
        closed = name + len('""') + _LEAF_TEXT
        size += max(shown, closed)
    if size > MAX_ENTRY:
        raise TooLarge(
            f"the entry that discloses these fields could take {size} bytes, where an entry is"
            f" at most {MAX_ENTRY}",
            limit=MAX_ENTRY,
            size=size,
        )


_SALT_TEXT = 24  # 16 bytes in base64
_LEAF_TEXT = 64  # 32 bytes in hex
# Everything in a disclosed entry but its fields, salts and closed leaves, indices at their longest.
_DISCLOSURE_FRAME = len(
    canonical.encode(
        {
            "closed": {},
            "discloses": 2**53 - 1,
            "fields": {},
            "format": FORMAT,
            "job_id": "0" * 26,
            "kind": "disclosed",
            "logged_at": "2026-11-21T19:00:00Z",
            "opened_by": 2**53 - 1,
            "reason": "deadline",
            "salts": {},
            "seed": "0" * 44,
            "withheld_by": 2**53 - 1,
        }
    )
)


_FORMAT = FORMAT.encode()


@lru_cache(maxsize=64)
def _time(seconds: int) -> bytes:
    return format_time(seconds).encode()


def _bounded(entry: bytes) -> bytes:
    if len(entry) > MAX_ENTRY:
        raise TooLarge(
            f"the entry would take {len(entry)} bytes, where an entry is at most {MAX_ENTRY}",
            limit=MAX_ENTRY,
            size=len(entry),
        )
    return entry
