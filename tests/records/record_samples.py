"""Statements, openings and strategies that the tests of ``ledger.records`` share."""

import json
from typing import Any

from hypothesis import strategies as st

from ledger.records import canonical
from ledger.records.charter import default_charter
from ledger.records.commitment import commit
from ledger.records.statement import ParsedStatement, decode_signed, sign_statement
from ledger.tlog.note import Signer, generate_key

SEED = bytes(range(32))
JOB = "01JD9ZK8S3N4W5X6Y7Z8A9B0C1"
SHA = {"sha256": "ab" * 32}

SUBMISSION_FIELDS: dict[str, Any] = {
    "code": {"digest": SHA, "name": "probe.py"},
    "container": None,
    "model.dtype": "bf16",
    "model.name": "whale-4",
    "model.parameter_count": 671_000_000_000,
    "model.revision": None,
    "model.weights_digest": SHA,
    "prompts": {
        "content_access": "closed",
        "count": 12,
        "descriptor": {"digest": SHA},
        "distinct_count": 12,
    },
    "protocol": "Ask twice. \u00e9 \u4e2d \U0001f600",
    "purpose": "Find out.",
    "source": None,
    "title": "A probe",
}
OUTCOME_FIELDS: dict[str, Any] = {
    "artifacts": [
        {
            "bytes": 10,
            "content_access": "public",
            "digest": SHA,
            "kind": "eval_log",
            "name": "a.eval",
        }
    ],
    "completions": {
        "count": 3,
        "output_type": "scalar",
        "per_prompt_histogram": [{"completions": 1, "prompts": 3}],
    },
    "energy_joules": None,
    "metrics": [{"name": "accuracy", "value": "0.8125"}],
    "model.weights_digest_after": SHA,
    "samples.completed": 3,
    "samples.total": 3,
    "source": None,
    "tokens.input": 100,
    "tokens.output": 200,
}
EVIDENCED_FIELDS: dict[str, Any] = OUTCOME_FIELDS | {
    "model.weights_evidence": [
        {"after": SHA, "before": SHA, "kind": "oms_root"},
        {"kind": "readonly_mount", "report": SHA},
        {"format": "sev_snp", "kind": "tee_attestation", "report": SHA},
    ],
    "prompts.sketch": {"hashes": ["00000000000000ff", "0fffffffffffffff"], "scale": 10},
}
PUBLIC: dict[str, dict[str, Any]] = {
    "job-submitted/1": {
        "accelerator": "nvidia_h200",
        "egress_ceiling_bytes": 1_000_000,
        "gpu_count": 64,
        "gradient_scope": "none",
        "optimizer_targets": [],
        "wall_limit_seconds": 3600,
        "workload_type": "eval_suite",
    },
    "job-started/1": {"gpu_count": 64, "started_at": "2026-11-21T20:00:00Z"},
    "job-interrupted/1": {"ended_at": "2026-11-21T20:30:00Z", "exit_status": "node_fail"},
    "job-ended/1": {
        "ended_at": "2026-11-21T21:00:00Z",
        "exit_status": "completed",
        "gpu_seconds": 230_400,
        "h200e_basis": "h200e/1",
        "h200e_seconds": 230_400,
        "started_at": "2026-11-21T20:00:00Z",
        "wall_seconds": 3600,
        "weights_check": "oms_root",
        "weights_unchanged": True,
    },
    "job-egress/1": {"artifact_count": 1, "egress_bytes": 1024},
    "artifact-read/1": {"artifact_count": 0, "artifact_id": JOB, "egress_bytes": 9, "offset": 5},
    "artifact-write/1": {
        "artifact_class": "table",
        "artifact_count": 1,
        "artifact_id": JOB,
        "egress_bytes": 1024,
    },
    "charter-version/1": {
        "charter": default_charter().to_dict(),
        "in_force_from": "2026-12-01T00:00:00Z",
        "replaces": 0,
    },
    "start-refused/1": {
        "code": "R3_missing_record",
        "finding": "No receipt came with the job.",
        "gpu_count": 8,
        "member": "deepseek",
        "system": "slurm",
    },
    "job-open/1": {"discloses": 5},
    "job-corrected/1": {"corrects": 5, "field": "gpu_count", "reason": "typo", "value": "65"},
    "job-withheld/1": {
        "basis": "hazard_cyber",
        "paths": ["protocol"],
        "review_by": "2027-05-01T00:00:00Z",
        "withholds": 5,
    },
    "registry/1": {
        "action": "add",
        "name": "deepseek",
        "role": "member",
        "title": "DeepSeek",
        "vkey": "ledger.example/deepseek+00000000+AAAA",
    },
}
KIND = {
    "job-submitted/1": "submitted",
    "job-started/1": "started",
    "job-interrupted/1": "interrupted",
    "job-ended/1": "completed",
    "job-egress/1": "egress",
    "artifact-read/1": "egress",
    "artifact-write/1": "egress",
    "charter-version/1": "charter",
    "job-ended/2": "completed",
    "start-refused/1": "refused",
    "job-open/1": "open",
    "job-corrected/1": "corrected",
    "job-withheld/1": "withheld",
    "registry/1": "registry",
}
NO_JOB = ("registry/1", "charter-version/1")
PUBLIC["job-ended/2"] = PUBLIC["job-ended/1"]
SEALED = {
    "job-submitted/1": SUBMISSION_FIELDS,
    "job-ended/1": OUTCOME_FIELDS,
    "job-ended/2": EVIDENCED_FIELDS,
}


