"""Options that the commands beside a scheduler share: whom a cluster believes, what it counts."""

from pathlib import Path
from typing import Final

import click

from ledger.admission.receipt import MAX_VALID_HOURS, VALID_HOURS
from ledger.errors import FormatError
from ledger.tlog.spelling import decode_size


class Whole(click.ParamType[int]):
    """A whole number from ``least`` on in ASCII digits: ``int`` takes ``+5``, ``1_000``, ``٣``."""

    name = "whole number"

    def __init__(self, *, least: int, most: int = 2**53 - 1) -> None:
        self._least, self._most = least, most

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The number. Fails for any other spelling, and outside of the range."""
        if isinstance(value, int):
            return value
        try:
            number = decode_size(str(value), what="it")
        except FormatError:
            number = -1
        if not self._least <= number <= self._most:
            self.fail(f"a whole number from {self._least} to {self._most} is needed", param, ctx)
        return number


FILE: Final = click.Path(path_type=Path, dir_okay=False)
POLICY: Final = click.option(
    "--policy",
    "policy_file",
    required=True,
    metavar="FILE",
    type=FILE,
    help="A tlog-policy: the log and the witnesses that this cluster believes.",
)
VALID_FOR: Final = click.option(
    "--valid-hours",
    metavar="N",
    default=VALID_HOURS,
    show_default=True,
    type=Whole(least=1, most=MAX_VALID_HOURS),
    help="For how long after the decision a run may start: the charter's admission_hours.",
)
GPU_RESOURCES: Final = click.option(
    "--gpu-resource",
    "gpu_resources",
    metavar="NAME",
    multiple=True,
    help="A further resource that is a GPU; may be given again.",
)
NAMESPACES: Final = click.option(
    "--namespace",
    "namespaces",
    metavar="NAMESPACE=MEMBER",
    multiple=True,
    help="Whose jobs a namespace runs. Given once, no other namespace has GPUs.",
)
