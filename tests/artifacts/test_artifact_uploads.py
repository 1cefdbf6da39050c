"""What an upload leaves on a full disk, and how many are written anew at once."""

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import kit
import pytest

from ledger.artifacts import open_objects, upload
from ledger.artifacts.forms import Form
from ledger.artifacts.upload import REWRITTEN_AT_ONCE, Upload
from ledger.storage.artifact_rows import StoredArtifact

WAIT_S = 120


def an_upload(folder: Path, number: int, artifact_class: str, data: bytes) -> Upload:
    artifact = StoredArtifact(
        artifact_id=kit.ulid(number),
        job_id=kit.ulid(1),
        index=number,
        artifact_class=artifact_class,
        debited_bytes=len(data),
        open_until=kit.NOON,
        state="open",
        name_tag=None,
        address=None,
        details=None,
    )
    objects = open_objects(str(folder), incoming=folder / "incoming")
    made = Upload(artifact, "x.json", objects=objects, key=bytes(32), random=os.urandom)
    made.write(data)
    return made


class _FullDisk:
    """A file whose last bytes find no room."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def close(self) -> None:
        self._file.close()
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_no_part_of_an_upload(tmp_path: Path) -> None:
    made = an_upload(tmp_path, 2, "document", b'{ "a": 1 }')
    made.settle()
    left = sorted(path.suffix for path in (tmp_path / "incoming").iterdir())
    assert left == [".form", ".part"]
    for each in (made._came, made._form):
        assert each is not None
        each._file = _FullDisk(each._file)  # type: ignore[assignment]
    made.give_up()
    assert list((tmp_path / "incoming").iterdir()) == []


def test_only_so_many_are_written_anew_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, most = 0, 0
    lock, all_in, go_on = threading.Lock(), threading.Event(), threading.Event()

    def counting(artifact_class: str, *_: Any, **__: Any) -> Form:
        nonlocal inside, most
        if artifact_class == "opaque":
            return Form("application/octet-stream")
        with lock:
            inside += 1
            most = max(most, inside)
            if inside == REWRITTEN_AT_ONCE:
                all_in.set()
        assert go_on.wait(WAIT_S)
        with lock:
            inside -= 1
        return Form("application/json")

    monkeypatch.setattr(upload, "form_of", counting)
    documents = [an_upload(tmp_path, number, "document", b"{}") for number in range(2, 9)]
    other = an_upload(tmp_path, 20, "opaque", b"abc")
    with ThreadPoolExecutor(len(documents)) as threads:
        settled = [threads.submit(each.settle) for each in documents]
        try:
            assert all_in.wait(WAIT_S)
            assert not upload._rewriting.acquire(blocking=False)
            assert other.settle().bytes == 3
        finally:
            go_on.set()
        assert [each.result(WAIT_S).bytes for each in settled] == [2] * len(documents)
    assert most == REWRITTEN_AT_ONCE
    for each in (*documents, other):
        each.give_up()
