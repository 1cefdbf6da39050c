"""Words of texts, for the search: the same of what is indexed and of what is asked.

A word is a run of letters, marks and digits, folded so that case and compatible forms do not
matter (NFKC and ``casefold``). Chinese and Japanese are written without spaces: a run of their
characters gives each two neighbours as a word, and the last character by itself. A word that is
asked for matches as the beginning of an indexed one, so a single character finds every run that
holds it, and a longer run finds those that hold all of its pairs.

Pure: it knows no database, and its words hold nothing that any query language takes for syntax.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final
from unicodedata import category, normalize

MAX_WORD: Final = 40
"""Characters that count of a word, indexed or asked for; the rest of it is cut off."""
MAX_WORDS: Final = 4_096
"""Different words that are indexed of one disclosure, in reading order: 640 kB at most."""
MAX_QUERY_WORDS: Final = 16
"""Different words that count of a query."""
MAX_QUERY: Final = 200
"""Characters that count of a query."""
CHARACTERS_KEPT: Final = 16_384

# Han with its extensions and compatibility forms, kana, bopomofo: nothing marks where words end.
_UNSPACED: Final = (
    "\u3005-\u3007\u3021-\u3029\u3031-\u3035\u303b\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_RUN: Final = re.compile(f"(?P<unspaced>[{_UNSPACED}]+)|[^{_UNSPACED}]+")
_ASCII: Final = re.compile("[0-9a-z]+")


def index_words(texts: Iterable[str]) -> tuple[str, ...]:
    """The different words of some texts that belong together, sorted; at most ``MAX_WORDS``."""
    found: set[str] = set()
    for text in texts:
        for word in _words(text, last=True):
            found.add(word)
            if len(found) == MAX_WORDS:
                return tuple(sorted(found))
    return tuple(sorted(found))


def query_words(text: str) -> tuple[str, ...]:
    """The different words of a query, in its order, each to be matched as a beginning.

    At most ``MAX_QUERY_WORDS``, of the first ``MAX_QUERY`` characters. Empty where there are none.
    """
    found = dict.fromkeys(_words(text[:MAX_QUERY], last=False))
    return tuple(found)[:MAX_QUERY_WORDS]


def is_word(text: str) -> bool:
    """Whether ``text`` is one word as this module spells it."""
    return bool(text) and len(text) <= MAX_WORD and all(map(_counts, text))


def _words(text: str, *, last: bool) -> Iterator[str]:
    """Every word in reading order; ``last`` gives a run's last character by itself too."""
    if text.isascii():
        for word in _ASCII.findall(text.lower()):
            yield word[:MAX_WORD]
        return
    for piece in _folded(text).split():
        if piece.isascii():
            yield piece[:MAX_WORD]
            continue
        for match in _RUN.finditer(piece):
            run = match[0]
            if match["unspaced"] is None:
                yield run[:MAX_WORD]
                continue
            for one, other in pairwise(run):
                yield one + other
            if last or len(run) == 1:
                yield run[-1]


def _folded(text: str) -> str:
    """The text folded, with a space for every character that is in no word."""
    return normalize("NFKC", normalize("NFKC", text).casefold()).translate(_SPACED)


def _counts(character: str) -> bool:
    return category(character)[0] in "LNM"


class _Spaced(dict[int, int]):
    """What each character becomes: itself, or a space where it is in no word."""

    def __missing__(self, code: int) -> int:
        becomes = code if _counts(chr(code)) else 0x20
        if len(self) < CHARACTERS_KEPT:
            self[code] = becomes
        return becomes


_SPACED: Final = _Spaced()
