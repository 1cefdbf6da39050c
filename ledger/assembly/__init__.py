"""Puts the rooms together: one open ledger for whoever runs it (server, worker, command line).

The rooms do not know each other; here each gets what it needs of the others. Here too lies what
belongs to no room: founding a ledger, and following a statement from its bytes to its receipt.
"""

from ledger.assembly.founding import create
from ledger.assembly.house import Ledger, system_clock

__all__ = ["Ledger", "create", "system_clock"]
