"""``/schemas/{name}.json`` and ``/api/v1/openapi.json``: what the answers look like, for programs.

They follow from the code alone and from no entry of the log, so they are answered in front of the
router, as the log's files are, and their tags are digests of their bytes.
"""

import hashlib
from typing import Final

from ledger.errors import NotFound
from schemas.json_schemas import ADDRESS, read_documents
from web import openapi, query
from web.answer import REVALIDATE, Answer, Scope, answer

SCHEMA_TYPE: Final = "application/schema+json"
INDEX_TYPE: Final = "application/json"
SUFFIX: Final = ".json"
__all__ = ["ADDRESS", "SchemaFiles"]


class SchemaFiles:
    """The files by their addresses; read and made when the process starts."""

    def __init__(self, *, public_url: str) -> None:
        files = read_documents()
        self._answers = {
            f"{ADDRESS}{name}{SUFFIX}": _answer(
                body, INDEX_TYPE if name == "index" else SCHEMA_TYPE
            )
            for name, body in files.items()
        }
        self._answers[openapi.ADDRESS] = _answer(openapi.encoded(public_url), openapi.MEDIA_TYPE)

    def has(self, path: str) -> bool:
        """Whether ``path`` is one of these addresses, or would be one."""
        return path.startswith(ADDRESS) or path in self._answers

    def read(self, scope: Scope) -> Answer:
        """The file that is asked for. Raises NotFound, and ParameterRefused: it takes none."""
        query.check_known(query.parse_query(scope["query_string"]), ())
        found = self._answers.get(scope["path"])
        if found is None:
            raise NotFound("there is no such schema; /schemas/index.json lists them")
        return found


def _answer(body: bytes, media_type: str) -> Answer:
    tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    return answer(200, body, media_type, etag=tag, cache_control=REVALIDATE)
