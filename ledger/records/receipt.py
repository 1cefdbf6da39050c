"""What a receipt carries beside its proof, so that one file can be checked alone (formats.md 6).

``{"entry":{…}}`` or ``{"entry":{…},"opening":{…}}``, canonical. The entry needs no trust: its bytes
hash to the leaf that the proof leads from. Nor does the opening: it recomputes the entry's root.
"""


def receipt_extra(entry: bytes, *, opening: bytes | None = None) -> bytes:
    """The ``extra`` of an entry's receipt, from canonical bytes: spliced, not encoded anew."""
    if opening is None:
        return b'{"entry":%b}' % entry
    return b'{"entry":%b,"opening":%b}' % (entry, opening)
