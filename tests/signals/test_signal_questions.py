"""Each question: what raises it, what just does not, and what only looks like it."""

import random
from typing import Any

import numpy as np
import pytest
from signal_logs import Log, cells, plan_of, ranked, signal

from ledger.records import canonical
from ledger.records.sketch import Sketch, format_sketch, sketch_prompts
from ledger.signals import compute, encode
from ledger.signals.adapters import (
    CHANCE_PERMILLE,
    NUMBERS_PER_RANK,
    RANKS,
    TOLERANCE_PARTS,
    adapter_bytes,
    fitting_ranks,
)
from ledger.signals.facts import Model
from ledger.signals.harvest import Reference
from ledger.signals.rows import MOST_JOBS, MOST_ROWS
from ledger.signals.words import ADAPTER, CEILING, COMPUTE, HARVEST, SHARE, WORDS

QUESTIONS = tuple(WORDS)
LLAMA = Model(None, 8_030_000_000, "bf16")


def rank_of(model: Model, size: int) -> int:
    """The rank of which one file is; 0 for none, -1 where it is not tested."""
    return int(fitting_ranks(model, np.array([size], dtype=np.int64))[0])


def sketch_of(*ranges: range, scale: int = 1) -> dict[str, Any]:
    """The sketch of numbered prompts as a record holds it."""
    made = _sketch(*ranges, scale=scale)
    found = format_sketch(made)
    return {"scale": found.scale, "hashes": list(found.hashes)}


def _sketch(*ranges: range, scale: int = 1) -> Sketch:
    return sketch_prompts((f"prompt {n}" for each in ranges for n in each), scale=scale)


# --- ranked answers ---------------------------------------------------------------------------


def test_one_job_that_ranks_answers_to_five_thousand_prompts_raises_the_question() -> None:
    log = Log()
    below = log.job(plan=plan_of("aa"), outcome=ranked(4_999))
    at = log.job("beta", plan=plan_of("bb"), outcome=ranked(5_000, output="ranking"))
    asked = signal(compute(log), HARVEST)
    [row] = asked.evidence
    assert (asked.tested, asked.count) == (2, 1)
    assert (row.member, row.score, row.job_count) == ("beta", 100, 1)
    assert [job.job_id for job in row.jobs] == [at] != [below]
    assert row.jobs[0].cells == ("ranking", 5_000)


@pytest.mark.parametrize(
    "outcome",
    [
        ranked(50_000, output="scalar"),
        ranked(50_000, output="none"),
        ranked(50_000, answers=1),
        ranked(50_000, answers=9),
        {"completions": None},
        {"completions": {"count": "many"}},
    ],
    ids=["scalar", "none", "one-answer", "nine-answers", "withheld", "malformed"],
)
def test_other_outputs_raise_no_question(outcome: dict[str, Any]) -> None:
    log = Log()
    log.job(plan=plan_of(), outcome=outcome)
    assert signal(compute(log), HARVEST).evidence == ()


def test_jobs_on_the_same_weights_within_thirty_days_count_together() -> None:
    log = Log()
    parts = [log.job(plan=plan_of(), outcome=ranked(1_300), days_after=29) for _ in range(4)]
    log.job("beta", plan=plan_of(), outcome=ranked(4_000))
    [row] = signal(compute(log), HARVEST).evidence
    assert (row.member, row.score, row.job_count) == ("alpha", 104, 4)
    assert [job.job_id for job in row.jobs] == parts


@pytest.mark.parametrize(
    ("members", "digests", "days"),
    [
        (("alpha", "beta"), ("aa", "aa"), 1),
        (("alpha", "alpha"), ("aa", "bb"), 1),
        (("alpha", "alpha"), ("aa", "aa"), 31),
    ],
    ids=["two-members", "two-models", "a-month-apart"],
)
def test_jobs_that_do_not_belong_together_are_not_added_up(
    members: tuple[str, str], digests: tuple[str, str], days: int
) -> None:
    log = Log()
    for member, digest in zip(members, digests, strict=True):
        log.job(member, plan=plan_of(digest), outcome=ranked(4_000), days_after=days)
    assert signal(compute(log), HARVEST).evidence == ()


