"""What the files say about themselves: Data Package 2, Croissant 1.1, schema.org.

Functions of what was made and of the tree: no clock, and nothing that the files do not hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ledger.exports import words
from ledger.exports.columns import INTEGER, LIST, OBJECT, TEXT, TIME, TRUTH, Column, Table
from ledger.exports.partial import Made
from ledger.exports.tables import TABLES

PACKAGE: Final = "https://datapackage.org/profiles/2.0/datapackage.json"
CROISSANT: Final = "http://mlcommons.org/croissant/1.1"
MEDIA_TYPES: Final = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonld": "application/ld+json",
    ".parquet": "application/vnd.apache.parquet",
    ".sqlite": "application/vnd.sqlite3",
    ".tar": "application/x-tar",
    ".zst": "application/zstd",
    "": "text/plain",
}
"""By the end of a file's name."""

_TITLES: Final = {
    "entries.ndjson.zst": "Every entry of the log in its canonical form, a line each",
    "ledger.sqlite": "The tables as a SQLite database, with a search in what was opened",
    "metadata.json": "What Datasette says about the database",
    "checkpoint": "The signed checkpoint of this tree",
    "signals.json": "Questions that the opened records ask, each with its evidence",
    "proofs.tar": "The hash tiles of the tree, from which every proof can be made",
}
_IN_PACKAGE: Final = {LIST: TEXT}
"""Lists are words with spaces between them, which older readers of Data Packages take as text."""
_IN_CROISSANT: Final = {
    INTEGER: "sc:Integer",
    TEXT: "sc:Text",
    TRUTH: "sc:Boolean",
    TIME: "sc:DateTime",
    LIST: "sc:Text",
    OBJECT: "sc:Text",
}


@dataclass(frozen=True, slots=True)
class About:
    """The tree that a set was made from, and where the set will stand."""

    name: str
    origin: str
    size: int
    root: str
    made_at: str
    address: str

    def texts(self) -> dict[str, str]:
        """The same as names and values."""
        return {
            "origin": self.origin,
            "tree_size": str(self.size),
            "root": self.root,
            "made_at": self.made_at,
            "licence": words.LICENCE,
            "licence_url": words.LICENCE_URL,
        }


def media_type(name: str) -> str:
    """What sort of file ``name`` is."""
    return MEDIA_TYPES["." + name.rpartition(".")[2] if "." in name else ""]


def data_package(about: About, files: Mapping[str, Made]) -> bytes:
    """``datapackage.json``."""
    tables = {f"{table.name}.csv": table for table, _ in TABLES}
    return _pretty(
        {
            "$schema": PACKAGE,
            "name": f"apsci-ledger-{about.name}",
            "id": about.address,
            "title": f"{words.TITLE}: {about.origin}, {about.size} entries",
            "description": words.DESCRIPTION,
            "homepage": about.address,
            "version": str(about.size),
            "created": about.made_at,
            "licenses": [
                {
                    "name": words.LICENCE,
                    "title": words.LICENCE_TITLE,
                    "path": words.LICENCE_URL,
                }
            ],
            "sources": [{"title": f"{words.SOURCE}: {about.origin}"}],
            "contributors": [{"title": about.origin, "roles": ["publisher"]}],
            "tree_size": about.size,
            "root": about.root,
            "resources": [
                _resource(name, made, tables.get(name)) for name, made in sorted(files.items())
            ],
        }
    )


def _resource(name: str, made: Made, table: Table | None) -> dict[str, Any]:
    stem, _, end = name.partition(".")
    plain = name if table is None else stem
    found: dict[str, Any] = {
        "name": plain.replace(".", "-"),
        "path": name,
        "title": table.title if table else _TITLES.get(name, f"The table {stem} as {end}"),
        "format": end or "text",
        "mediatype": media_type(name),
        "bytes": made.bytes,
        "hash": f"sha256:{made.sha256}",
    }
    if made.rows is not None:
        found["row_count"] = made.rows
    if table is not None:
        found |= {
            "type": "table",
            "description": table.description,
            "encoding": "utf-8",
            "dialect": {"delimiter": ",", "quoteChar": '"', "doubleQuote": True, "header": True},
            "schema": _schema(table),
        }
    return found


def _schema(table: Table) -> dict[str, Any]:
    return {
        "fields": [_field(column, table.key) for column in table.columns],
        "missingValues": [""],
        "primaryKey": [table.key],
        "foreignKeys": [
            {"fields": [name], "reference": {"resource": other, "fields": [there]}}
            for name, (other, there) in table.refers.items()
        ],
    }


def _field(column: Column, key: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": column.name,
        "type": _IN_PACKAGE.get(column.type, column.type),
        "description": column.description,
    }
    if column.unit:
        found["unit"] = column.unit
    if column.type == TRUTH:
        found |= {"trueValues": ["true"], "falseValues": ["false"]}
    # An empty text and none at all are one in CSV.
    if column.required and (column.type not in {TEXT, LIST} or column.name == key):
        found["constraints"] = {"required": True} | ({"unique": True} if column.name == key else {})
    return found


def croissant(about: About, files: Mapping[str, Made]) -> bytes:
    """``croissant.json``, for those who train and evaluate on it."""
    return _pretty(
        {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "name": f"apsci-ledger-{about.name}",
            "description": words.DESCRIPTION,
            "conformsTo": CROISSANT,
            "license": words.LICENCE_URL,
            "url": about.address,
            "version": f"{about.size}.0.0",
            "datePublished": about.made_at,
            "creator": {"@type": "sc:Organization", "name": about.origin},
            "citeAs": f"{about.origin}, tree of {about.size} entries, root {about.root}",
            "isLiveDataset": False,
            "distribution": [
                {
                    "@type": "cr:FileObject",
                    "@id": name,
                    "name": name,
                    "contentUrl": name,
                    "contentSize": f"{made.bytes} B",
                    "encodingFormat": media_type(name),
                    "sha256": made.sha256,
                }
                for name, made in sorted(files.items())
            ],
            "recordSet": [_record_set(table) for table, _ in TABLES],
        }
    )


def _record_set(table: Table) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": table.description,
        "key": {"@id": f"{table.name}/{table.key}"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{table.name}/{column.name}",
                "name": column.name,
                "description": column.description,
                "dataType": _IN_CROISSANT[column.type],
                "source": {
                    "fileObject": {"@id": f"{table.name}.csv"},
                    "extract": {"column": column.name},
                },
            }
            for column in table.columns
        ],
    }


def json_ld(about: About, files: Mapping[str, Made]) -> bytes:
    """``dataset.jsonld``: schema.org, for the search engines of data."""
    return _pretty(
        {
            "@context": "https://schema.org/",
            "@type": "Dataset",
            "name": f"{words.TITLE}: {about.origin}, {about.size} entries",
            "description": words.DESCRIPTION,
            "url": about.address,
            "identifier": about.root,
            "version": str(about.size),
            "datePublished": about.made_at,
            "isAccessibleForFree": True,
            "license": words.LICENCE_URL,
            "creator": {"@type": "Organization", "name": about.origin},
            "variableMeasured": [
                {"@type": "PropertyValue", "name": column.name, "description": column.description}
                | ({"unitText": column.unit} if column.unit else {})
                for column in TABLES[0][0].columns
            ],
            "distribution": [
                {
                    "@type": "DataDownload",
                    "name": name,
                    "contentUrl": about.address + name,
                    "contentSize": str(made.bytes),
                    "encodingFormat": media_type(name),
                    "sha256": made.sha256,
                }
                for name, made in sorted(files.items())
            ],
        }
    )


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value)) + b"\n"


_CONTEXT: Final = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
