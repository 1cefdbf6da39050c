"""The pens of everybody who says something about a job, and the seeds of what they seal.

An import signs with demonstration keys of members, orchestrator, gateway and committee that lie on
one machine: that is what makes it a replay and not a record. Files and randomness are the caller's.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ledger.errors import AuthorUnknown
from ledger.importers.simulation import Event
from ledger.records.authoring import author_statement
from ledger.records.deadline import format_time
from ledger.records.entry import Author
from ledger.tlog.note import Signer, generate_key
from schemas.statements import Role

MEMBERS: Final[Mapping[str, str]] = {
    "anthropic": "Anthropic",
    "deepseek": "DeepSeek",
    "google-deepmind": "Google DeepMind",
    "moonshot": "Moonshot",
    "openai": "OpenAI",
    "qwen": "Qwen",
    "zhipu": "Zhipu",
}
"""The seven labs that a replay gives jobs to, by author name: their titles."""
OFFICES: Final[Mapping[Role, str]] = {
    Role.OPERATOR: "Operator",
    Role.COUNCIL: "Council",
    Role.ORCHESTRATOR: "Cluster orchestrator",
    Role.GATEWAY: "Egress gateway",
    Role.COMMITTEE: "Safeguards committee",
}
"""Everybody else who has a key, by role, which is the author's name too: their titles."""
_SEED_CONTEXT: Final = b"apsci-ledger/import-seed/1\x00"
_KEY_CONTEXT: Final = b"apsci-ledger/import-key/1\x00"


def founding_cast(
    origin: str, *, label: str, random: Callable[[int], bytes]
) -> list[tuple[Author, Signer]]:
    """The authors that a demonstration ledger begins with, and their keys.

    ``label`` stands in every title, as in ``DeepSeek (synthetic)``: no page shows such an author
    without it. ``random(32)`` gives the seed of each key.
    """
    titles = [(name, Role.MEMBER, title) for name, title in MEMBERS.items()]
    titles += [(role.value, role, title) for role, title in OFFICES.items()]
    cast = []
    for name, role, title in titles:
        signer, vkey = generate_key(f"{origin}/{name}", random(32))
        cast.append((Author(name=name, role=role, title=f"{title} ({label})", vkey=vkey), signer))
    return cast


def require_signers(signers: Mapping[str, Signer], authors: Iterable[str]) -> None:
    """Raise AuthorUnknown, naming who is missing, unless every author's key is among them."""
    missing = sorted(set(authors) - signers.keys())
    if missing:
        raise AuthorUnknown(
            f"no key of {', '.join(missing)} on this machine: a replay signs for everybody"
        )


@dataclass(frozen=True, slots=True)
class Replaced:
    """An author's next key, and the first second at which it signs."""

    signer: Signer = field(repr=False)
    vkey: str
    since: int


@dataclass(frozen=True, slots=True)
class Desk:
    """Signs for everybody. ``secret``, 32 bytes, is what this import's seeds are derived from.

    Derived, so that a statement made again is the same statement, byte for byte; from a secret,
    since whoever can guess a seed can try values against a sealed field before it opens.
    ``replaced`` are the authors who get a new key on the way, by name.
    """

    signers: Mapping[str, Signer] = field(repr=False)
    secret: bytes = field(repr=False)
    replaced: Mapping[str, Replaced] = field(default_factory=dict)

    def replacing(self, author: str, *, since: int) -> "Desk":
        """The same desk, at which ``author`` signs with another key from ``since`` on.

        The key follows from the secret: who makes the import again makes the same one.
        """
        seed = hmac.digest(self.secret, _KEY_CONTEXT + author.encode(), "sha256")
        signer, vkey = generate_key(self.signers[author].name, seed)
        new = Replaced(signer=signer, vkey=vkey, since=since)
        return replace(self, replaced={**self.replaced, author: new})

    def signer(self, author: str, *, at: int) -> Signer:
        """The key that ``author`` signs with at a time."""
        new = self.replaced.get(author)
        return self.signers[author] if new is None or at < new.since else new.signer

    def event(
        self,
        *,
        author: str,
        kind: str,
        schema: str,
        job_id: str | None,
        at: int,
        public: Mapping[str, Any],
        sealed: Mapping[str, Any] | None = None,
        about: Event | None = None,
        reference: str | None = None,
    ) -> Event:
        """What ``author`` says at ``at``; signed when its turn comes. The registry has no job.

        ``reference`` is the public field that takes the leaf index of ``about``.
        """

        def body(index: int | None) -> bytes:
            fields = dict(public)
            if reference is not None:
                fields[reference] = index
            return author_statement(
                signer=self.signer(author, at=at),
                kind=kind,
                schema=schema,
                public=fields,
                made_at=format_time(at),
                job_id=job_id,
                sealed=sealed,
                seed=self._seed(job_id or author, kind, at),
            )

        return Event(at=at, kind=kind, job=job_id or "", body=body, about=about)

    def _seed(self, job_id: str, kind: str, at: int) -> bytes:
        message = f"{job_id}\x00{kind}\x00{at}".encode()
        return hmac.digest(self.secret, _SEED_CONTEXT + message, "sha256")
