"""Statements of today: a server that runs by its own clock takes no others."""

import time
from pathlib import Path

from ledger import keys
from ledger.records.authoring import author_statement
from ledger.records.deadline import format_time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Clerk:
    """Submits jobs with the key in a file."""

    def __init__(self, key: Path, series: int = 0) -> None:
        self._signer = keys.read_signer(key)
        self._series = series

    def job_id(self, number: int) -> str:
        """The id of the job of this number."""
        value = (1 + self._series) << 100 | number
        return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))

    def submission(self, number: int) -> bytes:
        """A signed submission, as it is posted."""
        return author_statement(
            signer=self._signer,
            kind="submitted",
            schema="job-submitted/1",
            public={
                "workload_type": "eval_suite",
                "gradient_scope": "none",
                "optimizer_targets": [],
                "accelerator": "nvidia_h200",
                "gpu_count": 8,
                "wall_limit_seconds": 3_600,
                "egress_ceiling_bytes": 1_000_000,
            },
            sealed={"title": f"Job {number}", "model.name": "whale-4"},
            made_at=format_time(int(time.time())),
            job_id=self.job_id(number),
            seed=number.to_bytes(32, "big"),
        )
