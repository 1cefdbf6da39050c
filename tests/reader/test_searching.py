"""Lists, counts, facets and words against a judge that looks at every job by itself."""

import itertools
import random
from dataclasses import replace
from typing import Any

import pytest
from ledger_world import World
from test_columns import with_random_history

from ledger.reader.view import View
from ledger.records.opened import texts_of
from ledger.records.words import index_words, query_words
from ledger.storage.shapes import JobFilter, Term
from schemas.answers import JobShown

TITLES = (
    "How refusals generalise",
    "安全评测基准",
    "红队提示与拒答",
    "稀疏自编码器的特征",
    "Sparse autoencoders in the small",
    "SAFETY cases, 2026",
)


@pytest.fixture(scope="module")
def titled(world: World) -> World:
    """The usual history, jobs with titles that are opened, and more jobs that are not."""
    world.log(
        *[
            world.submission(f"titled{n}", title=title, author=("alpha", "beta")[n % 2])
            for n, title in enumerate(TITLES)
        ]
    )
    world.days(91)
    world.sweep()
    return with_random_history(world, steps=12, seed=5)


def _matches(view: View, job: JobShown, chosen: JobFilter) -> bool:
    day, month = job.submitted_at[:10], job.submitted_at[:7]
    decision = "rejected" if job.state == "rejected" else "admitted"
    return (
        chosen.author in {None, job.member}
        and chosen.workload_type in {None, job.workload_type}
        and chosen.state in {None, job.state}
        and chosen.accelerator in {None, job.accelerator}
        and chosen.month in {None, month}
        and chosen.decision in {None, decision}
        and chosen.rejection_code in {None, job.rejection_code}
        and chosen.model in {None, job.model_digest}
        and chosen.finding in {None, job.finding_code}
        and (chosen.first_day is None or chosen.first_day <= day)
        and (chosen.last_day is None or day <= chosen.last_day)
        and all(_has_word(view, job, term) for term in chosen.terms)
    )


def _has_word(view: View, job: JobShown, term: Term) -> bool:
    opened = [part.disclosure.fields for part in view.job(job.job_id).sealed if part.disclosure]
    words = {word for fields in opened for word in index_words(texts_of(fields))}
    return (
        any(word.startswith(term.word) for word in words)
        or job.workload_type in term.workloads
        or job.member in term.authors
    )


def _filters(seed: int) -> list[JobFilter]:
    draw = random.Random(seed)
    words = ("安全", "红队", "refus", "sparse", "2026", "canary", "nothing")
    found = []
    for _ in range(25):
        values: dict[str, Any] = {
            "author": draw.choice(("alpha", "beta", "nobody")),
            "workload_type": draw.choice(("eval_suite", "sft", "lora")),
            "state": draw.choice(("completed", "failed", "rejected", "admitted")),
            "accelerator": draw.choice(("nvidia_h200", "nvidia_b200")),
            "month": draw.choice(("2026-09", "2026-12", "2027-03")),
            "decision": draw.choice(("admitted", "rejected")),
            "rejection_code": "R1_forbidden_workload",
            "finding": "R1_digest_mismatch",
            "first_day": draw.choice(("2026-09-21", "2026-12-23")),
            "last_day": draw.choice(("2026-09-21", "2027-01-31")),
            "terms": tuple(Term(draw.choice(words)) for _ in range(draw.randint(1, 2))),
        }
        found.append(JobFilter(**dict(draw.sample(sorted(values.items()), draw.randint(0, 2)))))
    return found


