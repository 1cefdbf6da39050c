"""Witnessing from the log's side: checkpoints go out, cosignatures come back and are verified.

The protocol is C2SP tlog-witness, the witnesses are those of a policy. Never signs anything, never
waits for the sequencer and never lets it wait; a line that did not verify is never kept.
"""

from ledger.witnessing.room import Outcome, Witnessing
from ledger.witnessing.trouble import Trouble

__all__ = ["Outcome", "Trouble", "Witnessing"]
