"""Small files that programs look for under fixed names: robots.txt, security.txt, opensearch.xml.

And the dictionary as CSV. What they say follows from the site's public address and the time alone.
"""

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from litestar import Response, Router, get

from web import query
from web.api import Asking
from web.doors import asked
from web.files import csv_text, sitemaps
from web.i18n import DEFAULT, LANGUAGES, gettext, speaking
from web.query import ParameterRefused
from web.telling import dictionary

TEXT: Final = "text/plain"
OPENSEARCH: Final = "application/opensearchdescription+xml"
MONTHS_VALID: Final = 6


@get("/robots.txt", sync_to_thread=True)
def robots(request: Asking) -> Response[bytes]:
    """Everybody may read everything once: earlier states and pages of lists are left out."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    lines = (
        "User-agent: *",
        "Allow: /",
        "# The same pages at every earlier size of the log: without end, and nothing new.",
        "Disallow: /*?at=",
        "Disallow: /*&at=",
        "Disallow: /*cursor=",
        f"Sitemap: {asking.public_url}/sitemap.xml",
    )
    return _text(*lines)


@get("/.well-known/security.txt", sync_to_thread=True)
def security(request: Asking) -> Response[bytes]:
    """Where to report a weakness (RFC 9116)."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        now = asking.now(view)
    base = asking.public_url
    # The preferred one comes first (RFC 9116, 2.5.3).
    contacts = (asking.contact, f"{base}/{DEFAULT}/about#contact")
    lines = (
        *(f"Contact: {each}" for each in contacts if each),
        f"Expires: {expires(now)}",
        f"Preferred-Languages: {', '.join(tag.partition('-')[0] for tag in LANGUAGES)}",
        f"Canonical: {base}/.well-known/security.txt",
        f"Policy: {base}/{DEFAULT}/docs/threat-model",
    )
    return _text(*lines)


def expires(now: int) -> str:
    """The first day of a month that begins at least ``MONTHS_VALID`` months after ``now``.

    It changes once a month, so that the file does; RFC 9116 (2.5.5) recommends less than a year.
    """
    today = datetime.fromtimestamp(now, UTC)
    months = today.year * 12 + today.month + MONTHS_VALID
    return f"{months // 12:04}-{months % 12 + 1:02}-01T00:00:00Z"


@get("/opensearch.xml", sync_to_thread=True)
def opensearch(request: Asking) -> Response[bytes]:
    """The search of the site for a browser's search box (OpenSearch 1.1), in one language."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("lang",))
    tag = _language(asking.params.get("lang", DEFAULT))
    with speaking(tag):
        name = gettext("APSCI ledger")
        about = gettext("The public record of every job on the shared safety cluster.")
    search = f"{asking.public_url}/{tag}/jobs?q={{searchTerms}}"
    this = f"{asking.public_url}/opensearch.xml?lang={quote(tag)}"
    lines = (
        '<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">',
        f"<ShortName>{escape(name)}</ShortName>",
        f"<Description>{escape(about)}</Description>",
        f"<Language>{tag}</Language>",
        "<InputEncoding>UTF-8</InputEncoding>",
        f'<Url type="text/html" method="get" template={quoteattr(search)}/>',
        f'<Url type="{OPENSEARCH}" rel="self" template={quoteattr(this)}/>',
        "</OpenSearchDescription>",
        "",
    )
    body = sitemaps.DECLARATION + "\n".join(lines)
    return Response(body.encode(), media_type=OPENSEARCH)


@get("/dictionary.csv", sync_to_thread=True)
def dictionary_csv(request: Asking) -> Response[bytes]:
    """Every field of every record, in one language (``lang``); ``bom=1`` for Excel."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("lang", "bom"))
    tag = _language(asking.params.get("lang", DEFAULT))
    bom = query.integer(asking.params, "bom", most=1) == 1
    name = f"dictionary-{tag}.csv"
    return csv_text.respond(dictionary.COLUMNS, dictionary.rows(tag), name=name, bom=bom)


def _language(tag: str) -> str:
    if tag not in LANGUAGES:
        raise ParameterRefused(
            f"lang is {query.quoted(tag)}, which is none of {', '.join(LANGUAGES)}",
            field="lang",
            allowed=tuple(LANGUAGES),
        )
    return tag


def _text(*lines: str) -> Response[bytes]:
    return Response("".join(f"{line}\n" for line in lines).encode(), media_type=TEXT)


HANDLERS: Final[list[Any]] = [robots, security, opensearch, dictionary_csv, *sitemaps.HANDLERS]
ROUTER: Final = Router(path="/", route_handlers=HANDLERS)
