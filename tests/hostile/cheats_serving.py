"""Cheats in what is served: tiles, bundles and checkpoints that do not belong together."""

from collections.abc import Callable

from cheating import cheat
from hostile_operator import Operator, View, encoded
from ledger_world import ORIGIN

from ledger.tlog.hashing import leaf_hash
from ledger.tlog.note import sign_note

MIDDLE = "tile/entries/001"


@cheat("malformed-bundle", "entry-hash-mismatch", "root-mismatch")
def truncates_a_bundle(operator: Operator) -> None:
    """The last entry is left out of its bundle; the checkpoint still counts it."""
    operator.say_again(operator.find("egress", nth=-1), egress_bytes=1)
    view = operator.show()
    path = max(path for path in view.files if path.startswith("tile/entries"))
    view.files[path] = view.files[path][: -len(encoded(operator.entries[-1])) // 2]


@cheat("malformed-bundle")
def appends_to_a_bundle(operator: Operator) -> None:
    """An entry beyond the last one, for readers who do not count: it is under no root."""
    view = operator.show()
    view.files[MIDDLE] += b"\x00\x02{}"


@cheat("entry-hash-mismatch", "root-mismatch", "bad-signature")
def shows_another_entry_than_it_hashed(operator: Operator) -> None:
    """The tiles are true, so every proof holds; only what people read is another text."""
    view = operator.publish()
    operator.public(operator.find("egress", nth=-1))["egress_bytes"] = 7
    altered = operator.publish()
    for path in view.files:
        if path.startswith("tile/entries"):
            view.files[path] = altered.files[path]
    operator.show(view)


@cheat("tile-mismatch")
def shows_another_tile_than_it_signed(operator: Operator) -> None:
    """One hash of a tile is another: proofs made from it fail for those who ask for them."""
    view = operator.show()
    view.files["tile/0/000"] = _flip(view.files["tile/0/000"], 5_000)


@cheat("tile-mismatch")
def shows_another_upper_tile(operator: Operator) -> None:
    """The same one level up, where fewer people look."""
    view = operator.show()
    [path] = [path for path in view.files if path.startswith("tile/1/")]
    view.files[path] = _flip(view.files[path], 40)


@cheat("root-mismatch")
def signs_a_root_that_is_no_tree(operator: Operator) -> None:
    """The signed root is that of other entries than those which anybody can fetch."""
    view = operator.publish()
    leaves = [leaf_hash(encoded(entry)) for entry in operator.entries]
    leaves[17] = bytes(32)
    view.files["checkpoint"] = operator.checkpoint(leaves)
    operator.show(view)


@cheat("malformed-checkpoint")
def signs_an_extension_line(operator: Operator) -> None:
    """A promise in the checkpoint's small print, which no witness would cosign."""
    _resign(operator, lambda text: text + "terms: entries may be withdrawn\n")


@cheat("malformed-checkpoint")
def signs_under_another_name(operator: Operator) -> None:
    """One key for two logs: what was signed for the one is shown as the other."""
    _resign(operator, lambda text: text.replace(ORIGIN, ORIGIN + "-test", 1))


@cheat("malformed-checkpoint")
def signs_a_second_spelling_of_the_size(operator: Operator) -> None:
    """A leading zero, read as octal here and as decimal there."""
    _resign(operator, lambda text: text.replace("\n", "\n0", 1))


@cheat("bad-checkpoint-signature")
def alters_the_checkpoint_under_its_signature(operator: Operator) -> None:
    """Somebody between log and reader takes three entries away without having the key."""
    view = operator.show()
    size = len(operator.entries)
    checkpoint = view.files["checkpoint"]
    view.files["checkpoint"] = checkpoint.replace(b"\n%d\n" % size, b"\n%d\n" % (size - 3), 1)


@cheat("bad-checkpoint-signature")
def adds_a_false_line_of_its_own(operator: Operator) -> None:
    """A second signature by the same key that does not verify: which one is believed?"""
    view = operator.show()
    false = sign_note("something else\n", [operator.signer]).partition(b"\n\n")[2]
    view.files["checkpoint"] += false


@cheat("unavailable-bundle")
def withholds_a_bundle(operator: Operator) -> None:
    """The hashes are given out, the entries below them are not found."""
    operator.show().refused[MIDDLE] = 404


@cheat("unavailable-bundle")
def says_that_a_bundle_is_gone(operator: Operator) -> None:
    """Old entries are declared to have been cleared away; a log never prunes."""
    operator.show().refused[MIDDLE] = 410


@cheat("unavailable-tile")
def withholds_a_tile(operator: Operator) -> None:
    """Without its tiles no reader can make a proof of its own."""
    operator.show().refused["tile/0/001"] = 404


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _resign(operator: Operator, change: Callable[[str], str]) -> View:
    view = operator.show()
    view.files["checkpoint"] = sign_note(change(view.text), [operator.signer])
    return view