def test_jobs_whose_prompts_overlap_count_together_whatever_the_model() -> None:
    log = Log()
    for number in range(3):
        own = range(number * 1_000, number * 1_000 + 300)
        shared = range(99_000, 99_060)
        outcome = ranked(2_000, sketch=sketch_of(own, shared))
        log.job(plan=plan_of(f"a{number}"), outcome=outcome)
    stranger = ranked(4_000, sketch=sketch_of(range(50_000, 50_300)))
    log.job(plan=plan_of("ff"), outcome=stranger)
    found = compute(log)
    asked = signal(found, HARVEST)
    [row] = asked.evidence
    assert row.job_count == 3
    seen = cells(asked, row)
    assert seen["distinct_prompts_estimate"] == 960
    assert seen["repeated_permille"] == 60 * 1_000 // 360


def test_a_reference_says_how_many_of_the_prompts_are_its_own() -> None:
    log = Log()
    log.job(plan=plan_of(), outcome=ranked(6_000, sketch=sketch_of(range(800), scale=2)))
    references = [
        Reference("elsewhere", _sketch(range(5_000, 6_000))),
        Reference("known set", _sketch(range(400, 800), range(9_000, 9_200))),
    ]
    found = compute(log, references=references)
    asked = signal(found, HARVEST)
    seen = cells(asked, asked.evidence[0])
    assert seen["nearest_reference"] == "known set"
    assert 430 < seen["in_reference_permille"] < 570
    assert 330 < seen["reference_jaccard_permille"] < 470
    assert [each.name for each in found.references] == ["elsewhere", "known set"]
    assert compute(log).references == ()


def test_a_sketch_that_none_would_make_counts_as_absent() -> None:
    log = Log()
    broken = {"scale": 1, "hashes": ["0000000000000002", "0000000000000001"]}
    log.job(plan=plan_of(), outcome=ranked(6_000, sketch=broken))
    asked = signal(compute(log), HARVEST)
    assert cells(asked, asked.evidence[0])["distinct_prompts_estimate"] is None


# --- files of the size of adapters ------------------------------------------------------------


def _files(*sizes: int) -> dict[str, Any]:
    return {
        "artifacts": [
            {
                "digest": {"sha256": f"{n:064x}"},
                "name": f"file{n}",
                "kind": "report",
                "bytes": size,
                "content_access": "closed",
            }
            for n, size in enumerate(sizes)
        ]
    }


# Width, layers, width inside the feed-forward, width of keys and values, parameters, gated.
PUBLISHED = (
    (4096, 32, 11008, 4096, 6.738, True),
    (5120, 40, 13824, 5120, 13.016, True),
    (8192, 80, 28672, 1024, 68.977, True),
    (4096, 32, 14336, 1024, 8.030, True),
    (8192, 80, 28672, 1024, 70.554, True),
    (16384, 126, 53248, 1024, 405.85, True),
    (2048, 16, 8192, 512, 1.236, True),
    (3072, 28, 8192, 1024, 3.213, True),
    (4096, 32, 14336, 1024, 7.242, True),
    (896, 24, 4864, 128, 0.494, True),
    (1536, 28, 8960, 256, 1.544, True),
    (3584, 28, 18944, 512, 7.616, True),
    (5120, 48, 13824, 1024, 14.77, True),
    (5120, 64, 27648, 1024, 32.76, True),
    (8192, 80, 29568, 1024, 72.7, True),
    (2048, 24, 8192, 2048, 1.415, False),
    (4096, 32, 16384, 4096, 6.857, False),
    (5120, 36, 20480, 5120, 11.846, False),
    (1600, 48, 6400, 1600, 1.558, False),
    (7168, 48, 28672, 7168, 29.97, False),
    (14336, 70, 57344, 14336, 176.2, False),
    (7168, 60, 20480, 1024, 34.39, True),
    (8192, 95, 22016, 1024, 67.4, True),
)
"""Llama 2, 3 and 3.2, Mistral, Qwen 2.5, Pythia, GPT-2, OPT, BLOOM, Yi, DeepSeek."""


