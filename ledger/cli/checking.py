"""``ledger check``: what the charter in force would say of a submission, before it is made.

Only the public part of the file leaves this machine: what would be sealed stays here.
"""

import json
from pathlib import Path
from typing import Final

import click

from ledger.cli.authoring import GIVE_UP, URL, StatementFile
from ledger.cli.client import Client
from ledger.cli.common import CommandFailed, printable, read_as
from ledger.errors import FormatError
from ledger.records import canonical
from ledger.records.asked import parse_asked
from ledger.settings import load_settings
from schemas.checking import SubmissionJudged

REJECTED: Final = 1


@click.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--author",
    metavar="NAME",
    help="The member who would submit it: quotas are judged by what its jobs hold now.",
)
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
@URL
@GIVE_UP
def check_command(
    *, file: Path, author: str | None, as_json: bool, url: str | None, give_up_after: float
) -> None:
    """Ask what would become of the submission in FILE (.json or .toml), as `ledger submit` has it.

    Nothing is signed, logged or promised, and of the file only the public part is sent. Exits with
    0 where it would be admitted, with 1 and every finding where it would be rejected.
    """
    statement = read_as(file, StatementFile)
    question = {"schema": statement.schema, "public": statement.public}
    if author is not None:
        question["author"] = author
    try:
        body = canonical.encode(question)
        parse_asked(body)
    except FormatError as error:
        raise CommandFailed(f"{file}: {error}") from None
    with Client(url or load_settings().public_url, give_up_after_s=give_up_after) as client:
        judged = client.check(body)
    click.echo(_json(judged) if as_json else _text(judged))
    if judged.verdict != "admitted":
        raise click.exceptions.Exit(REJECTED)


def _text(judged: SubmissionJudged) -> str:
    by = f"by the charter at {judged.charter}, in force from {judged.in_force_from}"
    if judged.verdict == "admitted":
        return f"would be admitted {by}; what it seals would be open by {judged.opens_by}"
    found = [f"  {each.code}: {printable(each.finding)}" for each in judged.findings]
    return "\n".join([f"would be rejected {by}:", *found])


def _json(judged: SubmissionJudged) -> str:
    return json.dumps(
        {
            "verdict": judged.verdict,
            "findings": [
                {"rule": each.rule, "code": each.code, "finding": each.finding}
                for each in judged.findings
            ],
            "charter": judged.charter,
            "in_force_from": judged.in_force_from,
            "judged_at": judged.judged_at,
            "opens_by": judged.opens_by,
            "tree_size": judged.tree_size,
        },
        sort_keys=True,
    )
