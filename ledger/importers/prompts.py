"""The sketch of the prompts in an inspect_ai log: hashes of some of them, and never a word.

A prompt is a sample's ``input``: the text itself, or the texts of the messages that the user has in
it, a line feed between them. What ``records.sketch`` makes of them is sealed with the rest.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import to_builtins

from ledger.errors import FormatError
from ledger.importers.facts import Facts
from ledger.importers.looking import At
from ledger.records.sketch import Sketcher, format_sketch

SAMPLES: Final = "samples"
FIELD: Final = "prompts.sketch"
_ATTACHED: Final = "attachment://"
"""What inspect_ai puts in the place of a text that it keeps elsewhere."""


class Prompts:
    """Takes the samples of one log, one after another, and keeps hashes alone."""

    def __init__(self) -> None:
        self._sketcher = Sketcher()
        self._left_out: str | None = None

    def add(self, sample: At) -> None:
        """Take a sample. Raises ImportRefused where it has another shape."""
        text = _prompt(sample("input"))
        if text is None:
            self._left_out = self._left_out or sample("input").place
            return
        self._sketcher.add(text)

    def put_into(self, facts: Facts) -> None:
        """Give the sketch to the job, or say why there is none.

        A sketch of some of the prompts would be that of another set: one without a text, and
        there is none.
        """
        if self._left_out is not None:
            facts.found("left_out", self._left_out, f"sealed.{FIELD}")
            return
        if not self._sketcher.count:
            facts.found("missing", SAMPLES, f"sealed.{FIELD}")
            return
        try:
            made = format_sketch(self._sketcher.sketch())
        except FormatError:
            facts.found("left_out", SAMPLES, f"sealed.{FIELD}")
            return
        facts.outcome[FIELD] = to_builtins(made)


def _prompt(given: At) -> str | None:
    """A sample's prompt; None where it has no text, or one that stands elsewhere."""
    if isinstance(given.value, str):
        texts = [given.value]
    else:
        texts = [
            text
            for message in given
            if message("role").text() == "user"
            for text in _texts(message("content"))
        ]
    whole = "\n".join(texts)
    return None if not whole.strip() or any(_ATTACHED in text for text in texts) else whole


def _texts(content: At) -> Iterator[str]:
    """The texts of one message: one, or a part for each."""
    if isinstance(content.value, str):
        yield content.value
        return
    for part in content:
        if part("type").text() == "text":
            yield part("text").text() or ""
