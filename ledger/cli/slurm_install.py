"""Writes Slurm's hooks with a site's paths in them, and says what slurm.conf needs."""

import re
import shutil
import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

from ledger.cli.common import CommandFailed
from ledger.cli.slurm_desk import open_desk

HOOKS: Final = {"job_submit.lua": 0o644, "prolog.sh": 0o755, "ended.sh": 0o755,
                "node_prolog.sh": 0o755}  # fmt: skip
"""The scripts and their modes: Slurm runs three of them and reads the first."""
_PLAIN: Final = re.compile(r"/[A-Za-z0-9_./-]{1,200}", re.ASCII)


def install(folder: Path, site: Path, program: Path | None) -> list[str]:
    """Write the hooks into a new folder; the lines that slurm.conf needs.

    Paths stand in the scripts as they are, so only plain ones are taken. Raises CommandFailed.
    """
    desk = open_desk(site)
    values = {"LEDGER": str((program or _this()).absolute()), "SITE": str(site.absolute()),
              "MODELS": " ".join(desk.site.models), "RUNS": str(desk.site.runs)}  # fmt: skip
    for each in (values["LEDGER"], values["SITE"], str(folder.absolute())):
        if not _PLAIN.fullmatch(each):
            raise CommandFailed(f"{each[:80]!a}: only letters, digits, '.', '_', '-' and '/'")
    try:
        folder.mkdir(mode=0o755)
        for name, mode in HOOKS.items():
            text = files("ledger.admission.slurm").joinpath(name).read_text("utf-8")
            for key, value in values.items():
                text = text.replace(f"@{key}@", value)
            path = folder / name
            path.write_text(text, "utf-8")
            path.chmod(mode)
    except OSError as error:
        raise CommandFailed(f"{error.filename or folder}: {error.strerror}") from None
    where = folder.absolute()
    nodes = [f"Prolog={where}/node_prolog.sh", "PrologFlags=Alloc"] if desk.site.models else []
    return [
        f"# {where}/job_submit.lua goes beside slurm.conf",
        "JobSubmitPlugins=lua",
        f"PrologSlurmctld={where}/prolog.sh",
        "JobCompType=jobcomp/script",
        f"JobCompLoc={where}/ended.sh",
        *nodes,
        f"# each minute, as SlurmUser: {values['LEDGER']} slurm send {values['SITE']}",
    ]


def _this() -> Path:
    """The ``ledger`` that runs now, by its whole path."""
    beside = Path(sys.executable).with_name("ledger")
    found = beside if beside.exists() else shutil.which("ledger")
    if found is None:
        raise CommandFailed("there is no program `ledger` that Slurm could run")
    return Path(found).absolute()
