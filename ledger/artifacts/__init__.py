"""The artifact store: the one door by which bytes leave the cluster.

``door`` takes an artifact after its debit is in the log, and serves it: to its own member for a
further debit, to everybody once the job's ending is disclosed. ``shelf`` lists what there is,
``magic`` says what bytes are, ``forms`` brings them into one spelling, ``sealing`` encrypts them,
``objects`` keeps them.

It never writes an object before its debit is durable, never gives a debit back, never has the
bytes of an artifact on a disk in the clear, and never tells a name, a length or a digest before
they are public.
"""

from ledger.artifacts.checking import Odd, check_artifacts
from ledger.artifacts.door import Door
from ledger.artifacts.objects import open_objects
from ledger.artifacts.shapes import Kept, Listed
from ledger.artifacts.shelf import Shelf

__all__ = ["Door", "Kept", "Listed", "Odd", "Shelf", "check_artifacts", "open_objects"]
