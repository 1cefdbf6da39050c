"""What members and the registry wrote, as the site shows it: all of it seen, none of it in charge.

Escaping keeps such text out of the markup, but not out of the line that it stands in: marks of
direction turn the words around them, other controls cannot be seen at all, and a title of blanks
is a link that nobody can find. The record itself is never changed, only how it is shown.
"""

import re
import unicodedata
from typing import Final

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_DIRECTION: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_STEERING: Final = re.compile(f"[{_DIRECTION}]")
_UNSEEN_IN_JSON: Final = re.compile(f"[\x7f-\x9f\u2028\u2029{_DIRECTION}]")
_RIGHT_TO_LEFT: Final = frozenset(("R", "AL", "AN"))
_ISOLATE, _END = "\u2068", "\u2069"
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols to Unicode, nothing to the eye: Hangul fillers and the empty Braille cell."""


def shown(text: str) -> str:
    """``text`` with its controls made visible; one that runs right to left is kept to itself."""
    if text.isascii() and text.isprintable():
        return text
    text = _STEERING.sub("\ufffd", _CONTROL.sub(_picture, text))
    if any(unicodedata.bidirectional(each) in _RIGHT_TO_LEFT for each in text):
        return f"{_ISOLATE}{text}{_END}"
    return text


def shown_line(text: str | None) -> str:
    """``text`` as one line of a list; empty where there is nothing in it that can be seen."""
    if text is None or not any(map(_is_seen, text)):
        return ""
    return shown(" ".join(text.split()))


def clipped(text: str, width: int) -> str:
    """``text`` cut to ``width`` letters, of which a Han character takes two.

    A mark that isolates a direction is closed again.
    """
    taken = 0
    for at, letter in enumerate(text):
        taken += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if taken > width and letter != _END:
            return text[:at].rstrip() + "…" + (_END if text.startswith(_ISOLATE) else "")
    return text


def shown_json(text: str) -> str:
    """JSON with what cannot be seen in it spelt as escapes, which mean the same."""
    return _UNSEEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def _is_seen(letter: str) -> bool:
    return letter not in _BLANK_LETTERS and unicodedata.category(letter)[0] not in "CZM"
