"""The witness that cosigns a mirror: what joins ``ledger.mirrors`` and ``ledger.witness``."""

import time
from pathlib import Path
from typing import Final

from ledger.cli.common import CommandFailed
from ledger.cli.witness import KEY, SECOND_KEY, prepare
from ledger.mirrors.cosigning import Prove
from ledger.tlog.cosignature import AddCheckpoint, format_add_checkpoint
from ledger.tlog.note import parse_note
from ledger.tlog.tree_head import parse_checkpoint
from ledger.witness import Quota, Refused, Witness

TRIES: Final = 3
"""A server of the same witness may cosign something newer between a look and a request."""


class MirrorCosigner:
    """Cosigns by the key and the memory in ``folder``, beside a server that has them open too.

    It is the witness's own code that decides: nothing is cosigned here that a log could not have
    got from it. Raises CommandFailed, WitnessError.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / KEY).is_file():
            raise CommandFailed(
                f"there is no witness in {folder}: make one with `ledger witness --data {folder}"
                " create --name NAME`"
            )
        self._folder = folder
        self._state, signers = prepare(folder, None, mldsa=(folder / SECOND_KEY).is_file())
        self._witness = Witness(
            self._state,
            signers,
            clock=lambda: int(time.time()),
            quota=Quota(0, clock=time.monotonic),
        )

    def newest(self, origin: str) -> bytes | None:
        """The note that was cosigned last of a log."""
        found = self._state.cosigned(origin)
        return found.note if found else None

    def cosign(self, note: bytes, *, size: int, prove: Prove) -> bytes:
        """The witness's lines on ``note``."""
        known = self._state.cosigned(parse_checkpoint(parse_note(note).text).origin)
        old = known.latest.size if known else 0
        for _ in range(TRIES):
            if old > size:
                raise CommandFailed(
                    f"the witness in {self._folder} has cosigned {old} entries, and this mirror"
                    f" holds {size}: it is cosigned again once it holds as many"
                )
            body = format_add_checkpoint(AddCheckpoint(old, tuple(prove(old)), note))
            try:
                return self._witness.add_checkpoint(body)
            except Refused as refused:
                if refused.status == 404:
                    raise CommandFailed(
                        f"the witness in {self._folder} does not follow this log: say so with"
                        f" `ledger witness --data {self._folder} add-log VKEY`"
                    ) from None
                if refused.size is None or refused.size == old:
                    raise CommandFailed(f"not cosigned: {refused}") from None
                old = refused.size
        raise CommandFailed("not cosigned: the witness is busy with newer checkpoints")

    def close(self) -> None:
        """Close the memory."""
        self._state.close()
