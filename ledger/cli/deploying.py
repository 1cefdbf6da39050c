"""``ledger deploy``: units, an image and alerts for whoever runs a ledger, printed one at a time.

The files stand in the folder ``ledger/deploy`` and change nothing by being printed.
"""

import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

from ledger.cli.common import CommandFailed
from ledger.settings import load_settings

HERE: Final = Path(str(files("ledger"))) / "deploy"
SITE: Final = "https://ledger.example"
PROGRAM: Final = "/opt/ledger/bin/ledger"


def names() -> Mapping[str, Path]:
    """Every file by its name."""
    return {path.name: path for path in sorted(HERE.rglob("*")) if path.is_file()}


@click.command("deploy")
@click.argument("name", required=False)
def deploy_command(name: str | None) -> None:
    """Print the file NAME, or without it the names of all.

    There are systemd units with their timers, the definition of an OCI image, and Prometheus alert
    rules. In what is printed stand this program's path and LEDGER_PUBLIC_URL. Each file says at its
    beginning what else it needs.
    """
    known = names()
    if name is None:
        click.echo("\n".join(known))
        return
    if name not in known:
        raise CommandFailed(f"there is no file {name[:60]!a}: `ledger deploy` lists them")
    text = known[name].read_text("utf-8")
    program = Path(sys.executable).with_name("ledger")
    if program.is_file():
        text = text.replace(PROGRAM, str(program))
    click.echo(text.replace(SITE, load_settings().public_url), nl=False)
