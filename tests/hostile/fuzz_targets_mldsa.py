"""The law about checkpoints, for lines of ML-DSA-44: 2,420 bytes of signature, not 64.

The ledger makes the honest line here; ``test_tlog_mldsa`` holds it to another implementation's.
"""

from functools import cache
from random import Random

from fuzz_corpus import KEY, small
from fuzz_targets import both_policies, honest_text, law, notes
from fuzz_targets_verify import unlike
from mutations import damage

from ledger.tlog.cosignature import cosign
from ledger.tlog.note import MLDSA44, Signer


@law(20)
def nobody_believes_a_damaged_line_of_ml_dsa(dice: Random) -> None:
    policy, note = _witnessed()
    if dice.random() < 0.3:
        policy = damage(policy, dice, [small().policy])
    else:
        note = damage(note, dice, [*notes(), note])
    ledger, alone = both_policies(policy, note)
    assert ledger or not alone or unlike(policy, note), (policy, note)
    assert not (ledger or alone) or honest_text(note), note


@cache
def _witnessed() -> tuple[bytes, bytes]:
    signer = Signer("harbour.example/pq", b"h" * 32, key_type=MLDSA44)
    line = cosign(small().text, signer=signer, time_s=small().history.now_s).line
    policy = f"log {KEY}\nwitness harbour {signer.vkey}\nquorum harbour\n"
    return policy.encode(), small().checkpoint + line.encode()
