"""``/static/``: the site's own style sheets, scripts and pictures, read once.

The style sheet is written in parts, ``static/site/*.css``, and sent as one file in the order of
their names. All files share one folder of addresses that is named by the digest of everything in
it: an address never changes its bytes, and scripts import one another by relative names.
"""

import hashlib
from pathlib import Path
from typing import Final

from ledger.errors import NotFound
from web.answer import FOREVER, Answer, answer

PREFIX: Final = "/static/"
HERE: Final = Path(__file__).parent
SHEET: Final = "site.css"
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
            self._folder + name: answer(200, body, _TYPES[Path(name).suffix], cache_control=FOREVER)
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
    """Every file by its name below ``folder``, with the parts of the style sheet put together."""
    files: dict[str, bytes] = {}
    sheet = b""
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".css":
            sheet += file.read_bytes() + b"\n"
        elif file.suffix in _TYPES:
            files[file.relative_to(folder).as_posix()] = file.read_bytes()
    return {SHEET: sheet, **files}


def build_digest() -> str:
    """A digest of the shop window itself: a new release must not revalidate old pages."""
    digest = hashlib.sha256()
    for file in sorted(HERE.rglob("*")):
        if file.suffix in {".py", ".html", ".css", ".js", ".svg", ".po", ".md", ".csv"}:
            digest.update(file.relative_to(HERE).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
