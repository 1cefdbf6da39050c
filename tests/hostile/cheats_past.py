"""Cheats with the past: rewriting, dropping, reordering and forking what was already shown."""

from itertools import pairwise

from cheating import cheat
from hostile_operator import Operator, encoded

from ledger.records.deadline import format_time
from ledger.tlog.note import generate_key


@cheat("log-forked")
def rewrites_an_entry_that_was_read(operator: Operator) -> None:
    """A run used far more than it should have. Months later, with the orchestrator's help, less."""
    operator.show()
    index = operator.find("completed")
    operator.public(index)["gpu_seconds"] = 28_000
    operator.sign(index)
    operator.show()


@cheat("log-forked")
def rewrites_an_entry_and_grows(operator: Operator) -> None:
    """The same, hidden among new entries, so that no two sizes can be laid side by side."""
    operator.show()
    index = operator.find("egress")
    operator.public(index)["egress_bytes"] = 1
    operator.sign(index)
    for _ in range(3):
        operator.say_again(operator.find("egress", nth=-1), artifact_count=operator.now_s)
        operator.live(60)
    operator.show()


@cheat("bad-signature")
def rewrites_what_an_author_signed(operator: Operator) -> None:
    """No author lends its key, so the operator alters the words under the signature."""
    operator.public(operator.find("completed"))["weights_unchanged"] = True
    operator.public(operator.find("egress"))["egress_bytes"] = 1


@cheat("log-forked")
def drops_an_entry_that_was_read(operator: Operator) -> None:
    """An embarrassing egress disappears; what the operator wrote later is numbered again."""
    operator.show()
    operator.remove(operator.find("egress", nth=-1))
    operator.say_again(operator.find("egress", nth=-1), egress_bytes=1)
    operator.show()


@cheat("time-went-back")
def puts_two_entries_in_another_order(operator: Operator) -> None:
    """What was opened second is to have been opened first."""
    entries = operator.entries
    pairs = pairwise(entries)
    index = next(
        index
        for index, (one, two) in enumerate(pairs)
        if one["kind"] == two["kind"] == "disclosed" and one["logged_at"] < two["logged_at"]
    )
    entries[index], entries[index + 1] = entries[index + 1], entries[index]


@cheat("log-forked")
def reorders_what_was_read(operator: Operator) -> None:
    """Two entries of one second change places: every rule still holds, and the hashes do not."""
    operator.show()
    index = operator.find("egress", nth=-1)
    assert operator.entries[index]["logged_at"] == operator.entries[index + 1]["logged_at"]
    entries = operator.entries
    entries[index], entries[index + 1] = entries[index + 1], entries[index]
    operator.show()


@cheat("duplicate-statement")
def logs_one_statement_twice(operator: Operator) -> None:
    """One egress is counted twice, to make a rival look careless."""
    operator.entries.append(dict(operator.entries[operator.find("egress", nth=-1)]))


@cheat("log-shrank")
def takes_the_last_entries_back(operator: Operator) -> None:
    """What was logged yesterday was a mistake, and is gone today."""
    operator.show()
    operator.show(operator.publish(size=operator.find("submitted", nth=-1)))


@cheat("log-forked")
def takes_the_last_entries_back_and_grows_again(operator: Operator) -> None:
    """A database restored from last week's backup, which goes on as if nothing had been lost."""
    operator.show()
    kept = operator.find("submitted", nth=-3)
    shown = len(operator.entries)
    del operator.entries[kept:]
    operator.now_s = operator.logged_at(kept - 1) + 60
    egress = operator.find("egress", nth=-1)
    while len(operator.entries) <= shown:
        operator.say_again(egress, artifact_count=len(operator.entries))
    operator.show()


@cheat("log-forked")
def changes_the_charter_after_the_fact(operator: Operator) -> None:
    """What was forbidden when it ran was always allowed."""
    operator.show()
    operator.entries[0]["charter"]["allowed_workloads"].append("lora")
    operator.show()


@cheat("genesis-key-mismatch")
def swaps_its_key_in_one_place(operator: Operator) -> None:
    """A thief with the server and not the key signs with one of his own, for newcomers."""
    operator.vkey = ""
    operator.signer = generate_key(operator.signer.name, b"t" * 32)[0]


@cheat("unsigned-checkpoint")
def swaps_its_key_everywhere(operator: Operator) -> None:
    """The key changes in the genesis entry too, and nobody is told: whoever came before knows."""
    operator.vkey = ""
    operator.show()
    operator.signer = generate_key(operator.signer.name, b"t" * 32)[0]
    operator.entries[0]["vkey"] = operator.signer.vkey
    operator.show()


@cheat("unsigned-checkpoint")
def signs_with_another_key(operator: Operator) -> None:
    """The published key is not the one that signs: nothing said here can be held against it."""
    operator.signer = generate_key(operator.signer.name, b"t" * 32)[0]


