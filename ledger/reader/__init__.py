"""Everything that the public may see, as ``schemas.answers``, each answer as of one tree size.

Reads the store and nothing else: no clock (``now`` is an argument), no key, and never the table of
openings. What was sealed comes out of here only once an entry of the log discloses it.
"""

from ledger.reader.reader import Reader
from ledger.reader.view import View

__all__ = ["Reader", "View"]
