"""What each question asks, how it is computed, and what innocent thing looks the same: in English.

The site says the same in two languages; a test holds the two together. Names in capitals are the
constants that stand beside the method.
"""

from typing import Final, NamedTuple


class Words(NamedTuple):
    """The texts of one question."""

    title: str
    question: str
    method: str
    innocent: str


HARVEST: Final = "preference_harvest"
ADAPTER: Final = "adapter_sizes"
CEILING: Final = "near_ceiling"
COMPUTE: Final = "compute_outlier"
SHARE: Final = "member_share"

WORDS: Final = {
    HARVEST: Words(
        title="Ranked answers to many prompts",
        question=(
            "Does a job, or do several jobs that belong together, come to a set of preference data"
            " that a model could be trained with elsewhere?"
        ),
        method=(
            "Looked at are opened outcomes whose output type is pairwise or ranking. The prompts"
            " that got FEWEST_ANSWERS to MOST_ANSWERS answers are counted from the histogram. Jobs"
            " of one member that ended within SPLIT_DAYS of one another belong together where they"
            " looked at the same weights, or where the sketches of their prompts share at least"
            " FEWEST_SHARED hashes and OVERLAP_PERMILLE of the smaller one. A row is a group with"
            " PROMPTS_MARK prompts or more. With reference sets, the share of the prompts that lie"
            " in the nearest set is estimated from the sketches."
        ),
        innocent=(
            "Evaluations of monitors and of judges rank answers too, and large published"
            " benchmarks have more prompts than this. A lab that repeats one benchmark after each"
            " change of a prompt shows the same prompts again, which is the opposite of splitting."
            " What is not seen: answers that were scored one by one and paired later, and prompts"
            " without a sketch."
        ),
    ),
    ADAPTER: Words(
        title="Files of the size of adapters",
        question=(
            "Do more files of a member's jobs have the size of a low-rank adapter of the model that"
            " they looked at than chance would give?"
        ),
        method=(
            "An adapter of rank r on all linear layers of a model with P parameters has about"
            " NUMBERS_PER_RANK x r x (P^2 / SHAPE)^(1/3) numbers of two bytes, or of four where the"
            " model is in float32. A file fits where it is within one part in TOLERANCE_PARTS of"
            " that for a rank of 4, 8, 16, 32, 64, 128 or 256. Tested are the files between the"
            " smallest and the largest such size: those that an opened outcome names, and those"
            " that the artifact store took in as opaque. A size that is as likely in each octave"
            " fits by chance in CHANCE_PERMILLE of a thousand cases. A row is a member and a model"
            " with at least FEWEST_FITS files that fit, and EXCESS_MARK_PERCENT per cent or more of"
            " what chance gives."
        ),
        innocent=(
            "Four in ten files of any kind fit by chance, and files of one kind tend to have one"
            " size: probes, sparse autoencoders and stored activations have sizes that follow from"
            " the width of the model, exactly as adapters have. Of 23 published models, the formula"
            " finds the adapters of 16; it misses those on the attention layers alone."
        ),
    ),
    CEILING: Words(
        title="Job after job just below its ceiling",
        question="Is something that is too large for one job taken out in parts?",
        method=(
            "A job is near its ceiling where the bytes that left the cluster are NEAR_PERMILLE"
            " thousandths of it or more; ceilings below LEAST_CEILING_BYTES are left out. A series"
            " is what one member's near jobs are as long as no SERIES_GAP_DAYS pass between the"
            " ends of two. A row is a series of SERIES_MARK jobs or more that are at least"
            " SERIES_SHARE_PERMILLE thousandths of the member's jobs that ended meanwhile and let"
            " anything out."
        ),
        innocent=(
            "Who knows beforehand how large a result will be sets the ceiling just above it, as the"
            " charter asks; then every job is near its ceiling. Stored activations and transcripts"
            " are often cut off where the ceiling is reached."
        ),
    ),
    COMPUTE: Words(
        title="Compute that does not fit the kind of work",
        question="Did the job do what its kind of work says, or something else?",
        method=(
            "For every kind of work with at least FEWEST_ALIKE jobs that ended, the base-2"
            " logarithms of their GPU-seconds are compared: z is 0.6745 times the distance from the"
            " median, divided by the median absolute deviation, which counts as LEAST_MAD_PERMILLE"
            " thousandths of an octave at least. A row is a job with a z of Z_MARK_HUNDREDTHS"
            " hundredths or more in either direction. Beside it stands how much of its time limit"
            " it used."
        ),
        innocent=(
            "Kinds of work are broad: an evaluation of a model that is a hundred times larger takes"
            " a hundred times the compute. Jobs that fail at once lie far below the others. Of"
            " 10,000 jobs whose logarithms are normally distributed, five lie this far out by"
            " chance."
        ),
    ),
    SHARE: Words(
        title="More than a fifth of a month's compute",
        question="Is the shared cluster used by all members, or by one above all?",
        method=(
            "For every month in which at least FEWEST_JOBS jobs ended, each member's share of all"
            " GPU-seconds and of all H200-seconds is taken. A row is a share above"
            " SHARE_MARK_PERMILLE thousandths of either. A job counts in the month, in UTC, in"
            " which the log took in its end."
        ),
        innocent=(
            "Where five members share evenly, each has a fifth; with fewer at work in a month, all"
            " of them are above the mark. Quotas are traded, and one long job that ends in a month"
            " brings the hours of the months before."
        ),
    ),
}
"""The questions by their codes, in their order."""
