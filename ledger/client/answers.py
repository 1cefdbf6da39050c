"""What the API answers about one tree: lists that page by themselves, and single answers."""

from collections.abc import Iterator
from typing import Final, TypeVar

import msgspec

from ledger.client.door import Door
from ledger.client.pages import read_list
from ledger.client.tree import Tree
from ledger.errors import FormatError, NotFound
from schemas.answers import Shown

T = TypeVar("T")

API: Final = "/api/v1"
PAGE: Final = 500


class Answers:
    """The API behind ``door``, asked about ``tree``.

    ``verify``: whether each page has to come from exactly this tree.
    """

    def __init__(self, door: Door, tree: Tree, *, verify: bool) -> None:
        self._door = door
        self._tree = tree
        self._verify = verify

    def list(
        self, path: str, shape: type[T], params: dict[str, str | int | None] | None = None
    ) -> Iterator[T]:
        """Every item of a list. Raises Misbehaviour where it is shorter than it says."""
        return read_list(
            self._door,
            API + path,
            shape,
            {"limit": PAGE, **(params or {}), "at": self._tree.size},
            checkpoint=self._tree.checkpoint if self._verify else None,
        )

    def one(self, path: str, shape: type[T]) -> T:
        """A single thing. Raises NotFound, FormatError."""
        body = self._door.get(API + path, {"at": self._tree.size})
        try:
            return msgspec.json.decode(body, type=Shown[shape]).data  # type: ignore[valid-type]
        except (msgspec.MsgspecError, UnicodeDecodeError):
            where = f"{self._door.url}{API}{path}"
            raise FormatError(f"{where} does not answer as a ledger does") from None


def part(text: str) -> str:
    """A piece of an address: never a path of its own. Raises NotFound."""
    if not (text.isascii() and text.isalnum()):
        raise NotFound(f"{text!a:.60} is not the ID of a job")
    return text
