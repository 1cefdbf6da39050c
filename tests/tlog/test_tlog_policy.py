"""Policies: how they are written, and which checkpoints they let through."""

import pytest
from hostile import DECIMALS
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import FormatError, SignatureError
from ledger.tlog import note
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint
from ledger.tlog.cosignature import cosign
from ledger.tlog.note import COSIGNATURE, Signer
from ledger.tlog.policy import PolicyGroup, check_policy, parse_policy

LOG = Signer("example.com/log", bytes(32))
OTHER_LOG = Signer("example.com/other", bytes([9]) * 32)
WITNESSES = {
    name: Signer(f"w.example/{name}", bytes([number]) * 32, key_type=COSIGNATURE)
    for number, name in enumerate(["X1", "X2", "X3", "Y1", "Y2", "Y3"], 1)
}
X1 = WITNESSES["X1"].vkey
CHECKPOINT = Checkpoint(LOG.name, 5, bytes(32))
TEXT = format_checkpoint(CHECKPOINT)
LINES = "".join(f"witness {name} {signer.vkey}\n" for name, signer in WITNESSES.items())
# The example of the specification, with its two levels of groups.
POLICY = parse_policy(
    f"log {LOG.vkey}\n\n{LINES}"
    "group X-witnesses 2 X1 X2 X3\n"
    "group Y-witnesses any Y1 Y2 Y3\n"
    "group X-and-Y all X-witnesses Y-witnesses\n"
    "quorum X-and-Y\n"
)


def cosigned(*names: str, log: Signer = LOG, text: str = TEXT) -> bytes:
    lines = [cosign(text, signer=WITNESSES[name], time_s=1) for name in names]
    return note.sign_note(text, [log]) + "".join(line.line for line in lines).encode()


@pytest.mark.parametrize(
    "names", ["X1 X2 Y1", "X1 X3 Y2", "X2 X3 Y3", "Y1 X3 X1", "X1 X2 X3 Y1 Y2 Y3"]
)
def test_a_met_quorum_lets_the_checkpoint_through(names: str) -> None:
    assert check_policy(cosigned(*names.split()), POLICY) == CHECKPOINT


@pytest.mark.parametrize("names", ["", "X1", "X1 X2", "X1 X2 X3", "Y1 Y2 Y3", "X1 Y1 Y2 Y3"])
def test_an_unmet_quorum_does_not(names: str) -> None:
    with pytest.raises(SignatureError, match="X-and-Y of the policy is not met"):
        check_policy(cosigned(*names.split()), POLICY)


def test_one_witness_signing_three_times_is_still_one() -> None:
    repeats = [cosign(TEXT, signer=WITNESSES["X1"], time_s=at) for at in (1, 2, 3)]
    data = note.sign_note(TEXT, [LOG]) + "".join(line.line for line in repeats).encode()
    policy = parse_policy(f"log {LOG.vkey}\n{LINES}group g 2 X1 X2 X3\nquorum g\n")
    with pytest.raises(SignatureError, match="not met; cosigned by: X1"):
        check_policy(data, policy)


def test_witnesses_do_not_replace_the_log() -> None:
    lines = [cosign(TEXT, signer=signer, time_s=1).line for signer in WITNESSES.values()]
    with pytest.raises(SignatureError, match=r"the log example\.com/log itself"):
        check_policy(f"{TEXT}\n{''.join(lines)}".encode(), POLICY)


def test_a_log_that_the_policy_does_not_name_is_refused() -> None:
    text = format_checkpoint(Checkpoint(OTHER_LOG.name, 5, bytes(32)))
    with pytest.raises(SignatureError):
        check_policy(cosigned("X1", "X2", "Y1", log=OTHER_LOG, text=text), POLICY)
    nobody = parse_policy("quorum none\n")
    with pytest.raises(SignatureError):
        check_policy(cosigned(), nobody)


def test_one_log_of_a_policy_does_not_speak_for_another() -> None:
    both = parse_policy(f"log {LOG.vkey}\nlog {OTHER_LOG.vkey}\nquorum none\n")
    assert check_policy(cosigned(), both) == CHECKPOINT
    with pytest.raises(SignatureError, match="itself"):
        check_policy(cosigned(log=OTHER_LOG), both)


def test_a_failing_line_of_a_known_witness_refuses_even_without_a_quorum() -> None:
    other = cosign(TEXT.replace("5", "6"), signer=WITNESSES["X1"], time_s=1)
    policy = parse_policy(f"log {LOG.vkey}\nwitness X1 {X1}\nquorum none\n")
    assert check_policy(cosigned(), policy) == CHECKPOINT
    with pytest.raises(SignatureError, match=r"w\.example/X1"):
        check_policy(cosigned() + other.line.encode(), policy)