def test_the_formula_finds_the_adapters_of_as_many_published_models_as_the_words_say() -> None:
    found = 0
    for width, layers, inner, keys, billions, gated in PUBLISHED:
        attention = 4 * width + 2 * (width + keys)
        numbers = layers * (attention + (3 if gated else 2) * (width + inner))
        model = Model(None, int(billions * 1e9), "bf16")
        found += rank_of(model, numbers * 16 * 2) == 16
    assert len(PUBLISHED) == 23
    assert f"Of {len(PUBLISHED)} published models" in WORDS[ADAPTER].innocent
    assert f"finds the adapters of {found};" in WORDS[ADAPTER].innocent


def test_a_size_fits_by_chance_as_often_as_the_constant_says() -> None:
    """Sizes evenly over the octaves that are tested, from the smallest to the largest."""
    low = adapter_bytes(LLAMA, RANKS[0])
    high = adapter_bytes(LLAMA, RANKS[-1])
    assert low is not None
    assert high is not None
    first = low * (TOLERANCE_PARTS - 1) / TOLERANCE_PARTS
    last = high * (TOLERANCE_PARTS + 1) / TOLERANCE_PARTS
    steps = 20_000
    fits = [
        rank_of(LLAMA, int(first * (last / first) ** ((n + 0.5) / steps))) for n in range(steps)
    ]
    assert -1 not in fits
    assert abs(sum(map(bool, fits)) * 1_000 / steps - CHANCE_PERMILLE) < 1


