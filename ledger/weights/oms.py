"""The root digest of OpenSSF Model Signing, as the ``model-signing`` library signs it.

Each file has its SHA-256; the root is the SHA-256 of those digests one after another (OMS 1.0,
section 6.5.1). The library orders them by the parts of their paths, and so does this: the text of
the specification orders whole paths, which differs where ``a.json`` stands beside a folder ``a``.

The root holds no names. A file can be renamed under the same root where its place among the others
stays: only ``digest_file.compare`` sees that.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from threading import Event, Lock
from types import ModuleType
from typing import Any, Final

from ledger.weights.listing import list_files, shown
from ledger.weights.refusal import WeightsRefused

ALGORITHM: Final = "sha256"
_LIBRARY: Final = "model_signing"


@dataclass(frozen=True, slots=True)
class FileDigest:
    """One file of a model."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class WeightsDigest:
    """A folder's root digest, in hex, and the files that it was made of, in their order."""

    root: str
    files: tuple[FileDigest, ...]
    follow_links: bool = False
    left_out: tuple[str, ...] = ()


class Stopped(WeightsRefused):
    """The hashing was told to stop."""


def digest_folder(
    folder: Path,
    *,
    follow_links: bool = False,
    progress: Callable[[int, int], None] | None = None,
    stop: Event | None = None,
) -> WeightsDigest:
    """Hash every file of ``folder``.

    ``progress`` is told the bytes done and to do, from several threads, one at a time. Once
    ``stop`` is set, the files under way end at their next MiB.

    Raises WeightsRefused where something cannot be read, or changed while it was hashed; Stopped.
    """
    before = list_files(folder, follow_links=follow_links)
    counter = _Counter(before.bytes, progress, stop)
    config = _hashing().Config().set_allow_symlinks(follow_links)
    # The library has no place for a listener. Its own engines do the hashing, behind one.
    build = config._build_stream_hasher  # noqa: SLF001 - see above
    config._build_stream_hasher = lambda name: _Watched(build(name), counter)  # noqa: SLF001 - see above
    try:
        manifest = config.hash(folder, files_to_hash=[folder / name for name in before.files])
    except OSError as error:
        raise WeightsRefused(f"{shown(str(error.filename))}: {error.strerror}") from None
    except ValueError:
        # A file became a link or went away since it was listed.
        raise WeightsRefused(f"{shown(str(folder))} changed while it was hashed") from None
    after = list_files(folder, follow_links=follow_links)
    for name in sorted(before.files.keys() | after.files.keys()):
        if before.files.get(name) != after.files.get(name):
            raise WeightsRefused(f"{shown(name)} changed while the folder was being hashed")
    files = tuple(
        FileDigest(each.identifier, each.digest.digest_hex, before.files[each.identifier].bytes)
        for each in manifest.resource_descriptors()
    )
    return WeightsDigest(root_of(files), files, follow_links, before.left_out)


def root_of(files: tuple[FileDigest, ...]) -> str:
    """The root digest of files in their order (OMS 6.5.1)."""
    return sha256(b"".join(bytes.fromhex(each.sha256) for each in files)).hexdigest()


def place(file: FileDigest) -> PurePosixPath:
    """What files are ordered by."""
    return PurePosixPath(file.name)


def _hashing() -> ModuleType:
    """The library's ``hashing`` module, without the rest of the library.

    Importing the package as a whole brings its signers: network clients, which a command that
    hashes has no use for, and pyOpenSSL, which the library (1.1.1) imports and does not require.
    """
    if _LIBRARY not in sys.modules:
        found = find_spec(_LIBRARY)
        if found is None or found.submodule_search_locations is None:
            raise WeightsRefused("the library model-signing is not installed")
        package = ModuleType(_LIBRARY)
        package.__path__ = list(found.submodule_search_locations)
        package.__spec__ = found
        sys.modules[_LIBRARY] = package
    return import_module(f"{_LIBRARY}.hashing")


class _Counter:
    """Adds up what several threads have hashed."""

    def __init__(
        self, total: int, progress: Callable[[int, int], None] | None, stop: Event | None
    ) -> None:
        self._done = 0
        self._total = total
        self._progress = progress
        self._stop = stop
        self._lock = Lock()

    def add(self, count: int) -> None:
        if self._stop is not None and self._stop.is_set():
            raise Stopped("stopped")
        if self._progress is not None:
            with self._lock:
                self._done += count
                self._progress(self._done, self._total)


class _Watched:
    """One of the library's hash engines, and a counter that hears of every chunk before it."""

    def __init__(self, engine: Any, counter: _Counter) -> None:  # noqa: ANN401 - the library's
        self._engine = engine
        self._counter = counter

    def reset(self) -> None:
        self._counter.add(0)
        self._engine.reset()

    def update(self, data: bytes) -> None:
        self._counter.add(len(data))
        self._engine.update(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)
