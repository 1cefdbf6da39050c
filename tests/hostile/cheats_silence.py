"""Ways to tell the verifier nothing: it exits with 2 and says what it lacks."""

from cheating import silence
from hostile_operator import Operator

from ledger.tlog.note import generate_key, sign_note


@silence("HTTP 500")
def answers_with_errors_only(operator: Operator) -> None:
    """A server that is always just being repaired proves nothing, and never counts as verified."""
    operator.show().refused["tile/entries/001"] = 500


@silence("no checkpoint")
def has_no_checkpoint(operator: Operator) -> None:
    """The entries are all there, and nothing that anybody has signed."""
    operator.show().refused["checkpoint"] = 404


@silence("no witness quorum")
def shows_too_few_cosignatures(operator: Operator) -> None:
    """One witness of three: the other two were not shown this log, or would not sign it."""
    operator.witnessed()
    operator.show().cosign("harbour", at_s=operator.true_s)


@silence("no witness quorum")
def counts_one_witness_twice(operator: Operator) -> None:
    """The same true line a second time makes no second witness."""
    operator.witnessed()
    operator.show().cosign("harbour", "harbour", at_s=operator.true_s)


@silence("no witness quorum")
def brings_its_own_witnesses(operator: Operator) -> None:
    """Lines of witnesses whom the policy does not name, as many as you like."""
    operator.witnessed()
    operator.show().cosign("harbour", "friend", "cousin", at_s=operator.true_s)


@silence("no witness quorum")
def copies_a_log_line_for_a_witness(operator: Operator) -> None:
    """The log signs as a note what a witness should have cosigned with a time."""
    operator.witnessed()
    view = operator.show()
    view.cosign("harbour", at_s=operator.true_s)
    signer = generate_key("lantern.example/witness", b"l" * 32)[0]
    view.files["checkpoint"] += sign_note(view.text, [signer]).partition(b"\n\n")[2]


@silence("no witness quorum")
def hands_out_a_receipt_that_no_witness_saw(operator: Operator) -> None:
    """The receipt holds under the log's own signature, and nobody else vouches for it."""
    operator.witnessed()
    operator.hand_out(operator.prove(operator.find("completed")))


@silence("this is the log")
def shows_another_log(operator: Operator) -> None:
    """At this address there is, from today on, a log of another name and key."""
    operator.signer = generate_key("ledger.example/other", b"o" * 32)[0]
    view = operator.show()
    text = view.text.replace("ledger.example/apsci", "ledger.example/other", 1)
    view.files["checkpoint"] = sign_note(text, [operator.signer])


@silence("not a signed note")
def shows_a_page_in_place_of_a_checkpoint(operator: Operator) -> None:
    """An error page with status 200, as sign-in portals send it."""
    operator.show().files["checkpoint"] = b"<!doctype html><title>Sign in</title>\n"
