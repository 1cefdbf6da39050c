"""Reads the results of evaluation tools: inspect_ai's logs as JSON, lm-eval's results.

Of an inspect_ai log: run_id, task registry name (if it is a workload), model name, status, times,
token and sample counts, scores. Of lm-eval: model name, revision, size and type, date and duration,
results and sample counts. Prompts, answers, arguments, paths and environment are not taken.
"""

import re
from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any, Final

from ledger.importers.facts import Facts, Period
from ledger.importers.looking import MAX_NUMBER, At
from ledger.importers.mapping import ImportRefused
from ledger.importers.red_flags import look_for_flags
from schemas.charter import Workload
from schemas.statements import ExitStatus

INSPECT: Final = "inspect_ai"
LM_EVAL: Final = "lm_eval"
MAX_METRICS: Final = 64
_STATUS: Final = {
    "success": ExitStatus.COMPLETED,
    "error": ExitStatus.FAILED,
    "cancelled": ExitStatus.CANCELLED,
}
_METRIC: Final = re.compile(r"[A-Za-z0-9][\w./:+@, -]{0,99}", re.ASCII)
_SECONDS: Final = re.compile(r"([0-9]{1,9})(\.[0-9]{1,30})?", re.ASCII)
_SLUG: Final = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
_PRECISION: Final = 60
_PLACES: Final = Decimal(1).scaleb(-18)


def read_inspect(record: At, digest: str) -> Facts:
    """What an inspect_ai log says. Raises ImportRefused, naming the place."""
    facts = _evaluation(INSPECT, digest)
    evaluation, stats, results = record("eval"), record("stats"), record("results")
    facts.record_id = evaluation("run_id").word() or evaluation("eval_id").word()
    task = evaluation("task_registry_name").text() or ""
    name = task.rpartition("/")[2]
    if name in set(Workload):
        facts.workload = Workload(name)
    _take_model(facts, evaluation("model"))
    facts.submitted_at = evaluation("created").time()
    start, end = stats("started_at").time(), stats("completed_at").time()
    status = record("status")
    ended = _STATUS.get(status.text() or "")
    if ended is None:
        facts.found("still_running", status.place)
        end = None
    elif end is None or (start is not None and end < start):
        facts.found("state_unknown", stats.place)
        ended = end = None
    _take_run(facts, start, end, ended)
    facts.outcome |= _counted(
        ("samples.total", results("total_samples").count()),
        ("samples.completed", results("completed_samples").count()),
        ("tokens.input", _tokens(stats, INPUT)),
        ("tokens.output", _tokens(stats, ("output_tokens",))),
    )
    _take_metrics(facts, _inspect_metrics(results), results.place)
    # The rest is prompts, answers and their scores, in which every word may stand.
    look_for_flags(facts, {"eval": evaluation.value, "plan": record("plan").value}, "")
    return facts


def read_lm_eval(record: At, digest: str) -> Facts:
    """What a results file of lm-eval says. Raises ImportRefused, naming the place."""
    facts = _evaluation(LM_EVAL, digest)
    config = record("config")
    # It has no identifier of its own: the digest of the file is one.
    facts.record_id = f"sha256:{digest}"
    _take_model(facts, record("model_name"))
    size = config("model_num_parameters")
    if size.value != -1:  # what it writes where it does not know
        facts.submission |= _counted(("model.parameter_count", size.count()))
    _take_word(facts, config("model_revision"), "model.revision")
    dtype = (config("model_dtype").text() or "").removeprefix("torch.")
    if _SLUG.fullmatch(dtype):
        facts.submission["model.dtype"] = dtype
    start = record("date").unix()
    took = record("total_evaluation_time_seconds")
    seconds = _SECONDS.fullmatch(took.text() or "") if took.value is not None else None
    facts.submitted_at = start
    if start is None or seconds is None:
        facts.found("state_unknown", took.place)
        _take_run(facts, start, None, None)
    else:
        _take_run(facts, start, start + int(seconds[1]), ExitStatus.COMPLETED)
    samples = sum(
        At(each, f"n-samples.{number}")("effective").count() or 0
        for number, each in enumerate(record("n-samples").members().values())
    )
    facts.outcome |= _counted(("samples.total", samples or None))
    _take_metrics(facts, _lm_eval_metrics(record), "results")
    look_for_flags(facts, {"config": config.value}, "")
    return facts


