"""``ledger receipt``: a job's receipt, fetched from its ledger, checked and kept.

What is kept has verified. A file that exists is never overwritten.
"""

import os
import re
import sys
from pathlib import Path
from typing import Final

import click

from ledger.admission.receipt import MAX_RECEIPT_BYTES, read_admission
from ledger.admission.refusal import AdmissionRefused
from ledger.cli.authoring import URL, VKEY
from ledger.cli.client import log_key_of
from ledger.cli.common import CommandFailed, Disproved
from ledger.cli.receipts import read_policy
from ledger.client.door import Door
from ledger.errors import FormatError, LedgerError, ProofError
from ledger.records import canonical
from ledger.records.entry import parse_entry
from ledger.settings import load_settings
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.note import VerifierKey
from ledger.tlog.policy import Policy, PolicyLog
from ledger.tlog.proof import MAX_PROOF_BYTES, parse_proof, verify_proof

STDOUT: Final = "-"
VKEY_BYTES: Final = 4_096
_ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII)


@click.command("receipt")
@click.argument("job", metavar="JOB_ID")
@click.option(
    "--admission",
    is_flag=True,
    help="The receipt of its admission, which a scheduler asks for, not of its submission.",
)
@URL
@VKEY
@click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A tlog-policy that the receipt has to meet, instead of one key.",
)
@click.option(
    "--out",
    metavar="FILE",
    help="Where it goes; - is standard output. Default: JOB_ID.tlog-proof,"
    " JOB_ID.admission.tlog-proof.",
)
def receipt_command(
    *,
    job: str,
    admission: bool,
    url: str | None,
    vkey: str | None,
    policy_file: Path | None,
    out: str | None,
) -> None:
    """Fetch the receipt of the job JOB_ID and keep it once it has verified.

    It stands under the smallest checkpoint that holds the job and that enough witnesses have
    cosigned, where the ledger has witnesses; right after a submission that takes a moment.
    """
    if not _ULID.fullmatch(job):
        raise CommandFailed(f"{job[:40]!a} is not the number of a job (ULID)")
    if vkey is not None and policy_file is not None:
        raise CommandFailed("--vkey and --policy: give one of the two")
    policy = read_policy(policy_file) if policy_file else None
    door = Door(url or load_settings().public_url)
    try:
        if policy is None:
            key = log_key_of(vkey) if vkey is not None else _key_of(door)
            policy = Policy(logs=(PolicyLog(key),), witnesses=(), groups=(), quorum=None)
        if admission:
            text = door.get(f"/api/v1/jobs/{job}/admission", limit=MAX_RECEIPT_BYTES)
            index = _check_admission(text, job, policy)
        else:
            text = door.get(f"/jobs/{job}.proof", {"cosigned": 1}, limit=MAX_PROOF_BYTES)
            index = _check_submission(text, job, policy)
    finally:
        door.close()
    _keep(text, out or f"{job}{'.admission' if admission else ''}.tlog-proof", index)


def _key_of(door: Door) -> VerifierKey:
    """The log's key as the ledger itself gives it, which proves nothing about who it is."""
    try:
        return log_key_of(door.get("/log/vkey", limit=VKEY_BYTES).decode("ascii"))
    except UnicodeDecodeError:
        raise CommandFailed(f"{door.url}/log/vkey is not a log's key") from None


def _check_admission(text: bytes, job: str, policy: Policy) -> int:
    try:
        found = read_admission(text, policy=policy)
    except AdmissionRefused as refused:
        raise Disproved(f"the receipt does not verify: {refused.finding}") from None
    if found.job_id != job:
        raise Disproved(f"the receipt is of job {found.job_id}, not of {job}")
    return found.admitted_index


def _check_submission(text: bytes, job: str, policy: Policy) -> int:
    try:
        proof = parse_proof(text)
        extra = canonical.decode(proof.extra or b"null", limit=MAX_PROOF_BYTES)
        if type(extra) is not dict or "entry" not in extra:
            raise FormatError("it carries no entry")
        leaf = canonical.encode(extra["entry"])
        verify_proof(proof, leaf=leaf_hash(leaf), policy=policy)
        entry = parse_entry(leaf)
        if (entry.kind, entry.job_id) != ("submitted", job):
            raise ProofError(f"it is of an entry '{entry.kind}' of job {entry.job_id}")
    except LedgerError as error:
        raise Disproved(f"the receipt does not verify: {error}") from None
    return proof.index


def _keep(text: bytes, out: str, index: int) -> None:
    if out == STDOUT:
        sys.stdout.buffer.write(text)
        return
    try:
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        raise CommandFailed(
            f"{out} exists already, and a receipt is never overwritten: name another file with"
            " --out"
        ) from None
    with os.fdopen(handle, "wb") as file:
        file.write(text)
    click.echo(f"entry {index} is proved by {out}")
