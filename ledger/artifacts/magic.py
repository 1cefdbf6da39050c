"""What bytes are, by their first ones: tensors above all, whatever they are called.

A file of numbers that could be weights is recognised by the formats that frameworks write; inside
zip archives and compressed streams too, one level deep. Numbers in any other clothing, a CSV of
floats or a file that was encrypted before, nobody can tell from honest ones: there the ceilings of
the classes count, and nothing else.
"""

import bz2
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

import puremagic
from puremagic import PureError

HEAD: Final = 65_536
"""How many of the first bytes are looked at."""
MEMBERS: Final = 4_096
"""Of how many members an archive may have its names looked at; one with more is a tensor's."""
DIRECTORY: Final = 1 << 20
"""The longest list of members that is read, in bytes."""
_MEMBERS_OPENED: Final = 64
_DAMAGED: Final = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    EOFError,
    OSError,
    zlib.error,
    lzma.LZMAError,
)
"""What reading an archive may raise, whatever is wrong with it."""
_END: Final = 22
_LOCATOR: Final = 20
_LONGEST_END: Final = _LOCATOR + _END + 65_536
_OLD_PICKLES: Final = (b"(lp0", b"(dp0", b"ctorch", b"cnumpy", b"ccopy_reg", b"]q\x00", b"}q\x00")
_HDF5_AT: Final = (0, 512, 1024, 2048, 4096, 8192)
_SAFETENSORS_HEADER: Final = 100_000_000

_TENSORS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x93NUMPY", "NumPy array"),
    (b"GGUF", "GGUF"),
    (b"lmgg", "GGML"),
    (b"tjgg", "GGJT"),
    (b"fmgg", "GGMF"),
    (b"algg", "GGLA"),
    (b"ARROW1", "Arrow"),
    (b"FEA1", "Feather"),
    (b"TFL3", "TensorFlow Lite"),
    (b"MATLAB 5.0 MAT-file", "MATLAB"),
)
_TENSOR_NAMES: Final = (
    ".npy",
    ".npz",
    ".pkl",
    ".pickle",
    ".pt",
    ".pth",
    ".safetensors",
    ".gguf",
    ".h5",
    ".onnx",
)

JSON: Final = "application/json"
CSV: Final = "text/csv"
TEXT: Final = "text/plain"
PNG: Final = "image/png"
PARQUET: Final = "application/vnd.apache.parquet"
OCTETS: Final = "application/octet-stream"


def tensor_format(head: bytes, whole: BinaryIO | None = None) -> str | None:
    """The name of the tensor format that bytes begin like; None where they begin like none.

    ``whole`` is the file that ``head`` begins, for archives: they are listed at their end.
    """
    return _framework(head) or _inside(head, whole)


def is_png(head: bytes) -> bool:
    """Whether bytes begin like a PNG."""
    return head.startswith(b"\x89PNG\r\n\x1a\n")


def is_parquet(head: bytes) -> bool:
    """Whether bytes begin like Parquet."""
    return head.startswith(b"PAR1")


def guessed(head: bytes) -> str | None:
    """What else bytes are by puremagic's table, as an extension like ".zip"; None: unknown."""
    try:
        found = puremagic.magic_string(head)
    except (PureError, ValueError):
        return None
    return str(found[0].extension) if found and found[0].confidence >= 0.8 else None


def is_text(head: bytes) -> bool:
    """Whether bytes begin like UTF-8 text without control characters but tab and line ends."""
    try:
        head[: _whole_characters(head)].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not _CONTROLS.intersection(head)


_CONTROLS: Final = frozenset(range(32)) - {9, 10, 13}


