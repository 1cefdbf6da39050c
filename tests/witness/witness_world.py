"""A log that can lie, a witness of it, and the bodies that one sends to the other."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger.tlog.checkpoint import Checkpoint, format_checkpoint
from ledger.tlog.cosignature import AddCheckpoint, format_add_checkpoint
from ledger.tlog.merkle import leaf_hash, prove_consistency, root_hash
from ledger.tlog.note import COSIGNATURE, Signer, sign_note
from ledger.witness import Quota, State, Witness, WitnessApp

ORIGIN = "log.example/honest"
LOG = Signer(ORIGIN, bytes(range(32)))
STRANGER = Signer("log.example/stranger", bytes(range(32)))
WITNESS = Signer("witness.example/w1", bytes(range(1, 33)), key_type=COSIGNATURE)
NOW = 1_795_892_400

LEAVES = [leaf_hash(b"entry %d" % number) for number in range(80)]
FORK = [*LEAVES[:5], *(leaf_hash(b"another %d" % number) for number in range(75))]
"""Another history of the same log, from leaf 5 on."""


def checkpoint(
    size: int, leaves: list[bytes] = LEAVES, signers: Iterable[Signer] = (LOG,)
) -> bytes:
    """The signed checkpoint of the first ``size`` leaves."""
    text = format_checkpoint(Checkpoint(ORIGIN, size, root_hash(leaves[:size])))
    return sign_note(text, list(signers), time_s=NOW)


def ask(old: int, size: int, leaves: list[bytes] = LEAVES, **changed: Any) -> bytes:
    """A body with the right proof; ``changed`` replaces ``proof`` or ``note``."""
    proof = prove_consistency(leaves[:size], old_size=old) if 0 < old < size else []
    return format_add_checkpoint(
        AddCheckpoint(
            old,
            tuple(changed.get("proof", proof)),
            changed.get("note", checkpoint(size, leaves)),
        )
    )


@dataclass
class Ticking:
    """A clock that moves when it is told to."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def detail(self) -> str:
        """What a refusal says."""
        assert self.headers["content-type"] == "application/problem+json"
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        detail: str = problem["detail"]
        return detail


@dataclass
class World:
    """A witness with its memory in ``folder``, spoken to as a server would."""

    folder: Path
    signers: tuple[Signer, ...] = (WITNESS,)
    clock: Ticking = field(default_factory=Ticking)
    steps: Ticking = field(default_factory=Ticking)
    per_minute: int = 0
    address_per_minute: int = 0

    def __post_init__(self) -> None:
        self.state = State(self.folder / "witness.db")
        self.state.bind(self.signers[0].vkey, time_s=self.clock())
        self.state.follow(ORIGIN, LOG.verifier)
        self.witness = Witness(
            self.state,
            self.signers,
            clock=self.clock,
            quota=Quota(self.per_minute, clock=self.steps),
        )
        self.app = WitnessApp(
            self.witness, addresses=Quota(self.address_per_minute, clock=self.steps)
        )

    def post(self, body: bytes, **named: Any) -> Answered:
        return self.request("POST", "/add-checkpoint", body, **named)

    def get(self, path: str, method: str = "GET") -> Answered:
        return self.request(method, path)

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        client: str = "192.0.2.7",
        headers: Iterable[tuple[bytes, bytes]] = (),
        receive: Callable[[], Any] | None = None,
    ) -> Answered:
        """One request, to its end."""
        scope = {
            "type": "http", "method": method, "path": path,
            "headers": list(headers), "client": (client, 40_000),
        }  # fmt: skip
        sent: list[dict[str, Any]] = []
        chunks = [body[at : at + 10_000] for at in range(0, len(body), 10_000)] or [b""]

        async def give() -> dict[str, Any]:
            return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

        async def take(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.app(scope, receive or give, take))
        start, end = sent
        found = {name.decode(): value.decode() for name, value in start["headers"]}
        return Answered(start["status"], found, end["body"])

    def close(self) -> None:
        self.state.close()