def test_a_single_witness_can_be_the_quorum() -> None:
    policy = parse_policy(f"log {LOG.vkey}\nwitness X1 {X1}\nquorum X1\n")
    assert check_policy(cosigned("X1"), policy) == CHECKPOINT
    with pytest.raises(SignatureError):
        check_policy(cosigned("X2"), policy)


def test_comments_blanks_addresses_and_any_order_of_keys_are_taken() -> None:
    policy = parse_policy(
        f"# logs: ä\n \t \n\twitness \t K  {X1}\thttps://w.example/ \n"
        f"  # more\n quorum K\nlog {LOG.vkey} https://log.example/\n"
    )
    assert policy.logs[0].url == "https://log.example/"
    assert (policy.witnesses[0].name, policy.witnesses[0].url) == ("K", "https://w.example/")
    assert policy.quorum == "K"
    assert parse_policy("quorum none\n").quorum is None


def test_any_and_all_are_thresholds() -> None:
    policy = parse_policy(f"{LINES}group a any X1 X2\ngroup b all X3 Y1 Y2\nquorum none\n")
    assert policy.groups == (
        PolicyGroup("a", 1, ("X1", "X2")),
        PolicyGroup("b", 3, ("X3", "Y1", "Y2")),
    )


def test_names_are_octets_not_glyphs() -> None:
    # U+212A, the Kelvin sign, looks like K and is another name.
    with pytest.raises(FormatError, match="line 2"):
        parse_policy(f"witness K {X1}\nquorum \u212a\n")


def test_a_chain_of_groups_as_long_as_a_policy_allows_is_settled() -> None:
    depth = 5_000
    chain = "".join(f"group g{at} 1 {f'g{at - 1}' if at else 'X1'}\n" for at in range(depth))
    policy = parse_policy(f"log {LOG.vkey}\nwitness X1 {X1}\n{chain}quorum g{depth - 1}\n")
    assert check_policy(cosigned("X1"), policy) == CHECKPOINT
    with pytest.raises(SignatureError):
        check_policy(cosigned(), policy)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"log {LOG.vkey}\n",
        "quorum none",
        "quorum none\nquorum none\n",
        "quorum\n",
        "quorum none x\n",
        "quorum X\n",
        "quorum X\nwitness X " + X1 + "\n",
        "Quorum none\n",
        "unknown line\nquorum none\n",
        "log\nquorum none\n",
        f"log {LOG.vkey} a b\nquorum none\n",
        f"log {LOG.vkey}\nlog {LOG.vkey}\nquorum none\n",
        f"log {LOG.vkey}\nlog {Signer('other.example', bytes(32)).vkey}\nquorum none\n",
        f"log {X1}\nquorum none\n",
        f"log {LOG.vkey[:-1]}\nquorum none\n",
        "witness X\nquorum none\n",
        f"witness X {LOG.vkey}\nquorum X\n",
        f"witness X {X1} a b\nquorum none\n",
        f"witness none {X1}\nquorum none\n",
        f"witness X {X1}\nwitness X {WITNESSES['X2'].vkey}\nquorum X\n",
        f"witness X {X1}\nwitness Y {X1}\nquorum X\n",
        f"witness X {X1}\ngroup X any X\nquorum X\n",
        f"witness X {X1}\ngroup none any X\nquorum none\n",
        f"witness X {X1}\ngroup g any\nquorum X\n",
        f"witness X {X1}\ngroup g any none\nquorum X\n",
        f"witness X {X1}\ngroup g any g\nquorum X\n",
        f"witness X {X1}\ngroup g any X X\nquorum X\n",
        f"witness X {X1}\ngroup g any X\ngroup h any X\nquorum h\n",
        f"witness X {X1}\ngroup g 2 X\nquorum g\n",
        f"witness X {X1}\ngroup g 0 X\nquorum g\n",
        f"witness X {X1}\ngroup g ANY X\nquorum g\n",
        *(f"witness X {X1}\ngroup g {digits} X\nquorum g\n" for digits in DECIMALS if digits),
        "quorum none\r\n",
        "quorum\u00a0none\n",
        "quorum\u2028none\n",
        "quorum\x0bnone\n",
        "# \x00\nquorum none\n",
        "# \x7f\nquorum none\n",
        "# \ud800\nquorum none\n",
        "#" * 10_000_000 + "\nquorum none\n",
    ],
)
def test_a_malformed_policy_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_policy(text)


def test_an_error_names_its_line() -> None:
    with pytest.raises(FormatError, match="line 3 of the policy: not a line"):
        parse_policy("# one\n\nnonsense\nquorum none\n")


@given(st.text(max_size=100))
@settings(deadline=None)
def test_any_text_is_a_policy_or_is_refused(junk: str) -> None:
    for text in (junk, f"witness X {X1}\n{junk}\nquorum X\n", f"group g 1 {junk}\nquorum none\n"):
        try:
            policy = parse_policy(text)
        except FormatError:
            continue
        assert policy.quorum in (None, "X")