@cheat("second-genesis")
def begins_a_second_time(operator: Operator) -> None:
    """A second genesis entry brings other authors and another charter."""
    again = dict(operator.entries[0]) | {"logged_at": format_time(operator.now_s)}
    operator.entries.append(again)


@cheat("no-genesis", "unknown-author")
def has_no_beginning(operator: Operator) -> None:
    """Without its first entry no key and no rule binds anybody."""
    operator.entries[0] = {"format": "apsci-ledger/1", "kind": "note", "logged_at": "x"}
    operator.entries[0]["logged_at"] = operator.entries[1]["logged_at"]


@cheat("non-canonical")
def spells_an_entry_in_a_second_way(operator: Operator) -> None:
    """The same entry with another space in it has another hash, and proves nothing to others."""
    index = operator.find("disclosed")
    operator.entries[index] = encoded(operator.entries[index]).replace(b'":', b'": ', 1)


@cheat("non-canonical")
def says_two_things_in_one_entry(operator: Operator) -> None:
    """One name twice in an object: some parsers read the first value, some the last."""
    index = operator.find("admitted")
    data = encoded(operator.entries[index])
    operator.entries[index] = data.replace(b'{"charter":0', b'{"charter":7,"charter":0', 1)


@cheat("malformed-entry")
def pads_an_entry_beyond_the_limit(operator: Operator) -> None:
    """A name of sixty thousand characters: readers who kept to the limit lose the log."""
    digest = {"sha256": "00" * 32}
    operator.add("manifest", tree_size=7, name="x" * 60_000, digest=digest)


@cheat("manifest-too-large")
def lists_files_of_entries_that_are_yet_to_come(operator: Operator) -> None:
    """The digest of tomorrow's files is logged today, for whoever is to have them first."""
    digest = {"sha256": "00" * 32}
    size = len(operator.entries)
    operator.add("manifest", tree_size=size + 9, name="bulk/SHA256SUMS", digest=digest)


@cheat("malformed-entry")
def makes_readers_stumble_over_its_key(operator: Operator) -> None:
    """The log's own key is a list of one: an exception in the reader's script, and no verdict."""
    operator.entries[0]["vkey"] = [operator.entries[0]["vkey"]]


@cheat("malformed-entry", "unknown-author", "bad-reference", "bad-decision")
def makes_readers_stumble(operator: Operator) -> None:
    """A first entry of odd types, so that a careless reader breaks down and convicts nobody."""
    operator.entries[0]["authors"][0]["vkey"] = [operator.entries[0]["authors"][0]["vkey"]]


@cheat("log-forked")
def shows_two_logs_to_two_readers(operator: Operator) -> None:
    """The newspaper sees one past, the ministry another; both are signed, and they compare."""
    operator.show(visitor="newspaper")
    index = operator.find("egress", nth=-1)
    operator.public(index)["egress_bytes"] = 1
    operator.sign(index)
    operator.show(visitor="ministry", heard="newspaper")


@cheat("log-forked")
def leaves_an_entry_out_for_one_reader(operator: Operator) -> None:
    """A partial view: one reader gets a log without the rejection that everybody else can read."""
    operator.submit(operator.new_job(), workload_type="lora")
    rejected = dict(operator.entries[operator.find("rejected")])
    rejected |= {"refers_to": len(operator.entries) - 1, "job_id": operator.job_of(-1)}
    rejected["charter"] = operator.in_force()
    rejected["logged_at"] = operator.entries[-1]["logged_at"]
    operator.entries.append(rejected)
    operator.show(visitor="newspaper")
    del operator.entries[-2:]
    for egress_bytes in (1, 2, 3):
        operator.say_again(operator.find("egress", nth=-1), egress_bytes=egress_bytes)
    operator.show(visitor="ministry", heard="newspaper")


@cheat("log-forked")
def shows_a_shorter_fork_to_a_reader(operator: Operator) -> None:
    """The other past is shorter, so it looks like the same one at an earlier hour."""
    true = operator.publish()
    index = operator.find("egress", nth=-2)
    operator.public(index)["egress_bytes"] = 1
    operator.sign(index)
    del operator.entries[operator.find("submitted", nth=-1) :]
    operator.show(visitor="ministry")
    operator.show(true, visitor="newspaper", heard="ministry")


@cheat("log-forked")
def cosigns_two_pasts_with_bought_witnesses(operator: Operator) -> None:
    """Two witnesses of three are bought and cosign both pasts: a quorum, and a fork."""
    operator.witnessed()
    operator.show(visitor="newspaper").cosign("harbour", "lantern", at_s=operator.true_s)
    index = operator.find("egress", nth=-1)
    operator.public(index)["egress_bytes"] = 1
    operator.sign(index)
    view = operator.show(visitor="ministry", heard="newspaper")
    view.cosign("harbour", "lantern", at_s=operator.true_s)
