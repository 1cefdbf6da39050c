"""Cheats with receipts: what an author is handed and holds against the log's key, offline."""

from dataclasses import replace

from cheating import cheat
from hostile_operator import Operator

from ledger.records import canonical
from ledger.tlog.note import generate_key


@cheat("proof-mismatch")
def hands_out_the_proof_of_another_entry(operator: Operator) -> None:
    """The receipt shows the author's entry, and proves its neighbour."""
    mine = operator.entries[operator.find("completed")]
    operator.hand_out(operator.prove(operator.find("completed") + 1, {"entry": mine}))


@cheat("proof-mismatch")
def hands_out_a_receipt_for_another_place(operator: Operator) -> None:
    """The index is one too low: the entry stands there in nobody's tree."""
    proof = operator.prove(operator.find("completed"))
    operator.hand_out(replace(proof, index=proof.index - 1))


@cheat("proof-mismatch")
def hands_out_a_receipt_for_another_text(operator: Operator) -> None:
    """The author is shown what it asked to be logged; something else was."""
    index = operator.find("egress")
    proof = operator.prove(index)
    operator.public(index)["egress_bytes"] = 1
    operator.hand_out(replace(operator.prove(index), checkpoint=proof.checkpoint))


@cheat("opening-mismatch")
def hands_out_another_opening(operator: Operator) -> None:
    """The receipt of an opened record carries other values than were sealed."""
    index = operator.entries[operator.find("disclosed")]["discloses"]
    seed, fields = operator.openings[index]
    opening = {"seed": canonical.encode_base64(seed), "fields": fields | {"source": None}}
    first = min(path for path, value in fields.items() if value is not None)
    opening["fields"] = fields | {first: None}
    operator.hand_out(operator.prove(index, {"entry": operator.entries[index], "opening": opening}))


@cheat("log-forked")
def hands_out_a_receipt_from_another_past(operator: Operator) -> None:
    """The author gets a receipt that holds, under a root which only it was ever shown."""
    operator.show()
    operator.public(operator.find("egress"))["egress_bytes"] = 1
    operator.hand_out(operator.prove(operator.find("completed")))


@cheat("unsigned-checkpoint")
def hands_out_a_receipt_that_another_key_signed(operator: Operator) -> None:
    """A receipt that can be denied later: it was never signed by the log."""
    operator.signer = generate_key(operator.signer.name, b"t" * 32)[0]
    operator.hand_out(operator.prove(operator.find("completed")))