def _evaluation(system: str, digest: str) -> Facts:
    return Facts(system, "", digest, asks_only=True)


INPUT: Final = ("input_tokens", "input_tokens_cache_read", "input_tokens_cache_write")
"""inspect_ai counts what a cache served or took apart from the rest."""


def _tokens(stats: At, names: tuple[str, ...]) -> int | None:
    used = stats("model_usage")
    counts = [
        At(usage, f"{used.place}.*")(name).count()
        for usage in used.members().values()
        for name in names
    ]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _take_model(facts: Facts, at: At) -> None:
    name = at.name()
    if name is not None:
        facts.submission["model.name"] = name
    elif at.text() is not None:
        facts.found("left_out", at.place, "sealed.model.name")


def _take_word(facts: Facts, at: At, path: str) -> None:
    word = at.word()
    if word is not None:
        facts.submission[path] = word
    elif at.text() is not None:
        facts.found("left_out", at.place, f"sealed.{path}")


def _take_run(facts: Facts, start: int | None, end: int | None, ended: ExitStatus | None) -> None:
    if start is not None:
        facts.periods = [Period(start, end, ended)]
    facts.ended_at, facts.exit_status = end, ended


def _counted(*pairs: tuple[str, int | None]) -> dict[str, Any]:
    return {path: count for path, count in pairs if count is not None}


def _inspect_metrics(results: At) -> Iterator[tuple[str, At, At, int | None]]:
    """(name, value, stderr, n) of every score."""
    for score in results("scores"):
        metrics = score("metrics")
        scored = score("scored_samples").count()
        for name in metrics.members():
            if name != "stderr":
                value = At(metrics.members()[name], f"{metrics.place}.*")("value")
                stderr = (
                    metrics("stderr", "value") if name in ("accuracy", "mean") else At(None, "")
                )
                yield f"{score('name').text()}/{name}", value, stderr, scored


def _lm_eval_metrics(record: At) -> Iterator[tuple[str, At, At, int | None]]:
    results = record("results")
    for task, below in results.members().items():
        found = At(below, "results.*").members()
        samples = At(record("n-samples").members().get(task), "n-samples.*")("effective").count()
        for key in found:
            metric, comma, kept = key.partition(",")
            if comma and not metric.endswith("_stderr"):
                stderr = found.get(f"{metric}_stderr,{kept}")
                at = At(None if isinstance(stderr, str) else stderr, "results.*.*")
                yield f"{task}/{key}", At(found[key], "results.*.*"), at, samples


def _take_metrics(
    facts: Facts, metrics: Iterator[tuple[str, At, At, int | None]], place: str
) -> None:
    taken: list[dict[str, Any]] = []
    for name, value, stderr, n in metrics:
        number = _decimal(value)
        if number is None or not _METRIC.fullmatch(name) or len(taken) == MAX_METRICS:
            facts.found("left_out", place, "sealed.metrics")
            continue
        taken.append(
            {"name": name, "value": number}
            | ({} if (error := _decimal(stderr)) is None else {"stderr": error})
            | ({} if n is None else {"n": n})
        )
    if taken:
        facts.outcome["metrics"] = taken


def _decimal(at: At) -> str | None:
    """A number as the ledger spells fractions, to 18 places; None for none and for NaN."""
    value = at.value
    if isinstance(value, float) or value is None or isinstance(value, bool):
        return None
    if not isinstance(value, int | Decimal):
        raise ImportRefused(f"{at.place}: a number is needed")
    number = Decimal(value)
    if not number.is_finite() or abs(number) > MAX_NUMBER or number.adjusted() < -60:
        return None
    with localcontext(prec=_PRECISION):
        text = format(number.quantize(_PLACES), "f").rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
