"""``/static/``: the site's own style sheets, scripts and pictures, read once.

Style sheets are written in parts and sent as one file each, the parts in the order of their names:
one for the site, a small one for what stands in other sites' frames. All files share one folder of
addresses that is named by the digest of everything in it: an address never changes its bytes, and
scripts import one another by relative names.
"""

import hashlib
import re
from pathlib import Path
from typing import Final

from ledger.errors import NotFound
from web.answer import FOREVER, Answer, answer

PREFIX: Final = "/static/"
HERE: Final = Path(__file__).parent
SHEETS: Final = {
    "site.css": ("site/*.css",),
    "embed.css": ("site/10-tokens.css", "site/61-charts.css", "embed/*.css"),
}
"""The style sheets that are sent, and the parts that each is put together from."""
_COMMENT: Final = re.compile(rb"/\*.*?\*/", re.DOTALL)
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class StaticFiles:
    """Answers what lies under ``/static/``; a changed file has a new address."""

    def __init__(self, folder: Path = HERE / "static") -> None:
        files = _read(folder)
        digest = hashlib.sha256()
        for name, body in files.items():
            digest.update(b"%s %d\n" % (name.encode(), len(body)))
            digest.update(body)
        self._folder = f"{PREFIX}{digest.hexdigest()[:12]}/"
        self._answers = {
            self._folder + name: answer(
                200,
                body,
                _TYPES[Path(name).suffix],
                etag=f'"{hashlib.sha256(body).hexdigest()[:20]}"',
                cache_control=FOREVER,
            )
            for name, body in files.items()
        }

    def address(self, name: str) -> str:
        """The address of the file ``name``. Raises NotFound."""
        path = self._folder + name
        self.read(path)
        return path

    def read(self, path: str) -> Answer:
        """The file at ``path``. Raises NotFound."""
        found = self._answers.get(path)
        if found is None:
            raise NotFound("there is no such file")
        return found


def _read(folder: Path) -> dict[str, bytes]:
    """Every file by its name below ``folder``, with the parts of the style sheets put together."""
    files = {
        name: b"".join(
            _tightened(file.read_bytes()) for part in parts for file in sorted(folder.glob(part))
        )
        for name, parts in SHEETS.items()
    }
    for file in sorted(folder.rglob("*")):
        if file.suffix in _TYPES and file.suffix != ".css":
            files[file.relative_to(folder).as_posix()] = file.read_bytes()
    return files


def _tightened(sheet: bytes) -> bytes:
    """A style sheet without its comments and its line breaks; no string of CSS goes over one."""
    lines = map(bytes.strip, _COMMENT.sub(b"", sheet).splitlines())
    ends = (b"{", b"}", b";", b",")
    return b"".join(line if line.endswith(ends) else line + b" " for line in lines if line)


def build_digest() -> str:
    """A digest of the shop window itself: a new release must not revalidate old pages."""
    digest = hashlib.sha256()
    for file in sorted(HERE.rglob("*")):
        if file.suffix in {".py", ".html", ".css", ".js", ".svg", ".po", ".md", ".csv"}:
            digest.update(file.relative_to(HERE).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
