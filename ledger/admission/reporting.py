"""What the orchestrator says of runs: refused, started, ended; each signed once and sent on.

The signature is the orchestrator's. What is said is kept in the outbox first and sent then, so that
a ledger that is away changes nothing about a decision: a refused run stays refused, and the entry
follows. Nothing that a user wrote goes into a public field: not a name, a path or a label.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from ledger.admission.outbox import Outbox, OutboxError, SameStatement, Send, Sent
from ledger.records.authoring import author_statement
from ledger.records.charter import Code
from ledger.records.deadline import DAY_S, format_time
from ledger.tlog.note import Signer

SEED_BYTES: Final = 32
MAX_ALIKE: Final = 300
"""Statements of one content that are told apart by their second, from now on."""
PUBLIC_FINDINGS: Final[Mapping[Code, str]] = {
    Code.R1_WEIGHT_DELTA: "The run could write to the weights of a model, or change them.",
    Code.R1_OPTIMIZER_ON_UPLOADED_MODEL: "The run names the uploaded model to an optimizer.",
    Code.R1_FORBIDDEN_WORKLOAD: "The run is of a class of work that the charter forbids.",
    Code.R1_DIGEST_MISMATCH: "The weights are not those that were admitted.",
    Code.R2_EGRESS_CEILING: "The run would go over its egress ceiling.",
    Code.R2_UNMETERED_EGRESS: "The run has no egress ceiling, or a way out that is not metered.",
    Code.R3_MISSING_RECORD: "The run came without a valid and unused receipt of an admission.",
    Code.R3_PRIVATE_RUN_REQUESTED: "The run was asked to be kept out of the ledger.",
    Code.Q_QUOTA: "The run asks for more GPUs or time than were admitted.",
    Code.Q_MALFORMED: "What was to be started, or what came as its receipt, cannot be read.",
}
"""What a ``refused`` entry says by code: fixed words, since the log is public and never forgets."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A start that was refused. ``run`` is the scheduler's number of it and is never posted.

    ``job_id`` and ``member`` come from a receipt that has verified, and are None without one.
    """

    system: str
    run: str
    code: Code
    gpu_count: int | None = None
    job_id: str | None = None
    member: str | None = None


@dataclass(frozen=True, slots=True)
class Reporter:
    """Says things as the orchestrator: ``signer`` signs them, ``outbox`` keeps them.

    ``clock`` gives unix seconds, ``random(n)`` n fresh bytes for the salts of sealed fields.
    """

    outbox: Outbox
    signer: Signer = field(repr=False)
    clock: Callable[[], int]
    random: Callable[[int], bytes] = os.urandom

    def say(
        self,
        *,
        key: str,
        about: str,
        kind: str,
        schema: str,
        public: Mapping[str, Any],
        job_id: str | None = None,
        sealed: Mapping[str, Any] | None = None,
        seals: bool = False,
    ) -> bool:
        """Sign a statement and keep it for the log; False where ``key`` has said it before.

        ``seals``: the schema has sealed fields. Raises ValueRefused, naming the field that the
        schema does not take, and OutboxError.
        """
        if self.outbox.find(key) is not None:
            return False
        # The log takes the same bytes once. Two runs that are refused alike in one second are two
        # refusals all the same: the later one is made a second later.
        now = self.clock()
        for made_at in range(now, now + MAX_ALIKE):
            body = author_statement(
                signer=self.signer,
                kind=kind,
                schema=schema,
                public=public,
                made_at=format_time(made_at),
                job_id=job_id,
                sealed=sealed,
                seed=self.random(SEED_BYTES) if seals else None,
            )
            with suppress(SameStatement):
                return self.outbox.put(key, body, about=about)
        raise OutboxError(f"{MAX_ALIKE} statements that are the same wait for this second")

    def refused(self, refusal: Refusal) -> bool:
        """Keep a refused start for the log; False where the same was said on the same day.

        A controller tries a refused pod again and again; that is one refusal a day and a reason.
        """
        day = self.clock() // DAY_S
        same = f"{refusal.system}\x00{refusal.run}\x00{refusal.code}\x00{refusal.job_id}"
        digest = sha256(f"{same}\x00{refusal.gpu_count}".encode()).hexdigest()[:40]
        return self.say(
            key=f"refused-{day}-{digest}",
            about=f"refused-{digest}",
            kind="refused",
            schema="start-refused/1",
            public={
                "code": refusal.code.value,
                "finding": PUBLIC_FINDINGS[refusal.code],
                "gpu_count": refusal.gpu_count,
                "member": refusal.member,
                "system": refusal.system,
            },
            job_id=refusal.job_id,
        )


def report(reporter: Reporter, send: Send, *statements: Mapping[str, Any]) -> Sent:
    """Keep each of ``statements``, the arguments of ``Reporter.say``, and send what waits.

    Saying the same again sends what is not answered yet and nothing else.
    """
    for each in statements:
        reporter.say(**each)
    return reporter.outbox.work(send)
