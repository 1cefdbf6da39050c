"""``ledger verify-proof``: one receipt, checked without asking anybody."""

from pathlib import Path
from typing import Any, Final

import click
from msgspec import field

from ledger.admission.receipt import read_admission
from ledger.admission.refusal import AdmissionRefused
from ledger.cli.client import log_key_of
from ledger.cli.common import (
    CommandFailed,
    Disproved,
    open_for_reading,
    printable,
    read_bytes,
    read_text,
    settings_with_log,
)
from ledger.errors import CommitmentError, FormatError, LedgerError, ProofError, SignatureError
from ledger.records import canonical
from ledger.records.commitment import PartialOpening, check_opening, check_partial
from ledger.records.deadline import format_time
from ledger.records.entry import MAX_ENTRY, Entry, parse_entry
from ledger.records.statement import sealed_paths
from ledger.records.wire import convert
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.note import VerifierKey
from ledger.tlog.policy import Policy, PolicyLog, parse_policy
from ledger.tlog.proof import (
    MAX_PROOF_BYTES,
    TlogProof,
    format_proof,
    parse_proof,
    verify_proof,
)
from schemas.values import Base64Seed, Sha256Hex, Wire

HEX_PREFIX: Final = 16


class _Opening(Wire, frozen=True):
    fields: dict[str, Any]
    seed: Base64Seed | None = None
    salts: dict[str, str] = field(default_factory=dict)
    closed: dict[str, Sha256Hex] = field(default_factory=dict)


@click.command("verify-proof")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--vkey", metavar="VKEY", help="The log's key.")
@click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A tlog-policy: the logs and witnesses that you believe, instead of one key.",
)
@click.option(
    "--entry",
    "entry_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The entry's bytes, where the receipt does not carry them or you have your own.",
)
def verify_proof_command(
    file: Path, vkey: str | None, policy_file: Path | None, entry_file: Path | None
) -> None:
    """Check the receipt in FILE: its entry is in the log, and its opening is the true one.

    Without --vkey or --policy the key of the ledger on this machine is used. Exits with 1 where
    something in the receipt is not what it claims, with 2 where it cannot be checked.
    """
    if vkey is not None and policy_file is not None:
        raise CommandFailed("--vkey and --policy: give one of the two")
    policy = read_policy(policy_file) if policy_file else None
    believed: list[VerifierKey] = []
    if policy is None:
        believed = [log_key_of(vkey)] if vkey is not None else _local_keys()
    try:
        proof = parse_proof(read_bytes(file, limit=MAX_PROOF_BYTES))
        extra = canonical.decode(proof.extra or b"{}", limit=MAX_PROOF_BYTES)
    except FormatError as error:
        raise CommandFailed(f"{file} is not a receipt: {error}") from None
    if type(extra) is not dict:
        raise CommandFailed(f"{file} is not a receipt of this ledger: its extra is no object")
    leaf = _leaf(file, extra, entry_file)
    try:
        entry = _check(proof, leaf, extra, believed=believed, policy=policy)
    except (ProofError, SignatureError, CommitmentError) as error:
        raise Disproved(f"{file} does not verify: {error}") from None
    except FormatError as error:
        raise Disproved(f"{file}: what it proves is not an entry of this ledger: {error}") from None
    click.echo(f"verified: entry {proof.index}, {entry.kind}, of {format_time(entry.logged_at)}")
    if entry.job_id is not None:
        click.echo(f"job: {entry.job_id}")
    if "opening" in extra:
        click.echo("opening: it is what the entry committed to")
    if "submission" in extra:
        click.echo("submission: it is in the same tree, and the admission answers it")


def _check(
    proof: TlogProof,
    leaf: bytes,
    extra: dict[str, Any],
    *,
    believed: list[VerifierKey],
    policy: Policy | None,
) -> Entry:
    checkpoint = verify_proof(proof, leaf=leaf_hash(leaf), verifiers=believed, policy=policy)
    entry = parse_entry(leaf)
    if "opening" in extra:
        _check_opening(entry, extra["opening"])
    if "submission" in extra:
        _check_submission(proof, believed=believed, policy=policy)
    click.echo(
        f"log: {printable(checkpoint.origin)}, size {checkpoint.size},"
        f" root {checkpoint.root.hex()[:HEX_PREFIX]}…"
    )
    return entry


def _check_submission(
    proof: TlogProof, *, believed: list[VerifierKey], policy: Policy | None
) -> None:
    logs = tuple(PolicyLog(key) for key in believed)
    alone = Policy(logs=logs, witnesses=(), groups=(), quorum=None)
    try:
        read_admission(format_proof(proof), policy=policy or alone)
    except AdmissionRefused as refused:
        raise ProofError(refused.finding) from None


def _check_opening(entry: Entry, opening: object) -> None:
    signed = entry.signed
    if signed is None or signed.sealed_root is None:
        raise CommitmentError("the receipt has an opening, and its entry seals nothing")
    paths = sealed_paths(signed.schema)
    try:
        shown = convert(opening, _Opening, at="opening")
        seed = None if shown.seed is None else canonical.decode_base64(shown.seed)
        salts = {path: canonical.decode_base64(each) for path, each in shown.salts.items()}
    except FormatError:
        raise CommitmentError("the receipt's opening is malformed") from None
    if seed is None:
        closed = {path: bytes.fromhex(leaf) for path, leaf in shown.closed.items()}
        partial = PartialOpening(fields=shown.fields, salts=salts, closed=closed)
        check_partial(signed.sealed_root, partial, paths)
    elif shown.fields.keys() != paths or salts or shown.closed:
        raise CommitmentError("the opening's fields are not those of the schema")
    else:
        check_opening(signed.sealed_root, seed=seed, fields=shown.fields)


def _leaf(file: Path, extra: dict[str, Any], entry_file: Path | None) -> bytes:
    carried = canonical.encode(extra["entry"]) if "entry" in extra else None
    if entry_file is None:
        if carried is None:
            raise CommandFailed(f"{file} carries no entry: give its bytes with --entry")
        return carried
    given = read_bytes(entry_file, limit=MAX_ENTRY)
    if carried is not None and given != carried:
        raise Disproved(f"{file} is the receipt of another entry than {entry_file}")
    return given


def read_policy(path: Path) -> Policy:
    """A policy file of 1 MiB at most. Raises CommandFailed."""
    try:
        return parse_policy(read_text(path))
    except FormatError as error:
        raise CommandFailed(f"{path}: {error}") from None


def _local_keys() -> list[VerifierKey]:
    """Every key that ever spoke for the ledger on this machine: a receipt may be of any of them."""
    settings = settings_with_log()
    try:
        ledger = open_for_reading(settings)
    except LedgerError as error:
        raise CommandFailed(f"whose log? give --vkey or --policy ({error})") from None
    ledger.close()
    return list(ledger.log_keys.chain)
