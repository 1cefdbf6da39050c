"""Keys of type 0x06, and several processes that ask at once."""

import hashlib
import threading

from witnessing_world import World, cosigners, policy_text, size_of

from ledger import keys
from ledger.assembly.founding import write_mldsa_key
from ledger.tlog.cosignature import cosign
from ledger.tlog.note import MLDSA44, NoteSignature, generate_key, parse_note, parse_vkey
from ledger.tlog.policy import check_policy, parse_policy


def test_a_witness_answers_with_a_line_by_each_of_its_keys(world: World) -> None:
    """The second is ML-DSA-44, 2,420 bytes of signature: it counts like any other."""
    one = world.witnesses[0]
    seed = hashlib.sha256(b"mldsa").digest()
    second, vkey = generate_key(one.name, seed, key_type=MLDSA44)
    path = world.settings.policy
    assert path is not None
    own = f"witness Old {one.vkey} {one.url}\nwitness New {vkey} {one.url}\n"
    path.write_text(f"{own}group both all Old New\nquorum both\n")
    world.reopen()
    size = world.log()
    with world.ledger.store.snapshot() as reads:
        checkpoint = reads.checkpoint(size)
    assert checkpoint is not None
    first = generate_key(one.name, hashlib.sha256(one.name.encode()).digest(), key_type=4)[0]
    text = parse_note(checkpoint.note).text
    lines = [cosign(text, signer=key, time_s=world.clock.now).line for key in (first, second)]
    assert parse_vkey(one.vkey) == first.verifier

    one.behave("status", (200, lines[0].encode(), {}))
    world.ask()
    assert [each.error for each in world.status().witnesses] == [None, "no-cosignature"]
    assert not world.status().quorum_met
    one.behave("status", (200, "".join(lines).encode(), {}))
    world.ask()
    assert world.status().quorum_met
    note = world.note().decode()
    assert all(line in note for line in lines)
    check_policy(note.encode(), parse_policy(f"log {world.ledger.vkey}\n{path.read_text()}"))

    own_line = cosign(text, signer=second, time_s=world.clock.now)
    blob = bytearray(own_line.blob)
    blob[100] ^= 1
    forged = NoteSignature(own_line.name, own_line.key_id, bytes(blob)).line
    one.behave("status", (200, (lines[0] + forged).encode(), {}))
    assert world.troubles() == ["bad-signature"]
    assert world.note().decode() == note


def test_a_log_that_signs_with_two_keys_is_cosigned_all_the_same(world: World) -> None:
    settings = world.settings
    write_mldsa_key(settings.key_dir, parse_vkey(world.ledger.vkey).name, seed=b"m" * 32)
    second = keys.read_signer(settings.key_dir / keys.LOG_MLDSA_KEY).vkey
    path = settings.policy
    assert path is not None
    path.write_text(f"log {second}\n{policy_text(world.witnesses)}")
    world.reopen(mldsa=True)
    size = world.log()
    assert world.troubles() == [None, None, None]
    assert size_of(world.note()) == size
    assert world.status().quorum_met, "the policy asks for the second key alone"
    assert len(cosigners(world.note())) == 3
    both = parse_policy(f"log {world.ledger.vkey}\n{policy_text(world.witnesses)}")
    check_policy(world.note(), both)


def test_two_workers_that_ask_at_once_do_each_other_no_harm(world: World) -> None:
    rooms = [world.ledger.witnessing for _ in range(2)]
    for _ in range(4):
        size = world.log()
        asking = [threading.Thread(target=room.check) for room in rooms if room is not None]
        for each in asking:
            each.start()
        for each in asking:
            each.join()
        assert [each.size for each in world.witnesses] == [size] * 3
        assert world.status().cosigned_size == size
        assert len(cosigners(world.note())) == 3
    for room in rooms:
        assert room is not None
        room.stop()
