"""CSV as spreadsheets read it: RFC 4180, UTF-8, with no cell that a spreadsheet would run.

A cell that begins like a formula gets an apostrophe in front; numbers are left alone. So does what
follows a semicolon, a tab or a line's end in a cell: where the comma is the decimal sign,
spreadsheets part cells there, whatever the quotes say. ``bom`` puts the three bytes in front by
which Excel knows UTF-8.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final

from litestar import Response

TYPE: Final = "text/csv"
BOM: Final = b"\xef\xbb\xbf"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_WITHIN: Final = re.compile('([;\t\r\n]"*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])')

Cell = str | int | bool | None


def encode(header: Sequence[str], rows: Iterable[Iterable[Cell]], *, bom: bool = False) -> bytes:
    """The whole file; what is not there is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(map(guarded, row) for row in rows)
    return (BOM if bom else b"") + text.getvalue().encode()


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


def respond(
    header: Sequence[str], rows: Iterable[Iterable[Cell]], *, name: str, bom: bool = False
) -> Response[bytes]:
    """The file as a download called ``name``."""
    return Response(
        encode(header, rows, bom=bom),
        media_type=TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
