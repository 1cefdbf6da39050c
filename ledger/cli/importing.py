"""``ledger import-jobs``: the jobs of a scheduler or an evaluation tool as drafts of statements."""

import json
import os
import secrets
import shutil
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TextIO

import click
import msgspec

from ledger.cli.common import CommandFailed, read_text
from ledger.importers.drafts import Defaults, make_drafts, parse_defaults
from ledger.importers.facts import Facts
from ledger.importers.import_report import ImportReport
from ledger.importers.jobs_file import AUTO, FORMATS, Jobs, read_jobs
from ledger.importers.mapping import ImportRefused
from ledger.importers.prompts import SAMPLES
from ledger.importers.ulid import RANDOM_BYTES, ulid

ZIP: Final = b"PK\x03\x04"
REPORT: Final = "report.json"


@click.command("import-jobs")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_",
    type=click.Choice([AUTO, *FORMATS]),
    default=AUTO,
    show_default=True,
    help="Which tool wrote FILE.",
)
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A folder that is made, for the drafts and report.json.",
)
@click.option(
    "--defaults",
    metavar="TOML",
    type=click.Path(path_type=Path),
    help="What FILE does not say: workload_type, gradient_scope, optimizer_targets, accelerator,"
    " gpu_count, wall_limit_seconds, egress_ceiling_bytes, weights_unchanged, weights_check,"
    " [accelerator_names], [h200e] basis, [milli_h200].",
)
@click.option(
    "--sketch-prompts",
    "sketch",
    is_flag=True,
    help="Read an inspect_ai log's prompts too, for their sealed sketch (see `ledger sketch`).",
)
def import_jobs_command(
    *, file: Path, format_: str, out: Path, defaults: Path | None, sketch: bool
) -> None:
    """Turn every job in FILE into drafts that `ledger submit` signs, one file for each event.

    FILE is what `sacct --json` prints, Kueue Workloads or Kubernetes Jobs as `kubectl get -o json`
    prints them, an inspect_ai log (`inspect log dump`, or .eval where inspect-ai is installed), or
    a results file of lm-eval. Only listed fields are taken: no user, host, path, command line or
    environment reaches a draft. On Kubernetes a job says what it is by the labels or annotations
    ledger.apsci/workload-type, /gradient-scope and /optimizer-targets; in Slurm by its wckey.

    What FILE and --defaults do not say is missing in the draft, and named in the report; signs of
    training become findings, and the draft says what the charter will reject. Nothing is sent.
    Drafts hold sealed values: only you can read them. Importing again makes new jobs.
    """
    known = _defaults(defaults)
    if out.exists():
        raise CommandFailed(f"{out} exists already: name another folder with --out")
    partial = out.with_name(f"{out.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(mode=0o700)
        try:
            source = _json_of(file, format_, partial, sketch=sketch)
            read = _read(file, source, format_, known, sketch=sketch)
            if source != file:
                source.unlink()
            report = _write(read, known, partial)
            partial.rename(out)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise CommandFailed(f"{error.filename or out}: {error.strerror}") from None
    for line in report.lines(read):
        click.echo(line)
    click.echo(f"drafts and {REPORT}: {out}")


def _read(file: Path, source: Path, format_: str, known: Defaults, *, sketch: bool) -> Jobs:
    try:
        return read_jobs(
            source,
            format_=format_,
            names=known.accelerator_names,
            original=file,
            sketch=sketch,
        )
    except ImportRefused as error:
        said = str(error).removeprefix(f"{source}: ")
        raise CommandFailed(f"{file}: {said}") from None


def _defaults(path: Path | None) -> Defaults:
    if path is None:
        return Defaults()
    try:
        return parse_defaults(read_text(path))
    except ImportRefused as error:
        raise CommandFailed(f"{path}: {error}") from None


def _write(read: Jobs, known: Defaults, folder: Path) -> ImportReport:
    report = ImportReport()
    for number, facts in enumerate(read.jobs, start=1):
        drafts = list(make_drafts(facts, known, job_id=_job_id(facts)))
        report.add(number, facts, len(drafts))
        for step, draft in enumerate(drafts, start=1):
            _write_json(folder / f"{number:06}-{step}-{draft.kind}.json", draft.document)
    _write_json(folder / REPORT, report.to_dict(read))
    return report


def _job_id(facts: Facts) -> str:
    """A new name. Random but for the time: a digest of the record's own name could be guessed."""
    seconds = facts.submitted_at if facts.submitted_at is not None else int(time.time())
    return ulid(seconds * 1000, secrets.token_bytes(RANDOM_BYTES))


def _write_json(path: Path, value: dict[str, Any]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        plain = msgspec.to_builtins(value)
        file.write(json.dumps(plain, ensure_ascii=False, indent=1).encode() + b"\n")


def _json_of(file: Path, format_: str, folder: Path, *, sketch: bool) -> Path:
    """The file itself, or, of an .eval archive, what is read of it as JSON in ``folder``."""
    with file.open("rb") as opened:
        magic = opened.read(len(ZIP))
    if magic != ZIP or format_ not in (AUTO, "inspect"):
        return file
    try:
        log = import_module("inspect_ai.log")
    except ImportError:
        raise CommandFailed(
            f"{file} is an archive, and inspect-ai is not installed here to read it: install"
            f" apsci-ledger[inspect-ai], or run `inspect log dump` on it and import what it prints"
        ) from None
    unpacked = folder / "header"
    try:
        with unpacked.open("x", encoding="utf-8") as written:
            _write_archive(log, str(file), written, sketch=sketch)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever another tool's reader raises
        raise CommandFailed(f"{file}: inspect-ai cannot read it ({type(error).__name__})") from None
    return unpacked


def _write_archive(log: ModuleType, file: str, out: TextIO, *, sketch: bool) -> None:
    """Write a log's header as JSON, with the samples' prompts where they are wanted."""
    header = log.read_eval_log(file, header_only=True).model_dump_json(exclude={SAMPLES})
    if not sketch:
        out.write(header)
        return
    out.write(f'{header[:-1]},"{SAMPLES}":[')
    for number, sample in enumerate(log.read_eval_log_samples(file, all_samples_required=False)):
        out.write("," if number else "")
        out.write(sample.model_dump_json(include={"input"}))
    out.write("]}")
