"""What bytes are, and the one spelling that they are kept in."""

import gzip
import io
import json
import pickle
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ledger.artifacts import magic
from ledger.artifacts.forms import MAX_PIXELS, form_of
from ledger.errors import ArtifactRefused


def kept(artifact_class: str, data: bytes, name: str = "x") -> tuple[str, bytes]:
    """(media type, bytes) as the store keeps them."""
    form = form_of(artifact_class, name, io.BytesIO(data), size=len(data))
    if form.rewrite is None:
        return form.media_type, data
    parts: list[bytes] = []
    form.rewrite(parts.append)
    return form.media_type, b"".join(parts)


def refusal(artifact_class: str, data: bytes, name: str = "x") -> str:
    with pytest.raises(ArtifactRefused) as refused:
        kept(artifact_class, data, name)
    return str(refused.value.code)


def _npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.arange(8, dtype=np.float32))
    return out.getvalue()


def _npz() -> bytes:
    out = io.BytesIO()
    np.savez(out, np.arange(8))
    return out.getvalue()


def _zip(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


def _safetensors() -> bytes:
    head = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(head)) + head + bytes(8)


TENSORS = {
    "npy": _npy(),
    "npz": _npz(),
    "safetensors": _safetensors(),
    "pickle": pickle.dumps([1.0] * 9),
    "old pickle": pickle.dumps([1.0], protocol=0),
    "torch": _zip("archive/data.pkl", b"\x80\x02."),
    "renamed in a zip": _zip("notes.txt", _npy()),
    "gguf": b"GGUF" + bytes(40),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(40),
    "hdf5 behind a block": bytes(512) + b"\x89HDF\r\n\x1a\n" + bytes(40),
    "arrow": b"ARROW1" + bytes(40),
    "onnx": b"\x08\x07\x12\x07pytorch\x3a\x10",
    "npy in gzip": gzip.compress(_npy()),
    "pickle in gzip": gzip.compress(pickle.dumps([1.0] * 9)),
}


@pytest.mark.parametrize("artifact_class", ["document", "table", "image", "opaque"])
@pytest.mark.parametrize("data", TENSORS.values(), ids=TENSORS)
def test_a_tensor_is_taken_for_nothing_else(artifact_class: str, data: bytes) -> None:
    assert refusal(artifact_class, data, "notes.json") == "R2_unmetered_egress"
    assert kept("tensor", data) == (magic.OCTETS, data)


def test_what_is_no_tensor_is_opaque_as_it_came() -> None:
    for data in (b"\x00\x01\x02", b"%PDF-1.7 x", _zip("notes.txt", b"hello"), gzip.compress(b"x")):
        assert kept("opaque", data) == (magic.OCTETS, data)


def test_json_is_written_anew_without_what_hides_between_the_lines() -> None:
    spelled = b' {"b" : [1, 2.50 ,\n"\\u0041"], "a":null}\t'
    assert kept("document", spelled, "r.json") == (magic.JSON, b'{"a":null,"b":[1,2.5,"A"]}')
    assert kept("document", spelled, "r.txt")[0] == magic.JSON


@pytest.mark.parametrize(
    "data", [b"{", b'{"a":1}x', b"[" * 100_000 + b"]" * 100_000, b'{"a":NaN}', b"\xef\xbb\xbf[]"]
)
def test_what_is_called_json_is_json(data: bytes) -> None:
    assert refusal("document", data, "r.json") == "Q_malformed"


def test_text_is_utf_8_without_control_characters() -> None:
    assert kept("document", "# 安全\n\tok\r\n".encode()) == (
        magic.TEXT,
        "# 安全\n\tok\r\n".encode(),
    )
    assert refusal("document", b"x" * 70_000 + b"\xff") == "Q_malformed"
    assert refusal("document", b"x" * 70_000 + b"\x00") == "Q_malformed"
    assert refusal("document", b"\x00text") == "R2_unmetered_egress"
    assert refusal("document", b"%PDF-1.7\n\xff\xfe") == "R2_unmetered_egress"


def test_a_character_that_the_first_look_cuts_in_two_is_no_mistake() -> None:
    for shift in range(4):
        data = b"a" * (magic.HEAD - shift) + "安".encode() * 10
        assert kept("document", data) == (magic.TEXT, data)


def test_csv_is_written_anew_and_no_cell_changes() -> None:
    spelled = b'\xef\xbb\xbf"a","b ""x"""\r\n=1+1,"2,5"\r\n'
    assert kept("table", spelled) == (magic.CSV, b'a,"b ""x"""\n=1+1,"2,5"\n')
    assert kept("table", b"a,b\n1,2") == (magic.CSV, b"a,b\n1,2")


