"""A log whose operator lies in its entries, and signs them: every lie has its name.

Each tampering alters an honest log in place and returns the entry that shows it. The log is then
hashed and signed again with its true key, so that only replaying the entries can find the lie.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from log_builder import (
    DAY_S,
    ORIGIN,
    History,
    canonical,
    resign,
    seconds_of,
    signing_key,
    text_of,
    to_base64,
    vkey_of,
)
from verify_runner import run

Tampering = Callable[[History], int]
TAMPERINGS: list[Any] = []


def tampering(code: str, *also: str) -> Callable[[Tampering], Tampering]:
    """Expect ``code`` at the entry returned, and no other codes than those in ``also``."""

    def note(function: Tampering) -> Tampering:
        name = function.__name__.replace("_", " ")
        TAMPERINGS.append(pytest.param(function, code, {code, *also}, id=f"{name}: {code}"))
        return function

    return note


@pytest.mark.parametrize(("tamper", "code", "codes"), TAMPERINGS)
def test_a_log_is_convicted_of(
    tamper: Tampering, code: str, codes: set[str], log: History, tmp_path: Path
) -> None:
    index = tamper(log)
    mirror = log.write(tmp_path / "mirror")
    evidence = tmp_path / "evidence"
    verdict = run("--offline", mirror, "--vkey", vkey_of(ORIGIN), "--evidence", evidence)
    assert verdict.status == 1
    assert verdict.report["verdict"] == "misbehaviour"
    assert verdict.codes == codes, verdict.report["findings"]
    assert index in verdict.entries(code)
    assert (evidence / f"entry-{index}").read_bytes() == log.encoded()[index]
    assert (evidence / "checkpoint").read_text() == log.checkpoint()


# Who said it.


@tampering("bad-signature")
def a_signature_with_one_bit_flipped(log: History) -> int:
    index = log.labels["started 40"]
    entry = log.entries[index]
    value = entry["signature"]["value"]
    entry["signature"]["value"] = ("B" if value[0] == "A" else "A") + value[1:]
    return index


@tampering("bad-signature")
def a_statement_altered_after_it_was_signed(log: History) -> int:
    index = log.labels["ended 41"]
    log.entries[index]["statement"]["public"]["gpu_seconds"] = 1
    return index


@tampering("malformed-entry")
def a_signature_in_a_second_spelling_of_base64(log: History) -> int:
    index = log.labels["egress 40"]
    signature = log.entries[index]["signature"]
    signature["value"] = signature["value"][:-3] + "B=="
    return index


@tampering("unknown-author")
def an_author_whom_nobody_registered(log: History) -> int:
    index = log.egress(log.entries[log.labels["ended 40"]]["statement"]["job_id"])
    log.entries[index]["statement"]["author"] = "gateway-two"
    resign(log.entries[index])
    return index


@tampering("unknown-key")
def a_known_author_with_a_key_that_nobody_registered(log: History) -> int:
    index = log.labels["egress 40"]
    resign(log.entries[index], signing_key("a second key of the gateway"))
    return index


@tampering("key-not-valid")
def a_submission_signed_with_a_retired_key(log: History) -> int:
    return log.submit("lab-c", log.new_job())


@tampering("unknown-author")
def a_submission_before_its_author_was_registered(log: History) -> int:
    index = log.submit("lab-d", log.new_job())
    log.register("add", "lab-d", "member")
    return index


@tampering("wrong-role")
def a_member_who_starts_a_job_itself(log: History) -> int:
    index = log.labels["started 40"]
    log.entries[index]["statement"]["author"] = "lab-a"
    resign(log.entries[index])
    return index


@tampering("wrong-role")
def a_key_registered_by_a_member(log: History) -> int:
    index = log.register("add", "lab-d", "member")
    log.entries[index]["statement"]["author"] = "lab-a"
    resign(log.entries[index])
    return index


@tampering("bad-registry")
def a_key_retired_that_was_never_registered(log: History) -> int:
    return log.register("retire", "lab-a", "member", signing_key("no key of lab-a"))


# What may follow what.


@tampering("decision-without-submission")
def an_admission_that_nobody_asked_for(log: History) -> int:
    submitted = log.labels["submitted 40"]
    return log.decide(submitted, log.entries[submitted]["statement"]["job_id"], [])


@tampering("missing-decision")
def a_submission_left_undecided_at_the_end(log: History) -> int:
    return log.submit_only("lab-a", log.new_job())


@tampering("missing-decision")
def a_submission_followed_by_something_else(log: History) -> int:
    index = log.submit_only("lab-a", log.new_job())
    log.egress(log.entries[log.labels["ended 40"]]["statement"]["job_id"])
    return index


@tampering("missing-decision", "decision-without-submission", "run-without-admission")
def a_decision_swapped_with_its_submission(log: History) -> int:
    index = log.labels["submitted 117"]
    log.entries[index : index + 2] = log.entries[index : index + 2][::-1]
    log.entries[index]["refers_to"] = index + 1
    return index + 1


@tampering("out-of-order")
def a_job_started_again_after_its_end(log: History) -> int:
    return log.start(log.entries[log.labels["ended 40"]]["statement"]["job_id"])


@tampering("run-without-admission")
def a_job_that_ran_although_it_was_rejected(log: History) -> int:
    return log.start(log.entries[log.labels["rejected submission"]]["statement"]["job_id"])


@tampering("out-of-order")
def a_job_submitted_a_second_time(log: History) -> int:
    job = log.entries[log.labels["ended 40"]]["statement"]["job_id"]
    return log.submit("lab-a", job)


@tampering("run-without-admission")
def egress_of_a_job_that_never_was(log: History) -> int:
    return log.egress(log.new_job())


@tampering("duplicate-statement")
def one_statement_logged_twice(log: History) -> int:
    copy = log.entries[log.labels["egress 40"]]
    return log.add({**copy, "logged_at": text_of(log.now_s)})


@tampering("forbidden-workload-admitted")
def a_forbidden_job_that_was_admitted(log: History) -> int:
    job = log.new_job()
    index = log.submit_only("lab-a", job, workload="sft")
    return log.decide(index, job, [])


@tampering("bad-decision")
def a_rejection_without_a_reason(log: History) -> int:
    index = log.labels["rejected submission"] + 1
    log.entries[index]["findings"] = []
    return index


@tampering("bad-reference")
def a_decision_by_a_charter_that_is_none(log: History) -> int:
    index = log.labels["submitted 40"] + 1
    log.entries[index]["charter"] = 3
    return index


@tampering("bad-reference")
def a_correction_of_what_another_author_said(log: History) -> int:
    return log.correct(log.labels["submitted 40"], "orchestrator")


# In which words.


@tampering("non-canonical")
def an_entry_with_a_space_in_it(log: History) -> int:
    index = log.labels["egress 40"]
    log.entries[index] = canonical(log.entries[index]).replace(b":", b": ", 1)
    return index


@tampering("non-canonical")
def an_entry_with_one_key_twice(log: History) -> int:
    index = log.labels["egress 40"]
    data = canonical(log.entries[index])
    log.entries[index] = data.replace(b'{"format"', b'{"format":"other","format"', 1)
    return index


@tampering("non-canonical", "malformed-entry")
def an_entry_with_a_key_outside_the_subset(log: History) -> int:
    index = log.labels["egress 40"]
    log.entries[index]["Größe"] = 1
    return index


@tampering("malformed-entry")
def an_entry_with_a_number_that_is_not_whole(log: History) -> int:
    index = log.labels["egress 40"]
    log.entries[index]["statement"]["public"]["egress_bytes"] = 1.5
    resign(log.entries[index])
    return index


@tampering("malformed-entry")
def an_entry_with_a_number_that_readers_round(log: History) -> int:
    index = log.labels["egress 40"]
    log.entries[index]["statement"]["public"]["egress_bytes"] = 2**53
    resign(log.entries[index])
    return index


@tampering("malformed-entry")
def an_entry_that_is_not_json(log: History) -> int:
    index = log.labels["egress 40"]
    log.entries[index] = b"\xff\xfe{}"
    return index


@tampering("malformed-entry")
def an_entry_of_nothing_but_brackets(log: History) -> int:
    index = log.labels["egress 40"]
    log.entries[index] = b"[" * 60_000
    return index


@tampering("malformed-entry")
def an_entry_with_a_field_that_has_no_meaning(log: History) -> int:
    index = log.labels["egress 40"]
    log.entries[index]["note"] = "later"
    return index


@tampering("malformed-entry")
def a_run_that_ended_without_sealing_its_outcome(log: History) -> int:
    index = log.end(_running_job(log))
    del log.entries[index]["statement"]["sealed"], log.entries[index]["publish_by"]
    resign(log.entries[index])
    return index


@tampering("malformed-entry")
def a_deadline_where_nothing_is_sealed(log: History) -> int:
    index = log.labels["egress 40"]
    log.entries[index]["publish_by"] = text_of(log.now_s)
    return index


@tampering("malformed-entry")
def an_entry_of_another_kind_than_its_statement(log: History) -> int:
    index = log.labels["egress 40"]
    log.entries[index]["kind"] = "corrected"
    return index


@tampering("malformed-entry")
def fewer_sealed_fields_than_the_schema_has(log: History) -> int:
    index = log.end(_running_job(log))
    log.entries[index]["statement"]["sealed"]["fields"] = 9
    resign(log.entries[index])
    return index


# When.


@tampering("time-went-back")
def a_clock_that_was_set_back(log: History) -> int:
    index = log.labels["egress 40"]
    entry = log.entries[index]
    entry["logged_at"] = text_of(seconds_of(entry["logged_at"]) - DAY_S)
    return index


@tampering("logged-in-future", "overdue")
def an_entry_from_the_future(log: History) -> int:
    log.now_s = seconds_of("2089-01-01T00:00:00Z")
    return log.egress(log.entries[log.labels["ended 40"]]["statement"]["job_id"])


@tampering("wrong-publish-by")
def a_deadline_moved_later_by_one_second(log: History) -> int:
    return _move_deadline(log, 1)


@tampering("wrong-publish-by")
def a_deadline_moved_earlier_by_one_second(log: History) -> int:
    return _move_deadline(log, -1)


@tampering("embargo-too-long", "wrong-publish-by")
def a_charter_with_more_than_ninety_days(log: History) -> int:
    log.entries[0]["charter"]["embargo_days"] = 91
    return 0


@tampering("overdue")
def a_disclosure_that_was_left_out(log: History) -> int:
    index = log.labels["disclosure"]
    target: int = log.entries[index]["discloses"]
    log.entries[index] = _egress_at(log, index)
    return target


# What was opened.


@tampering("opening-mismatch")
def a_disclosure_with_one_value_changed(log: History) -> int:
    index = log.labels["disclosure"]
    log.entries[index]["fields"]["title"] = "Something harmless"
    return index


@tampering("opening-mismatch")
def a_disclosure_with_another_seed(log: History) -> int:
    index = log.labels["disclosure"]
    log.entries[index]["seed"] = to_base64(bytes(32))
    return index


@tampering("opening-mismatch")
def a_disclosure_with_a_path_too_few(log: History) -> int:
    index = log.labels["disclosure"]
    del log.entries[index]["fields"]["protocol"]
    return index


@tampering("opening-mismatch")
def a_partial_disclosure_with_another_closed_leaf(log: History) -> int:
    index = log.labels["partial disclosure"]
    log.entries[index]["closed"]["protocol"] = "00" * 32
    return index


@tampering("opening-mismatch")
def a_partial_disclosure_with_one_salt_changed(log: History) -> int:
    index = log.labels["partial disclosure"]
    log.entries[index]["salts"]["title"] = to_base64(bytes(16))
    return index


@tampering("disclosed-twice")
def a_record_disclosed_twice(log: History) -> int:
    return log.disclose(log.entries[log.labels["disclosure"]]["discloses"])


@tampering("bad-reference", "overdue")
def a_disclosure_under_the_name_of_another_job(log: History) -> int:
    index = log.labels["disclosure"]
    log.entries[index]["job_id"] = log.new_job()
    log.openings.clear()
    return index


@tampering("bad-reference")
def a_disclosure_of_what_was_never_sealed(log: History) -> int:
    index = log.labels["started 40"]
    log.openings[index] = log.openings[log.labels["submitted 40"]]
    return log.disclose(index)


@tampering("early-without-open")
def a_record_opened_before_its_date_unasked(log: History) -> int:
    return log.disclose(_sealed(log))


@tampering("early-without-open")
def a_record_opened_by_a_request_for_another(log: History) -> int:
    request = log.labels["early disclosure"] - 1
    return log.disclose(_sealed(log), opened_by=request)


@tampering("open-by-another", "early-without-open")
def a_record_opened_by_another_member(log: History) -> int:
    target = _sealed(log)
    author = log.entries[target]["statement"]["author"]
    return log.open_early(target, "lab-a" if author != "lab-a" else "lab-b") - 1


@tampering("open-not-obeyed")
def a_request_to_open_that_was_ignored(log: History) -> int:
    log.open_early(_sealed(log))
    log.entries.pop()
    return len(log.entries) - 1


@tampering("withheld-field-opened")
def a_withheld_record_opened_in_full(log: History) -> int:
    index = log.labels["partial disclosure"]
    kept, log.entries = log.entries, log.entries[:index]
    log.now_s = seconds_of(kept[index]["logged_at"])
    log.disclose(kept[index]["discloses"])
    log.entries += kept[index + 1 :]
    return index


@tampering("closed-without-withholding")
def a_field_kept_closed_that_nobody_withheld(log: History) -> int:
    target = log.entries[log.labels["disclosure"]]["discloses"]
    kept, log.entries = log.entries, log.entries[: log.labels["disclosure"]]
    log.now_s = seconds_of(kept[len(log.entries)]["logged_at"])
    index = log.disclose(target, withheld_by=log.labels["withheld"])
    log.entries += kept[index + 1 :]
    return index


@tampering("closed-without-withholding")
def more_fields_kept_closed_than_were_withheld(log: History) -> int:
    index = log.labels["partial disclosure"]
    withheld = log.entries[log.labels["withheld"]]
    withheld["statement"]["public"]["paths"] = ["protocol"]
    resign(withheld)
    return index


@tampering("bad-withholding")
def a_review_more_than_half_a_year_away(log: History) -> int:
    index = log.labels["withheld"]
    public = log.entries[index]["statement"]["public"]
    public["review_by"] = text_of(seconds_of(log.entries[index]["logged_at"]) + 181 * DAY_S)
    resign(log.entries[index])
    return index


@tampering("manifest-too-large")
def files_of_more_entries_than_there_were(log: History) -> int:
    index = len(log.entries)
    listed = {"name": "bulk/2027-01-01-9/SHA256SUMS", "digest": {"sha256": "00" * 32}}
    return log.add({"kind": "manifest", "tree_size": index + 1, **listed})


@tampering("malformed-entry")
def a_manifest_without_a_digest(log: History) -> int:
    return log.add({"kind": "manifest", "tree_size": 7, "name": "bulk", "digest": {}})


# Where it begins.


@tampering("no-genesis", "unknown-author")
def a_log_without_a_genesis_entry(log: History) -> int:
    log.entries[0] = {"format": "apsci-ledger/1", "kind": "note", "logged_at": text_of(log.now_s)}
    log.entries[0]["logged_at"] = log.entries[1]["logged_at"]
    return 0


@tampering("second-genesis")
def a_second_genesis_entry(log: History) -> int:
    log.genesis()
    return len(log.entries) - 1


@tampering("genesis-key-mismatch")
def a_genesis_entry_that_names_another_key(log: History) -> int:
    log.entries[0]["vkey"] = vkey_of(ORIGIN, signing_key("another"))
    return 0


def _running_job(log: History) -> str:
    job = log.new_job()
    log.submit("lab-a", job)
    log.start(job)
    return job


def _sealed(log: History) -> int:
    """A submission that nothing has opened."""
    return max(i for i in log.still_sealed() if log.entries[i]["kind"] == "submitted")


def _move_deadline(log: History, seconds: int) -> int:
    index = log.labels["submitted 40"]
    entry = log.entries[index]
    entry["publish_by"] = text_of(seconds_of(entry["publish_by"]) + seconds)
    return index


def _egress_at(log: History, index: int) -> Any:
    """Make an honest entry that can stand in the place of entry ``index``."""
    now_s, log.now_s = log.now_s, seconds_of(log.entries[index]["logged_at"])
    log.egress(log.entries[log.labels["ended 1"]]["statement"]["job_id"])
    log.now_s = now_s
    return log.entries.pop()
