"""What each class of artifact may hold, and the one spelling that it is kept in.

    document  JSON, written anew in one spelling; text in UTF-8, as it came
    table     CSV, written anew (commas, line feeds, quotes where they must be); Parquet, as it came
    image     PNG, its pixels written anew and nothing beside them
    opaque    anything that is no tensor: as it came
    tensor    anything: as it came

Writing anew takes away what hides between the lines: spaces, the order of keys, quotes, colour
profiles, comments. It never makes an artifact larger than what was debited. Cells of a table that
a spreadsheet would take for formulas stay as they are: they are served as downloads, not opened.
"""

import codecs
import csv
import io
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import msgspec
from PIL import Image, UnidentifiedImageError

from ledger.artifacts import magic
from ledger.errors import ArtifactRefused
from schemas.statements import Code
from schemas.values import ArtifactClass

IN_MEMORY: Final = 32 << 20
"""The largest JSON or PNG that is taken, in bytes: it is in memory as a whole."""
MAX_PIXELS: Final = 64_000_000
MAX_LINE: Final = 1 << 20
_AT_ONCE: Final = 1 << 20
_FIRST_CHUNK: Final = b"\x00\x00\x00\x0dIHDR"
_NO_PNG: Final = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    MemoryError,
)
"""What opening an image may raise, whatever is wrong with it; a warning where they are errors."""
_CONTROLS: Final = bytes(set(range(32)) - {9, 10, 13})

Write = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Form:
    """What an artifact turned out to be; ``rewrite`` writes it anew, None: it stays as it came."""

    media_type: str
    rewrite: Callable[[Write], None] | None = None


def form_of(artifact_class: str, name: str, whole: BinaryIO, *, size: int) -> Form:
    """What ``whole``, of ``size`` bytes, is, where that belongs to its class.

    Raises ArtifactRefused: with R2_unmetered_egress where it is something of another class, with
    Q_malformed where it is damaged or too large to be written anew. Texts name no sealed value.
    """
    head = _read(whole, magic.HEAD)
    if artifact_class == ArtifactClass.TENSOR:
        return Form(magic.OCTETS)
    whole.seek(0)
    tensor = magic.tensor_format(head, whole)
    if tensor is not None:
        raise _disguised(artifact_class, f"of class tensor ({tensor})")
    whole.seek(0)
    match artifact_class:
        case ArtifactClass.OPAQUE:
            return Form(magic.OCTETS)
        case ArtifactClass.IMAGE:
            return _image(head, whole, size)
        case ArtifactClass.TABLE:
            return _table(head, whole, size)
    return _document(head, whole, size, name)


def _image(head: bytes, whole: BinaryIO, size: int) -> Form:
    if not magic.is_png(head):
        raise _disguised("image", f"no PNG ({_other(head)})")
    return Form(magic.PNG, _png(whole, size))


def _table(head: bytes, whole: BinaryIO, size: int) -> Form:
    if magic.is_parquet(head):
        return Form(magic.PARQUET)
    if not magic.is_text(head):
        raise _disguised("table", f"neither CSV nor Parquet ({_other(head)})")
    return Form(magic.CSV, _csv(whole, size))


def _document(head: bytes, whole: BinaryIO, size: int, name: str) -> Form:
    if not magic.is_text(head):
        raise _disguised("document", f"neither JSON nor text ({_other(head)})")
    rewrite = _json(whole, size, must=name.lower().endswith(".json"))
    if rewrite is not None:
        return Form(magic.JSON, rewrite)
    whole.seek(0)
    _check_text(whole)
    return Form(magic.TEXT)


def _disguised(artifact_class: str, what: str) -> ArtifactRefused:
    return ArtifactRefused(
        f"an artifact that was declared of class {artifact_class} is {what}",
        code=Code.R2_UNMETERED_EGRESS,
    )


def _malformed(what: str) -> ArtifactRefused:
    return ArtifactRefused(what, code=Code.Q_MALFORMED)


def _other(head: bytes) -> str:
    found = magic.guessed(head)
    return (
        f"by its first bytes {found}"
        if found and re.fullmatch(r"\.[\w.]{1,12}", found)
        else "unknown"
    )


