"""CSV as spreadsheets read it: RFC 4180, UTF-8, with no cell that a spreadsheet would run.

``ledger.exports.csv_cells`` guards the cells, of these and of the bulk files. ``bom`` puts the
three bytes in front by which Excel knows UTF-8.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from litestar import Response

from ledger.exports.csv_cells import Cell, guarded

__all__ = ["BOM", "TYPE", "Cell", "encode", "guarded", "respond"]

TYPE: Final = "text/csv"
BOM: Final = b"\xef\xbb\xbf"


def encode(header: Sequence[str], rows: Iterable[Iterable[Cell]], *, bom: bool = False) -> bytes:
    """The whole file; what is not there is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(map(guarded, row) for row in rows)
    return (BOM if bom else b"") + text.getvalue().encode()


def respond(
    header: Sequence[str], rows: Iterable[Iterable[Cell]], *, name: str, bom: bool = False
) -> Response[bytes]:
    """The file as a download called ``name``."""
    return Response(
        encode(header, rows, bom=bom),
        media_type=TYPE,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
