"""An author's own signature as a DSSE envelope, for whoever has a DSSE verifier and not ours.

What authors sign is the DSSE encoding of their statement (formats.md section 8), so the envelope
is what they signed, and nothing is signed here: the shop window has no key. Entries that the ledger
itself makes have no author's signature, and so no envelope.
"""

from typing import Any, Final

import msgspec
from litestar import Response

from ledger.errors import NotFound
from ledger.records import canonical
from ledger.records.entry import MAX_ENTRY
from ledger.records.statement import PAYLOAD_TYPE
from schemas.answers import EntryShown

SUFFIX: Final = ".dsse.json"
JSON: Final = "application/json"


def envelope(shown: EntryShown) -> dict[str, Any] | None:
    """The envelope of an entry's statement; None where nobody but the ledger speaks.

    ``keyid`` is the key ID of the author's vkey in the registry, a hint as DSSE has it.
    """
    value = canonical.decode(bytes(shown.entry), limit=MAX_ENTRY)
    signature = value.get("signature")
    if signature is None:
        return None
    payload = canonical.encode(value["statement"])
    return {
        "payload": canonical.encode_base64(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": signature["key_id"], "sig": signature["value"]}],
    }


def respond(shown: EntryShown) -> Response[bytes]:
    """The envelope of an entry. Raises NotFound where it has none."""
    found = envelope(shown)
    if found is None:
        raise NotFound(
            f"entry {shown.index} was made by the ledger itself: no author signed it, and the"
            " checkpoint speaks for it"
        )
    return Response(msgspec.json.encode(found), media_type=JSON)
