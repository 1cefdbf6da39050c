"""Whether a receipt is unused still, for a job that is submitted and has no number yet.

Nothing is taken here: only the start of a job uses a receipt up, in the register's one transaction.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from ledger.admission.receipt import Admission
from ledger.admission.refusal import AdmissionRefused
from ledger.records.charter import Code
from ledger.records.deadline import format_time

BUSY_TIMEOUT_S: Final = 5.0


def require_unused(register: Path, admission: Admission) -> None:
    """Raise AdmissionRefused where a run has the receipt, or the register cannot be read."""
    if not register.exists():
        return
    try:
        uri = f"{register.as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S)) as file:
            row = file.execute(
                "SELECT run, taken_at FROM taken WHERE job_id = ?", (admission.job_id,)
            ).fetchone()
    except sqlite3.Error as error:
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD,
            f"The register of used receipts on this cluster cannot be read ({error}).",
        ) from None
    if row is not None:
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD,
            f"The receipt of job {admission.job_id} has started the run {row[0]} already, at"
            f" {format_time(row[1])}; one receipt starts one run.",
        )
