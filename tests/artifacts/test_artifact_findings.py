"""A finding of the door is in the log before its upload is closed, however full the log's queue."""

import io
from typing import Any

import numpy as np
import pytest
from artifact_world import JOB, findings, write

from ledger.artifacts.door import ATTEMPTS
from ledger.artifacts.upload import Upload
from ledger.assembly import Ledger
from ledger.errors import ArtifactRefused, Overloaded


@pytest.fixture
def waited(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(ledger.artifacts, "_wait", found.append)
    return found


def disguised(ledger: Ledger) -> Upload:
    out = io.BytesIO()
    np.save(out, np.zeros(16, dtype=np.float32))
    data = out.getvalue()
    upload = ledger.artifacts.admit(
        write(1, len(data)), job_id=JOB, name="notes.bin", length=len(data)
    )
    upload.write(data)
    return upload


def states(ledger: Ledger) -> list[str]:
    with ledger.store.artifacts(writes=False) as rows:
        return [each.state for each in rows.every()]


def test_a_finding_waits_for_a_full_queue_and_stands_before_its_upload_is_closed(
    ledger: Ledger, waited: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = disguised(ledger)
    append, met = ledger.artifacts._append, []

    def at_first_full(works: Any) -> Any:
        met.append(states(ledger))
        if len(met) < 3:
            raise Overloaded("the queue is full", retry_after_s=60)
        return append(works)

    monkeypatch.setattr(ledger.artifacts, "_append", at_first_full)
    with pytest.raises(ArtifactRefused, match="NumPy"):
        ledger.artifacts.keep(upload)
    assert met == [["open"]] * 3
    assert waited == [5, 5]
    assert states(ledger) == ["failed"]
    assert [each["findings"][0]["code"] for each in findings(ledger)] == ["R2_unmetered_egress"]


def test_a_log_that_stays_full_hides_no_refusal_and_the_operator_hears_of_it(
    ledger: Ledger,
    waited: list[float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    upload = disguised(ledger)

    def full(_works: Any) -> Any:
        raise Overloaded("the queue is full", retry_after_s=1)

    monkeypatch.setattr(ledger.artifacts, "_append", full)
    with pytest.raises(ArtifactRefused, match="NumPy"):
        ledger.artifacts.keep(upload)
    assert waited == [1] * (ATTEMPTS - 1)
    assert states(ledger) == ["failed"]
    assert not list(upload._came.path.parent.iterdir())
    assert "was not logged" in caplog.text
    assert "notes" not in caplog.text
