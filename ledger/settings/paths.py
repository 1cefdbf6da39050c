"""Paths as people write them in settings and files of settings: with ``~`` for a home folder."""

from pathlib import Path


def expanded(path: str | Path) -> Path:
    """Put the home folder in place of a leading ``~`` or ``~name``.

    Raises ValueError where there is none: an unknown name, or a process without a home.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError("there is no home folder to put in place of ~") from None
