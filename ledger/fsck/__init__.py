"""Recomputes everything from the stored entries and says where the database disagrees.

Never writes, never repairs, never believes a stored hash, row or time.
"""

from ledger.fsck.check import Checked, check
from ledger.fsck.findings import Finding, Findings
from ledger.fsck.second_opinion import JudgeMissing, second_root

__all__ = ["Checked", "Finding", "Findings", "JudgeMissing", "check", "second_root"]
