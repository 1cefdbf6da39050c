"""What helps to use the ledger: its data, its dictionary, how it is, and what changed."""

from itertools import groupby
from typing import Any

from litestar import Response, get

from web import browse, bulk_files, query
from web.api import BASE
from web.doors import asked
from web.i18n import DEFAULT, gettext, language_of, speaking
from web.pages.page import Asking, page
from web.telling import dictionary, vocabulary
from web.telling.field_words import words_of


@get("/status", sync_to_thread=True)
def show_status(request: Asking) -> Response[Any]:
    """How fresh the ledger is, and what good would be."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        now = asking.now(view)
        return page(
            request,
            "status.html",
            asking,
            view,
            twin=f"{BASE}/status",
            status=browse.status(view, asking.house, now=now, pinned=asking.pinned),
            now=now,
        )


@get("/dictionary", sync_to_thread=True)
def show_dictionary(request: Asking) -> Response[Any]:
    """Every field of every record, and every code, in one language."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with speaking(language_of(asking.path) or DEFAULT):
        records = [
            (record, gettext(dictionary.RECORDS[record]), _by_when(list(fields)))
            for record, fields in groupby(dictionary.fields(), key=lambda field: field.record)
        ]
        vocabularies = [
            (
                name,
                vocabulary.title_of(name),
                [(code, vocabulary.code_label(name, code)) for code in vocabulary.codes_of(name)],
            )
            for name in vocabulary.NAMES
        ]
    with asking.view() as view:
        return page(
            request,
            "dictionary.html",
            asking,
            view,
            twin=f"{BASE}/vocab/fields",
            records=records,
            vocabularies=vocabularies,
        )


def _by_when(fields: list[dictionary.Field]) -> list[tuple[str, list[tuple[object, ...]]]]:
    """Fields by when they can be read, each with its words in the language in use."""
    found = []
    for when, group in groupby(fields, key=lambda field: field.when):
        rows: list[tuple[object, ...]] = []
        for field in group:
            unit = dictionary.unit_of(field)
            words = words_of(field.record, field.name)
            rows.append((field, *words, dictionary.type_of(field), unit and gettext(unit)))
        found.append((when, rows))
    return found


@get("/data", sync_to_thread=True)
def show_data(request: Asking) -> Response[Any]:
    """What can be had as data, and how to work with it."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        return page(
            request,
            "data.html",
            asking,
            view,
            twin=f"{BASE}/jobs",
            public_url=asking.public_url,
            overview=view.overview(),
            # At a quoted size a page is the same for ever; which files there are is not.
            bulk=None if asking.pinned else bulk_files.newest(asking.house.bulk_dir),
        )
