"""A mirror in a bucket of an S3-compatible object store.

obstore finds the credentials as other tools do, in the environment or from the machine's role; they
are in no line that is printed. A file is one PUT, which the store makes visible whole or not at
all, and one that may never change is put on the condition that nothing is there.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Final, TypeVar

import obstore
from obstore import exceptions
from obstore.store import S3Store

from ledger.mirrors.shapes import File, MirrorFailed, MirrorRefused

SCHEME: Final = "s3://"
LISTED_AT_ONCE: Final = 1_000
_ADDRESS: Final = re.compile(
    r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9._-]+)*)/?", re.ASCII
)

_MISSING: Final = (exceptions.NotFoundError, FileNotFoundError)
_REFUSED: Final = (
    exceptions.PermissionDeniedError,
    exceptions.UnauthenticatedError,
    PermissionError,
)

T = TypeVar("T")


class Bucket:
    """The mirror at ``address``, "s3://bucket/some/prefix".

    ``endpoint`` is the address of a store other than Amazon's; without it AWS_ENDPOINT_URL counts.
    Raises MirrorRefused.
    """

    def __init__(self, address: str, *, endpoint: str | None = None) -> None:
        found = _ADDRESS.fullmatch(address)
        if found is None:
            raise MirrorRefused(f"{address[:200]!a} is no address like s3://bucket/some/prefix")
        if endpoint is not None and not endpoint.startswith(("http://", "https://")):
            raise MirrorRefused("the address of an S3 endpoint begins with http:// or https://")
        self._name = address.rstrip("/")
        self._bucket = found[1]
        with self._translated():
            self._store = S3Store(
                found[1],
                prefix=found[2].strip("/") or None,
                config={"endpoint": endpoint} if endpoint else None,
                client_options={"allow_http": True, "timeout": timedelta(seconds=60)},
                retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=60)},
            )

    @property
    def name(self) -> str:
        """Its address."""
        return self._name

    def holding(self) -> AbstractContextManager[None]:
        """A store has no locks: what never changes is put on a condition instead."""
        return nullcontext()

    def sizes(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Every object below ``prefix``, as the store lists them."""
        with self._translated():
            for some in obstore.list(self._store, prefix or None, chunk_size=LISTED_AT_ONCE):
                for each in some:
                    yield each["path"], each["size"]

    def size(self, path: str) -> int | None:
        """The size of one object."""
        return self._found(lambda: obstore.head(self._store, path)["size"])

    def read(self, path: str, *, limit: int) -> bytes | None:
        """An object's bytes."""
        found = self._found(lambda: obstore.get(self._store, path))
        if found is None:
            return None
        if found.meta["size"] > limit:
            raise MirrorFailed(f"{self._name}/{path} is larger than {limit} bytes")
        with self._translated():
            return bytes(found.bytes())

    def create(self, file: File) -> bool:
        """Put an object where none is. A large one is put in parts, which takes no condition."""
        if not isinstance(file.body, bytes):
            if self.size(file.path) is not None:
                return False
            self.replace(file)
            return True
        with self._translated():
            try:
                obstore.put(
                    self._store, file.path, file.body, attributes=_said_of(file), mode="create"
                )
            except exceptions.AlreadyExistsError:
                return False
        return True

    def replace(self, file: File) -> None:
        """Put an object over what is there."""
        with self._translated():
            obstore.put(self._store, file.path, file.body, attributes=_said_of(file))

    def settle(self) -> None:
        """Nothing is left to do: a PUT that was answered is durable."""

    def publish(self, file: File) -> None:
        """Put an object over what is there: a PUT that was answered is durable."""
        self.replace(file)

    def _found(self, ask: Callable[[], T]) -> T | None:
        with self._translated():
            try:
                return ask()
            except _MISSING:
                return None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise MirrorFailed in words of our own: a store's may repeat what it was sent."""
        try:
            yield
        except (exceptions.BaseError, FileNotFoundError, PermissionError) as error:
            # For a listing the library has no errors of its own: it repeats the status.
            if isinstance(error, _MISSING) or " 404 Not Found" in str(error):
                what = f"there is no bucket {self._bucket}"
            elif isinstance(error, _REFUSED) or " 403 Forbidden" in str(error):
                what = (
                    "the store refuses the credentials that it was given; AWS_ACCESS_KEY_ID and"
                    " AWS_SECRET_ACCESS_KEY have to allow List, Get and Put"
                )
            else:
                what = (
                    "the store cannot be reached or answers with an error"
                    f" ({type(error).__name__}); AWS_ENDPOINT_URL and AWS_REGION say where it is"
                )
            raise MirrorFailed(f"{self._name}: {what}") from None


def _said_of(file: File) -> dict[str, str]:
    return {"Content-Type": file.media_type, "Cache-Control": file.cache_control}