@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=4), min_size=1, max_size=5))
def test_a_table_that_was_written_anew_stays_as_it_is(rows: list[list[str]]) -> None:
    plain = "".join(c for row in rows for cell in row for c in cell)
    if any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in plain):
        return
    data = "".join(
        ",".join(f'"{c.replace(chr(34), chr(34) * 2)}"' for c in row) + "\n" for row in rows
    )
    once = kept("table", data.encode())
    assert len(once[1]) <= len(data.encode())
    assert kept("table", once[1]) == once


@pytest.mark.parametrize(
    "data", [b"a,\x00\n" + b"b,c\n", b"\xff\xfea", b'"open,x\n', b"a" * (1 << 20)]
)
def test_what_is_no_sound_table_is_refused(data: bytes) -> None:
    assert refusal("table", data) in {"Q_malformed", "R2_unmetered_egress"}


def _png(image: Image.Image, **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **more)
    return out.getvalue()


def test_an_image_keeps_its_pixels_and_nothing_beside_them() -> None:
    hidden = PngInfo()
    hidden.add_text("weights", "canary" * 50)
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"):
        image = Image.new(mode, (9, 7))
        data = _png(image, pnginfo=hidden) + b"canary behind the end"
        media_type, written = kept("image", data)
        assert media_type == magic.PNG
        assert b"canary" not in written
        assert len(written) < len(data)
        with Image.open(io.BytesIO(written)) as found, Image.open(io.BytesIO(data)) as was:
            assert found.size == (9, 7)
            assert found.convert("RGBA").tobytes() == was.convert("RGBA").tobytes()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _header(side: int) -> bytes:
    return _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))


@pytest.mark.parametrize("side", [8_001, 10_000, 20_000])
def test_an_image_begins_with_its_one_header(side: int) -> None:
    beginning, rest = b"\x89PNG\r\n\x1a\n", _chunk(b"IDAT", zlib.compress(bytes(100)))
    small = struct.pack(">II", 1, 1)
    assert side**2 > MAX_PIXELS
    # A chunk before the header has a width and a height where the header's would be.
    first = _chunk(b"tEXt", small + b"x")
    assert refusal("image", beginning + first + _header(side) + rest) == "Q_malformed"
    assert refusal("image", beginning + _header(1) + _header(side) + rest) == "Q_malformed"


def test_an_image_of_more_pixels_than_memory_is_refused_before_it_is_unpacked() -> None:
    side = int(MAX_PIXELS**0.5) + 1
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b""))
    )
    assert refusal("image", b"\x89PNG\r\n\x1a\n" + chunks) == "Q_malformed"
    noise = _png(Image.effect_noise((64, 64), 50))
    assert refusal("image", noise[: len(noise) // 2]) == "Q_malformed"
    assert refusal("image", noise[:20]) == "Q_malformed"
    assert refusal("image", b"GIF89a" + bytes(30)) == "R2_unmetered_egress"


def test_an_archive_of_a_million_names_is_not_read() -> None:
    archive = bytearray(_zip("notes.txt", b"hello"))
    end = archive.rfind(b"PK\x05\x06")
    archive[end + 12 : end + 16] = (magic.DIRECTORY + 1).to_bytes(4, "little")
    assert refusal("opaque", bytes(archive)) == "R2_unmetered_egress"


def test_a_zip64_record_opens_no_way_around_the_longest_list() -> None:
    plain = _zip("notes.txt", b"hello")
    end = plain.rfind(b"PK\x05\x06")
    # The locator leads to a record whose length of the list counts instead of the end record's.
    record = b"PK\x06\x06" + struct.pack(
        "<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, magic.DIRECTORY + 1, 0
    )
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, end, 1)
    for comment in (b"", b"x" * 65_535):
        last = plain[end:-2] + struct.pack("<H", len(comment)) + comment
        assert kept("opaque", plain[:end] + last)[0] == magic.OCTETS
        assert refusal("opaque", plain[:end] + record + locator + last) == "R2_unmetered_egress"


def test_an_odd_member_hides_no_other() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("first.txt", b"hello")
        archive.writestr("notes.txt", _npy())
    data = bytearray(out.getvalue())
    assert data.startswith(b"PK\x03\x04")
    # Its own header gives another name than the list: nothing opens it.
    data[30:35] = b"other"
    assert refusal("opaque", bytes(data)) == "R2_unmetered_egress"


@given(st.binary(max_size=200))
def test_looking_at_any_bytes_never_fails_otherwise(data: bytes) -> None:
    for artifact_class in ("document", "table", "image", "opaque", "tensor"):
        try:
            media_type, written = kept(artifact_class, data)
        except ArtifactRefused:
            continue
        assert media_type
        assert len(written) <= len(data) + 200
