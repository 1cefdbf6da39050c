"""An operator with an honest past, the log's signing key, and one dishonest intention.

It holds what a real operator holds: every entry, every opening, the key that signs checkpoints. It
alters its entries as it likes, has the ledger's own code hash and sign them again, and shows the
result. To speak for an author it needs that author's key: whoever lends it one is an accomplice,
and is named in ``accomplices``.

A cheat calls ``show`` for every visit of the verifier, with what that visitor is to get; one that
never calls it has shown its altered log to one visitor.
"""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from honest_past import Past
from ledger_world import ORIGIN

from ledger.records import canonical
from ledger.records.commitment import commit, salt
from ledger.records.deadline import DAY_S, format_time, parse_time
from ledger.records.statement import sign_statement
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint
from ledger.tlog.cosignature import cosign
from ledger.tlog.hashing import leaf_hash, root_hash
from ledger.tlog.merkle import prove_inclusion
from ledger.tlog.note import COSIGNATURE, NoteSignature, Signer, generate_key, sign_note
from ledger.tlog.proof import TlogProof, format_proof
from ledger.tlog.tiles import TILE_WIDTH, encode_bundle, tile_path, tiles_for_size

Entry = dict[str, Any]
WITNESSES = ("harbour", "lantern", "meridian")
SCHEMA_OF = {
    "submitted": "job-submitted/1",
    "started": "job-started/1",
    "interrupted": "job-interrupted/1",
    "completed": "job-ended/1",
    "failed": "job-ended/1",
    "terminated_by_policy": "job-ended/1",
    "egress": "job-egress/1",
    "open": "job-open/1",
    "corrected": "job-corrected/1",
    "withheld": "job-withheld/1",
    "registry": "registry/1",
}


@dataclass
class View:
    """What a visitor is shown: files by path under the log's prefix, and answers that are none."""

    files: dict[str, bytes]
    refused: dict[str, int] = field(default_factory=dict)
    """HTTP status by path, for what is there and not given out."""
    visitor: str = "watchdog"
    """Who gets it. Visitors remember what they saw, and only that."""
    at_s: int = 0
    """What an honest clock shows when it is looked at, in unix seconds."""
    heard: str | None = None
    """Another visitor, who has told this one which checkpoint it was shown."""

    @property
    def text(self) -> str:
        """The checkpoint's text, which witnesses cosign."""
        return self.files["checkpoint"].decode().partition("\n\n")[0] + "\n"

    def add_line(self, signature: NoteSignature) -> None:
        """Put one more signature line under the checkpoint."""
        self.files["checkpoint"] += signature.line.encode()

    def cosign(self, *witnesses: str, at_s: int, text: str | None = None) -> None:
        """Let honest witnesses cosign the checkpoint, or some other ``text``, at a time."""
        for name in witnesses:
            signer = witness_key(name)
            self.add_line(cosign(text or self.text, signer=signer, time_s=at_s))


def witness_key(name: str) -> Signer:
    """The cosigning key of a witness; the same in every run."""
    seed = sha256(f"witness {name}".encode()).digest()
    return generate_key(f"{name}.example/witness", seed, key_type=COSIGNATURE)[0]


