"""What a cluster says of itself in one TOML file, which every Slurm hook reads."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ledger.admission.receipt import MAX_VALID_HOURS, VALID_HOURS
from ledger.errors import LedgerError
from schemas.values import AuthorName, Wire

MAX_SITE_BYTES: Final = 64 * 2**10
Place = Annotated[str, Meta(pattern=r"^/[A-Za-z0-9_./-]{1,200}$")]
"""An absolute path of plain characters: it may stand in a shell script as it is."""
Account = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,64}\Z")]
"""An account as Slurm spells it."""


class SiteRefused(LedgerError):
    """The cluster's file cannot be used; nothing starts until it can."""


class Site(Wire, frozen=True):
    """The file, its tables and what they mean; times in seconds unless said."""

    cluster: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    """Slurm's ClusterName."""
    ledger: Annotated[str, Meta(pattern=r"^https?://[!-~]{1,200}$")]
    policy: Place
    """The tlog-policy: the log and the witnesses that this cluster believes."""
    key: Place
    """The orchestrator's key file, its owner's alone."""
    state: Place
    """A folder of SlurmUser's: the register of used receipts, runs, outbox, kept receipts."""
    usage: dict[str, Any]
    """What the end of a run is reported with, as ``ledger import-jobs --defaults`` takes it."""
    valid_hours: Annotated[int, Meta(ge=1, le=MAX_VALID_HOURS)] = VALID_HOURS
    patience_s: Annotated[int, Meta(ge=1, le=60)] = 20
    """For how long a start waits for a ledger that does not answer; sbatch waits 5 at most."""
    models: Annotated[tuple[Place, ...], Meta(max_length=64)] = ()
    """Where nodes have models mounted, read-only or nothing starts there."""
    members: dict[Account, AuthorName] | None = None
    """Which member's receipts an account may use; None: any account may use anyone's."""
    slurm_bin: Place = "/usr/bin"
    slurm_conf: Place | None = None
    """Where slurm.conf is not in its usual place."""

    @property
    def register(self) -> Path:
        """The register of used receipts."""
        return Path(self.state) / "used.db"

    @property
    def receipts(self) -> Path:
        """The folder of admission receipts."""
        return Path(self.state) / "receipts"

    @property
    def runs(self) -> Path:
        """The folder of what was started."""
        return Path(self.state) / "runs"

    @property
    def outbox(self) -> Path:
        """The folder of what the ledger is still to be told."""
        return Path(self.state) / "outbox"


def parse_site(text: bytes) -> Site:
    """The site of a TOML text. Raises SiteRefused, naming the field."""
    try:
        return msgspec.convert(tomllib.loads(text.decode("utf-8")), Site)
    except (ValueError, RecursionError) as error:
        raise SiteRefused(f"not TOML: {str(error)[:200]}") from None
    except msgspec.ValidationError as error:
        raise SiteRefused(str(error)[:300]) from None
