"""Drafts on their last way: signed by those whose they are, and taken by a ledger."""

from pathlib import Path
from typing import Any

import pytest
from jobs_world import FIXTURES, Importer
from trace_world import make_ledger, signers_of

from ledger.assembly import Ledger
from ledger.records.authoring import author_statement
from ledger.records.deadline import parse_time
from ledger.tlog.note import Signer
from schemas.posting import Receipted

NOW = "2026-11-22T12:00:00Z"
FILES = ["inspect_log.json", "kubernetes_job.json", "kueue_v1beta1.json", "lm_eval_results.json",
         "slurm_v0041.json", "slurm_v0045.json"]  # fmt: skip


def signed(draft: dict[str, Any], signers: dict[str, Signer]) -> bytes:
    by = "deepseek" if draft["kind"] == "submitted" else "orchestrator"
    return author_statement(
        signer=signers[by],
        kind=draft["kind"],
        schema=draft["schema"],
        public=draft["public"],
        made_at=NOW,
        job_id=draft["job_id"],
        sealed=draft.get("sealed"),
        seed=bytes(32) if "sealed" in draft else None,
    )


def test_a_ledger_takes_the_drafts_of_every_tool_and_rejects_what_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], database_url: str
) -> None:
    importer = Importer(tmp_path, capsys)
    settings = make_ledger(tmp_path / "ledger", database_url)
    signers = signers_of(settings)
    ledger = Ledger(settings, clock=lambda: parse_time(NOW))
    try:
        for name in FILES:
            drafts = importer.ok(FIXTURES / name).drafts()
            answers = ledger.submit_batch([signed(each, signers) for each in drafts]).result(120)
            assert len(answers) == len(drafts) >= 3
            for answer in answers:
                assert isinstance(answer, Receipted), (name, answer)
            decision = answers[0].accepted.decision
            assert decision is not None
            assert decision.kind == "admitted"

        def train(file: Any) -> None:
            file["config"]["peft_sha"] = "0" * 40

        red = importer.ok(importer.changed("lm_eval_results.json", train)).drafts()[0]
        (answer,) = ledger.submit_batch([signed(red, signers)]).result(120)
        assert isinstance(answer, Receipted)
        assert answer.accepted.decision is not None
        assert answer.accepted.decision.kind == "rejected"
        codes = [each.code for each in answer.accepted.decision.findings]
        assert codes == ["R1_forbidden_workload"]
    finally:
        ledger.close()