def _whole_characters(head: bytes) -> int:
    """How many bytes there are before a character that the end cuts off."""
    for back in range(1, min(4, len(head)) + 1):
        byte = head[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(head) - back if length > back else len(head)
    return len(head)


def _framework(head: bytes) -> str | None:
    for magic, name in _TENSORS:
        if head.startswith(magic):
            return name
    if any(head[at : at + 8] == b"\x89HDF\r\n\x1a\n" for at in _HDF5_AT):
        return "HDF5"
    if _is_safetensors(head):
        return "safetensors"
    if _is_pickle(head):
        return "pickle"
    if _is_onnx(head):
        return "ONNX"
    return None


def _is_safetensors(head: bytes) -> bool:
    """Eight bytes of length, little-endian, then a JSON object of that length."""
    return (
        head[8:9] == b"{"
        and 2 <= int.from_bytes(head[:8], "little") <= _SAFETENSORS_HEADER
        and (head[9:10] or b"x") in b'"} \n\t'
    )


def _is_pickle(head: bytes) -> bool:
    # Protocols 2 to 5 begin with PROTO; 4 and 5 go on with FRAME. Older ones are text that begins
    # with a mark, a global or an empty container.
    if len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return True
    return head.startswith(_OLD_PICKLES)


def _is_onnx(head: bytes) -> bool:
    """ModelProto: field 1 (ir_version), then field 2 (producer_name) or 7 (graph) or 8 (opset)."""
    return (
        len(head) > 4
        and head[0] == 0x08
        and 1 <= head[1] <= 32
        and head[2] in {0x12, 0x3A, 0x42}
        and (head[2] != 0x12 or head[4 : 4 + min(head[3], 16)].isascii())
    )


def _inside(head: bytes, whole: BinaryIO | None) -> str | None:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _in_archive(whole if whole is not None else io.BytesIO(head))
    for magic, open_stream in _STREAMS:
        if head.startswith(magic):
            found = _framework(open_stream(head))
            return found and f"compressed {found}"
    return None


def _in_archive(whole: BinaryIO) -> str | None:
    try:
        listed = _directory_bytes(whole)
        if listed is None or listed > DIRECTORY:
            return "zip archive of thousands of files"
        with zipfile.ZipFile(whole) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS:
                return "zip archive of thousands of files"
            for member in members:
                if member.filename.lower().endswith(_TENSOR_NAMES):
                    return f"zip archive with {_known_name(member.filename)}"
            for beginning in _beginnings(archive, members):
                found = _framework(beginning)
                if found:
                    return f"zip archive with {found}"
    except _DAMAGED:
        pass  # No archive that anything could read.
    return None


def _directory_bytes(whole: BinaryIO) -> int | None:
    """How long an archive says that its list of members is: all of it would be in memory.

    Found as zipfile finds it (APPNOTE 4.3.16): at the very end, or else before a comment. None
    where a locator before that (4.3.15) leads to a zip64 record, which says something else.
    """
    whole.seek(0, io.SEEK_END)
    whole.seek(max(whole.tell() - _LONGEST_END, 0))
    end = whole.read(_LONGEST_END)
    at = len(end) - _END if end[-_END:].startswith(b"PK\x05\x06") else end.rfind(b"PK\x05\x06")
    whole.seek(0)
    if b"PK\x06\x07" in end[max(at - _LOCATOR, 0) : max(at, 0)]:
        return None
    return int.from_bytes(end[at + 12 : at + 16], "little") if at >= 0 else 0


def _known_name(filename: str) -> str:
    """The ending that gave it away, and nothing else of a name that is sealed."""
    return next(end for end in _TENSOR_NAMES if filename.lower().endswith(end))


def _beginnings(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Iterator[bytes]:
    for member in members[:_MEMBERS_OPENED]:
        # Not is_dir(): it fails at a member without a name, which anybody can make.
        if not member.filename.endswith("/") and not member.flag_bits & 1:
            try:
                with archive.open(member) as file:
                    beginning = file.read(512)
            except _DAMAGED:
                continue  # One that nothing could read hides none of the others.
            yield beginning


def _gunzip(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=47).decompress(head, HEAD)
    except zlib.error:
        return b""


def _unbzip(head: bytes) -> bytes:
    try:
        return bz2.BZ2Decompressor().decompress(head, HEAD)
    except OSError:
        return b""


def _unxz(head: bytes) -> bytes:
    try:
        return lzma.LZMADecompressor(memlimit=64 << 20).decompress(head, HEAD)
    except lzma.LZMAError:
        return b""


_STREAMS: Final[tuple[tuple[bytes, Callable[[bytes], bytes]], ...]] = (
    (b"\x1f\x8b", _gunzip),
    (b"BZh", _unbzip),
    (b"\xfd7zXZ\x00", _unxz),
)
