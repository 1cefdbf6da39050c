"""A ledger as a Python object: lists that page by themselves, and answers that are checked.

A ``Ledger`` looks at one tree, the newest when it was made or the one that ``at`` names, so that a
long crawl sees one state while the log grows. What the API says about a job is compared with what
the job's entries say, which the tree proves; see ``docs/python`` for what that leaves open.
"""

import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import httpx
import msgspec
from msgspec import structs

from ledger.client.door import GIVE_UP_AFTER_S, Door
from ledger.client.filters import JobQuery
from ledger.client.pages import read_list
from ledger.client.receipts import check_receipt
from ledger.client.registry import Registry
from ledger.client.replaying import replay
from ledger.client.story import JobStory
from ledger.client.tree import Leaf, Tree
from ledger.client.trust import Memory, default_path
from ledger.errors import FormatError, Misbehaviour, NotFound, ProofError
from ledger.tlog.checkpoint import open_checkpoint, parse_checkpoint
from ledger.tlog.note import MAX_NOTE_BYTES, parse_note
from ledger.tlog.proof import MAX_PROOF_BYTES
from schemas.answers import Event, JobDetail, JobShown, Member, Shown

T = TypeVar("T")

PAGE: Final = 500
API: Final = "/api/v1"


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
        self._keys: Registry | None = None
        try:
            if verify:
                path = default_path(self._door.url) if state is None else Path(state)
                self._memory = Memory(path, given=vkey, ask=self._asked_key, url=self._door.url)
            newest = self._newest()
            self.tree = newest if at is None else newest.cut(at)
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
        self.tree = self._newest()
        self._keys = None
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
        record for each job of ``member``, or of everybody. Raises Misbehaviour.
        """
        asked = JobQuery(member=member, workload=workload, state=state, since=since, until=until)
        for job in replay(self.tree, verify=self._verify, member=member):
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
        before = self.size
        for job in self._list("/jobs", JobShown, {**asked.params(), "limit": PAGE}):
            if self._verify:
                self._check_listed(job, asked, before=before)
                before = job.submitted_index
            yield job

    def job(self, job_id: str) -> JobDetail:
        """Everything public about one job. Raises NotFound, Misbehaviour."""
        path = f"{API}/jobs/{_part(job_id)}"
        told = self._one(path, JobDetail)
        if self._verify:
            if told.job.job_id != job_id:
                raise self._lie(f"asked for {job_id}, the API tells of {told.job.job_id}", told)
            proved = self._story(job_id, [event.index for event in told.events]).detail()
            proved = structs.replace(proved, job=self._decided(proved.job, told.job))
            self._compare(told, proved, what=f"job {job_id}")
        return told

    def members(self) -> Iterator[Member]:
        """Everyone in the registry; each key has been found in the entry that registered it.

        What a member ran (``jobs``, ``gpu_seconds``) is the server's word: see ``replay``.
        """
        for member in self._members():
            if self._verify:
                for key in member.keys:
                    if not self._registry().holds(member.name, key.vkey):
                        raise self._lie(
                            f"no entry registers the key {key.key_id} for {member.name}", member
                        )
            yield member

    def receipt(self, index: int) -> bytes:
        """The ``.tlog-proof`` of an entry: a file that proves it without this server.

        It is of this tree or, where no checkpoint has its size, of the newest. Raises ProofError,
        SignatureError, CommitmentError, NotFound.
        """
        at = self.size if self.tree.note is not None else None
        data = self._door.get(f"/entries/{int(index)}.proof", {"at": at}, limit=MAX_PROOF_BYTES)
        if self._memory is not None:
            check_receipt(data, leaf=self.entry(index), key=self._memory.key)
        return data

    # --- inside ---

    def _newest(self) -> Tree:
        note = self._door.get("/log/checkpoint", limit=MAX_NOTE_BYTES)
        memory = self._memory
        if memory is None:
            checkpoint = parse_checkpoint(parse_note(note).text)
            return Tree(self._door, checkpoint, note, verify=False)
        checkpoint = open_checkpoint(note, [memory.key])
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

    def _list(
        self, path: str, shape: type[T], params: dict[str, str | int | None] | None = None
    ) -> Iterator[T]:
        tree = self.tree
        return read_list(
            self._door,
            API + path,
            shape,
            {**(params or {}), "at": tree.size},
            checkpoint=tree.checkpoint if self._verify else None,
        )

    def _one(self, path: str, shape: type[T]) -> T:
        body = self._door.get(path, {"at": self.size})
        try:
            return msgspec.json.decode(body, type=Shown[shape]).data  # type: ignore[valid-type]
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise FormatError(f"{self._door.url}{path} does not answer as a ledger does") from None

    def _members(self) -> Iterator[Member]:
        return self._list("/members", Member)

    def _registry(self) -> Registry:
        """The keys that the API names, each read from the entry that registered or retired it."""
        if self._keys is None:
            known = Registry()
            places: set[int] = set()
            for member in self._members():
                for key in member.keys:
                    places.update(at for at in (key.since, key.until) if at is not None)
            for index in sorted(places):
                known.take(self.tree.leaf(index))
            self._keys = known
        return self._keys

    def _story(self, job_id: str, indices: list[int]) -> JobStory:
        if indices != sorted(set(indices)):
            raise self._lie(f"the history of {job_id} is out of order", indices)
        story = JobStory(check_author=self._registry().check)
        for index in indices:
            leaf = self.tree.leaf(index)
            if leaf.entry.job_id != job_id:
                raise self._lie(f"entry {index} is not about job {job_id}", indices, leaf)
            story.take(leaf)
        return story

    def _check_listed(self, job: JobShown, asked: JobQuery, *, before: int) -> None:
        if job.submitted_index >= before:
            raise self._lie(f"the list goes back to entry {job.submitted_index}", job)
        if not asked.takes(job):
            raise self._lie(f"job {job.job_id} is not one that was asked for", job)
        path = f"/jobs/{_part(job.job_id)}/events"
        events = self._list(path, Event, {"limit": PAGE})
        proved = self._story(job.job_id, [event.index for event in events]).detail()
        self._compare(job, self._decided(proved.job, job), what=f"job {job.job_id}")

    def _decided(self, proved: JobShown, told: JobShown) -> JobShown:
        """A job whose decision is the first entry behind this tree: there it is taken as told.

        Both entries are made at once, so only an ``at`` that lies between them meets this.
        """
        if proved.submitted_index != self.size - 1:
            return proved
        return structs.replace(proved, state=told.state, rejection_code=told.rejection_code)

    def _compare(self, told: object, proved: object, *, what: str) -> None:
        ours, theirs = (msgspec.to_builtins(each) for each in (proved, told))
        if ours != theirs:
            where = _difference(ours, theirs)
            raise self._lie(f"the API says of {what} what the log does not: {where}", told)

    def _lie(self, message: str, told: object, *leaves: Leaf) -> Misbehaviour:
        evidence = {f"entry-{leaf.index}.json": leaf.data for leaf in leaves}
        evidence["answer.json"] = msgspec.json.encode(told)
        if self.tree.note is not None:
            evidence["checkpoint"] = self.tree.note
        return Misbehaviour(message, evidence=evidence)


def _part(text: str) -> str:
    """A piece of an address: never a path of its own. Raises NotFound."""
    if not (text.isascii() and text.isalnum()):
        raise NotFound(f"{text!a:.60} is not the ID of a job")
    return text


def _difference(ours: Any, theirs: Any, path: str = "") -> str:  # noqa: ANN401 - any JSON value
    """The first field in which two answers part, and both values where they are short."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            if ours.get(name) != theirs.get(name):
                return _difference(ours.get(name), theirs.get(name), f"{path}.{name}")
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        for at, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            if one != other:
                return _difference(one, other, f"{path}[{at}]")
        return f"{path.lstrip('.')} has {len(theirs)} items, and the log gives {len(ours)}"
    return f"{path.lstrip('.')} is {theirs!a:.60}, and the log gives {ours!a:.60}"
