"""The witness's front page, as plain text: who it is, whom it follows, what it saw last."""

from datetime import UTC, datetime
from typing import Final

from ledger.witness.state import FollowedLog, origin_hash
from ledger.witness.witness import Witness

_HEAD: Final = """\
{name}
{rule}

A witness of transparency logs (c2sp.org/tlog-witness). It cosigns a checkpoint only if the tree
continues every one that it cosigned before.

Verifier keys:
{vkeys}
POST /add-checkpoint            a log asks for a cosignature
GET  /<origin hash>/checkpoint  the newest checkpoint cosigned (hash: SHA-256 in lower-case hex)
GET  /<origin hash>/conflicts   signed checkpoints that contradict the one that was cosigned
GET  /vkey, GET /health
"""


def home(witness: Witness) -> str:
    """Return the page. Everything on it is public."""
    logs = witness.logs()
    vkeys = "".join(f"  {vkey}\n" for vkey in witness.vkeys)
    head = _HEAD.format(name=witness.name, rule="=" * len(witness.name), vkeys=vkeys)
    return "\n".join([head, f"Logs followed: {len(logs)}\n", *map(_log, logs)])


def _log(log: FollowedLog) -> str:
    found = log.cosigned
    if found is None:
        said = "  nothing cosigned yet\n"
    else:
        time = datetime.fromtimestamp(found.time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        said = (
            f"  size {found.latest.size}, cosigned {time}\n"
            f"  /{origin_hash(log.origin)}/checkpoint\n"
        )
    return f"{log.origin}\n{said}"
