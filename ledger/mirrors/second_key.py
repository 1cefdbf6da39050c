"""The log's second key, ML-DSA-44, in a copy: kept as the source shows it, once its line verifies.

The first key does not vouch for it: a reader who demands its line has it from another place.
"""

from typing import Final

from ledger.client.tree import Files
from ledger.errors import NotFound
from ledger.mirrors.shapes import SECOND_VKEY, MirrorFailed, Target
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import MLDSA44, VerifierKey, format_vkey, parse_note, parse_vkey

MAX_SECOND_VKEY: Final = 8_192


def second_vkey(files: Files, target: Target, key: VerifierKey, note: bytes) -> bytes | None:
    """The file of the second key that has signed ``note`` too; None where nobody claims one.

    Raises MirrorFailed where it is another than the copy has; FormatError, SignatureError.
    """
    others = [
        line
        for line in parse_note(note).signatures
        if line.name == key.name and line.key_id != key.key_id
    ]
    if not others:
        return None
    try:
        data = files.get(f"/{SECOND_VKEY}", limit=MAX_SECOND_VKEY)
    except NotFound:
        return None
    second = parse_vkey(data.removesuffix(b"\n").decode("ascii", "replace"))
    if second.type != MLDSA44 or second.name != key.name:
        raise MirrorFailed(f"{files.url}/{SECOND_VKEY} is not a key of {key.name} for ML-DSA-44")
    open_checkpoint(note, [second])
    made = format_vkey(second).encode() + b"\n"
    known = target.read(SECOND_VKEY, limit=MAX_SECOND_VKEY)
    if known not in {None, made}:
        raise MirrorFailed(
            f"{files.url} shows another ML-DSA-44 key than {target.name}/{SECOND_VKEY}: ask the"
            " log's operator whether it was changed, and remove that file if so"
        )
    return made
