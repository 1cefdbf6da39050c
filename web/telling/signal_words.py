"""The words of the questions in the language in use, and how the numbers of their evidence read.

In English they are those of ``ledger.signals.words``, which stand in the file; a test holds the two
together.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from schemas.signals import Cell, Signal, SignalMeasure
from web.i18n import gettext, noted
from web.telling import formats, plain
from web.telling.labels import label


class SignalWords(NamedTuple):
    """The texts of one question."""

    title: str
    question: str
    method: str
    innocent: str


WORDS: Final[Mapping[str, SignalWords]] = {
    "preference_harvest": SignalWords(
        title=noted("Ranked answers to many prompts"),
        question=noted(
            "Does a job, or do several jobs that belong together, come to a set of preference "
            "data that a model could be trained with elsewhere?"
        ),
        method=noted(
            "Looked at are opened outcomes whose output type is pairwise or ranking. The "
            "prompts that got FEWEST_ANSWERS to MOST_ANSWERS answers are counted from the "
            "histogram. Jobs of one member that ended within SPLIT_DAYS of one another belong "
            "together where they looked at the same weights, or where the sketches of their "
            "prompts share at least FEWEST_SHARED hashes and OVERLAP_PERMILLE of the smaller "
            "one. A row is a group with PROMPTS_MARK prompts or more. With reference sets, the "
            "share of the prompts that lie in the nearest set is estimated from the sketches."
        ),
        innocent=noted(
            "Evaluations of monitors and of judges rank answers too, and large published "
            "benchmarks have more prompts than this. A lab that repeats one benchmark after "
            "each change of a prompt shows the same prompts again, which is the opposite of "
            "splitting. What is not seen: answers that were scored one by one and paired later, "
            "and prompts without a sketch."
        ),
    ),
    "adapter_sizes": SignalWords(
        title=noted("Files of the size of adapters"),
        question=noted(
            "Do more files of a member's jobs have the size of a low-rank adapter of the model "
            "that they looked at than chance would give?"
        ),
        method=noted(
            "An adapter of rank r on all linear layers of a model with P parameters has about "
            "NUMBERS_PER_RANK x r x (P^2 / SHAPE)^(1/3) numbers of two bytes, or of four where "
            "the model is in float32. A file fits where it is within one part in "
            "TOLERANCE_PARTS of that for a rank of 4, 8, 16, 32, 64, 128 or 256. Tested are the "
            "files between the smallest and the largest such size: those that an opened outcome "
            "names, and those that the artifact store took in as opaque. A size that is as "
            "likely in each octave fits by chance in CHANCE_PERMILLE of a thousand cases. A row "
            "is a member and a model with at least FEWEST_FITS files that fit, and "
            "EXCESS_MARK_PERCENT per cent or more of what chance gives."
        ),
        innocent=noted(
            "Four in ten files of any kind fit by chance, and files of one kind tend to have "
            "one size: probes, sparse autoencoders and stored activations have sizes that "
            "follow from the width of the model, exactly as adapters have. Of 23 published "
            "models, the formula finds the adapters of 16; it misses those on the attention "
            "layers alone."
        ),
    ),
    "near_ceiling": SignalWords(
        title=noted("Job after job just below its ceiling"),
        question=noted("Is something that is too large for one job taken out in parts?"),
        method=noted(
            "A job is near its ceiling where the bytes that left the cluster are NEAR_PERMILLE "
            "thousandths of it or more; ceilings below LEAST_CEILING_BYTES are left out. A "
            "series is what one member's near jobs are as long as no SERIES_GAP_DAYS pass "
            "between the ends of two. A row is a series of SERIES_MARK jobs or more that are at "
            "least SERIES_SHARE_PERMILLE thousandths of the member's jobs that ended meanwhile "
            "and let anything out."
        ),
        innocent=noted(
            "Who knows beforehand how large a result will be sets the ceiling just above it, as "
            "the charter asks; then every job is near its ceiling. Stored activations and "
            "transcripts are often cut off where the ceiling is reached."
        ),
    ),
    "compute_outlier": SignalWords(
        title=noted("Compute that does not fit the kind of work"),
        question=noted("Did the job do what its kind of work says, or something else?"),
        method=noted(
            "For every kind of work with at least FEWEST_ALIKE jobs that ended, the base-2 "
            "logarithms of their GPU-seconds are compared: z is 0.6745 times the distance from "
            "the median, divided by the median absolute deviation, which counts as "
            "LEAST_MAD_PERMILLE thousandths of an octave at least. A row is a job with a z of "
            "Z_MARK_HUNDREDTHS hundredths or more in either direction. Beside it stands how "
            "much of its time limit it used."
        ),
        innocent=noted(
            "Kinds of work are broad: an evaluation of a model that is a hundred times larger "
            "takes a hundred times the compute. Jobs that fail at once lie far below the "
            "others. Of 10,000 jobs whose logarithms are normally distributed, five lie this "
            "far out by chance."
        ),
    ),
    "member_share": SignalWords(
        title=noted("More than a fifth of a month's compute"),
        question=noted("Is the shared cluster used by all members, or by one above all?"),
        method=noted(
            "For every month in which at least FEWEST_JOBS jobs ended, each member's share of "
            "all GPU-seconds and of all H200-seconds is taken. A row is a share above "
            "SHARE_MARK_PERMILLE thousandths of either. A job counts in the month, in UTC, in "
            "which the log took in its end."
        ),
        innocent=noted(
            "Where five members share evenly, each has a fifth; with fewer at work in a month, "
            "all of them are above the mark. Quotas are traded, and one long job that ends in a "
            "month brings the hours of the months before."
        ),
    ),
}
MEASURES: Final[Mapping[str, str]] = {
    "prompts": noted("Prompts with several ranked answers"),
    "distinct_prompts_estimate": noted("Different prompts, estimated"),
    "repeated_permille": noted("Prompts asked again in the next job"),
    "nearest_reference": noted("Nearest reference set"),
    "in_reference_permille": noted("Prompts that lie in it"),
    "reference_jaccard_permille": noted("In both, of all in either"),
    "output_type": noted("Output"),
    "parameter_count": noted("Parameters of the model"),
    "dtype": noted("Number format"),
    "files_tested": noted("Files tested"),
    "files_that_fit": noted("Files that fit"),
    "expected_by_chance_hundredths": noted("Expected by chance"),
    "most_of_one_size": noted("Most of one size"),
    "file_bytes": noted("Size of the file"),
    "rank": noted("Rank"),
    "first_ended_at": noted("First one ended"),
    "last_ended_at": noted("Last one ended"),
    "jobs_near_ceiling": noted("Jobs near the ceiling"),
    "jobs_ended_meanwhile": noted("All jobs that ended meanwhile"),
    "near_permille": noted("Share near the ceiling"),
    "egress_bytes_together": noted("Let out together"),
    "largest_ceiling_bytes": noted("Largest single ceiling"),
    "egress_bytes": noted("Let out"),
    "egress_ceiling_bytes": noted("Egress ceiling"),
    "of_ceiling_permille": noted("Of the ceiling"),
    "workload_type": noted("Kind of work"),
    "gpu_seconds": noted("GPU-hours"),
    "median_gpu_seconds": noted("Median of its kind, GPU-hours"),
    "z_hundredths": noted("z"),
    "jobs_of_this_kind": noted("Jobs of this kind"),
    "gpu_count": noted("GPUs"),
    "wall_seconds": noted("Running time"),
    "wall_limit_seconds": noted("Time limit"),
    "of_limit_permille": noted("Of the time limit"),
    "month": noted("Month"),
    "gpu_share_permille": noted("Share of GPU-hours"),
    "h200e_share_permille": noted("Share of H200-hours"),
    "h200e_seconds": noted("H200-hours"),
    "members_at_work": noted("Members at work"),
}
"""What each column of the evidence is called."""
_HOURS: Final = frozenset(("gpu_seconds", "median_gpu_seconds", "h200e_seconds"))
_READ: Final[Mapping[str, Callable[[int], str]]] = {
    "count": formats.number,
    "bytes": formats.size,
    "seconds": formats.duration,
    "permille": lambda value: formats.percent(value * 10),
    "hundredths": lambda value: f"{value / 100:.2f}",
}
_CODED: Final = frozenset(("workload_type", "output_type"))


def words_of(signal: Signal) -> SignalWords:
    """A question's texts; those of the file where a later version asked what this one does not."""
    known = WORDS.get(signal.code)
    if known is None:
        return SignalWords(signal.title, signal.question, signal.method, signal.innocent)
    return SignalWords(*map(gettext, known))


def columns_of(signal: Signal) -> list[tuple[int, SignalMeasure]]:
    """The measures of which any row says something, each with its place among the cells."""
    return [
        (at, measure)
        for at, measure in enumerate(signal.measures)
        if any(row.cells[at] is not None for row in signal.evidence)
    ]


def measure_label(measure: SignalMeasure) -> str:
    """What a column is called; its name where this version has no word for it."""
    known = MEASURES.get(measure.name)
    return measure.name if known is None else gettext(known)


def cell(measure: SignalMeasure, value: Cell) -> str:
    """A number or a code of the evidence, as a page shows it."""
    if value is None:
        return "–"  # noqa: RUF001 - a dash stands for nothing
    if isinstance(value, int):
        read = formats.hours if measure.name in _HOURS else _READ.get(measure.unit, str)
        return read(value)
    if measure.unit == "time":
        return formats.short_date(value)
    if measure.name == "month":
        return formats.month(value)
    return label(value) if measure.name in _CODED else plain.shown_line(value) or "–"  # noqa: RUF001 - as above


def times(score: int) -> str:
    """How many times the mark a score is, with the sign of times behind."""
    return f"{score / 100:.1f} ×"  # noqa: RUF001 - the sign of times
