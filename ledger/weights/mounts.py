"""Whether a process could have written to a folder, by its own ``/proc/self/mountinfo`` (proc(5)).

It speaks for the processes that share this mount namespace, at the moment of looking. It does not
speak for the host, for other pods that have the same volume, or for whoever serves a network file
system. The record of it holds no path, no device and no host: four answers, a job and a time.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal

from msgspec import to_builtins

from ledger.errors import FormatError, TooLarge
from ledger.records import canonical
from ledger.records.wire import convert
from ledger.weights.refusal import WeightsDiffer, WeightsRefused
from schemas.values import Time, Ulid, Wire

FORMAT: Final = "apsci-readonly-mount/1"
MOUNTINFO: Final = "/proc/self/mountinfo"
MAX_MOUNTINFO: Final = 4 << 20
MAX_REPORT: Final = 4096
_MOUNTS: Final = 10_000
_FIELDS: Final = 10
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")
_NUMBER: Final = re.compile(r"[0-9]{1,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo, as far as it matters here."""

    number: int
    parent: int
    device: str
    root: PurePosixPath
    """The folder of the file system that stands at ``point``."""
    point: PurePosixPath
    read_only: bool
    superblock_read_only: bool


class MountReport(Wire, frozen=True):
    """What a node says of the mount that a job read its model from."""

    format: Literal["apsci-readonly-mount/1"]
    looked_at: Time
    mount_read_only: bool
    superblock_read_only: bool
    writable_below: bool
    """A mount somewhere below the folder can be written to."""
    writable_elsewhere: bool
    """The same files are mounted a second time, where they can be written to."""
    job_id: Ulid | None = None


def parse_mountinfo(text: str) -> tuple[Mount, ...]:
    """Every mount, in the file's order. Raises WeightsRefused, naming the line."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) > _MOUNTS:
        raise WeightsRefused(f"more than {_MOUNTS} mounts")
    return tuple(_parse_line(line, number) for number, line in enumerate(lines, start=1))


def judge_mount(
    mounts: Sequence[Mount], folder: PurePosixPath, *, looked_at: str, job_id: str | None = None
) -> MountReport:
    """Say of ``folder``, an absolute path without links or ``..``, whether it can be written to.

    Raises WeightsRefused where the mounts have no root or the path is not of that kind.
    """
    if not folder.is_absolute() or ".." in folder.parts:
        raise WeightsRefused(f"{folder}: a path from the root is needed, without ..")
    here = _mount_of(mounts, folder)
    others = [each for each in mounts if each is not here and not _read_only(each)]
    return MountReport(
        format=FORMAT,
        looked_at=looked_at,
        mount_read_only=here.read_only,
        superblock_read_only=here.superblock_read_only,
        writable_below=any(
            each.point != folder and each.point.is_relative_to(folder) for each in others
        ),
        writable_elsewhere=any(
            each.device == here.device
            and (each.root.is_relative_to(here.root) or here.root.is_relative_to(each.root))
            for each in others
        ),
        job_id=job_id,
    )


def require_read_only(report: MountReport) -> None:
    """Raise WeightsDiffer where the report does not say that nobody here could write."""
    if not (report.mount_read_only or report.superblock_read_only):
        raise WeightsDiffer("the mount can be written to")
    if report.writable_below:
        raise WeightsDiffer("a mount below the folder can be written to")
    if report.writable_elsewhere:
        raise WeightsDiffer("the same files are mounted a second time, where they can be written")


def format_report(report: MountReport) -> bytes:
    """The report's canonical JSON: its SHA-256 is what a statement carries."""
    return canonical.encode(to_builtins(report))


def parse_report(data: bytes) -> MountReport:
    """Read what ``format_report`` wrote. Raises WeightsRefused."""
    try:
        return convert(canonical.decode(data, limit=MAX_REPORT), MountReport, at="")
    except (FormatError, TooLarge) as error:
        raise WeightsRefused(f"not a report of a mount: {error}") from None


def _parse_line(line: str, number: int) -> Mount:
    fields = line.split(" ")
    # Between the sixth field and "-" stand optional ones, none or several.
    dash = fields.index("-") if "-" in fields[6:] else -1
    if len(fields) < _FIELDS or dash < 6 or len(fields) < dash + 4:
        raise WeightsRefused(f"line {number} is not one of mountinfo")
    if not (_NUMBER.fullmatch(fields[0]) and _NUMBER.fullmatch(fields[1])):
        raise WeightsRefused(f"line {number}: a mount's number is needed")
    return Mount(
        number=int(fields[0]),
        parent=int(fields[1]),
        device=fields[2],
        root=_path(fields[3]),
        point=_path(fields[4]),
        read_only="ro" in fields[5].split(","),
        superblock_read_only="ro" in fields[dash + 3].split(","),
    )


def _path(field: str) -> PurePosixPath:
    """A path of mountinfo: space, tab, line feed and backslash stand in octal."""
    return PurePosixPath(_ESCAPE.sub(lambda found: chr(int(found[1], 8)), field))


def _read_only(mount: Mount) -> bool:
    return mount.read_only or mount.superblock_read_only


def _mount_of(mounts: Sequence[Mount], folder: PurePosixPath) -> Mount:
    """The mount that a walk down the path ends in.

    The longest mount point is not the answer: what is mounted later higher up hides it.
    """
    numbers = {each.number for each in mounts}
    tops = [
        each
        for each in mounts
        if each.point == PurePosixPath("/")
        and (each.parent not in numbers or each.parent == each.number)
    ]
    if len(tops) != 1:
        raise WeightsRefused("these mounts have no one root")
    here = tops[0]
    seen = {here.number}
    while True:
        inside = [
            each
            for each in mounts
            if each.parent == here.number
            and each.number not in seen
            and folder.is_relative_to(each.point)
            and each.point.is_relative_to(here.point)
        ]
        if not inside:
            return here
        here = min(inside, key=lambda each: len(each.point.parts))
        seen.add(here.number)
