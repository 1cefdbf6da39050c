"""The ledger with a history is built beside the reader's tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "reader"))  # ledger_world lies there
