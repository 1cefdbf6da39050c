"""What the room raises: what could not be looked at, and what is not as it was said to be."""

from ledger.errors import LedgerError


class WeightsRefused(LedgerError):
    """A folder, a file or a mount that cannot be judged; the message says which and why."""


class WeightsDiffer(LedgerError):
    """Something was checked and is not what it was claimed to be."""
