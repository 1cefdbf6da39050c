"""A ledger as a Python object: lists that page by themselves, and answers that are checked.

A ``Ledger`` looks at one tree, the newest when it was made or the one that ``at`` names, so that a
long crawl sees one state while the log grows. What the API says about a job is compared with what
the job's entries say, which the tree proves; see ``docs/python`` for what that leaves open.
"""

import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Self

import httpx

from ledger.client.answers import Answers, part
from ledger.client.door import GIVE_UP_AFTER_S, Door
from ledger.client.filters import JobQuery
from ledger.client.handovers import Speakers, keys_after, keys_for
from ledger.client.proving import Prover
from ledger.client.receipts import check_receipt
from ledger.client.replaying import replay
from ledger.client.tree import Leaf, Tree
from ledger.client.trust import Memory, default_path
from ledger.errors import FormatError, Misbehaviour, ProofError
from ledger.tlog.checkpoint import open_checkpoint, parse_checkpoint
from ledger.tlog.note import MAX_NOTE_BYTES, VerifierKey, parse_note, parse_vkey
from ledger.tlog.proof import MAX_PROOF_BYTES
from schemas.answers import ArtifactShown, JobDetail, JobShown, Member, ModelShown
from schemas.council import CharterShown


class Ledger:
    """The ledger at ``url``, as of the tree that was newest when this was made, or of ``at``.

    ``vkey`` is the log's key; without it the one in the ``state`` file is believed, and without
    that the server's own, with a ``TrustedOnFirstUse`` warning. The file remembers the last
    checkpoint too, which every later one must contain; by default it is one for each ``url``
    under ``$XDG_STATE_HOME``. ``verify=False`` checks nothing and writes no file.

    Raises ``ledger.errors``: SignatureError, ProofError and Misbehaviour (with ``evidence``) for
    what does not verify, NotFound, ValueRefused, Overloaded and LogUnavailable for the rest. Not
    for use by several threads at once.
    """

    def __init__(
        self,
        url: str,
        *,
        vkey: str | None = None,
        at: int | None = None,
        state: Path | str | None = None,
        verify: bool = True,
        give_up_after_s: float = GIVE_UP_AFTER_S,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._door = Door(url, give_up_after_s=give_up_after_s, transport=transport, pause=pause)
        self._verify = verify
        self._memory: Memory | None = None
        try:
            if verify:
                path = default_path(self._door.url) if state is None else Path(state)
                self._memory = Memory(
                    path,
                    given=vkey,
                    ask=self._asked_key,
                    url=self._door.url,
                    after=lambda key: keys_after(self._door, key),
                )
            newest = self._newest()
            self._look_at(newest if at is None else newest.cut(at))
        except BaseException:
            self._door.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._door.close()

    @property
    def size(self) -> int:
        """The number of entries of the tree that is looked at."""
        return self.tree.size

    @property
    def root(self) -> str:
        """Its root hash, in hex; empty for ``at`` without ``verify``."""
        return self.tree.root.hex()

    def refresh(self) -> int:
        """Look at the newest tree from now on; its size. Raises as making a Ledger does."""
        self._look_at(self._newest())
        return self.size

    # --- the log itself: complete by construction ---

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Leaf]:
        """Every entry from ``start`` on and below ``stop``, in log order, with its bytes."""
        return self.tree.leaves(start, self.size if stop is None else stop)

    def entry(self, index: int) -> Leaf:
        """One entry. Raises NotFound."""
        return self.tree.leaf(index)

    def replay(
        self,
        *,
        member: str | None = None,
        workload: str | None = None,
        state: str | None = None,
        since: date | None = None,
        until: date | None = None,
    ) -> Iterator[JobShown]:
        """The jobs that every single entry of the log comes to, oldest first.

        Reads the whole log, and so cannot be told too little. Arguments as for ``jobs``. Holds a
        record for each job of ``member``, or of everybody. Raises Misbehaviour, and SignatureError
        where an entry names a newer key of the log, which has not signed the newest checkpoint.
        """
        asked = JobQuery(member=member, workload=workload, state=state, since=since, until=until)
        for job in replay(self.tree, verify=self._verify, member=member, speakers=self._speakers()):
            if asked.takes(job):
                yield job

    # --- what the API answers, held against the log ---

    def jobs(
        self,
        *,
        member: str | None = None,
        workload: str | None = None,
        state: str | None = None,
        q: str | None = None,
        since: date | None = None,
        until: date | None = None,
        **more: str,
    ) -> Iterator[JobShown]:
        """Jobs, newest first: those submitted on the days ``since`` to ``until``, both included.

        ``more`` are other filters of the API: ``accelerator``, ``month``, ``decision``, ``code``,
        ``model``. Each job is checked before it is yielded. Raises Misbehaviour, ValueRefused.
        """
        asked = JobQuery(
            member=member, workload=workload, state=state, q=q, since=since, until=until, more=more
        )
        told = self._answers.list("/jobs", JobShown, asked.params())
        yield from self._prover.jobs(told, asked) if self._verify else told

    def job(self, job_id: str) -> JobDetail:
        """Everything public about one job. Raises NotFound, Misbehaviour."""
        told = self._answers.one(f"/jobs/{part(job_id)}", JobDetail)
        return self._prover.job(told, job_id) if self._verify else told

    def members(self) -> Iterator[Member]:
        """Everyone in the registry; each key has been found in the entry that registered it.

        What a member ran (``jobs``, ``gpu_seconds``) is the server's word: see ``replay``.
        """
        told = self._answers.list("/members", Member)
        return self._prover.members(told) if self._verify else told

    def charters(self) -> tuple[CharterShown, ...]:
        """Every version of the charter, oldest first, as the council's entries have it.

        Each is signed by as many of the council as the one before it asks for, and none can be
        missing but the newest. Raises Misbehaviour.
        """
        if self._verify:
            return self._prover.charters()
        return tuple(self._answers.list("/charters", CharterShown))[::-1]

    def council(self) -> dict[str, list[VerifierKey]]:
        """The council's valid keys by the author's name, from the entries that register them."""
        return self._prover.council()

    def models(self) -> Iterator[ModelShown]:
        """Models that opened records name, the one first named last first.

        Each is made anew from the jobs that the API lists for it, which are checked like those of
        ``jobs``. Whether it lists them all is its word. Raises Misbehaviour.
        """
        told = self._answers.list("/models", ModelShown)
        return self._prover.models(told) if self._verify else told

    def artifacts(self) -> Iterator[ArtifactShown]:
        """Artifacts that opened records name, the newest first.

        Each is compared with the opening that names it, and of an opening that is shown none may
        be missing. Whether every opening is shown is the API's word. Raises Misbehaviour.
        """
        told = self._answers.list("/artifacts", ArtifactShown)
        return self._prover.artifacts(told) if self._verify else told

    def receipt(self, index: int) -> bytes:
        """The ``.tlog-proof`` of an entry: a file that proves it without this server.

        It is of this tree or, where no checkpoint has its size, of the newest. Raises ProofError,
        SignatureError, CommitmentError, NotFound.
        """
        at = self.size if self.tree.note is not None else None
        data = self._door.get(f"/entries/{int(index)}.proof", {"at": at}, limit=MAX_PROOF_BYTES)
        if self._memory is not None:
            check_receipt(data, leaf=self.entry(index), keys=self._memory.keys)
        return data

    # --- inside ---

    def _look_at(self, tree: Tree) -> None:
        self.tree = tree
        self._answers = Answers(self._door, tree, verify=self._verify)
        self._prover = Prover(self._answers, tree)

    def _newest(self) -> Tree:
        note = self._door.get("/log/checkpoint", limit=MAX_NOTE_BYTES)
        memory = self._memory
        if memory is None:
            checkpoint = parse_checkpoint(parse_note(note).text)
            return Tree(self._door, checkpoint, note, verify=False)
        keys = keys_for(self._door, note, memory.key)
        checkpoint = open_checkpoint(note, keys[-1:])
        memory.follow(keys)
        if checkpoint.origin != memory.key.name:
            raise ProofError(f"a checkpoint of {checkpoint.origin}, not of {memory.key.name}")
        last = memory.last
        if last is not None and last.size == checkpoint.size and last.root != checkpoint.root:
            raise self._forked(note)
        if last is not None and checkpoint.size < last.size:
            raise ProofError(
                f"the log shows {checkpoint.size} entries, and has shown {last.size}: an old"
                " state, out of a cache or on purpose"
            )
        tree = Tree(self._door, checkpoint, note, verify=True)
        if last is not None and last.size and tree.root_at(last.size) != last.root:
            raise self._forked(note)
        memory.keep(checkpoint, note)
        return tree

    def _speakers(self) -> Speakers | None:
        memory = self._memory
        if memory is None or memory.note is None or not self.size:
            return None
        if self.tree.note is None:
            # An earlier tree: what it names of the key that signed the newest one has to be known.
            return Speakers([memory.key], memory.note)
        genesis = self.tree.leaf(0).entry.genesis
        first = parse_vkey(genesis.vkey) if genesis is not None else memory.key
        return Speakers([first], memory.note)

    def _forked(self, note: bytes) -> Misbehaviour:
        assert self._memory is not None
        assert self._memory.note is not None
        assert self._memory.last is not None
        return Misbehaviour(
            f"the log has signed two histories: its tree of {self._memory.last.size} entries, seen"
            " before, is not the beginning of the one that it shows now",
            evidence={"checkpoint-before": self._memory.note, "checkpoint-now": note},
        )

    def _asked_key(self) -> str:
        try:
            return self._door.get("/log/vkey", limit=1024).decode("ascii")
        except UnicodeDecodeError:
            raise FormatError(f"{self._door.url}/log/vkey is not a log's key") from None
