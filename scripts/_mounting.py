"""Whether a file system can be mounted here, and how: for tests and soak kinds that need one.

In a mount namespace of its own, so that nothing outside sees it and it is gone with its process,
however that ends. Who is not root gets a user namespace too, where the system allows it.
Standard library only.
"""

import os
import subprocess
import tempfile

SMALL = "SMALL_DISK_MISSING"
LOOP = "LOOP_DISK_MISSING"
"""The variables that tell the tests why no such disk can be mounted."""
LIMIT_S = 60.0


def inside() -> "list[str]":
    """The words before a command that may mount what it likes."""
    return ["unshare", "--mount" if os.geteuid() == 0 else "--map-root-user", "--mount", "--"]


def missing() -> "dict[str, str]":
    """Why what cannot be mounted here cannot, by the variable that tells the tests."""
    found = {SMALL: missing_small(), LOOP: missing_loop()}
    return {variable: reason for variable, reason in found.items() if reason is not None}


def missing_small() -> "str | None":
    """None where a small tmpfs can be mounted, else why not, in one line."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*inside(), "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
        return _tried(command, "no small file system can be mounted")


def missing_loop() -> "str | None":
    """None where a file can be mounted as a disk, which only root may; else why not."""
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "image")  # noqa: PTH118 - as old Pythons read it
        with open(image, "wb") as file:  # noqa: PTH123 - the same
            file.truncate(8 << 20)
        where = os.path.join(folder, "disk")  # noqa: PTH118 - the same
        os.mkdir(where)  # noqa: PTH102 - the same
        script = 'mkfs.ext4 -q -F "$0" && mount -o loop "$0" "$1" && umount "$1"'
        command = [*inside(), "sh", "-c", script, image, where]
        return _tried(command, "no file can be mounted as a disk")


def _tried(command: "list[str]", what: str) -> "str | None":
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except (OSError, subprocess.SubprocessError) as error:
        return f"{what}: {error}"
    said = " ".join(done.stderr.split())[:200]
    return None if done.returncode == 0 else f"{what}: {said or done.returncode}"
