"""What the fields of records are called and mean where ``labels`` has no words for them.

``labels`` names what a page of a job shows; here are the envelope, the answers of the API, and the
parts of values, for the dictionary. A test holds both against the schemas, so that no field of a
record can be without words.
"""

from collections.abc import Mapping
from typing import Final

from web.i18n import gettext, noted
from web.telling import labels
from web.telling.labels import FieldWords

_WORDS: Final[Mapping[str, FieldWords]] = {
    # every entry
    "format": FieldWords(
        noted("Format"), noted("The version of the form that the entry has: `apsci-ledger/1`.")
    ),
    "kind": FieldWords(noted("Kind"), noted("What sort of entry this is.")),
    "logged_at": FieldWords(
        noted("Time of logging"),
        noted("When the ledger took it in. Never earlier than the entry before."),
    ),
    "publish_by": FieldWords(
        noted("Deadline"),
        noted(
            "When the sealed part opens at the latest. It stands only where something is sealed."
        ),
    ),
    "statement": FieldWords(noted("Statement"), noted("What the author signed, unchanged.")),
    "signature": FieldWords(noted("Signature"), noted("The author's, over the statement's bytes.")),
    "endorsements": FieldWords(
        noted("Further signatures"),
        noted("Of other members of the council, over the same bytes: who signed, and how."),
    ),
    # what an author signs
    "author": FieldWords(noted("Signed by"), noted("The name of the author in the log.")),
    "made_at": FieldWords(
        noted("Time of signing"), noted("What the author's own clock said; nothing hangs on it.")
    ),
    "schema": FieldWords(
        noted("Schema"), noted("Which public fields and which sealed paths the statement has.")
    ),
    "public": FieldWords(noted("Public fields"), noted("What can be read at once.")),
    "sealed": FieldWords(noted("Sealed fields"), noted("The commitment to what opens later.")),
    "sealed/fields": FieldWords(
        noted("Number of fields"), noted("How many are committed to, empty ones included.")
    ),
    "sealed/root": FieldWords(
        noted("Root of the sealed fields"),
        noted("The hash over all of them, each salted: it fixes them and tells nothing."),
    ),
    "signature/key_id": FieldWords(noted("Key"), noted("The key ID of the key that signed.")),
    "signature/value": FieldWords(noted("Signature"), noted("Ed25519, in base64.")),
    # what the ledger itself writes
    "manifest/name": FieldWords(
        noted("List of files"), noted("The address of the list: each file's name and SHA-256.")
    ),
    "manifest/digest": FieldWords(
        noted("Digest of the list"), noted("SHA-256 of the list, and so of all the files in it.")
    ),
    "manifest/tree_size": FieldWords(
        noted("Tree size"), noted("The files hold what the log held at so many entries.")
    ),
    "genesis/origin": FieldWords(noted("Name of the log"), noted("It stands in every checkpoint.")),
    "genesis/vkey": FieldWords(
        noted("The log's public key"), noted("What every checkpoint is verified with.")
    ),
    "genesis/authors": FieldWords(
        noted("First authors"), noted("Who may speak from the beginning, with their keys.")
    ),
    "genesis/charter": FieldWords(noted("Charter"), noted("The rules that jobs are judged by.")),
    "refers_to": FieldWords(
        noted("Refers to"), noted("The number of the entry that this one answers.")
    ),
    "charter": FieldWords(
        noted("Charter in force"), noted("The number of the entry that holds the rules applied.")
    ),
    "findings": FieldWords(
        noted("Findings"), noted("Each rule that the submission breaks; empty if it breaks none.")
    ),
    "finding/findings": FieldWords(noted("Findings"), noted("Each rule that the run broke.")),
    "findings[].rule": FieldWords(
        noted("Rule"), noted("1 to 3 are the charter's; 4 is quota and form.")
    ),
    "findings[].code": FieldWords(noted("Rejection code"), noted("What the rule found.")),
    "findings[].finding": FieldWords(
        noted("Finding"), noted("The same as a sentence with the values, in English.")
    ),
    "discloses": FieldWords(noted("Opens"), noted("The number of the entry that is opened.")),
    "disclosed/reason": FieldWords(noted("Reason"), noted("At its deadline, or early.")),
    "disclosed/fields": FieldWords(
        noted("Opened fields"), noted("The values of the sealed fields, by path.")
    ),
    "disclosed/seed": FieldWords(
        noted("Seed"), noted("What the salts were made from; with it anyone recomputes the root.")
    ),
    "disclosed/salts": FieldWords(
        noted("Salts"),
        noted("In place of the seed where a field stays closed: one for each field."),
    ),
    "disclosed/closed": FieldWords(
        noted("Still closed"), noted("The leaf hash of each field that stays closed, by path.")
    ),
    "opened_by": FieldWords(
        noted("Opened by"), noted("The entry in which the author asked to open early.")
    ),
    "withheld_by": FieldWords(
        noted("Withheld by"), noted("The entry in which the committee kept fields closed.")
    ),
    # statements of the committee, of the council, and corrections
    "withholds": FieldWords(noted("Withholds from"), noted("The number of the entry concerned.")),
    "paths": FieldWords(noted("Fields kept closed"), noted("Their paths in the sealed part.")),
    "basis": FieldWords(noted("Basis"), noted("Why they stay closed.")),
    "review_by": FieldWords(
        noted("Review by"), noted("When the committee decides anew: at most 180 days later.")
    ),
    "corrects": FieldWords(noted("Corrects"), noted("The number of the entry that was wrong.")),
    "job-corrected/1/field": FieldWords(noted("Field"), noted("Which field of it was wrong.")),
    "job-corrected/1/value": FieldWords(noted("Value"), noted("What it should have been.")),
    "job-corrected/1/reason": FieldWords(noted("Reason"), noted("Why it was wrong.")),
    "action": FieldWords(noted("Action"), noted("Whether a key is added or retired.")),
    "registry/1/name": FieldWords(noted("Name in the log"), noted("Whose key it is.")),
    "registry/1/role": FieldWords(noted("Role"), noted("What this author may say.")),
    "registry/1/title": FieldWords(noted("Full name"), noted("What this author is called.")),
    "registry/1/vkey": FieldWords(noted("Public key"), noted("In the form of a signed note.")),
    # versions of the charter
    "charter-version/1/charter": FieldWords(
        noted("Charter"), noted("The whole of the rules, also those that stay as they were.")
    ),
    "in_force_from": FieldWords(
        noted("In force from"), noted("Entries from this moment on are judged by it.")
    ),
    "replaces": FieldWords(
        noted("Replaces"), noted("The number of the entry with the version before it.")
    ),
    "charter.version": FieldWords(noted("Form"), noted("Which rules the charter has.")),
    "charter.embargo_days": FieldWords(
        noted("Embargo in days"), noted("For how long something may stay sealed, at most.")
    ),
    "charter.gpu_total": FieldWords(
        noted("GPUs of the cluster"), noted("The most that one job may ask for.")
    ),
    "charter.egress_ceiling_bytes": FieldWords(
        noted("Highest egress ceiling"), noted("The most that any job may let out.")
    ),
    "charter.allowed_workloads": FieldWords(
        noted("Allowed kinds of work"), noted("What may run, if nothing else speaks against it.")
    ),
    "charter.forbidden_workloads": FieldWords(
        noted("Forbidden kinds of work"), noted("What is rejected, and stays in the log.")
    ),
    "charter.artifact_ceilings": FieldWords(
        noted("Ceilings by class"),
        noted("How many bytes one job may let out in artifacts of each class."),
    ),
    "charter.artifact_ceilings.document": FieldWords(
        noted("Ceiling for documents"), noted("Text that people read.")
    ),
    "charter.artifact_ceilings.table": FieldWords(
        noted("Ceiling for tables"), noted("Rows of numbers and words.")
    ),
    "charter.artifact_ceilings.image": FieldWords(
        noted("Ceiling for pictures"), noted("Figures and photographs.")
    ),
    "charter.artifact_ceilings.opaque": FieldWords(
        noted("Ceiling for files of unknown form"), noted("What nobody here can look into.")
    ),
    "charter.artifact_ceilings.tensor": FieldWords(
        noted("Ceiling for tensors"), noted("The form that weights have.")
    ),
    "charter.quotas": FieldWords(
        noted("Quotas"), noted("What one job or one member may take up; empty is no limit.")
    ),
    "charter.quotas.job_wall_seconds": FieldWords(
        noted("Longest time limit of a job"), noted("Submissions that ask for more are rejected.")
    ),
    "charter.quotas.member_gpus": FieldWords(
        noted("GPUs of one member"),
        noted("The most that its jobs may hold together, admitted and not ended."),
    ),
    "charter.quotas.member_egress_bytes": FieldWords(
        noted("Egress of one member"), noted("The most in any 30 days.")
    ),
    "charter.quotas.member_model_egress_bytes": FieldWords(
        noted("Egress of one member from one model"), noted("The most for ever.")
    ),
    "charter.admission_hours": FieldWords(
        noted("Receipts are good for"), noted("Hours after the decision; then no run may start.")
    ),
    "charter.council_threshold": FieldWords(
        noted("Signatures of the council"),
        noted("How many it takes to change the charter or the council."),
    ),
    # what the orchestrator refused, and what went through the door of artifacts
    "start-refused/1/code": FieldWords(noted("Code"), noted("Why it was not started.")),
    "start-refused/1/finding": FieldWords(
        noted("Finding"), noted("The same as a sentence, in English, as its user saw it.")
    ),
    "start-refused/1/member": FieldWords(
        noted("Member"), noted("Who wanted to start it, as far as that is known.")
    ),
    "start-refused/1/system": FieldWords(
        noted("System"), noted("Which system refused: the one that starts jobs.")
    ),
    "artifact_id": FieldWords(
        noted("Number of the artifact"), noted("Its name at the door, whatever it is called.")
    ),
    "artifact_class": FieldWords(
        noted("Class"), noted("What the artifact is to the charter, which has ceilings by class.")
    ),
    "artifact-read/1/offset": FieldWords(
        noted("From byte"), noted("Where the part begins that was read.")
    ),
    "model.weights_evidence[].kind": FieldWords(
        noted("Kind"), noted("How it was established what the weights are.")
    ),
    "model.weights_evidence[].before": FieldWords(
        noted("Before"), noted("The digest of all weights before the run.")
    ),
    "model.weights_evidence[].after": FieldWords(
        noted("After"), noted("The digest of all weights after the run.")
    ),
    "model.weights_evidence[].format": FieldWords(
        noted("Form of the attestation"), noted("Whose hardware, and in which form.")
    ),
    "model.weights_evidence[].report": FieldWords(
        noted("Report"), noted("The digest of what the machine or its hardware said.")
    ),
    # rows of lists
    "state": FieldWords(noted("State"), noted("Where the job is, from the last event about it.")),
    "submitted_index": FieldWords(
        noted("Entry of the submission"), noted("The number of the entry that began it.")
    ),
    "disclosed_index": FieldWords(
        noted("Entry of the opening"), noted("The number of the entry that opened its plan.")
    ),
    "disclosed_at": FieldWords(
        noted("Time of opening"), noted("When its plan was opened; empty while it is sealed.")
    ),
    "rejection_code": FieldWords(
        noted("Rejection code"), noted("The first thing that the charter's rules found.")
    ),
    "quarantined": FieldWords(
        noted("Quarantined"),
        noted("Whether its weights were found changed, so that its artifacts are held back."),
    ),
    "finding_code": FieldWords(
        noted("Finding code"), noted("The newest thing that was found about its run.")
    ),
    "model_name": FieldWords(noted("Model"), noted("Empty until the plan of the job is opened.")),
    "model_digest": FieldWords(
        noted("Weights digest"), noted("Empty until the plan of the job is opened.")
    ),
}

