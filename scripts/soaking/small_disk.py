"""A small disk under a real server, full or suddenly read-only: ``scripts/soak full-disk``.

It runs as a process of its own in a mount namespace of its own (see ``scripts/_mounting.py``):

    unshare --mount -- python -m soaking.small_disk '{"folder": …, "rounds": 2, "seed": 7, …}'

The full one is a tmpfs. The one that turns read-only is ext4 on a file, aborted as the kernel does
after an error of the device: files stay open, every write fails, and what was not synchronised is
lost, as if the power had been cut. Prints a line of JSON a round and the report as the last one.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import _mounting

from ledger.settings import Settings
from soaking.clients import Crowd
from soaking.outages import Outage, Report, run_rounds
from soaking.server import Server

SCRIPTS: Final = Path(__file__).resolve().parent.parent
TMPFS_MB: Final = 48
EXT4_MB: Final = 96
PIECE: Final = bytes(1 << 20)
LIMIT_S: Final = 120.0
AGAIN_S: Final = 0.05


class FullDisk:
    """A tmpfs that is filled to the last byte by a file of somebody else's."""

    says: tuple[str, ...] = ("disk: it is full",)
    is_lasting = False

    def __init__(self, mount: Path) -> None:
        mount.mkdir()
        self.mount = mount
        _run("mount", "-t", "tmpfs", "-o", f"size={TMPFS_MB}m", "tmpfs", str(mount))

    def begin(self, server: Server, crowd: Crowd) -> None:  # noqa: ARG002 - as every outage is
        """Fill it."""
        with (self.mount / "ballast").open("wb", buffering=0) as ballast:
            for piece in (PIECE, b"\0"):
                try:
                    while ballast.write(piece):
                        pass
                except OSError:
                    continue

    def end(self) -> None:
        """Make room."""
        (self.mount / "ballast").unlink()


class ReadOnlyDisk:
    """ext4 on a file, aborted: the kernel makes it read-only under whoever uses it."""

    says: tuple[str, ...] = ("disk: it is read-only", "database: ", "writer: the last batch")
    is_lasting = True

    def __init__(self, mount: Path) -> None:
        mount.mkdir()
        self.mount = mount
        self._image = mount.with_name(mount.name + ".img")
        with self._image.open("wb") as file:
            file.truncate(EXT4_MB << 20)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        _run("mount", "-o", "loop", str(self._image), str(mount))

    def begin(self, server: Server, crowd: Crowd) -> None:  # noqa: ARG002 - as every outage is
        """Abort it: what was not synchronised by now never will be."""
        _run("mount", "-o", "remount,abort", str(self.mount))

    def end(self) -> None:
        """Mount it anew, from what is on the disk."""
        _unmount(self.mount)
        _run("mount", "-o", "loop", str(self._image), str(self.mount))


DISKS: Final[dict[str, type[FullDisk | ReadOnlyDisk]]] = {
    "full": FullDisk,
    "read-only": ReadOnlyDisk,
}


def missing(disk: str) -> str | None:
    """Why a disk cannot be had here, in one line."""
    return _mounting.missing_small() if disk == "full" else _mounting.missing_loop()


def run_disk(
    disk: str,
    folder: Path,
    *,
    rounds: int,
    seed: int,
    tell: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Start this module in a namespace of its own, and give its report."""
    asked = {"disk": disk, "folder": str(folder), "rounds": rounds, "seed": seed}
    root = str(SCRIPTS.parent)
    report: dict[str, Any] = {}
    with subprocess.Popen(
        [*_mounting.inside(), sys.executable, "-m", "soaking.small_disk", json.dumps(asked)],
        cwd=root,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join([str(SCRIPTS), root])),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout or ():
            report = json.loads(line)
            tell(Report(**report))
    if process.returncode or not report:
        raise RuntimeError(f"the run on a {disk} disk ended with {process.returncode}")
    return Report(**report)


def main(arguments: Sequence[str]) -> int:
    """Run rounds on one disk; returns 0, and broken promises stand in the report."""
    asked = json.loads(arguments[0])
    folder = Path(asked["folder"])
    disk: Outage = DISKS[asked["disk"]](folder / asked["disk"])
    report = run_rounds(
        Settings(data_dir=folder / asked["disk"] / "ledger"),
        {asked["disk"]: disk},
        engine="sqlite",
        folder=folder,
        rounds=asked["rounds"],
        seed=asked["seed"],
        tell=_tell,
    )
    _tell(report)
    _unmount(folder / asked["disk"])
    return 0


def _tell(report: Report) -> None:
    print(json.dumps(vars(report)), flush=True)


def _unmount(mount: Path) -> None:
    """Unmount once the last thread of whoever was killed has let go."""
    give_up = time.monotonic() + LIMIT_S
    while subprocess.run(["umount", mount], check=False, capture_output=True).returncode:
        if time.monotonic() > give_up:
            raise TimeoutError(f"{mount.name} stays busy")
        time.sleep(AGAIN_S)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
