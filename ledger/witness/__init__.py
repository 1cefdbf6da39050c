"""A witness: it cosigns the checkpoints of logs that it follows, if each continues the last.

C2SP tlog-witness, for whoever does not run the log: a university, a newspaper. It keeps one
checkpoint a log in a SQLite file of its own and knows no ledger, no entry and no setting of one.
It never cosigns two trees of one log that contradict each other, nor a smaller one after a larger,
nor a time before the last: what it answers is on the disk first.
"""

from ledger.quota import Quota
from ledger.witness.app import WitnessApp
from ledger.witness.decision import Refused
from ledger.witness.state import FollowedLog, State, WitnessError
from ledger.witness.witness import Witness

__all__ = [
    "FollowedLog",
    "Quota",
    "Refused",
    "State",
    "Witness",
    "WitnessApp",
    "WitnessError",
]
