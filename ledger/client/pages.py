"""One long list out of many pages: complete, in one tree, or an error."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from ledger.client.door import Door
from ledger.errors import FormatError, Misbehaviour
from ledger.tlog.checkpoint import Checkpoint
from schemas.answers import Listed

T = TypeVar("T")


def read_list(
    door: Door,
    path: str,
    shape: type[T],
    params: Mapping[str, str | int | None],
    *,
    checkpoint: Checkpoint | None,
) -> Iterator[T]:
    """Every item of the list at ``path``, one page in memory at a time.

    With ``checkpoint`` each page must be made from that tree. Raises Misbehaviour, with the pages
    as evidence, for a list that ends before or after the length that it announced.
    """
    announced: int | None = None
    first = b""
    seen, cursor = 0, None
    while True:
        # The first page counts the whole list unless told not to.
        given = {**params, "cursor": cursor, "count": None if cursor is None else "none"}
        body = door.get(path, given)
        page = _decode(door, path, body, shape)
        if checkpoint is not None:
            _check_tree(door, path, body, page, checkpoint)
        if cursor is None:
            announced, first = page.page.count, body
        yield from page.data
        seen += len(page.data)
        following = page.page.cursor
        too_many = announced is not None and seen > announced
        if too_many or (following is not None and not page.data):
            following = None
        if following is None:
            if announced is not None and seen != announced:
                raise Misbehaviour(
                    f"{door.url}{path} announced {announced} items and gave"
                    f" {'more' if seen > announced else 'only'} {seen}",
                    evidence={"first-page.json": first, "last-page.json": body},
                )
            return
        cursor = following


def _decode(door: Door, path: str, body: bytes, shape: type[T]) -> Listed[T]:
    form: Any = Listed[shape]  # type: ignore[valid-type] # the shape is known at run time only
    try:
        found: Listed[T] = msgspec.json.decode(body, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise FormatError(f"{door.url}{path} does not answer as a ledger does") from None
    return found


def _check_tree(
    door: Door, path: str, body: bytes, page: Listed[T], checkpoint: Checkpoint
) -> None:
    state = page.ledger
    if (state.tree_size, state.root) != (checkpoint.size, checkpoint.root.hex()):
        raise Misbehaviour(
            f"{door.url}{path} answers from a tree of {state.tree_size} entries with the root"
            f" {state.root[:64]!a}, and the log's of {checkpoint.size} has the root"
            f" {checkpoint.root.hex()}",
            evidence={"answer.json": body},
        )
