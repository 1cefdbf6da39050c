"""``/static/``: the site's own style sheets and pictures, read once, named by their digest."""

import hashlib
from pathlib import Path
from typing import Final

from ledger.errors import NotFound
from web.answer import FOREVER, Answer, answer

PREFIX: Final = "/static/"
HERE: Final = Path(__file__).parent
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class StaticFiles:
    """Answers what lies under ``/static/``; a changed file has a new address."""

    def __init__(self, folder: Path = HERE / "static") -> None:
        self._answers: dict[str, Answer] = {}
        self._addresses: dict[str, str] = {}
        for file in sorted(folder.iterdir()):
            media_type = _TYPES.get(file.suffix)
            if media_type is None:
                continue
            body = file.read_bytes()
            digest = hashlib.sha256(body).hexdigest()[:12]
            path = f"{PREFIX}{file.stem}.{digest}{file.suffix}"
            self._addresses[file.name] = path
            self._answers[path] = answer(200, body, media_type, cache_control=FOREVER)

    def address(self, name: str) -> str:
        """The address of the file ``name``."""
        return self._addresses[name]

    def read(self, path: str) -> Answer:
        """The file at ``path``. Raises NotFound."""
        found = self._answers.get(path)
        if found is None:
            raise NotFound("there is no such file")
        return found


def build_digest() -> str:
    """A digest of the shop window itself: a new release must not revalidate old pages."""
    digest = hashlib.sha256()
    for file in sorted(HERE.rglob("*")):
        if file.suffix in {".py", ".html", ".css", ".svg", ".po"}:
            digest.update(file.relative_to(HERE).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
