"""What goes to the sequencer never shows in a log line or a traceback."""

import dataclasses

import pytest
from record_samples import JOB, SEED, SUBMISSION_FIELDS, parsed

from ledger.records.commitment import partial_opening
from ledger.records.entry import Reason
from ledger.records.proposal import Disclosure, Proposal


def test_a_proposal_shows_neither_opening_nor_ciphertext() -> None:
    proposal = Proposal(parsed=parsed("job-submitted/1"), size=2000, sealed_opening=b"ciphertext")
    shown = repr(proposal)
    assert "deepseek" in shown
    for secret in ("whale-4", "ciphertext", repr(SEED)):
        assert secret not in shown


def test_a_request_to_open_shows_neither_values_nor_seed_nor_salts() -> None:
    partial = partial_opening(SEED, SUBMISSION_FIELDS, ["protocol"])
    requests = (
        Disclosure(
            index=5, job_id=JOB, reason=Reason.DEADLINE, fields=SUBMISSION_FIELDS, seed=SEED
        ),
        Disclosure(
            index=5,
            job_id=JOB,
            reason=Reason.EARLY,
            fields=partial.fields,
            partial=partial,
            opened_by=8,
            withheld_by=7,
        ),
    )
    for request in requests:
        assert JOB in repr(request)
        for secret in ("whale-4", repr(SEED), repr(partial.salts["title"])):
            assert secret not in repr(request)


def test_neither_can_be_changed_on_its_way() -> None:
    proposal = Proposal(parsed=parsed("job-egress/1"), size=300)
    with pytest.raises(dataclasses.FrozenInstanceError):
        proposal.size = 1  # type: ignore[misc]
