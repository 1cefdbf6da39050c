"""The golden vectors of tests/vectors, read once; see the README there."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ledger.tlog.merkle import leaf_hash

VECTORS = Path(__file__).parents[1] / "vectors"


@dataclass(frozen=True)
class Golden:
    """What Go's packages said, and the leaf hashes of the first 70,000 entries."""

    values: dict[str, Any]
    cp3: bytes
    p777: bytes
    leaves: list[bytes]


@cache
def read_golden() -> Golden:
    return Golden(
        values=json.loads((VECTORS / "tlog.json").read_text(encoding="utf-8")),
        cp3=(VECTORS / "cp3.note").read_bytes(),
        p777=(VECTORS / "p777.tlog-proof").read_bytes(),
        leaves=[leaf_hash(b"entry-%d" % number) for number in range(70_000)],
    )
