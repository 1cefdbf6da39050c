"""What is wrong with a witness, in words for readers; the codes are the ledger's own."""

from typing import Final

from ledger.witnessing.trouble import ALARMING, Trouble
from schemas.reference import WitnessShown
from web.i18n import gettext, noted

WORDS: Final = {
    Trouble.UNREACHABLE: noted("It cannot be reached."),
    Trouble.TIMEOUT: noted("It did not answer in time."),
    Trouble.REDIRECT: noted("It points to another address, and checkpoints go to no other."),
    Trouble.TOO_LARGE: noted("Its answer was larger than any answer needs to be."),
    Trouble.BUSY: noted("It asked for fewer requests."),
    Trouble.SERVER_ERROR: noted("It reported trouble of its own."),
    Trouble.UNKNOWN_LOG: noted("It does not know this log."),
    Trouble.FORBIDDEN: noted("It did not accept the log's signature."),
    Trouble.REFUSED: noted("It refused the request."),
    Trouble.INCONSISTENT: noted("It says that it was shown another history of this log."),
    Trouble.AHEAD: noted("It says that it knows a larger tree of this log than this server has."),
    Trouble.CONFLICT: noted("It named another tree size at each attempt."),
    Trouble.BAD_ANSWER: noted("Its answer could not be read."),
    Trouble.BAD_SIGNATURE: noted("A signature in its answer does not hold."),
    Trouble.NO_COSIGNATURE: noted("Its answer held no signature by its key."),
    Trouble.WRONG_CLOCK: noted("Its clock is minutes away from the log's."),
}


def contradicts(witness: WitnessShown) -> bool:
    """Whether what a witness said last is that it knows another log of this name."""
    return witness.failures > 0 and witness.error in ALARMING


def trouble(code: str) -> str:
    """What the code of a trouble means, in the language in use; an unknown one as it stands."""
    words = WORDS.get(code)  # type: ignore[call-overload] # a StrEnum's members are its codes
    return gettext(words) if words else code
