"""The pages people read: one router for each language, the same handlers in all."""

from typing import Any

from litestar import Router

from web.i18n import LANGUAGES
from web.pages import (
    amended,
    api_reference,
    charter,
    documents,
    job,
    jobs,
    kinds,
    log,
    members,
    reference,
    signals,
    statistics,
    things,
    verify,
    words,
)

HANDLERS: list[Any] = [
    words.home,
    *documents.HANDLERS,
    *api_reference.HANDLERS,
    words.list_problems,
    words.show_problem,
    jobs.list_jobs,
    job.show_job,
    job.show_proof,
    statistics.show_all,
    statistics.show_one,
    log.show_embargo,
    log.show_log,
    log.list_entries,
    log.show_entry,
    members.list_members,
    members.show_member,
    kinds.list_workloads,
    kinds.list_rejections,
    charter.show_charter,
    things.list_models,
    things.show_model,
    things.list_artifacts,
    things.show_artifact,
    amended.list_corrections,
    reference.show_data,
    reference.show_dictionary,
    reference.show_status,
    signals.show_signals,
    verify.show_verify,
]


def routers() -> list[Router]:
    """One router a language."""
    return [Router(path=f"/{tag}", route_handlers=HANDLERS) for tag in LANGUAGES]
