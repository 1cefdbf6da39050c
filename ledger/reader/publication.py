"""Which signed checkpoint the public gets: the newest, or the newest that met the witness policy.

Pages and answers show the newest signed tree, or where the policy is closed the newest that met it.
``/log/checkpoint`` and receipts carry cosignatures as soon as there are enough.
"""

from dataclasses import dataclass

from ledger.errors import LogUnavailable, NotFound
from ledger.reader.notes import Notes
from ledger.records.deadline import format_time
from ledger.storage.shapes import StoredCheckpoint, StoredCosignature, StoredWitness
from ledger.storage.snapshot import Snapshot
from ledger.tlog.standard import Standard, identity
from schemas.reference import WitnessingShown, WitnessShown


@dataclass(frozen=True, slots=True)
class Shown:
    """The newest tree that is shown, and the note that ``/log/checkpoint`` answers with.

    ``mark`` changes whenever the witnesses have said something new that an answer could carry.
    """

    checkpoint: StoredCheckpoint
    note: bytes
    mark: str = ""


class Publication:
    """What a standard, or none, makes of the checkpoints in a snapshot.

    Every checkpoint that it gives was verified by ``notes``, which raise Damaged.
    """

    def __init__(self, standard: Standard | None, notes: Notes) -> None:
        self._standard = standard
        self._notes = notes

    @property
    def has_witnesses(self) -> bool:
        """Whether the standard names any witness."""
        return self._standard is not None and bool(self._standard.witnesses)

    def shown(self, snapshot: Snapshot) -> StoredCheckpoint:
        """The checkpoint of the newest tree that is shown.

        Raises NotFound before the first one; LogUnavailable where the policy is closed and no
        writing process has begun with it, or is strict and nothing has met it yet.
        """
        newest = _newest(snapshot)
        standard = self._standard
        if standard is None or not standard.closed or not standard.asks:
            return self._notes.require(snapshot, newest)
        settled = self.at(snapshot, _settled(snapshot, standard))
        if settled is None:
            raise LogUnavailable(
                "LEDGER_POLICY is new: no server has read it yet, or no tree has met it"
            )
        return settled

    def published(self, snapshot: Snapshot) -> Shown:
        """What is shown, and the note for ``/log/checkpoint``. Raises as ``shown`` does."""
        shown = self.shown(snapshot)
        standard = self._standard
        if standard is None:
            return Shown(shown, shown.note)
        settled = _settled(snapshot, standard) if standard.asks else shown.size
        checkpoint = self.at(snapshot, settled) or shown
        lines = snapshot.cosignatures(checkpoint.size, standard.witnesses)
        note = self._notes.cosigned(snapshot, checkpoint, [line.newest_line for line in lines])
        heard = ".".join(str(line.newest_at) for line in lines)
        return Shown(shown, note, f"{checkpoint.size}.{heard}")

    def covering(self, snapshot: Snapshot, index: int) -> tuple[StoredCheckpoint, bytes] | None:
        """The smallest checkpoint that met the policy and holds the entry at ``index``.

        With its note, which has each witness's first cosignature: those bound when the entry was
        there. None where there is none yet.
        """
        standard = self._standard
        if standard is None or not standard.asks:
            return None
        checkpoint = self.at(snapshot, snapshot.quorum_covering(standard.digest, index=index))
        return None if checkpoint is None else (checkpoint, self.witnessed(snapshot, checkpoint))

    def witnessed(self, snapshot: Snapshot, checkpoint: StoredCheckpoint) -> bytes:
        """A checkpoint's note; with each witness's first cosignature if it met the policy.

        Where the policy is closed, a note that no longer meets it is not given: raises Damaged.
        """
        standard = self._standard
        if standard is None or not snapshot.is_quorum(standard.digest, checkpoint.size):
            return checkpoint.note
        lines = snapshot.cosignatures(checkpoint.size, standard.witnesses)
        return self._notes.cosigned(
            snapshot,
            checkpoint,
            [line.first_line for line in lines],
            standard=standard if standard.closed else None,
        )

    def at(self, snapshot: Snapshot, size: int | None) -> StoredCheckpoint | None:
        """The checkpoint published at exactly this size, if there is one."""
        found = None if size is None else snapshot.checkpoint(size)
        return None if found is None else self._notes.require(snapshot, found)

    def several(self, snapshot: Snapshot, *, below: int, limit: int) -> list[StoredCheckpoint]:
        """Published checkpoints of sizes below ``below``, newest first."""
        found = snapshot.checkpoints(below=below, limit=limit)
        return [self._notes.require(snapshot, each) for each in found]

    def witnessing(self, snapshot: Snapshot) -> WitnessingShown | None:
        """How the witnesses are getting on; None without a policy."""
        standard = self._standard
        if standard is None:
            return None
        newest = _newest(snapshot).size
        quorum = snapshot.newest_quorum(standard.digest) if standard.asks else newest
        lines = snapshot.cosignatures(quorum or 0, standard.witnesses)
        states = snapshot.witness_states(standard.witnesses)
        return WitnessingShown(
            mode=standard.mode,
            quorum=standard.policy.quorum or "none",
            quorum_met=quorum == newest,
            signed_size=newest,
            cosigned_size=quorum,
            cosigned_at=_latest(lines),
            witnesses=tuple(
                _witness(each.name, states[identity(each.key)])
                for each in standard.policy.witnesses
            ),
        )


def _settled(snapshot: Snapshot, standard: Standard) -> int | None:
    """The newest size that met the policy, or that was public before there was this policy.

    So what ``/log/checkpoint`` answers never goes back: to those who keep the last one, a log that
    shows a smaller tree than before is a log that lies.
    """
    sizes = snapshot.newest_quorum(standard.digest), snapshot.policy_since(standard.digest)
    return max((size for size in sizes if size is not None), default=None)


def _newest(snapshot: Snapshot) -> StoredCheckpoint:
    found = snapshot.newest_checkpoint()
    if found is None:
        raise NotFound("this ledger has published no checkpoint yet")
    return found


def _latest(lines: list[StoredCosignature]) -> str | None:
    return format_time(max(line.newest_at for line in lines)) if lines else None


def _witness(name: str, state: StoredWitness) -> WitnessShown:
    return WitnessShown(
        name=name,
        key=state.witness,
        size=state.size,
        cosigned_at=None if state.cosigned_at is None else format_time(state.cosigned_at),
        failures=state.failures,
        error=state.error,
        error_at=None if state.error_at is None else format_time(state.error_at),
    )