def signer(author: str = "deepseek") -> Signer:
    return generate_key(f"ledger.example/{author}", b"\x07" * 32)[0]


def copy(value: dict[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(value))
    return copied


def statement_value(schema: str, **changed: object) -> dict[str, Any]:
    """Return an unsigned statement of this schema, with some of its members replaced."""
    value: dict[str, Any] = {
        "author": "deepseek",
        "kind": KIND[schema],
        "made_at": "2026-11-21T19:00:00Z",
        "public": copy(PUBLIC[schema]),
        "schema": schema,
    }
    if schema not in NO_JOB:
        value["job_id"] = JOB
    fields = SEALED.get(schema)
    if fields is not None:
        value["sealed"] = {"fields": len(fields), "root": commit(SEED, fields).hex()}
    return value | changed


def post_value(schema: str, **changed: object) -> dict[str, Any]:
    """Return the decoded body of a post: statement, signature, and opening where it seals."""
    value = sign_statement(statement_value(schema, **changed), signer())
    fields = SEALED.get(schema)
    if fields is not None:
        value["opening"] = {"fields": copy(fields), "seed": canonical.encode_base64(SEED)}
    return value


def parsed(schema: str, **changed: object) -> ParsedStatement:
    return decode_signed(canonical.encode(post_value(schema, **changed)))


def python_json(value: object) -> bytes:
    """Return canonical JSON by the standard library alone: a second writer of the same bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def is_text(text: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in text)


texts = st.text(max_size=12).filter(is_text)
keys = st.from_regex(r"[a-z0-9_]{1,6}(\.[a-z0-9_]{1,4}){0,2}", fullmatch=True)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
    | st.sampled_from(
        ["", "\x00\x1f\x7f", '"\\/\b\f\n\r\t', "\u2028\u2029", "\ufeff", "\U0001f600"]
    )
    | texts
)


def values(depth: int = 4) -> st.SearchStrategy[Any]:
    """Return a strategy for values of the subset, at most ``depth`` arrays and objects deep."""
    if depth == 0:
        return scalars
    below = values(depth - 1)
    return scalars | st.lists(below, max_size=4) | st.dictionaries(keys, below, max_size=4)


field_maps = st.dictionaries(keys, values(2), min_size=1, max_size=8)
seeds = st.binary(min_size=32, max_size=32)
