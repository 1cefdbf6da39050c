"""Who may take up a debit whose quorum came too late: whoever asked for it, once.

Under a strict policy a debit is logged and then waits for the witnesses. Where they come too late
no byte has moved, and the right to the one upload or reading that was paid for is kept here: a file
that only the statement together with the asker's own secret can name. Taking the file away takes
the right, for one request among all of this machine. The statement alone, which the log shows to
everybody, is worth nothing. A crash while a request holds the right loses it: the debit stays.
"""

import hmac
import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

KEPT_S: Final = 86_400
"""How long a right is kept that nobody takes up."""


class Claims:
    """The rights kept in ``folder``; ``clock`` is Unix seconds."""

    def __init__(self, folder: Path, *, key: bytes, clock: Callable[[], int]) -> None:
        self._folder = folder
        self._key = key
        self._clock = clock

    def of(self, digest: bytes, name: str, secret: str | None) -> "Claim":
        """The right to what a statement has paid for; without a ``secret`` it is never kept."""
        if secret is None:
            return Claim(self, None)
        said = b"\0".join((digest, name.encode(), secret.encode()))
        return Claim(self, self._folder / hmac.new(self._key, said, sha256).hexdigest())

    def keep(self, path: Path) -> None:
        """Keep a right, and drop those whose time is over."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        now = self._clock()
        for each in self._folder.iterdir():
            # Another request may take it, or drop it, before it is looked at.
            with suppress(FileNotFoundError):
                if each.stat().st_mtime <= now - KEPT_S:
                    each.unlink()
        path.touch(mode=0o600)
        # Whoever asked again meanwhile has it by now.
        with suppress(FileNotFoundError):
            os.utime(path, (now, now))


class Claim:
    """One right, wherever it is."""

    def __init__(self, claims: Claims, path: Path | None) -> None:
        self._claims = claims
        self._path = path

    @property
    def can_be_kept(self) -> bool:
        """Whether the asker has a secret to take it up with."""
        return self._path is not None

    def take(self) -> bool:
        """Take the right; False where it is not here, or another request was first."""
        if self._path is None:
            return False
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True

    def keep(self) -> None:
        """Leave it for the next request with the same secret."""
        if self._path is not None:
            self._claims.keep(self._path)
