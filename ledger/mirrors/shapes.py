"""What a mirror is made of, and what the place where it lies has to be able to do."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from ledger.errors import LedgerError

FOREVER: Final = "public, max-age=31536000, immutable"
REVALIDATE: Final = "no-cache"
TEXT: Final = "text/plain; charset=utf-8"
BYTES: Final = "application/octet-stream"
JSON: Final = "application/json"
HTML: Final = "text/html; charset=utf-8"

MAX_NOTE: Final = 1 << 18
"""A checkpoint with its lines; one for ML-DSA-44 has some 3,300 bytes."""
CHECKPOINT: Final = "log/checkpoint"
VKEY: Final = "log/vkey"
SECOND_VKEY: Final = "log/vkey-mldsa44"
"""There is one where the log signs with a second key."""
HANDOVERS: Final = "log/keys"
"""There is one where another key has followed the log's first one."""
TILES: Final = "log/tile/"


class MirrorFailed(LedgerError):
    """The mirror could not be brought up to date; it stands at its old checkpoint."""


class MirrorRefused(LedgerError):
    """What lies at the target is no mirror of this log, or is ahead of it: nothing was written."""


class MirrorDiffers(LedgerError):
    """A file of the mirror that can never change is not what it has to be."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a mirror; ``path`` is its address without the first slash.

    ``body`` is a Path where the bytes are too many for memory. An immutable one is the same for
    ever: it is written once.
    """

    path: str
    body: bytes | Path
    media_type: str
    is_immutable: bool = False

    @property
    def size(self) -> int:
        """In bytes."""
        return self.body.stat().st_size if isinstance(self.body, Path) else len(self.body)

    @property
    def cache_control(self) -> str:
        """How long whoever fetches it may keep it."""
        return FOREVER if self.is_immutable else REVALIDATE


class Target(Protocol):
    """Where a mirror lies. Every method may be called from several threads.

    Raises MirrorFailed or OSError, which say what to do; never a credential.
    """

    @property
    def name(self) -> str:
        """How people call it."""
        ...

    def holding(self) -> AbstractContextManager[None]:
        """Keep every other run away from it, where that is possible. Raises MirrorRefused."""
        ...

    def sizes(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """The path and the size in bytes of every file below ``prefix``, "" or "some/folder/"."""
        ...

    def size(self, path: str) -> int | None:
        """The size of one file in bytes; None where there is none."""
        ...

    def read(self, path: str, *, limit: int) -> bytes | None:
        """A file's bytes, None where there is none. Raises MirrorFailed above ``limit`` bytes."""
        ...

    def create(self, file: File) -> bool:
        """Write a file that is not there yet, whole or not at all; False where one is there."""
        ...

    def replace(self, file: File) -> None:
        """Write a file, whole or not at all, over what is there."""
        ...

    def settle(self) -> None:
        """Have everything that was written so far outlive a power cut."""
        ...

    def publish(self, file: File) -> None:
        """Write a file over what is there, after everything so far: both outlive a power cut."""
        ...
