"""What an operator does with the council's words, with the artifact door's, and with findings.

In the honest past the council has grown to three, of whom two have to sign.
"""

from hashlib import sha256
from typing import Any

from hostile_operator import Entry, Operator

from ledger.records.deadline import format_time
from ledger.records.statement import sign_statement
from ledger.tlog.note import Signer, generate_key


def rules_of(operator: Operator) -> Entry:
    """The charter that counts now."""
    entry = operator.entries[operator.in_force()]
    rules: Entry = entry.get("charter") or entry["statement"]["public"]["charter"]
    return rules


def change(operator: Operator, *, after_s: int = 0, alone: bool = False, **rules: Any) -> int:
    """The council sets a charter that counts ``after_s`` seconds from now; returns its index.

    Two of it sign, as they have to, or one ``alone``. Quotas are changed by their own names.
    """
    before = rules_of(operator)
    quotas = {name: rules.pop(name) for name in [*rules] if name in before["quotas"]}
    newest = max(
        index
        for index, entry in enumerate(operator.entries)
        if index == 0 or entry["kind"] == "charter"
    )
    public = {
        "charter": before | {"quotas": before["quotas"] | quotas} | rules,
        "in_force_from": format_time(operator.now_s + after_s),
        "replaces": newest,
    }
    index = operator.say("council", "charter", public, schema="charter-version/1")
    if not alone:
        endorse(operator, index, "council-b")
    return index


def endorse(operator: Operator, index: int, author: str, signer: Signer | None = None) -> None:
    """Another author signs what entry ``index`` says, or ``signer`` does in that author's name."""
    entry = operator.entries[index]
    if signer is None:
        signer = operator.authors[author]
        operator.accomplices.add(author)
    signature = sign_statement(entry["statement"], signer)["signature"]
    endorsements = [*entry.get("endorsements", []), {"author": author, "signature": signature}]
    entry["endorsements"] = sorted(endorsements, key=lambda each: str(each["author"]))


def seat(operator: Operator, name: str) -> int:
    """One of the council gives it another author; returns the index of the registry entry."""
    key = sha256(f"key of {name}".encode()).digest()
    _, vkey = generate_key(f"{operator.signer.name}/{name}", key)
    public = {"action": "add", "name": name, "role": "council", "title": name, "vkey": vkey}
    return operator.say("council", "registry", public)


def take(operator: Operator, job: str, amount: int, name: str = "table") -> int:
    """The gateway takes an artifact of a job; returns the index."""
    public = {
        "artifact_id": operator.new_job(),
        "artifact_class": name,
        "egress_bytes": amount,
        "artifact_count": 1,
    }
    return operator.say("gateway", "egress", public, job, schema="artifact-write/1")


def read(operator: Operator, job: str, author: str) -> int:
    """Somebody reads a thousand bytes of a job's newest artifact; returns the index."""

    def of_job(entry: Entry) -> bool:
        statement = entry["statement"]
        return statement["job_id"] == job and statement["schema"] == "artifact-write/1"

    taken = operator.public(operator.find("egress", nth=-1, where=of_job))
    operator.now_s += 1
    operator.true_s += 1
    public = {
        "artifact_id": taken["artifact_id"],
        "offset": 0,
        "egress_bytes": 1_000,
        "artifact_count": 0,
    }
    return operator.say(author, "egress", public, job, schema="artifact-read/1")


def stopped(operator: Operator) -> int:
    """A run that was stopped because its weights had changed; returns the index of its end."""
    job = operator.running_job()
    began = format_time(operator.now_s)
    operator.live(3_600)
    ended = {"started_at": began, "ended_at": format_time(operator.now_s)}
    ended |= {"exit_status": "policy", "weights_unchanged": False}
    completed = operator.find("completed")
    public = operator.public(completed) | ended
    sealed = operator.openings[completed][1]
    schema = operator.entries[completed]["statement"]["schema"]
    kind = "terminated_by_policy"
    return operator.say("orchestrator", kind, public, job, sealed=sealed, schema=schema)


def found(operator: Operator, refers_to: int, code: str = "R1_digest_mismatch", **more: Any) -> int:
    """The ledger's own finding about an entry; returns its index."""
    finding = {"rule": int(code[1]), "code": code, "finding": "The weights are others."}
    fields = {"refers_to": refers_to, "job_id": operator.job_of(refers_to), "findings": [finding]}
    return operator.add("finding", charter=operator.in_force(), **(fields | more))
