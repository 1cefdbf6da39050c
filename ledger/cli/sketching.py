"""``ledger sketch``: the sketch of a file of prompts, for a statement or as a reference set."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import msgspec

from ledger.cli.common import CommandFailed, Progress
from ledger.records import canonical
from ledger.records.sketch import MOST_SCALE, Sketcher, format_sketch

MAX_LINE: Final = 1 << 22
"""The longest line that is read, in bytes."""
_TOLD_EVERY: Final = 1_000


@click.command("sketch")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--scale",
    type=click.IntRange(min=1, max=MOST_SCALE),
    default=1,
    show_default=True,
    help="Keep one prompt in so many; doubled where more than 1,024 would be kept.",
)
@click.option(
    "--field",
    default="prompt",
    show_default=True,
    help="What the prompt is called where a line is an object.",
)
def sketch_command(path: Path, scale: int, field: str) -> None:
    """Print the FracMinHash sketch of the prompts in FILE, as JSON.

    FILE has a line of JSON for each prompt: a string, or an object whose `--field` is one. What is
    printed is the value of the sealed field `prompts.sketch` of a statement, and what `ledger
    signals --reference` takes. It is a function of the set of prompts: their order and repetitions
    do not matter. Memory stays the same however long FILE is.
    """
    sketcher = Sketcher(scale)
    try:
        with path.open("rb") as file:
            for prompt in _prompts(file, path, field):
                sketcher.add(prompt)
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}") from None
    made = sketcher.sketch()
    click.echo(canonical.encode(msgspec.to_builtins(format_sketch(made))).decode())
    told = f"{sketcher.count} prompts, {len(made.hashes)} hashes at scale {made.scale}"
    click.echo(told, err=True)


def _prompts(file: BinaryIO, path: Path, field: str) -> Iterator[str]:
    size, done = path.stat().st_size, 0
    progress = Progress(path.name)
    try:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            done += len(line)
            if len(line) > MAX_LINE:
                raise CommandFailed(f"{path}, line {number}: longer than {MAX_LINE} bytes")
            if line.strip():
                yield _prompt(line, f"{path}, line {number}", field)
            if number % _TOLD_EVERY == 0:
                progress(min(done, size), size)
    finally:
        progress.finish()


def _prompt(line: bytes, where: str, field: str) -> str:
    # What a line holds is never repeated in the message: prompts are sealed.
    try:
        value: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CommandFailed(f"{where}: not JSON") from None
    if isinstance(value, dict):
        value = value.get(field)
        if not isinstance(value, str):
            raise CommandFailed(
                f"{where}: no text called {field[:40]!a} in the object; see --field"
            )
    if not isinstance(value, str):
        raise CommandFailed(f"{where}: neither a text nor an object")
    return value
