"""Where somebody else's log is read from: a server, or a folder with a mirror of it.

Nothing that comes from here is believed: ``ledger.client.tree`` and ``pull`` check it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from ledger.client.door import GIVE_UP_AFTER_S, Door
from ledger.client.tree import Files
from ledger.errors import LogUnavailable, NotFound, TooLarge

PREFIX: Final = "/log"


class FolderFiles:
    """The files of a mirror in the folder ``root``; ``url`` is how people call it."""

    def __init__(self, root: Path) -> None:
        self.url = str(root)
        self._root = root

    def get(self, path: str, *, limit: int) -> bytes:
        """The file at ``path``, which begins with a slash."""
        place = self._root / path.removeprefix("/")
        try:
            with place.open("rb") as file:
                data = file.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"there is no {place}") from None
        except OSError as error:
            raise LogUnavailable(f"{place}: {error.strerror}") from None
        if len(data) > limit:
            raise TooLarge(f"{place} is larger than {limit} bytes", limit=limit, size=len(data))
        return data

    def close(self) -> None:
        """Nothing stays open."""


def files_at(
    place: str,
    *,
    give_up_after_s: float = GIVE_UP_AFTER_S,
    tell: Callable[[str], None] = lambda _: None,
) -> Door | FolderFiles:
    """The files of the ledger or mirror at ``place``: an address, or a folder's path.

    ``tell`` hears what is wrong at an address that is tried again, a line each.

    Raises ValueRefused for an address that is none, NotFound for a folder that is not there.
    """
    if "://" in place:
        address = place.rstrip("/").removesuffix(PREFIX)
        return Door(address, give_up_after_s=give_up_after_s, tell=tell)
    root = Path(place)
    if not root.is_dir():
        raise NotFound(f"{place[:200]} is neither an http:// or https:// address nor a folder")
    return FolderFiles(root.parent if root.name == "log" and not (root / "log").exists() else root)


__all__ = ["Files", "FolderFiles", "files_at"]