_PARTS: Final[Mapping[str, str]] = {
    "bytes": noted("How large it is."),
    "completions": noted("How many answers each of these prompts got."),
    "content_access": noted("Whether anyone may have the bytes themselves."),
    "count": noted("How many there were."),
    "descriptor": noted("The file that holds them."),
    "digest": noted("Identifies the bytes: other bytes have another one."),
    "distinct_count": noted("How many of them differ from all others."),
    "hashes": noted("Of some prompts, 16 hexadecimal digits each, in ascending order."),
    "kind": noted("What sort of thing it is, in its author's words."),
    "media_type": noted("The form of the file."),
    "n": noted("How many measurements stand behind the value."),
    "name": noted("What it is called."),
    "output_type": noted("What was kept of the answers."),
    "per_prompt_histogram": noted("How many prompts got how many answers."),
    "prompts": noted("How many prompts got that many answers."),
    "record_digest": noted("Identifies the raw record."),
    "record_id": noted("How the system calls the raw record."),
    "scale": noted("Of so many prompts one is in the sample, on average."),
    "sha256": noted("64 hexadecimal digits."),
    "stderr": noted("How far the value may be off by chance."),
    "system": noted("Where the raw record was kept."),
    "uri": noted("Where its author says that the bytes are."),
    "value": noted("The result itself, as a decimal number in text."),
}


def words_of(record: str, field: str) -> tuple[str, str]:
    """What a field of a kind of record is called and means; empty texts where it has no words.

    ``field`` is a name, a path (``model.name``), or a part of a value (``artifacts[].bytes``).
    """
    part = field.removesuffix("[]").rpartition(".")[2]
    found = _WORDS.get(f"{record}/{field}")
    if found is None and labels.field_meaning(field):
        return labels.field_label(field), labels.field_meaning(field)
    found = found or _WORDS.get(field)
    if found is not None:
        return gettext(found.label), gettext(found.meaning)
    if part in _PARTS:
        return labels.part_label(part), gettext(_PARTS[part])
    return "", ""