def test_a_list_holds_what_the_filter_says_and_the_count_its_length(titled: World) -> None:
    size = titled.reader.tree_size()
    for at in (size, size // 2, 30):
        with titled.reader.at(at) as view:
            everything = list(view.every_job(JobFilter()))
            for chosen in _filters(at):
                expected = [job for job in everything if _matches(view, job, chosen)]
                assert list(view.every_job(chosen)) == expected, chosen
                assert view.search(chosen, limit=1_000) == tuple(reversed(expected))
                assert view.count_jobs(chosen) == len(expected)


def test_every_facet_counts_the_list_that_its_link_leads_to(titled: World) -> None:
    fields = {
        "member": "author",
        "workload": "workload_type",
        "state": "state",
        "accelerator": "accelerator",
        "month": "month",
        "decision": "decision",
    }
    size = titled.reader.tree_size()
    for at in (size, size - 40):
        with titled.reader.at(at) as view:
            for chosen in _filters(at + 1):
                facets = view.facets(chosen)
                for name, field in fields.items():
                    facet = getattr(facets, name)
                    for each in facet:
                        narrowed: JobFilter = replace(chosen, **{field: each.value})
                        assert each.jobs == view.count_jobs(narrowed) > 0
                    wide: JobFilter = replace(chosen, **{field: None})
                    assert sum(each.jobs for each in facet) == view.count_jobs(wide)
                months = [each.value for each in facets.month]
                assert months == sorted(months, reverse=True)
                jobs = [each.jobs for each in facets.member]
                assert jobs == sorted(jobs, reverse=True)


def test_paging_brings_each_job_once_in_the_order_of_the_log(titled: World) -> None:
    with titled.reader.at() as view:
        for chosen in (JobFilter(), JobFilter(author="beta"), JobFilter(terms=(Term("canary"),))):
            seen: list[int] = []
            below = None
            while found := view.search(chosen, below=below, limit=7):
                seen += [job.submitted_index for job in found]
                below = seen[-1]
            assert seen == [job.submitted_index for job in view.every_job(chosen)][::-1]
            assert len(set(seen)) == len(seen) == view.count_jobs(chosen)


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("安全", {"安全评测基准"}),
        ("红队", {"红队提示与拒答"}),
        ("自编码器", {"稀疏自编码器的特征"}),
        ("全", {"安全评测基准"}),
        ("空", set()),
        ("拒", {"红队提示与拒答"}),
        ("safety", {"SAFETY cases, 2026"}),
        ("autoencod", {"Sparse autoencoders in the small"}),
        ("refusals autoencoder", set()),
    ],
)
def test_words_of_both_languages_are_found_in_what_is_open(
    titled: World, text: str, titles: set[str]
) -> None:
    chosen = JobFilter(terms=tuple(map(Term, query_words(text))))
    with titled.reader.at() as view:
        found = {job.title for job in view.search(chosen, limit=1_000)} & set(TITLES)
    assert found == titles


def test_a_word_is_not_found_before_the_entry_that_opened_it(titled: World) -> None:
    chosen = JobFilter(terms=tuple(map(Term, query_words("安全评测"))))
    with titled.reader.at() as view:
        (job,) = view.search(chosen, limit=10)
    assert job.disclosed_index is not None
    for at in (job.disclosed_index + 1, job.disclosed_index, job.disclosed_index + 1):
        with titled.reader.at(at) as view:
            assert view.count_jobs(chosen) == (at > job.disclosed_index)


def test_what_is_sealed_is_found_by_none_of_its_words(fresh: World) -> None:
    fresh.log(fresh.submission("secret", title="Unmentionable 秘密行动"))
    for text in ("unmentionable", "秘密", "秘密行动", "canary"):
        for word in query_words(text):
            chosen = JobFilter(terms=(Term(word),))
            with fresh.reader.at() as view:
                assert view.count_jobs(chosen) == 0
                assert view.facets(chosen).member == ()
    fresh.days(91)
    fresh.sweep()
    with fresh.reader.at() as view:
        for word in query_words("unmentionable 秘密行动"):
            assert view.count_jobs(JobFilter(terms=(Term(word),))) == 1


def test_a_kept_word_goes_on_with_the_log(fresh: World) -> None:
    chosen = JobFilter(terms=(Term("growing"),))
    for number in range(4):
        fresh.log(fresh.submission(f"growing{number}", title=f"Growing {number}"))
        with fresh.reader.at() as view:
            assert view.count_jobs(chosen) == number
        fresh.days(91)
        fresh.sweep()
        with fresh.reader.at() as view:
            assert view.count_jobs(chosen) == number + 1
    for at, _ in itertools.zip_longest(range(fresh.reader.tree_size(), 0, -3), ()):
        with fresh.reader.at(at) as view:
            expected = sum(
                job.title is not None and job.title.startswith("Growing")
                for job in view.every_job(JobFilter())
            )
            assert view.count_jobs(chosen) == expected


def test_a_term_may_name_kinds_of_work_and_members(titled: World) -> None:
    with titled.reader.at() as view:
        for term, chosen in (
            (Term("qqq", workloads=frozenset({"sft"})), JobFilter(workload_type="sft")),
            (Term("qqq", authors=frozenset({"beta"})), JobFilter(author="beta")),
        ):
            found = view.search(JobFilter(terms=(term,)), limit=1_000)
            assert found == view.search(chosen, limit=1_000)
            assert found