def _read(whole: BinaryIO, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size and (part := whole.read(size - len(parts))):
        parts += part
    return bytes(parts)


def _json(whole: BinaryIO, size: int, *, must: bool) -> Callable[[Write], None] | None:
    """What writes JSON anew; None where it is other text, and need be nothing else."""
    first = _read(whole, 4_096).lstrip()[:1]
    if not must and first not in {b"{", b"["}:
        return None
    if size > IN_MEMORY:
        if must:
            raise _malformed(f"JSON of {size} bytes: at most {IN_MEMORY} are taken at once")
        return None
    whole.seek(0)
    try:
        value = msgspec.json.decode(_read(whole, size))
        written = msgspec.json.encode(value, order="sorted")
    except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError):
        if must:
            raise _malformed("it is called .json and is not JSON, or is nested too deep") from None
        return None

    def write(out: Write) -> None:
        out(written)

    return write


def _check_text(whole: BinaryIO) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    part = b"\n"
    try:
        while part:
            part = whole.read(_AT_ONCE)
            decoder.decode(part, final=not part)
            if len(part.translate(None, _CONTROLS)) != len(part):
                raise _malformed("the text has control characters")
    except UnicodeDecodeError:
        raise _malformed("the text is not UTF-8 throughout") from None


def _csv(whole: BinaryIO, size: int) -> Callable[[Write], None]:
    whole.seek(max(size - 1, 0))
    ends = whole.read(1) == b"\n"
    whole.seek(0)

    def write(out: Write) -> None:
        text = io.TextIOWrapper(whole, encoding="utf-8-sig", errors="strict", newline="")
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        try:
            for row in csv.reader(_lines(text), strict=True):
                writer.writerow(row)
                if buffer.tell() > _AT_ONCE:
                    out(_emptied(buffer).encode())
        except (csv.Error, UnicodeDecodeError):
            raise _malformed("the table is not CSV in UTF-8 throughout") from None
        finally:
            text.detach()
        rest = _emptied(buffer)
        out((rest if ends else rest.removesuffix("\n")).encode())

    return write


def _emptied(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


_NOT_IN_A_TABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(MAX_LINE):
        if len(line) >= MAX_LINE:
            raise _malformed(f"a line of the table has {MAX_LINE} characters or more")
        if _NOT_IN_A_TABLE.search(line):
            raise _malformed("the table has control characters")
        yield line


def _check_pixels(width: int, height: int) -> None:
    if not 0 < width * height <= MAX_PIXELS:
        raise _malformed(f"the image has no pixels, or more than {MAX_PIXELS}")


def _png(whole: BinaryIO, size: int) -> Callable[[Write], None]:
    if size > IN_MEMORY:
        raise _malformed(f"a PNG of {size} bytes: at most {IN_MEMORY} are taken")
    whole.seek(0)
    data = io.BytesIO(_read(whole, size))
    # Signature, length and name of the first chunk, then width and height: before any library
    # makes room for the pixels.
    head = data.getvalue()[:24].ljust(24, b"\0")
    if head[8:16] != _FIRST_CHUNK:
        raise _malformed("the image does not begin with its header")
    _check_pixels(*struct.unpack(">II", head[16:]))

    def write(out: Write) -> None:
        try:
            with Image.open(data, formats=("PNG",)) as image:
                if getattr(image, "n_frames", 1) != 1:
                    raise _malformed("the image is animated")
                # A second header would count instead of the first.
                _check_pixels(*image.size)
                image.load()
                bare = Image.frombytes(image.mode, image.size, image.tobytes())
                if image.mode == "P":
                    palette = image.getpalette("RGB")
                    assert palette is not None
                    bare.putpalette(palette, "RGB")
                shown = image.info.get("transparency")
        except _NO_PNG:
            raise _malformed("the image is no sound PNG") from None
        made = io.BytesIO()
        more = {} if shown is None else {"transparency": shown}
        bare.save(made, "PNG", optimize=True, **more)
        out(made.getvalue())

    return write
