"""Cuts a JSON file that another tool wrote into pieces, each bounded before it is parsed.

A file is one object. Its members come one by one, and the elements of its long lists (``jobs``,
``items``) one by one too, so that a file of any length is read in the memory of its
largest piece. What a piece says is not this module's business, and it never repairs one.
"""

import json
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO, Final

from ledger.importers.mapping import ImportRefused

MAX_FILE_BYTES: Final = 8 << 30
MAX_PIECE_BYTES: Final = 8 << 20
"""One job's record, or one member of the file that is no long list."""
MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 1_000_000
"""Elements of one long list."""
MAX_MEMBERS: Final = 1_000
LONG_LISTS: Final = frozenset({"items", "jobs"})
PASSED_OVER: Final = frozenset({"reductions", "samples"})
"""Members that are never parsed nor held, of any length: an evaluation's prompts and answers."""

_CHUNK: Final = 1 << 18
_MAX_DIGITS: Final = 40
# A string that has not ended yet matches as a lone quote: more has to be read. Possessive, so that
# a long one is never gone back over.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["{}\[\],]', re.DOTALL)
_OPEN: Final = b"{["
_CLOSE: Final = {ord("{"): b"}", ord("["): b"]"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A member of the file's object, or an element of a long list in it."""

    key: str
    index: int | None
    """The element's place in the list ``key``; None: the whole member."""
    raw: bytes

    @property
    def place(self) -> str:
        """Where it stands in the file: ``jobs[3]``."""
        return self.key if self.index is None else f"{self.key}[{self.index}]"

    def value(self) -> object:
        """What it says: fractions as Decimal. Raises ImportRefused, naming the place."""
        try:
            return json.loads(
                self.raw, object_pairs_hook=_unique, parse_float=Decimal, parse_int=_integer
            )
        except json.JSONDecodeError as error:
            why = f"{error.msg} (byte {error.pos} of it)"
        except UnicodeDecodeError:
            why = "not UTF-8"
        except (ValueError, ArithmeticError, RecursionError) as error:
            why = str(error) if isinstance(error, _NotTaken) else "a value that is none"
        raise ImportRefused(f"{self.place}: not JSON: {why}")


def read_pieces(path: Path, *, also: frozenset[str] = frozenset()) -> Iterator[Piece]:
    """The pieces of the file, in its order. ``also`` names lists that come one by one as well.

    Raises ImportRefused where it cannot be read, is no object, is cut off, or exceeds a limit.
    """
    try:
        with path.open("rb") as file:
            yield from _Cutter(file, also).pieces()
    except OSError as error:
        raise ImportRefused(f"{error.strerror}") from None


class _NotTaken(ValueError):
    """A spelling of JSON that is not taken."""


class _Cutter:
    """Finds where pieces end by brackets and quotes alone; ``Piece.value`` judges what is in."""

    def __init__(self, file: BinaryIO, also: frozenset[str]) -> None:
        self._file = file
        self._lists = LONG_LISTS | also
        self._buffer = bytearray()
        self._from = 0
        """Where the current piece begins in the buffer."""
        self._seek = 0
        self._length = 0
        """Of the token that ends at ``_seek``."""
        self._read = 0
        self._at = "the beginning"

    def pieces(self) -> Iterator[Piece]:
        if self._token() != b"{" or self._between().strip(b" \t\r\n\xef\xbb\xbf"):
            raise ImportRefused("not a JSON object: nothing but one object is read")
        self._from = self._seek
        seen: set[str] = set()
        while True:
            token = self._token()
            if token == b"}" and not seen and not self._between().strip():
                break
            if not token.startswith(b'"') or self._between().strip():
                raise ImportRefused(f"not JSON after {self._at}: a key is needed")
            key = self._key(token)
            if key in seen or len(seen) >= MAX_MEMBERS:
                raise ImportRefused(f"the key after {self._at} stands twice, or is one too many")
            seen.add(key)
            self._at = key if key.isidentifier() and len(key) <= _MAX_DIGITS else "a key"
            self._from = self._seek
            self._colon()
            end = yield from self._member(key)
            if end == b"}":
                break
            if end != b",":
                raise ImportRefused(f"{self._at}: not JSON: closed by the wrong bracket")
        self._end()

    def _member(self, key: str) -> Generator[Piece, None, bytes]:
        """The pieces of one member; returns the comma or bracket after it."""
        if key in self._lists and self._peek() == b"[":
            self._token()
            self._from = self._seek
            index = 0
            while True:
                self._at = f"{key}[{index}]"
                raw, end = self._value()
                if not raw and end == b"]" and index == 0:
                    break
                yield Piece(key, index, raw)
                index += 1
                if end == b"]":
                    break
                if end != b"," or index >= MAX_ELEMENTS:
                    raise ImportRefused(
                        f"{self._at}: not a list of at most {MAX_ELEMENTS} elements"
                    )
            self._at = key
            rest, end = self._value()
            if rest:
                raise ImportRefused(f"{key}: not JSON after the list")
            return end
        raw, end = self._value(keep=key not in PASSED_OVER)
        if key not in PASSED_OVER:
            yield Piece(key, None, raw)
        return end

    def _value(self, *, keep: bool = True) -> tuple[bytes, bytes]:
        """The bytes up to the comma or bracket that ends a value, and that end."""
        closing = bytearray()
        while True:
            token = self._token()
            if not keep:
                self._from = self._seek - self._length
            if token.startswith(b'"'):
                continue
            if token in _OPEN:
                if len(closing) >= MAX_DEPTH:
                    raise ImportRefused(f"{self._at}: nested deeper than {MAX_DEPTH}")
                closing += _CLOSE[token[0]]
            elif not closing:
                raw = self._between().strip()
                self._from = self._seek
                return raw, token
            elif token != b"," and token[0] != closing.pop():
                raise ImportRefused(f"{self._at}: not JSON: closed by the wrong bracket")

    def _token(self) -> bytes:
        """The next string, bracket or comma."""
        while True:
            found = _TOKEN.search(self._buffer, self._seek)
            if found is not None and found[0] != b'"':
                self._seek = found.end()
                self._length = found.end() - found.start()
                return found[0]
            # Nothing before the lone quote, or before the end, is of interest any more.
            self._seek = len(self._buffer) if found is None else found.start()
            self._more()

    def _between(self) -> bytes:
        """What stands before the last token, from the piece's beginning."""
        return bytes(self._buffer[self._from : self._seek - self._length])

    def _peek(self) -> bytes:
        while True:
            rest = self._buffer[self._seek : self._seek + 64].lstrip()
            if rest:
                return bytes(rest[:1])
            if len(self._buffer) - self._seek >= 64:
                return b""
            self._more()

    def _colon(self) -> None:
        if self._peek() != b":":
            raise ImportRefused(f"not JSON after the key {self._at}: a colon is needed")
        self._seek = self._buffer.index(b":", self._seek) + 1
        self._from = self._seek

    def _key(self, token: bytes) -> str:
        try:
            key = json.loads(token)
        except ValueError:
            raise ImportRefused(f"not JSON after {self._at}: a key is needed") from None
        return str(key)

    def _more(self) -> None:
        del self._buffer[: self._from]
        self._seek -= self._from
        self._from = 0
        if len(self._buffer) > MAX_PIECE_BYTES:
            raise ImportRefused(f"{self._at}: over {MAX_PIECE_BYTES} bytes, the most that is read")
        chunk = self._file.read(_CHUNK)
        self._read += len(chunk)
        if not chunk:
            raise ImportRefused(f"not JSON: the file ends within {self._at}")
        if self._read > MAX_FILE_BYTES:
            raise ImportRefused(f"over {MAX_FILE_BYTES} bytes, the most that is read")
        self._buffer += chunk

    def _end(self) -> None:
        rest = bytes(self._buffer[self._seek :])
        while rest:
            if rest.strip():
                raise ImportRefused("not JSON: more after the object's end")
            rest = self._file.read(_CHUNK)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotTaken("a key stands twice in one object")
    return found


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise _NotTaken("a number of too many digits")
    return int(text)
