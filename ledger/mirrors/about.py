"""What a mirror says of itself: ``index.json`` for programs, ``index.html`` for people."""

from html import escape
from typing import Final

import msgspec

from ledger.mirrors.shapes import HTML, JSON, File

INDEX_JSON: Final = "index.json"
INDEX_HTML: Final = "index.html"
MIRROR: Final = "apsci-ledger-mirror/1"
"""Everything that the site shows."""
COPY: Final = "apsci-ledger-copy/1"
"""The log alone, as somebody else keeps it."""
MAX_INDEX: Final = 1 << 20


class About(msgspec.Struct, frozen=True):
    """Which log this is a copy of, and at which tree; ``source`` is where it was copied from."""

    origin: str
    vkey: str
    tree_size: int
    root: str
    source: str
    parts: dict[str, str]
    """What there is, by address."""
    kind: str = MIRROR
    verify: str = "verify.py URL --vkey VKEY"
    """Prove it, with the key from another place than this one."""


def kind_of(data: bytes | None) -> str | None:
    """Which kind of mirror an ``index.json`` is about; None for anything else."""
    try:
        return msgspec.json.decode(data or b"", type=About).kind
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def about_files(about: About) -> tuple[File, File]:
    """Both files."""
    data = msgspec.json.format(msgspec.json.encode(about), indent=2) + b"\n"
    return File(INDEX_JSON, data, JSON), File(INDEX_HTML, _page(about).encode(), HTML)


def _page(about: About) -> str:
    rows = "\n".join(
        f'<li><a href="{escape(path)}">{escape(path)}</a>: {escape(what)}</li>'
        for path, what in about.parts.items()
    )
    origin, source = escape(about.origin), escape(about.source)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>A copy of {origin}</title>
<h1>A copy of {origin}</h1>
<p>These files are a copy of the ledger at <a href="{source}">{source}</a> with its first
{about.tree_size} entries, root <code>{about.root}</code>. Nothing here has to be believed:
<code>verify.py</code> recomputes all of it from the log below and holds it against the key</p>
<pre>{escape(about.vkey)}</pre>
<p>which is worth as much as the place that you have it from: compare it with another.</p>
<ul>
{rows}
</ul>
</html>
"""
