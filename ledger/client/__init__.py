"""Reading a ledger from Python: pages through lists, and verifies what it reads.

>>> from ledger.client import Ledger

It talks HTTP to any ledger and knows nothing of the one on this machine: it has no database, no
key, and cannot write. What is wrong is raised as one of ``ledger.errors``.
"""

from ledger.client.reading import Ledger
from ledger.client.tree import Leaf
from ledger.client.trust import TrustedOnFirstUse

__all__ = ["Leaf", "Ledger", "TrustedOnFirstUse"]
