"""Which jobs an address asks for: its parameters as a ``JobFilter``, refused where they are none.

The words of a search are looked for in what has been opened and in what the site itself calls
things, in every language: 自编码器 finds the jobs that train or analyse sparse autoencoders.
"""

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Final

from ledger.records.charter import Code
from ledger.records.lifecycle import State
from ledger.records.words import index_words, query_words
from ledger.storage.shapes import JobFilter, Term
from schemas.charter import Workload
from web import query
from web.i18n import LANGUAGES, speaking
from web.query import ParameterRefused
from web.telling.labels import label

JOB_FILTERS: Final = (
    "q",
    "member",
    "workload",
    "state",
    "accelerator",
    "month",
    "decision",
    "code",
    "finding",
    "model",
    "from",
    "to",
)
"""The parameters of a list of jobs, in the order in which an address has them."""
DECISIONS: Final = ("admitted", "rejected")
MAX_QUERY: Final = 200
MAX_SPACED: Final = 8
"""Words with spaces between them that a search may have."""
MAX_WORDS: Final = 15
"""The same with two neighbouring Chinese characters counted as a word."""

_MONTH: Final = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])", re.ASCII)
_DAY: Final = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def given_filters(params: Mapping[str, str]) -> dict[str, str]:
    """The parameters that choose jobs, in their order."""
    return {name: params[name] for name in JOB_FILTERS if name in params}


def job_filter(params: Mapping[str, str], titles: Mapping[str, str]) -> JobFilter:
    """The jobs that an address asks for; ``titles`` is what each author is called.

    Raises ParameterRefused.
    """
    first_day, last_day = _day(params, "from"), _day(params, "to")
    if first_day is not None and last_day is not None and last_day < first_day:
        raise ParameterRefused(
            f"to is {last_day}, which is before from, {first_day}: no day lies between",
            field="to",
        )
    return JobFilter(
        author=query.slug(params, "member"),
        workload_type=query.code(params, "workload", Workload),
        state=query.code(params, "state", State),
        accelerator=query.slug(params, "accelerator"),
        month=_spelt(params, "month", _MONTH, "a month like 2026-11"),
        decision=_decision(params),
        rejection_code=query.code(params, "code", Code),
        finding=query.code(params, "finding", Code),
        model=_spelt(params, "model", _DIGEST, "the SHA-256 of weights: 64 hexadecimal digits"),
        first_day=first_day,
        last_day=last_day,
        terms=terms(params["q"], titles) if "q" in params else (),
    )


def terms(text: str, titles: Mapping[str, str]) -> tuple[Term, ...]:
    """The words that a search asks for, each with the codes and authors that it names.

    Raises ParameterRefused for a text that is too long, or has no word in it.
    """
    if len(text) > MAX_QUERY:
        raise ParameterRefused(
            f"q has {len(text)} characters; a search has at most {MAX_QUERY}", field="q"
        )
    spaced, words = len(text.split()), query_words(text)
    if spaced > MAX_SPACED or len(words) > MAX_WORDS:
        raise ParameterRefused(
            f"q has too many words: at most {MAX_SPACED}, or {MAX_WORDS} where each two"
            " neighbouring Chinese characters count as one",
            field="q",
        )
    if not words:
        raise ParameterRefused("q has no letter and no digit to look for", field="q")
    called = {name: index_words([name, title]) for name, title in titles.items()}
    return tuple(
        Term(
            word,
            workloads=_beginning(word, _workload_words()),
            authors=_beginning(word, called),
        )
        for word in words
    )


@cache
def _workload_words() -> Mapping[str, tuple[str, ...]]:
    """The words of each code and of its names in all languages."""
    names: dict[str, list[str]] = {str(code): [str(code)] for code in Workload}
    for tag in LANGUAGES:
        with speaking(tag):
            for code, texts in names.items():
                texts.append(label(code))
    return {code: index_words(texts) for code, texts in names.items()}


def _beginning(word: str, named: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    return frozenset(
        name for name, words in named.items() if any(each.startswith(word) for each in words)
    )


def _decision(params: Mapping[str, str]) -> str | None:
    text = params.get("decision")
    if text is not None and text not in DECISIONS:
        raise ParameterRefused(
            f"decision is {query.quoted(text)}; it is {' or '.join(DECISIONS)}",
            field="decision",
            allowed=DECISIONS,
        )
    return text


def _spelt(params: Mapping[str, str], name: str, form: re.Pattern[str], meaning: str) -> str | None:
    text = params.get(name)
    if text is not None and not form.fullmatch(text):
        raise ParameterRefused(
            f"{name} is {query.quoted(text)}, where {meaning} is asked for", field=name
        )
    return text


def _day(params: Mapping[str, str], name: str) -> str | None:
    text = _spelt(params, name, _DAY, "a day like 2026-11-21")
    if text is None:
        return None
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ParameterRefused(
            f"{name} is {text}, a day that no calendar has", field=name
        ) from None
    return text
