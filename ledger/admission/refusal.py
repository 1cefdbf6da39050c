"""How a run is refused: a code of the record, and one sentence for the person who started it."""

from typing import Final

from ledger.errors import LedgerError
from ledger.records.charter import Code

MAX_FINDING: Final = 500
"""Characters of a finding: what a ``refused`` entry of the log holds."""


class AdmissionRefused(LedgerError):
    """A run may not start. ``code`` is the rule's; ``finding`` says why, 1 to 500 characters.

    The finding is printable: schedulers write it to terminals and into annotations.
    """

    def __init__(self, code: Code, finding: str) -> None:
        self.code = code
        self.finding = _printable(finding)
        super().__init__(f"{code.value}: {self.finding}")


def _printable(text: str) -> str:
    shown = "".join(each if each.isprintable() else "\ufffd" for each in text)
    return shown if len(shown) <= MAX_FINDING else f"{shown[: MAX_FINDING - 1]}…"
