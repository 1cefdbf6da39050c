"""What a statistic looks like as JSON: a table with the unit of each column."""

from schemas.answers import Shape


class SeriesColumn(Shape, frozen=True):
    """One column of a series. ``unit`` says how to read it.

    ``code`` a code or a name, ``month`` 2026-11, ``day`` 2026-11-21, ``count``, ``seconds``,
    ``bytes``, ``days``, ``percent``, and ``basis_points``: hundredths of a percent, rounded.
    """

    name: str
    unit: str


class Series(Shape, frozen=True):
    """One statistic as a table: a row has a cell for each column, text or a whole number."""

    name: str
    columns: tuple[SeriesColumn, ...]
    rows: tuple[tuple[str | int | None, ...], ...]
