"""What can go wrong with a witness, as codes that are kept, shown and translated."""

from enum import StrEnum
from typing import Final

from ledger.errors import LedgerError


class Trouble(StrEnum):
    """Why a witness's cosignature is missing. Holds nothing of what the witness sent."""

    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    REDIRECT = "redirect"
    TOO_LARGE = "too-large"
    BUSY = "busy"
    SERVER_ERROR = "server-error"
    UNKNOWN_LOG = "unknown-log"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"
    INCONSISTENT = "inconsistent"
    AHEAD = "ahead"
    CONFLICT = "conflict"
    BAD_ANSWER = "bad-answer"
    BAD_SIGNATURE = "bad-signature"
    NO_COSIGNATURE = "no-cosignature"
    WRONG_CLOCK = "wrong-clock"


MEANINGS: Final = {
    Trouble.UNREACHABLE: "no connection to it, or it broke off",
    Trouble.TIMEOUT: "it did not answer in time",
    Trouble.REDIRECT: "it sends us elsewhere, and checkpoints go to no other address",
    Trouble.TOO_LARGE: "its answer is larger than any that it could give",
    Trouble.BUSY: "it asks for fewer requests (429)",
    Trouble.SERVER_ERROR: "it has trouble of its own (5xx)",
    Trouble.UNKNOWN_LOG: "it does not know this log (404): ask its operator to add the log's key",
    Trouble.FORBIDDEN: "it does not take the log's signature (403): does it have the right key?",
    Trouble.REFUSED: "it refuses the request",
    Trouble.INCONSISTENT: "it saw ANOTHER TREE of this log (422): somebody forked it",
    Trouble.AHEAD: "it cosigned a LARGER tree of this log than this database holds",
    Trouble.CONFLICT: "it names another size at each attempt (409)",
    Trouble.BAD_ANSWER: "its answer is not in the form of a witness's",
    Trouble.BAD_SIGNATURE: "a cosignature of its own does not verify",
    Trouble.NO_COSIGNATURE: "its answer has no cosignature by its key",
    Trouble.WRONG_CLOCK: "the time that it states is minutes from ours",
}
"""In words, for an operator."""

LASTING: Final = frozenset(
    {
        Trouble.REDIRECT,
        Trouble.TOO_LARGE,
        Trouble.UNKNOWN_LOG,
        Trouble.FORBIDDEN,
        Trouble.REFUSED,
        Trouble.INCONSISTENT,
        Trouble.AHEAD,
        Trouble.BAD_SIGNATURE,
        Trouble.NO_COSIGNATURE,
    }
)
"""What does not pass by itself within seconds."""

ALARMING: Final = frozenset({Trouble.INCONSISTENT, Trouble.AHEAD})
"""Either somebody holds the log's key who should not, or this database is not the newest one."""


class WitnessRefused(LedgerError):
    """One witness gave no cosignature; ``retry_after_s`` where it said when to come again."""

    def __init__(self, trouble: Trouble, *, retry_after_s: int | None = None) -> None:
        super().__init__(MEANINGS[trouble])
        self.trouble = trouble
        self.retry_after_s = retry_after_s