class Operator:
    """Holds a log and may say whatever it likes; see the module."""

    def __init__(self, past: Past) -> None:
        self.past = past
        self.entries: list[Any] = [json.loads(entry) for entry in past.entries]
        self.openings = copy.deepcopy(past.openings)
        self.signer = past.log_signer
        self.now_s = past.end_s
        self.true_s = past.end_s
        """What an honest clock shows, where the operator's own may show something else."""
        self.views: list[View] = []
        self.receipt: bytes | None = None
        self.policy: str | None = None
        self.vkey = past.log_signer.vkey
        """What the verifier was told the log's key is; None where it has to ask the log."""
        self.authors = dict(past.authors)
        self.accomplices: set[str] = set()
        self._seeds = 0

    # What is in the log.

    def find(self, kind: str, *, nth: int = 0, where: Callable[[Entry], bool] | None = None) -> int:
        """Index of the ``nth`` entry of this kind for which ``where`` holds; -1 is the last."""
        found = [
            index
            for index, entry in enumerate(self.entries)
            if entry["kind"] == kind and (where is None or where(entry))
        ]
        return found[nth]

    def public(self, index: int) -> Entry:
        """The public fields of a statement entry."""
        public: Entry = self.entries[index]["statement"]["public"]
        return public

    def job_of(self, index: int) -> str:
        """The job that an entry is about."""
        entry = self.entries[index]
        job: str = entry["job_id"] if "job_id" in entry else entry["statement"]["job_id"]
        return job

    def logged_at(self, index: int) -> int:
        """When an entry says that it was logged, in unix seconds."""
        return parse_time(self.entries[index]["logged_at"])

    def ended_job(self) -> str:
        """A job that ran and completed."""
        return self.job_of(self.find("completed"))

    def new_job(self) -> str:
        """The ID of a job that nobody has submitted."""
        self._seeds += 1
        return f"01NEWRVN{self._seeds:018d}"

    def sealed(self, kind: str = "submitted", nth: int = -1) -> int:
        """Index of an entry of this kind that is still sealed."""
        opened = {entry["discloses"] for entry in self.entries if entry["kind"] == "disclosed"}
        rejected = {entry["refers_to"] for entry in self.entries if entry["kind"] == "rejected"}
        waiting = [
            index
            for index in self.openings
            if self.entries[index]["kind"] == kind and index not in opened | rejected
        ]
        return waiting[nth]

    # Altering it.

    def live(self, seconds: int) -> None:
        """Let time pass, and open on the way, honestly, what falls due."""
        until = self.now_s + seconds
        opened = {entry["discloses"] for entry in self.entries if entry["kind"] == "disclosed"}
        waiting = [
            (parse_time(self.entries[index]["publish_by"]), index)
            for index in self.openings
            if index not in opened
        ]
        for due, index in sorted(waiting):
            if due <= until:
                self.now_s = max(self.now_s, due)
                withheld_by = self._withheld(index)
                opening = (
                    self.disclosure(index)
                    if withheld_by is None
                    else self.partial(index, withheld_by, self.public(withheld_by)["paths"])
                )
                self.add("disclosed", **opening)
        self.true_s += seconds
        self.now_s = until

    def _withheld(self, index: int) -> int | None:
        """The entry by which fields of ``index`` are withheld."""
        found = (
            at
            for at, entry in enumerate(self.entries)
            if entry["kind"] == "withheld" and self.public(at)["withholds"] == index
        )
        return next(found, None)

    def sign(self, index: int, signer: Signer | None = None) -> None:
        """Sign an altered statement again: with its author's key, which somebody lends, or another.

        The author's name in the statement stays what it is.
        """
        statement = self.entries[index]["statement"]
        if signer is None:
            signer = self.authors[statement["author"]]
            self.accomplices.add(statement["author"])
        self.entries[index]["signature"] = sign_statement(statement, signer)["signature"]

    def add(self, kind: str, **fields: Any) -> int:
        """Append an entry of the ledger's own; returns its index."""
        entry = {"format": "apsci-ledger/1", "kind": kind, "logged_at": format_time(self.now_s)}
        self.entries.append(entry | fields)
        return len(self.entries) - 1

    def say(
        self,
        author: str,
        kind: str,
        public: Mapping[str, Any],
        job: str | None = None,
        *,
        sealed: Entry | None = None,
        signer: Signer | None = None,
        schema: str | None = None,
    ) -> int:
        """Append a statement of ``author``, signed with a lent key or with ``signer``."""
        statement: Entry = {
            "author": author,
            "kind": kind,
            "made_at": format_time(self.now_s),
            "public": dict(public),
            "schema": schema or SCHEMA_OF[kind],
        }
        if job is not None:
            statement["job_id"] = job
        more = {}
        if sealed is not None:
            self._seeds += 1
            seed = sha256(b"seed %d" % self._seeds).digest()
            self.openings[len(self.entries)] = seed, sealed
            root = commit(seed, sealed).hex()
            statement["sealed"] = {"fields": len(sealed), "root": root}
            more["publish_by"] = format_time(self.now_s + 90 * DAY_S)
        index = self.add(kind, statement=statement, signature={}, **more)
        self.sign(index, signer)
        return index

    def say_again(self, like: int, *, job: str | None = None, **public: Any) -> int:
        """Append what its author said in entry ``like``, with these public fields changed."""
        statement = self.entries[like]["statement"]
        sealed = self.openings[like][1] if like in self.openings else None
        fields = statement["public"] | public
        job = job or statement.get("job_id")
        schema = statement["schema"]
        author, kind = statement["author"], statement["kind"]
        return self.say(author, kind, fields, job, sealed=sealed, schema=schema)

    def reseal(self, index: int, seed: bytes, fields: Entry) -> None:
        """Let the author of a statement seal other fields in it than it did."""
        self.openings[index] = seed, fields
        sealed = {"fields": len(fields), "root": commit(seed, fields).hex()}
        self.entries[index]["statement"]["sealed"] = sealed
        self.sign(index)

    def submit(self, job: str, **public: Any) -> int:
        """Append a submission of a member, undecided; returns its index."""
        return self.say_again(self.find("submitted"), job=job, **public)

    def admit(self, submitted: int) -> int:
        """Append the ledger's admission of the submission just before it."""
        job = self.job_of(submitted)
        charter = self.in_force()
        return self.add("admitted", refers_to=submitted, job_id=job, charter=charter, findings=[])

    def in_force(self) -> int:
        """The entry of the charter that counts now."""
        since = {0: 0} | {
            index: parse_time(self.public(index)["in_force_from"])
            for index, entry in enumerate(self.entries)
            if isinstance(entry, dict) and entry["kind"] == "charter" and "statement" in entry
        }
        return max(index for index, begins in since.items() if begins <= self.now_s)

    def begin(self, job: str) -> int:
        """Append that the orchestrator started a job now."""
        started = {"started_at": format_time(self.now_s), "gpu_count": 8}
        return self.say("orchestrator", "started", started, job)

    def running_job(self) -> str:
        """A new job, admitted and started at the end of the log."""
        job = self.new_job()
        self.admit(self.submit(job))
        self.begin(job)
        return job

    def disclosure(self, target: int, **fields: Any) -> Entry:
        """The fields of an honest disclosure of ``target``, but for ``reason`` and those given."""
        seed, values = self.openings[target]
        shown = {"discloses": target, "job_id": self.job_of(target), "fields": values}
        return shown | {"reason": "deadline", "seed": canonical.encode_base64(seed)} | fields

    def partial(self, target: int, withheld_by: int, closed: list[str]) -> Entry:
        """The fields of a disclosure of ``target`` that keeps ``closed`` closed."""
        seed, values = self.openings[target]
        shown = {path: value for path, value in values.items() if path not in closed}
        salts = {path: canonical.encode_base64(salt(seed, path)) for path in shown}
        leaves = {path: field_leaf(seed, path, values[path]).hex() for path in closed}
        entry = self.disclosure(target, fields=shown, salts=salts, closed=leaves)
        del entry["seed"]
        return entry | {"withheld_by": withheld_by}

    def remove(self, index: int) -> Entry:
        """Take an entry out and number again what the operator itself wrote after it.

        What authors signed keeps the old numbers: their signatures cover them.
        """
        gone: Entry = self.entries.pop(index)
        for entry in self.entries[index:]:
            for name in ("refers_to", "discloses", "opened_by", "withheld_by"):
                if entry.get(name, -1) > index:
                    entry[name] -= 1
        self.openings = {at - (at > index): each for at, each in self.openings.items()}
        return gone

    # Showing it.

    def publish(self, *, size: int | None = None, signer: Signer | None = None) -> View:
        """Hash and sign the first ``size`` entries as they now are: what would be served."""
        entries = [
            each if isinstance(each, bytes) else encoded(each) for each in self.entries[:size]
        ]
        leaves = [leaf_hash(entry) for entry in entries]
        files = tiles_of(entries, leaves)
        signer = signer or self.signer
        files["checkpoint"] = self.checkpoint(leaves, signer=signer)
        files["vkey"] = f"{signer.vkey}\n".encode()
        return View(files)

    def checkpoint(self, leaves: list[bytes], *, signer: Signer | None = None) -> bytes:
        """A signed checkpoint over these leaf hashes."""
        text = format_checkpoint(Checkpoint(ORIGIN, len(leaves), root_hash(leaves)))
        return sign_note(text, [signer or self.signer])

    def show(
        self, view: View | None = None, *, visitor: str = "watchdog", heard: str | None = None
    ) -> View:
        """Let the verifier come by now, on behalf of ``visitor``, and see ``view``."""
        view = view or self.publish()
        view.visitor, view.heard, view.at_s = visitor, heard, self.true_s
        self.views.append(view)
        return view

    def witnessed(self, *, quorum: int = 2) -> None:
        """Have the verifier ask for cosignatures of ``quorum`` of the three witnesses."""
        lines = [f"log {self.vkey}"]
        lines += [f"witness {name} {witness_key(name).vkey}" for name in WITNESSES]
        lines += [f"group most {quorum} {' '.join(WITNESSES)}", "quorum most"]
        self.policy = "\n".join(lines) + "\n"

    def prove(self, index: int, extra: object = None) -> TlogProof:
        """The honest receipt of an entry; ``extra`` replaces what it carries."""
        leaves = [leaf_hash(encoded(entry)) for entry in self.entries]
        carried = {"entry": self.entries[index]} if extra is None else extra
        path = tuple(prove_inclusion(leaves, index=index))
        return TlogProof(index, path, self.checkpoint(leaves), encoded(carried))

    def hand_out(self, proof: TlogProof) -> None:
        """Let a job's author hold this receipt against the log's key."""
        self.receipt = format_proof(proof)


def encoded(value: object) -> bytes:
    """Canonical JSON of what the ledger would never write itself: nothing is checked."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def field_leaf(seed: bytes, path: str, value: object) -> bytes:
    """The leaf hash that stands for a closed field."""
    return leaf_hash(encoded([path, canonical.encode_base64(salt(seed, path)), value]))


def tiles_of(entries: list[bytes], leaves: list[bytes]) -> dict[str, bytes]:
    """Every tile and bundle of a static log, by path."""
    files = {}
    for at in range(0, len(entries), TILE_WIDTH):
        part = entries[at : at + TILE_WIDTH]
        suffix = "" if len(part) == TILE_WIDTH else f".p/{len(part)}"
        files[f"tile/entries/{at // TILE_WIDTH:03d}{suffix}"] = encode_bundle(part)
    levels = [leaves]
    for tile in tiles_for_size(len(entries)):
        while len(levels) <= tile.level:
            below = levels[-1]
            full = range(0, len(below) - TILE_WIDTH + 1, TILE_WIDTH)
            levels.append([root_hash(below[at : at + TILE_WIDTH]) for at in full])
        at = tile.n * TILE_WIDTH
        files[tile_path(tile)] = b"".join(levels[tile.level][at : at + tile.width])
    return files
