"""Cells of CSV as spreadsheets read them: RFC 4180, UTF-8, and none that a spreadsheet would run.

A cell that begins like a formula gets an apostrophe in front; numbers are left alone. So does what
follows a semicolon, a tab or a line's end in a cell: where the comma is the decimal sign,
spreadsheets part cells there, whatever the quotes say.
"""

import csv
import io
import re
from collections.abc import Iterable
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_WITHIN: Final = re.compile('([;\\t\\r\\n]"*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])')

Cell = str | int | bool | None


def guarded(cell: Cell) -> str | int | None:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str):
        # A NUL would end the cell, or the file, for some readers.
        cell = cell.replace("\0", "\ufffd")
        cell = f"'{cell}" if cell.startswith(_FORMULA) else cell
        return _WITHIN.sub(r"\1'", cell)
    return cell


def lines(rows: Iterable[Iterable[Cell]]) -> bytes:
    """Whole lines of guarded cells; what is not there is an empty cell."""
    text = io.StringIO()
    csv.writer(text).writerows(map(guarded, row) for row in rows)
    return text.getvalue().encode()
