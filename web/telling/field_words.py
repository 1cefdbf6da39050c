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
    "kind": noted("What sort of thing it is, in its author's words."),
    "media_type": noted("The form of the file."),
    "n": noted("How many measurements stand behind the value."),
    "name": noted("What it is called."),
    "output_type": noted("What was kept of the answers."),
    "per_prompt_histogram": noted("How many prompts got how many answers."),
    "prompts": noted("How many prompts got that many answers."),
    "record_digest": noted("Identifies the raw record."),
    "record_id": noted("How the system calls the raw record."),
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
