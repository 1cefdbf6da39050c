"""The glossary: every term of the ledger in both languages, each explained in one sentence.

``terms.csv`` holds it. The shorter ``web/i18n/glossary.csv`` says which Chinese word the site uses
for which English one; tests hold the two together.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from web.i18n import DEFAULT, LANGUAGES

FILE: Final = Path(__file__).parent / "terms.csv"


@dataclass(frozen=True, slots=True)
class Term:
    """One term; ``words`` and ``meanings`` go by the tag of the language."""

    id: str
    words: Mapping[str, str]
    meanings: Mapping[str, str]


def read_terms(file: Path = FILE) -> tuple[Term, ...]:
    """The terms in ``file``, in the order of their English words.

    Raises ValueError where a term lacks a language or has the id of another one.
    """
    terms = []
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            words = {tag: row[tag] for tag in LANGUAGES}
            meanings = {tag: row[f"{tag} meaning"] for tag in LANGUAGES}
            if not all([*words.values(), *meanings.values()]):
                raise ValueError(f"a term lacks a language: {row}")
            name = re.sub("[^a-z0-9]+", "-", words[DEFAULT].lower()).strip("-")
            terms.append(Term(name, words, meanings))
    if len({term.id for term in terms}) < len(terms):
        raise ValueError("two terms have the same id")
    return tuple(sorted(terms, key=lambda term: term.id))
