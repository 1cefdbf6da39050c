"""What every process counts, by name: the labels that there can be, and the buckets."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Final


class Kind(StrEnum):
    """What a number means to who reads it, in the words of the exposition format."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """Numbers of one name. ``labels`` maps each label to every value that it can have.

    ``buckets`` are a histogram's upper bounds, rising; the one without a bound is not among them.
    Of processes each has its own number, and they are added up; of a gauge that is ``latest`` the
    largest counts, and it outlives its process.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[tuple[str, tuple[str, ...]], ...] = ()
    buckets: tuple[float, ...] = ()
    latest: bool = False

    def series(self) -> list[tuple[str, ...]]:
        """The values of the labels of each series, in order."""
        return list(product(*(values for _, values in self.labels)))

    @property
    def width(self) -> int:
        """How many numbers one series has: a histogram's buckets, the open one, and the sum."""
        return len(self.buckets) + 2 if self.kind is Kind.HISTOGRAM else 1


_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROUTES: Final = (
    "statements", "check", "artifacts", "api", "pages", "feeds", "log", "bulk", "static",
    "schemas", "probes", "other",
)  # fmt: skip
"""Kinds of addresses; an address itself is never a label."""
STATUSES: Final = (
    "200", "201", "204", "206", "302", "304", "400", "403", "404", "405", "409", "413", "416",
    "422", "429", "500", "501", "503", "none", "other",
)  # fmt: skip
"""Every status that the site answers with; ``none`` where the client had gone."""

QUEUE_RECORDS: Final = Family(
    "ledger_queue_records", Kind.GAUGE, "Statements that wait to be sequenced."
)
QUEUE_BYTES: Final = Family(
    "ledger_queue_bytes", Kind.GAUGE, "Bytes of the statements that wait to be sequenced."
)
QUEUE_LIMIT: Final = Family(
    "ledger_queue_limit_records", Kind.GAUGE, "Statements that may wait before the answer is 503."
)
PROCESSES: Final = Family(
    "ledger_processes", Kind.GAUGE, "Processes that have the log open for writing."
)
WRITERS_STOPPED: Final = Family(
    "ledger_writers_stopped", Kind.GAUGE, "Processes whose writer takes nothing any more."
)
BATCHES_FAILED: Final = Family(
    "ledger_batches_failed_total", Kind.COUNTER, "Batches of which nothing was acknowledged."
)
EGRESS_HELD: Final = Family(
    "ledger_egress_held_total",
    Kind.COUNTER,
    "Batches from which nothing left, as a counter of egress was not what was read.",
)
DAMAGE: Final = Family(
    "ledger_damage_met_total",
    Kind.COUNTER,
    "Answers that met damage in what is stored: refused, or made from what is stored beside it.",
)
PASS: Final = Family(
    "ledger_worker_pass_timestamp_seconds",
    Kind.GAUGE,
    "When a worker last ended a look for what is due, Unix time.",
    latest=True,
)
BATCH: Final = Family(
    "ledger_batch_records",
    Kind.HISTOGRAM,
    "Works in one batch of the sequencer.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2048),
)
PROOF: Final = Family(
    "ledger_proof_seconds",
    Kind.HISTOGRAM,
    "Seconds from entering the queue until entry and signed checkpoint are durable.",
    buckets=_SECONDS,
)
EGRESS_REFUSED: Final = Family(
    "ledger_egress_refused_total", Kind.COUNTER, "Debits that a ceiling did not let out."
)
REQUESTS: Final = Family(
    "ledger_http_requests_total",
    Kind.COUNTER,
    "Requests by kind of address and status.",
    labels=(("route", ROUTES), ("status", STATUSES)),
)
LATENCY: Final = Family(
    "ledger_http_request_seconds",
    Kind.HISTOGRAM,
    "Seconds from a request's head to the end of its answer.",
    labels=(("route", ROUTES),),
    buckets=_SECONDS,
)
READS: Final = Family(
    "ledger_reads_total",
    Kind.COUNTER,
    "Reads where there is a replica: by it, or by the primary because it was behind, down or held"
    " another tree.",
    labels=(("source", ("replica", "behind", "down", "other_tree")),),
)
FAMILIES: Final[Sequence[Family]] = (
    QUEUE_RECORDS, QUEUE_BYTES, QUEUE_LIMIT, PROCESSES, WRITERS_STOPPED, BATCH, BATCHES_FAILED,
    PROOF, EGRESS_REFUSED, EGRESS_HELD, DAMAGE, PASS, REQUESTS,
    LATENCY, READS,
)  # fmt: skip
