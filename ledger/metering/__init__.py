"""How a ledger is doing, in numbers for its operator: counted by every process, added up for one.

Counts are bounded from the start: nothing that a stranger sends can make another one. No number
here is about one job, one author or one statement, and none is shown without the scraper's token.
"""

from ledger.metering.board import Board
from ledger.metering.families import FAMILIES, Family, Kind

__all__ = ["FAMILIES", "Board", "Family", "Kind"]
