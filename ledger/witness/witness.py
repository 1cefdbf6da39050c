"""The witness itself: decide, sign, remember, and only then answer.

One transaction holds the memory from the look at the last checkpoint to the new one's being on the
disk. A crash before its end leaves the old checkpoint, and nobody has the signature; a crash after
it leaves the new one, and a client that heard nothing learns the size from the next 409.
"""

from collections.abc import Callable, Sequence
from typing import Final

from ledger.errors import FormatError, SignatureError
from ledger.quota import Quota
from ledger.tlog.cosignature import cosign
from ledger.tlog.note import Note, NoteSignature, Signer, format_note, parse_vkey
from ledger.witness.decision import Asked, Latest, Refused, judge, read
from ledger.witness.state import Change, Conflict, Cosigned, FollowedLog, State

FRESH_S: Final = 5
"""A cosignature of the same tree that is no older is given again, without another write.

Anybody may send a log's newest checkpoint again; so this, and not the log's quota, limits it.
"""
MAX_WAIT_S: Final = 600


class Witness:
    """Cosigns for the logs in ``state``, with every one of ``signers``, at the ``clock``'s time."""

    def __init__(
        self,
        state: State,
        signers: Sequence[Signer],
        *,
        clock: Callable[[], int],
        quota: Quota,
    ) -> None:
        self._state = state
        self._signers = tuple(signers)
        self._clock = clock
        self._quota = quota
        self.name = signers[0].name
        self.vkeys = tuple(signer.vkey for signer in signers)

    def add_checkpoint(self, body: bytes) -> bytes:
        """The cosignature lines that answer ``body``. Raises Refused for every other answer.

        Raises WitnessError where the memory does not take it: then nothing was cosigned.
        """
        asked = read(body, keys_of=self._state.keys_of)
        origin = asked.checkpoint.origin
        with self._state.changing() as change:
            # A key may have been dropped since: whoever was told so relies on it.
            trusted = {parse_vkey(vkey).key_id for vkey in change.vkeys(origin)}
            if trusted.isdisjoint(line.key_id for line in asked.signed.signatures):
                raise Refused("the key that signed it is trusted no longer", status=403)
            last = change.cosigned(origin)
            try:
                judge(asked, last.latest if last else Latest())
                return self._cosign(asked, last, change)
            except Refused as error:
                if error.conflict is not None and last is not None:
                    self._keep_conflict(asked, last, change)
                refused = error
        # Out here, for else the proof of a lie would be rolled back.
        raise refused

    def newest(self, hashed: str) -> bytes | None:
        """The newest cosigned checkpoint, by the hash of its origin; None if there is none."""
        origin = self._state.origin_of(hashed)
        found = None if origin is None else self._state.cosigned(origin)
        return found.note if found else None

    def conflicts(self, hashed: str) -> list[Conflict] | None:
        """What proves that a log has lied, by its origin's hash; None for an unknown log."""
        origin = self._state.origin_of(hashed)
        return None if origin is None else self._state.conflicts(origin)

    def logs(self) -> list[FollowedLog]:
        """Every log that is followed."""
        return self._state.logs()

    def late_s(self) -> int:
        """How many seconds the clock stands before the last time stated; 0 is well."""
        return max(0, self._state.time_s() - self._clock())

    def _cosign(self, asked: Asked, last: Cosigned | None, change: Change) -> bytes:
        checkpoint = asked.checkpoint
        latest = Latest(checkpoint.size, checkpoint.root)
        # Inside the transaction: two requests at once state their times in their order.
        time_s, stated = self._clock(), change.time_s()
        if time_s < max(stated, 1):
            raise Refused(
                f"this witness's clock stands {stated - time_s} s before the time of its last"
                f" cosignature",
                status=503,
                retry_after_s=min(max(stated - time_s, 1), MAX_WAIT_S),
            )
        again = last is not None and last.latest == latest
        if again and last is not None and 0 <= time_s - last.time_s <= FRESH_S:
            return last.lines
        if not again and (wait_s := self._quota.take(checkpoint.origin)) is not None:
            raise Refused(
                "more checkpoints of this log than this witness cosigns in a minute",
                status=429,
                retry_after_s=wait_s,
            )
        own = self._sign(asked.signed.text, time_s)
        lines = "".join(line.line for line in own).encode("utf-8")
        note = format_note(Note(asked.signed.text, (*asked.signed.signatures, *own)))
        change.keep(checkpoint.origin, Cosigned(latest, time_s, note, lines))
        return lines

    def _sign(self, text: str, time_s: int) -> tuple[NoteSignature, ...]:
        try:
            return tuple(cosign(text, signer=signer, time_s=time_s) for signer in self._signers)
        except (SignatureError, FormatError) as error:
            # An origin of more than 255 bytes has no ML-DSA-44 cosignature.
            raise Refused(str(error), status=400) from None

    def _keep_conflict(self, asked: Asked, last: Cosigned, change: Change) -> None:
        conflict = Conflict(max(self._clock(), 0), last.note, format_note(asked.signed))
        change.keep_conflict(asked.checkpoint.origin, last.latest, asked.checkpoint.root, conflict)
