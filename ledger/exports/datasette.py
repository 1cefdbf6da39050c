"""``metadata.json``: what Datasette says about the database, and the questions that it offers.

    datasette ledger.sqlite --metadata metadata.json

Units stand in the columns' descriptions. Datasette's own "units" are those of physics: any other
makes every page of the table an error.
"""

from typing import Any, Final

import msgspec

from ledger.exports import words
from ledger.exports.columns import TRUTH, Column
from ledger.exports.database import OPENED
from ledger.exports.describing import About
from ledger.exports.tables import TABLES

QUERIES: Final = {
    "gpu_hours": {
        "title": "GPU-hours by member and month",
        "description": "Of all jobs that have ended, by the month in which they ended.",
        "sql": (
            "SELECT member, substr(ended_at, 1, 7) AS month, count(*) AS jobs,\n"
            "       round(sum(gpu_seconds) / 3600.0, 1) AS gpu_hours\n"
            "FROM jobs WHERE gpu_seconds IS NOT NULL\n"
            "GROUP BY member, month ORDER BY month DESC, gpu_hours DESC"
        ),
    },
    "rejections": {
        "title": "Rejected jobs by finding",
        "description": "How many jobs the charter's rules rejected, by the first thing found.",
        "sql": (
            "SELECT rejection_code, count(*) AS jobs FROM jobs WHERE rejection_code IS NOT NULL\n"
            "GROUP BY rejection_code ORDER BY jobs DESC, rejection_code"
        ),
    },
    "search": {
        "title": "Search in what was opened",
        "description": "Words of titles, purposes, protocols and names of models.",
        "sql": (
            "SELECT disclosed_index, job_id, opened_texts.title, opened_texts.purpose\n"
            "FROM opened_texts_fts JOIN opened_texts ON opened_texts_fts.rowid = disclosed_index\n"
            "WHERE opened_texts_fts MATCH :words ORDER BY rank"
        ),
    },
}
"""Questions by name; each is one statement that reads."""

_SORTED: Final = {"jobs": "submitted_index", "events": "index", "artifacts": "place"}


def metadata(about: About) -> bytes:
    """The file for the set that ``about`` describes."""
    tables: dict[str, Any] = {
        table.name: {
            "title": table.title,
            "description": table.description,
            "columns": {column.name: _described(column) for column in table.columns},
            "facets": list(table.facets),
            "sort_desc": _SORTED[table.name],
        }
        for table, _ in TABLES
    }
    # Most titles are sealed: a link to a job shows its name for ever.
    tables["jobs"]["label_column"] = "job_id"
    tables[OPENED] = {
        "title": "Opened texts",
        "description": "What opened records say in words, with a search.",
        "columns": words.OPENED_WORDS,
        "fts_table": f"{OPENED}_fts",
        "fts_pk": "disclosed_index",
        "sort_desc": "disclosed_index",
    }
    tables["about"] = {
        "title": "About this database",
        "description": "The tree that it was made from.",
        "columns": words.ABOUT_WORDS,
    }
    said = {
        "title": f"{words.TITLE}: {about.origin}",
        "description": f"{words.DESCRIPTION} This one was made at {about.size} entries.",
        "license": words.LICENCE_TITLE,
        "license_url": words.LICENCE_URL,
        "source": f"{words.SOURCE}: {about.origin}",
        "source_url": about.address,
        "databases": {
            "ledger": {
                "title": f"{about.origin} at {about.size} entries",
                "description": (
                    f"Made from the entries up to {about.made_at}. Their root hash is {about.root}."
                ),
                "tables": tables,
                "queries": QUERIES,
            }
        },
    }
    return msgspec.json.format(msgspec.json.encode(said)) + b"\n"


def _described(column: Column) -> str:
    if column.unit and column.unit not in column.description:
        return f"{column.description} In {column.unit}."
    if column.type == TRUTH:
        return f"{column.description} 1 is yes, 0 is no."
    return column.description