def test_sizes_follow_the_rank_and_the_width_of_the_numbers() -> None:
    eight = adapter_bytes(LLAMA, 8)
    assert eight is not None
    assert eight == NUMBERS_PER_RANK * int((8.03e9**2 / 18_432) ** (1 / 3)) * 8 * 2
    assert adapter_bytes(LLAMA._replace(dtype="float32"), 8) == 2 * eight
    assert adapter_bytes(LLAMA._replace(parameter_count=None), 8) is None
    assert rank_of(LLAMA, eight) == 8
    assert rank_of(LLAMA, eight * 3 // 4) == 0
    assert rank_of(LLAMA, 1_000_000) == -1
    assert rank_of(LLAMA, 10**12) == -1
    assert rank_of(LLAMA._replace(parameter_count=10**24), 10**12) == -1


def test_more_fits_than_chance_raise_the_question_and_as_many_do_not() -> None:
    size = adapter_bytes(LLAMA, 16)
    assert size is not None
    log = Log()
    for n in range(3):
        fitting = _files(size + n, size * 2 + n, size * 3 // 2)
        log.job("alpha", plan=plan_of(), outcome=fitting)
        log.job("beta", plan=plan_of(), outcome=_files(size, size * 3 // 2, size * 3 // 4))
    asked = signal(compute(log), ADAPTER)
    assert asked.tested == 18
    [row] = asked.evidence
    assert (row.member, row.job_count, row.score) == ("alpha", 3, 111)
    seen = cells(asked, row)
    assert (seen["files_tested"], seen["files_that_fit"]) == (9, 6)
    assert seen["expected_by_chance_hundredths"] == 359
    assert row.jobs[0].cells == (size, 16)


def test_what_the_artifact_store_spelt_anew_is_not_tested_and_what_it_took_as_opaque_is() -> None:
    size = adapter_bytes(LLAMA, 16)
    assert size is not None
    for kind, tested in (("table", 0), ("opaque", 5)):
        log = Log()
        for n in range(5):
            outcome = _files(size + n) if kind == "table" else {"artifacts": []}
            job = log.job(plan=plan_of(), outcome=outcome)
            write = {"artifact_class": kind, "egress_bytes": size + n, "artifact_count": 1}
            log.say("gateway", "egress", "artifact-write/1", job, write)
        asked = signal(compute(log), ADAPTER)
        assert (asked.tested, asked.count) == (tested, int(bool(tested)))


def test_files_of_a_model_that_is_still_sealed_are_not_tested() -> None:
    size = adapter_bytes(LLAMA, 16)
    assert size is not None
    log = Log()
    for _ in range(9):
        log.job(outcome=_files(size))
    assert signal(compute(log), ADAPTER).tested == 0


# --- near the ceiling -------------------------------------------------------------------------


def test_five_jobs_in_a_row_just_below_their_ceilings_raise_the_question() -> None:
    log = Log()
    jobs = [log.job(egress=[50_000_000, 40_000_000], days_after=6.9) for _ in range(5)]
    log.job("beta", egress=[10_000_000])
    asked = signal(compute(log), CEILING)
    [row] = asked.evidence
    seen = cells(asked, row)
    assert (row.member, row.score, row.job_count) == ("alpha", 100, 5)
    assert {job.job_id for job in row.jobs} == set(jobs)
    assert seen["egress_bytes_together"] == 450_000_000
    assert seen["near_permille"] == 1_000
    assert row.jobs[0].cells == (90_000_000, 100_000_000, 900)
    assert asked.tested == 6


@pytest.mark.parametrize(
    ("count", "egress", "days", "others"),
    [(4, 95_000_000, 1, 0), (5, 89_999_999, 1, 0), (5, 95_000_000, 8, 0), (5, 95_000_000, 1, 3)],
    ids=["four", "below-nine-tenths", "a-week-apart", "among-many-others"],
)
def test_fewer_emptier_or_rarer_jobs_raise_no_question(
    count: int, egress: int, days: int, others: int
) -> None:
    log = Log()
    for _ in range(count):
        log.job(egress=[egress], days_after=days)
        for _ in range(others):
            log.job(egress=[1_000_000])
    assert signal(compute(log), CEILING).evidence == ()


def test_small_ceilings_and_none_at_all_say_nothing() -> None:
    log = Log()
    for _ in range(9):
        log.job(ceiling=1_000_000, egress=[1_000_000])
        log.job(ceiling=None, egress=[10**9])
    assert signal(compute(log), CEILING).tested == 0


# --- compute ----------------------------------------------------------------------------------


def test_a_job_far_from_others_of_its_kind_raises_the_question_in_both_directions() -> None:
    log = Log()
    draw = random.Random(5)
    for _ in range(60):
        log.job(gpu_seconds=int(100_000 * 2 ** draw.uniform(-1, 1)))
        log.job(workload="sae_training", gpu_seconds=int(10_000_000 * 2 ** draw.uniform(-1, 1)))
    large = log.job("beta", gpu_seconds=10_000_000, wall_seconds=7_000)
    small = log.job(workload="sae_training", gpu_seconds=1_000)
    asked = signal(compute(log), COMPUTE)
    assert asked.tested == 122
    assert {row.jobs[0].job_id for row in asked.evidence} == {large, small}
    [high] = [row for row in asked.evidence if row.member == "beta"]
    [low] = [row for row in asked.evidence if row.member == "alpha"]
    assert cells(asked, high)["z_hundredths"] > 350
    assert cells(asked, low)["z_hundredths"] < -350
    assert high.jobs[0].cells == (8, 7_000, 7_200, 972)


def test_too_few_of_a_kind_have_nothing_to_be_compared_with() -> None:
    log = Log()
    for _ in range(18):
        log.job(gpu_seconds=100)
    log.job(gpu_seconds=10**9)
    asked = signal(compute(log), COMPUTE)
    assert (asked.tested, asked.count) == (0, 0)


def test_where_all_are_alike_a_small_difference_is_none() -> None:
    log = Log()
    for _ in range(40):
        log.job(gpu_seconds=100_000)
    log.job(gpu_seconds=110_000)
    odd = log.job(gpu_seconds=300_000)
    asked = signal(compute(log), COMPUTE)
    assert [row.jobs[0].job_id for row in asked.evidence] == [odd]


# --- shares -----------------------------------------------------------------------------------


def test_a_share_above_a_fifth_raises_the_question_and_a_fifth_does_not() -> None:
    log = Log()
    for member in ("alpha", "beta", "gamma", "delta", "epsilon"):
        for _ in range(4):
            log.job(member, gpu_seconds=1_000)
    assert signal(compute(log), SHARE).evidence == ()
    assert signal(compute(log), SHARE).tested == 5
    job = log.job("gamma", gpu_seconds=10_000)
    asked = signal(compute(log), SHARE)
    [row] = asked.evidence
    assert (row.member, row.score, row.job_count) == ("gamma", 233, 5)
    assert cells(asked, row) == {
        "month": "2026-09",
        "gpu_share_permille": 466,
        "h200e_share_permille": 466,
        "gpu_seconds": 14_000,
        "h200e_seconds": 14_000,
        "members_at_work": 5,
    }
    assert row.jobs[0].job_id == job


def test_months_are_asked_one_by_one_and_faster_chips_count() -> None:
    log = Log()
    for month in range(2):
        for n in range(20):
            member = f"member-{n % 10}"
            heavy = month == 1 and member == "member-3"
            log.job(member, gpu_seconds=100, h200e_seconds=900 if heavy else 100)
        log.now += 31 * 86_400
    asked = signal(compute(log), SHARE)
    [row] = asked.evidence
    assert cells(asked, row)["month"] == "2026-10"
    assert cells(asked, row)["gpu_share_permille"] == 100
    assert cells(asked, row)["h200e_share_permille"] == 500


# --- all of them ------------------------------------------------------------------------------


def test_every_question_has_its_texts_its_constants_and_nothing_undefined() -> None:
    found = compute(Log())
    assert tuple(each.code for each in found.signals) == QUESTIONS
    for each in found.signals:
        assert each.question.endswith("?")
        assert each.innocent
        assert each.evidence == ()
        named = {constant.name for constant in each.constants}
        words = {word.strip(".,();") for word in each.method.split()}
        capitals = {word for word in words if "_" in word and word.upper() == word}
        capitals |= {"SHAPE"} & named
        assert capitals == named


def test_rows_and_jobs_that_are_listed_are_bounded_and_all_are_counted() -> None:
    log = Log()
    for n in range(150):
        log.job(f"m{n}", plan=plan_of(f"{n:02x}"[:2]), outcome=ranked(5_000 + n))
    for _ in range(30):
        log.job("alpha", plan=plan_of(), outcome=ranked(1_000))
    asked = signal(compute(log), HARVEST)
    assert (asked.count, len(asked.evidence)) == (151, MOST_ROWS)
    assert asked.evidence[0].job_count == 30
    assert len(asked.evidence[0].jobs) == MOST_JOBS
    scores = [row.score for row in asked.evidence]
    assert scores == sorted(scores, reverse=True)


def test_the_document_is_canonical_and_the_same_each_time() -> None:
    log = Log()
    for _ in range(5):
        log.job(plan=plan_of(), outcome=ranked(5_000), egress=[99_000_000])
    made = encode(compute(log))
    assert made == encode(compute(list(log)))
    assert made.endswith(b"\n")
    value = canonical.decode(made[:-1], limit=2**20)
    assert value["tree_size"] == len(log.entries)


def test_nothing_about_a_tree_follows_from_what_came_after_it() -> None:
    log = Log()
    for _ in range(6):
        log.job(egress=[99_000_000])
    before = encode(compute(log))
    size = len(log.entries)
    for _ in range(6):
        log.job(plan=plan_of(), outcome=ranked(9_000), egress=[99_000_000])
    assert encode(compute(log.entries[:size])) == before != encode(compute(log))


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "submitted", "statement": {"author": "a", "schema": "job-submitted/1"}},
        {"kind": "completed", "statement": 7},
        {"kind": "disclosed", "discloses": 1, "job_id": "nobody", "fields": {}},
        {"kind": "disclosed", "discloses": 1, "job_id": "nobody", "fields": 3},
        {"kind": "later", "what": [1, 2]},
    ],
)
def test_an_entry_of_another_form_counts_for_nothing(entry: dict[str, Any]) -> None:
    log = Log()
    log.add(entry)
    log.job(egress=[99_000_000])
    asked = signal(compute(log), CEILING)
    assert asked.tested == 1


def test_figures_that_were_said_twice_count_once() -> None:
    log = Log()
    job = log.job(gpu_seconds=1_000)
    again = {"wall_seconds": 1, "gpu_seconds": 5, "h200e_seconds": 5}
    log.say("orchestrator", "failed", "job-ended/1", job, again)
    for _ in range(19):
        log.job(gpu_seconds=1_000)
    asked = signal(compute(log), SHARE)
    assert cells(asked, asked.evidence[0])["gpu_seconds"] == 20_000


def test_numbers_that_no_reader_could_hold_are_cut_where_they_can() -> None:
    log = Log()
    for _ in range(20):
        log.job(gpu_seconds=2**53 - 1)
    asked = signal(compute(log), SHARE)
    assert cells(asked, asked.evidence[0])["gpu_seconds"] == 2**53 - 1
    canonical.encode(canonical.decode(encode(compute(log))[:-1], limit=2**20))
