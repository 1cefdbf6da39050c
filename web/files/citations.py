r"""How to cite a job: in plain words, as BibTeX and as CSL-JSON.

A citation names the tree size and the root, so that a reader of it in ten years sees what its
author saw. The day of access is that of the last entry of that tree, which the log itself tells:
the same address always gives the same citation.

BibTeX counts braces even where a backslash stands before them, so no brace of a title may reach
it: ``{`` becomes ``\textbraceleft{}``.
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from schemas.answers import JobShown, LedgerState
from web.figures.embedding import JOB_HEIGHT, Target, frame
from web.i18n import gettext
from web.telling.formats import day
from web.telling.sentences import called, job_title

BIBTEX_TYPE: Final = "application/x-bibtex; charset=utf-8"
CSL_TYPE: Final = "application/vnd.citationstyles.csl+json"
_MONTHS: Final = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
_TEX: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\textbraceleft{}",
        "}": r"\textbraceright{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "_": r"\_",
        "%": r"\%",
        "\n": " ",
        "\r": " ",
        "\t": " ",
    }
)


@dataclass(frozen=True, slots=True)
class Cited:
    """What a citation is made from. ``url`` is the job's permalink without a query."""

    job: JobShown
    state: LedgerState
    origin: str
    url: str

    @property
    def key(self) -> str:
        """The name of the citation in a bibliography."""
        return f"apsci-{self.job.job_id}"

    @property
    def address(self) -> str:
        """The permalink as of the tree size."""
        return f"{self.url}?at={self.state.tree_size}"

    @property
    def title(self) -> str:
        """What the job is called."""
        return job_title(self.job)

    @property
    def note(self) -> str:
        """What fixes the state that is cited."""
        return (
            f"Job {self.job.job_id}, entry {self.job.submitted_index} of the log {self.origin};"
            f" tree size {self.state.tree_size}, root {self.state.root}"
        )


def plain(cited: Cited) -> str:
    """One paragraph, in the language in use."""
    return gettext(
        "%(member)s, “%(title)s”. Job %(id)s in the log %(origin)s, submitted on %(day)s."
        " As of %(accessed)s: %(size)s entries, root %(root)s. %(url)s"
    ) % {
        "member": called(cited.job.member),
        "title": cited.title,
        "id": cited.job.job_id,
        "origin": cited.origin,
        "day": day(cited.job.submitted_at),
        "accessed": day(cited.state.logged_at),
        "size": cited.state.tree_size,
        "root": cited.state.root,
        "url": cited.address,
    }


def bibtex(cited: Cited) -> str:
    """One ``@misc`` entry, UTF-8; whatever members wrote is escaped for TeX."""
    submitted = cited.job.submitted_at
    fields = {
        "author": f"{{{tex(called(cited.job.member))}}}",
        "title": f"{{{tex(cited.title)}}}",
        "howpublished": tex(f"Record in the log {cited.origin}"),
        "year": submitted[:4],
        "month": _MONTHS[int(submitted[5:7]) - 1],
        "note": tex(cited.note),
        "url": cited.address,
        "urldate": cited.state.logged_at[:10],
    }
    lines = [
        f"  {name} = {value if name == 'month' else f'{{{value}}}'}"
        for name, value in fields.items()
    ]
    return f"@misc{{{cited.key},\n" + ",\n".join(lines) + "\n}\n"


def csl(cited: Cited) -> list[dict[str, Any]]:
    """The items of a CSL-JSON file: one."""
    return [
        {
            "id": cited.key,
            "type": "webpage",
            "title": cited.title,
            "author": [{"literal": called(cited.job.member)}],
            "container-title": cited.origin,
            "issued": _date(cited.job.submitted_at),
            "accessed": _date(cited.state.logged_at),
            "URL": cited.address,
            "number": cited.job.job_id,
            "note": cited.note,
        }
    ]


def csl_text(cited: Cited) -> str:
    """The CSL-JSON file, indented."""
    return msgspec.json.format(msgspec.json.encode(csl(cited)), indent=2).decode() + "\n"


def tex(text: str) -> str:
    """``text`` as TeX sets it, every sign as itself."""
    return text.translate(_TEX)


def _date(time: str) -> dict[str, list[list[int]]]:
    return {"date-parts": [[int(part) for part in time[:10].split("-")]]}


def embed(cited: Cited, language: str) -> str:
    """HTML that shows a card of the job on another site, live."""
    base, _, name = cited.url.rpartition("/jobs/")
    title = gettext("APSCI ledger: job %(id)s") % {"id": name}
    return frame(Target("job", name, language, None).embed(base), title=title, height=JOB_HEIGHT)
