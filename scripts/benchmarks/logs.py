"""Keeps the logs that reading is measured on; ``recipe`` says what is in them, ``bulk`` builds."""

import json
import os
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

from benchmarks.bulk import Builder, Here, found_log
from benchmarks.places import CannotMeasure, Places
from benchmarks.progress import Counter, say
from benchmarks.recipe import DAY_S, JOBS_AT_ONCE, Recipe
from ledger.assembly import Ledger
from ledger.errors import LedgerError
from ledger.settings import Settings

RECIPE: Final = 3
"""To be counted up when the kept logs must be other ones."""
SMALLEST: Final = 100
SMALL: Final = 20_000
"""Logs up to this size are built by one process: more would hardly be ready before it ends."""
PART_JOBS: Final = 40 * JOBS_AT_ONCE
GROWN: Final = 20
"""A log may have grown by this part of itself: what is measured of appending to it stays."""
FRESH_S: Final = 55 * DAY_S


class Kept:
    """A log that is there: its settings and its recipe."""

    def __init__(self, settings: Settings, recipe: Recipe) -> None:
        self.settings = settings
        self.recipe = recipe
        self.entries = recipe.entries


def kept_log(
    places: Places, entries: int, *, jobs_at_once: int = JOBS_AT_ONCE, part_jobs: int = PART_JOBS
) -> Kept:
    """The log of ``entries`` entries, built or finished where it is not there already."""
    settings = places.kept(f"log-{entries}")
    plan = settings.data_dir / "recipe.json"
    parts = places.beside(f"log-{entries}.parts")
    recipe = None
    if plan.exists():
        found = json.loads(plan.read_text("utf-8"))
        recipe = Recipe(entries, found["end_s"], jobs_at_once)
        if found["recipe"] != RECIPE or time.time() - recipe.end_s > FRESH_S:
            say(f"the kept log of {entries:,} entries is outdated: it is built anew")
            recipe = None
    if recipe is None:
        places.discard(settings, parts)
        settings = places.kept(f"log-{entries}")
        recipe = Recipe(entries, int(time.time()), jobs_at_once)
        found_log(settings, recipe)
        plan.write_text(json.dumps({"recipe": RECIPE, "end_s": recipe.end_s}), "utf-8")
    kept = Kept(settings, recipe)
    size = _size(settings)
    if size > entries + entries // GROWN:
        raise CannotMeasure(f"the kept log has {size} entries instead of {entries}: delete it")
    counter = Counter(f"building a log of {entries:,}", begin=size, end=entries)
    if size < recipe.size_with_jobs or parts.exists():
        parts.mkdir(mode=0o700, exist_ok=True)
        builder = Builder(settings, recipe, folder=parts, part_jobs=part_jobs, told=counter.at)
        with _workers(entries) as executor:
            builder.run(executor)
    if size < entries:
        _log_last(settings, recipe)
        counter.at(entries)
    return kept


def is_kept(places: Places, entries: int) -> bool:
    """Whether a whole log of ``entries`` entries is there."""
    plan = places.beside(f"log-{entries}") / "recipe.json"
    if not plan.exists() or places.beside(f"log-{entries}.parts").exists():
        return False
    found = json.loads(plan.read_text("utf-8"))
    return bool(found["recipe"] == RECIPE and time.time() - found["end_s"] <= FRESH_S)


def _workers(entries: int) -> Executor:
    if entries <= SMALL:
        return Here()
    return ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"))


def _size(settings: Settings) -> int:
    ledger = Ledger(settings, writer=False)
    try:
        return ledger.reader.tree_size()
    finally:
        ledger.close()


def _log_last(settings: Settings, recipe: Recipe) -> None:
    """Log what is said at the very end, if that is not logged already, in the ordinary way."""
    ledger = Ledger(settings, clock=lambda: recipe.end_s)
    try:
        for answer in ledger.log(recipe.last_statements()):
            if isinstance(answer, LedgerError):
                raise CannotMeasure(f"a statement was refused: {answer}")
    finally:
        ledger.close()
