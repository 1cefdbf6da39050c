"""The pages people read: one router for each language, the same handlers in all."""

from typing import Any

from litestar import Router

from web.i18n import LANGUAGES
from web.pages import job, jobs, log, words

HANDLERS: list[Any] = [
    words.home,
    words.about,
    words.list_problems,
    words.show_problem,
    jobs.list_jobs,
    job.show_job,
    job.show_proof,
    log.show_embargo,
    log.show_log,
    log.list_entries,
    log.show_entry,
]


def routers() -> list[Router]:
    """One router a language."""
    return [Router(path=f"/{tag}", route_handlers=HANDLERS) for tag in LANGUAGES]
