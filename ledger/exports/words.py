"""What each column means, in English: what data packages, Croissant and Datasette show.

The site's dictionary says the same in two languages; a test holds the two together.
"""

from typing import Final

_JOB_ID: Final = "Its name for ever, in every address."
_JOBS: Final = {
    "job_id": _JOB_ID,
    "member": "The laboratory whose job it is.",
    "state": "Where the job is, from the last event about it.",
    "workload_type": "One of the kinds that the charter names.",
    "gradient_scope": "What the job takes derivatives of. To look at them changes nothing.",
    "optimizer_targets": "What the job trains, if anything. The uploaded model is never allowed.",
    "accelerator": "The chip that the job runs on; its number is beside it.",
    "gpu_count": "How many GPUs work on it at the same time.",
    "wall_limit_seconds": "The cluster stops the job after this time.",
    "egress_ceiling_bytes": (
        "The most that may leave the cluster for this job. Its author sets it beforehand."
    ),
    "submitted_index": "The number of the entry that began it.",
    "submitted_at": "When the log took in the submission.",
    "publish_by": (
        "When the sealed part opens at the latest. It stands only where something is sealed."
    ),
    "disclosed_index": "The number of the entry that opened its plan.",
    "rejection_code": "The first thing that the charter's rules found.",
    "started_at": "When the first machine began to work on it.",
    "ended_at": "When the last machine had stopped working on it.",
    "wall_seconds": "The time from start to end, without interruptions.",
    "gpu_seconds": "GPUs times the time that they worked: what the job took away from others.",
    "h200e_seconds": (
        "The same as the time of one NVIDIA H200, so that jobs on different GPUs compare."
    ),
    "exit_status": "What the cluster itself reported.",
    "weights_unchanged": "Whether the uploaded model was the same before and after the job.",
    "weights_check": "By what means the weights were compared.",
    "egress_bytes": "The bytes that left the cluster, as the gateway counted them.",
    "artifact_count": "How many files the gateway let out.",
    "title": "What its author calls it.",
    "model_name": "Empty until the plan of the job is opened.",
    "disclosed_at": "When its plan was opened; empty while it is sealed.",
    "model_digest": "Empty until the plan of the job is opened.",
    "quarantined": ("Whether its weights were found changed, so that its artifacts are held back."),
    "finding_code": "The newest thing that was found about its run.",
}
_EVENTS: Final = {
    "index": "The number of the entry in the log.",
    "job_id": "The job that the entry is about.",
    "kind": "What sort of entry this is.",
    "logged_at": "When the ledger took it in. Never earlier than the entry before.",
    "author": "Who signed it; empty for what the ledger itself writes.",
    "made_at": "What the author's own clock said; nothing hangs on it.",
    "schema": "Which public fields and which sealed paths the statement has.",
    "publish_by": "When its sealed part opens at the latest; empty where nothing is sealed.",
    "sealed_fields": "How many fields are committed to, empty ones included.",
    "sealed_root": "The hash over all sealed fields, each salted: it fixes them and tells nothing.",
    "refers_to": "The number of the entry that a decision answers.",
    "findings": "What the charter's rules found, by code.",
    "discloses": "The number of the entry that is opened.",
    "reason": "Why it was opened: at its deadline, or early.",
    "opened_by": "The number of the author's entry that asked for an early opening.",
    "withheld_by": "The number of the committee's entry that keeps a part closed.",
    "egress_bytes": "The bytes that left the cluster with this event.",
    "artifact_count": "How many files the gateway let out with this event.",
    "wall_seconds": "At the end of a job: the time from start to end, without interruptions.",
    "gpu_seconds": "At the end of a job: GPUs times seconds.",
    "h200e_seconds": "At the end of a job: the same as seconds of one NVIDIA H200.",
    "exit_status": "At the end of a job: what the cluster itself reported.",
    "public": "All public fields of the statement, as JSON.",
    "leaf_hash": "SHA-256 of a zero byte and the entry: its leaf in the Merkle tree, in hex.",
}
_ARTIFACTS: Final = {
    "digest": "SHA-256 of the bytes, in hex.",
    "name": "What its author calls it.",
    "kind": "What sort of file it is.",
    "bytes": "How large it is.",
    "content_access": "Who may have the bytes themselves.",
    "uri": "Where its author says that the bytes are.",
    "job_id": "The job that it came out of.",
    "member": "The laboratory whose job it is.",
    "disclosed_index": "The number of the entry that named it.",
    "disclosed_at": "When the log took in that entry.",
    "place": (
        "Its place among all artifacts: 64 times the disclosure's number, plus which of it it is."
    ),
}
OPENED_WORDS: Final = {
    "disclosed_index": "The number of the entry that opened these texts.",
    "job_id": "The job that they are about.",
    "title": "What the author calls the job.",
    "purpose": "What the author wants to find out.",
    "protocol": "How the author goes about it.",
    "model_name": "What the author calls the model.",
    "words": "Chinese and Japanese of these texts as pairs of characters, for the search.",
}
"""Of the table of opened texts, which only the database has."""
ABOUT_WORDS: Final = {
    "name": "What is said: the log's origin, the tree size, the root hash, the time, the licence.",
    "value": "What it is.",
}
"""Of the table that says what the database was made from."""
WORDS: Final = {"jobs": _JOBS, "events": _EVENTS, "artifacts": _ARTIFACTS}
"""By table and column."""

TITLE: Final = "APSCI ledger"
DESCRIPTION: Final = (
    "Every job on the shared safety cluster: what the public log holds of it up to one tree size."
    " Each file was made from the entries below that size and can be recomputed from them."
)
SOURCE: Final = "The signed log itself"
LICENCE: Final = "CC-BY-4.0"
LICENCE_TITLE: Final = "Creative Commons Attribution 4.0 International"
LICENCE_URL: Final = "https://creativecommons.org/licenses/by/4.0/"
