"""Where objects lie: a folder of this machine, or a bucket of an S3-compatible store.

An object is written in a folder of this machine first, encrypted as it comes in, and is put at its
address whole: nobody ever meets half of one. An address is opaque hex; nothing here knows what
it stands for. Nothing is ever removed: two uploads of the same bytes share one object.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

import obstore
from obstore import exceptions
from obstore.store import S3Store

from ledger.errors import LogUnavailable, SettingsError

BUCKET: Final = "s3://"
INCOMING: Final = "incoming"
PART_BYTES: Final = 8 << 20
_BUCKET: Final = re.compile(
    r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9._-]+)*)/?", re.ASCII
)
_ADDRESS: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MISSING: Final = (exceptions.NotFoundError, FileNotFoundError)


class StoreFailed(LogUnavailable):
    """The place where artifacts lie refuses. What it says is not passed on."""


class Objects(Protocol):
    """What the door needs of a place. Every method may raise StoreFailed."""

    incoming: Path
    """The folder of this machine in which objects are written."""

    def put(self, address: str, whole: Path) -> None:
        """Have the file ``whole`` at ``address``, durably; what is there already stays."""
        ...

    def read(self, address: str, start: int, length: int) -> bytes:
        """At most ``length`` bytes of an object from ``start`` on; none where it is not there."""
        ...

    def size(self, address: str) -> int | None:
        """An object's size at rest in bytes; None where it is not there."""
        ...

    def addresses(self) -> Iterator[str]:
        """Where objects lie, in no order."""
        ...


def open_objects(place: str, *, incoming: Path) -> Objects:
    """The place that LEDGER_ARTIFACTS names. Raises SettingsError."""
    if place.startswith(BUCKET):
        return _Bucket(place, incoming=incoming)
    return _Folder(Path(place))


class _Folder:
    """``root/ab/abcdef…``; what is being written is below ``root/incoming``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.incoming = root / INCOMING

    def put(self, address: str, whole: Path) -> None:
        path = self._path(address)
        with _translated():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(whole)
            # Of two that come at once with the same bytes, the first stays.
            with suppress(FileExistsError):
                path.hardlink_to(whole)
            # The name is durable once its folder is, and a new folder once its own is: whoever
            # made them.
            _sync(path.parent)
            _sync(self._root)
            whole.unlink()

    def read(self, address: str, start: int, length: int) -> bytes:
        with _translated():
            try:
                with self._path(address).open("rb") as file:
                    file.seek(start)
                    return file.read(length)
            except FileNotFoundError:
                return b""

    def size(self, address: str) -> int | None:
        with _translated():
            try:
                return self._path(address).stat().st_size
            except FileNotFoundError:
                return None

    def addresses(self) -> Iterator[str]:
        with _translated():
            for shard in self._root.glob("[0-9a-f][0-9a-f]"):
                for path in shard.iterdir():
                    yield path.name

    def _path(self, address: str) -> Path:
        assert _ADDRESS.fullmatch(address)
        return self._root / address[:2] / address


class _Bucket:
    """Objects below a prefix. A store has no rename: a PUT that was answered is whole and durable.

    Credentials and endpoint come from the environment, as every S3 client reads them.
    """

    def __init__(self, place: str, *, incoming: Path) -> None:
        found = _BUCKET.fullmatch(place)
        if found is None:
            raise SettingsError("LEDGER_ARTIFACTS is no address like s3://bucket/some/prefix")
        self.incoming = incoming
        with _translated():
            self._store = S3Store(
                found[1],
                prefix=found[2].strip("/") or None,
                client_options={"allow_http": True, "timeout": timedelta(seconds=60)},
                retry_config={"max_retries": 5, "retry_timeout": timedelta(seconds=60)},
            )

    def put(self, address: str, whole: Path) -> None:
        if self.size(address) is None:
            with _translated():
                obstore.put(self._store, address, whole, chunk_size=PART_BYTES)
        whole.unlink()

    def read(self, address: str, start: int, length: int) -> bytes:
        size = self.size(address)
        stop = min(start + length, size or 0)
        if start >= stop:
            return b""
        with _translated():
            return bytes(obstore.get_range(self._store, address, start=start, end=stop))

    def size(self, address: str) -> int | None:
        with _translated():
            try:
                return int(obstore.head(self._store, address)["size"])
            except _MISSING:
                return None

    def addresses(self) -> Iterator[str]:
        with _translated():
            for some in obstore.list(self._store, None):
                for each in some:
                    yield each["path"].rpartition("/")[2]


@contextmanager
def _translated() -> Iterator[None]:
    """Raise StoreFailed in words of our own: a store's may repeat what it was sent."""
    try:
        yield
    except (exceptions.BaseError, OSError) as error:
        raise StoreFailed(
            f"the place of artifacts refuses ({type(error).__name__}): look at LEDGER_ARTIFACTS,"
            " its space, and its credentials"
        ) from None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
