"""What scripts/screenshots does once it runs inside ``.venv``: find the pages, and take pictures.

The pages are found as a reader finds them, by following links from the home page; of pages that
there are many of (jobs, entries, members …) it takes one of each state, or the first few.
"""

import argparse
import collections
import contextlib
import fnmatch
import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote, urlsplit

import _browser
from playwright.sync_api import Browser, Page, sync_playwright

LANGUAGES = ("en", "zh-Hans")
LOCALES = {"en": "en-GB", "zh-Hans": "zh-CN"}
PHONE, DESK, WALL = 390, 1280, 1920
HEIGHTS = {PHONE: 844}
ON_THE_WALL = ("home", "jobs", "statistics")
"""At the greatest width only these are taken: the others are laid out as at the usual one."""
EXAMPLES = 2
"""So many of a kind of page are enough."""
STATES = ("admitted", "rejected", "started", "completed", "failed", "cancelled")
SEARCHES = {"search": "q=safety", "search-zh": "q=安全", "search-none": "q=zzzz"}
DEMO_JOBS = "400"
PATIENCE_MS = 20_000
SHEET_COLUMNS = {PHONE: 7, DESK: 4, WALL: 3}
SHEET_WIDTH = 1_680
LINK = re.compile(r'<a [^>]*?href="([^"]+)"')
KINDS = {
    "jobs/[^/]+": "job",
    "jobs/[^/]+/proof": "job-proof",
    "entries/[^/]+": "entry",
    "members/[^/]+": "member",
    "models/[^/]+": "model",
    "artifacts/[^/]+": "artifact",
    "workloads/[^/]+": "workload",
    "docs/problems/[^/]+": "problem",
}

SHEET = """<!doctype html><meta charset="utf-8"><title>{title}</title><style>
body {{ margin: 16px; background: #777; font: 14px sans-serif; color: #fff }}
div {{ display: grid; grid-template-columns: repeat({columns}, 1fr); gap: 12px }}
figure {{ margin: 0 }} a {{ display: block; max-height: {height}px; overflow: hidden }}
img {{ width: 100%; display: block }} figcaption {{ padding: 4px 0 }}
</style><h1>{title}</h1><div>{figures}</div>
"""


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    language: str
    colours: str
    width: int

    @property
    def name(self) -> str:
        """``en-light-1280``."""
        return f"{self.language}-{self.colours}-{self.width}"


def main(arguments: list[str]) -> int:
    """Take them; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        chromium = _browser.get()
    except _browser.BrowserMissing as missing:
        print(f"screenshots: {missing}", file=sys.stderr)
        return 2
    folder = options.out or Path(tempfile.mkdtemp(prefix="ledger-screenshots-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with (
            _site(options.url) as url,
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=chromium) as browser,
        ):
            pages = {
                name: path
                for name, path in _pages(url).items()
                if any(fnmatch.fnmatchcase(name, each) for each in options.only.split(","))
            }
            taken = _take(browser, url, pages, _looks(options), folder)
            _sheets(browser, folder, taken)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return 2
    if not taken:
        print(f"screenshots: no page is called {options.only}", file=sys.stderr)
        return 1
    print(f"{sum(map(len, taken.values()))} pictures: {folder / 'index.html'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/screenshots", description="Pictures of every page of the site."
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="into this folder")
    parser.add_argument("--url", metavar="URL", help="of this running ledger")
    parser.add_argument(
        "--only", default="*", metavar="NAMES", help="pages so called: home,job*,statistics"
    )
    parser.add_argument("--lang", action="append", choices=LANGUAGES, help="in this language")
    parser.add_argument("--light", action="store_true", help="in light colours")
    parser.add_argument("--dark", action="store_true", help="in dark colours")
    parser.add_argument("--print", action="store_true", help="as they print, beside the others")
    parser.add_argument("--width", type=int, action="append", metavar="N", help="pixels wide")
    return parser


def _looks(options: argparse.Namespace) -> list[Look]:
    colours = [each for each in ("light", "dark") if getattr(options, each)] or ["light", "dark"]
    languages: Sequence[str] = options.lang or LANGUAGES
    widths: Sequence[int] = options.width or (PHONE, DESK, WALL)
    looks = [
        Look(language, colour, width)
        for width, colour, language in itertools.product(widths, colours, languages)
    ]
    printed = [Look(language, "print", DESK) for language in languages if options.print]
    return [*looks, *printed]


# --- what there is to see -----------------------------------------------------------------------


@contextlib.contextmanager
def _site(url: str | None) -> Iterator[str]:
    """The ledger to look at: the one at ``url``, or a demonstration of our own."""
    if url is not None:
        yield url.rstrip("/")
        return
    with tempfile.TemporaryDirectory(prefix="ledger-screenshots-demo-") as data:
        command = [
            sys.executable, str(Path(__file__).with_name("demo")), "--data", data, "--port", "0",
            "--no-live", "--jobs", DEMO_JOBS,
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
            try:
                assert demo.stdout is not None
                said = demo.stdout.readline()
                found = re.match(r"(http://\S+) - ", said)
                if found is None:
                    raise OSError("the demonstration did not start; see above")
                yield found[1]
            finally:
                demo.terminate()


def _pages(url: str) -> dict[str, str]:
    """The pages by name, each as its address below the language: ``jobs/01ABC?at=7``."""
    found = _reached_by_links(url)
    jobs = {f"job-{state}": _jobs(url, f"jobs?limit=1&state={state}") for state in STATES}
    jobs["job-published"] = _jobs(url, "jobs?limit=1000", "disclosed_index")
    jobs["job-corrected"] = _jobs(url, "corrections?limit=1")
    found |= {name: paths[0] for name, paths in jobs.items() if paths}
    for name, query in SEARCHES.items():
        if _fetch(f"{url}/{LANGUAGES[0]}/jobs?{quote(query, safe='=&')}") is not None:
            found[name] = f"jobs?{query}"
    found |= {"as-of": "?at=100", "not-found": "nowhere"}
    return dict(sorted(found.items(), key=lambda pair: (pair[0] != "home", pair[0])))


def _reached_by_links(url: str) -> dict[str, str]:
    found: dict[str, str] = {"home": ""}
    waiting, seen, many = [""], {""}, collections.Counter[str]()
    while waiting:
        slug = waiting.pop(0)
        linked = _linked(url, slug)
        if linked is None:
            print(f"a link leads to /{slug}, which is not there", file=sys.stderr)
            found = {name: path for name, path in found.items() if path != slug}
            continue
        for each in dict.fromkeys(linked):
            name = _name(each)
            many[name] += each not in seen
            if each not in seen and many[name] <= EXAMPLES:
                found[name if many[name] == 1 else f"{name}-{many[name]}"] = each
                waiting.append(each)
            seen.add(each)
    return found


def _name(slug: str) -> str:
    """What the page is called; all pages of which there are many are called the same."""
    for pattern, name in KINDS.items():
        if re.fullmatch(pattern, slug):
            return name
    return slug.replace("/", "-")


def _linked(url: str, slug: str) -> list[str] | None:
    """The pages that a page links to, without their queries; None where there is no such page."""
    prefix = f"/{LANGUAGES[0]}/"
    text = _fetch(f"{url}{prefix}{slug}")
    if text is None:
        return None
    targets = [urlsplit(each.replace("&amp;", "&")) for each in LINK.findall(text)]
    return [
        each.path.removeprefix(prefix)
        for each in targets
        if each.netloc in {"", urlsplit(url).netloc} and each.path.startswith(prefix)
    ]


def _jobs(url: str, query: str, has: str = "job_id") -> list[str]:
    """The page of the last job that the API lists there, of those that have ``has``."""
    text = _fetch(f"{url}/api/v1/{query}")
    listed: list[dict[str, object]] = json.loads(text)["data"] if text else []
    return [f"jobs/{each['job_id']}" for each in listed if each.get(has) is not None][-1:]


def _fetch(address: str) -> str | None:
    """The text there, or None where the site has nothing."""
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE_MS / 1000) as reply:  # noqa: S310 - the given site
            text: str = reply.read().decode("utf-8", "replace")
            return text
    except urllib.error.HTTPError as error:
        error.close()
        return None


# --- the pictures -------------------------------------------------------------------------------


def _take(
    browser: Browser, url: str, pages: dict[str, str], looks: list[Look], folder: Path
) -> dict[Look, list[str]]:
    """Take every page in every look, as ``page.look.png``; the names of the pages by look."""
    taken: dict[Look, list[str]] = {}
    begun, told, done = time.monotonic(), time.monotonic(), 0
    for look in looks:
        context = browser.new_context(
            viewport={"width": look.width, "height": HEIGHTS.get(look.width, 900)},
            color_scheme="dark" if look.colours == "dark" else "light",
            locale=LOCALES[look.language],
            timezone_id="UTC",
            is_mobile=look.width == PHONE,
        )
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        if look.colours == "print":
            page.emulate_media(media="print")
        names = [name for name in pages if look.width != WALL or name in ON_THE_WALL]
        for name in names:
            _take_one(page, f"{url}/{look.language}/{pages[name]}", folder, f"{name}.{look.name}")
            taken.setdefault(look, []).append(name)
            done += 1
            if time.monotonic() - told > 2:
                told = time.monotonic()
                print(f"{done} pictures, {look.name}: {name}", file=sys.stderr, flush=True)
        context.close()
    print(f"{done} pictures in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return taken


def _take_one(page: Page, address: str, folder: Path, name: str) -> None:
    page.goto(address)
    too_wide = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    if too_wide > 0:
        print(f"{name}: {too_wide} pixels wider than the window", file=sys.stderr, flush=True)
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def _sheets(browser: Browser, folder: Path, taken: dict[Look, list[str]]) -> None:
    """Write ``index.html`` with all pictures, and ``sheet.LOOK.N.png`` with twelve or so each."""
    everything = ""
    context = browser.new_context(viewport={"width": SHEET_WIDTH, "height": 900})
    page = context.new_page()
    for look, names in taken.items():
        columns = SHEET_COLUMNS.get(look.width, 4)
        figures = [_figure(f"{name}.{look.name}.png", name) for name in names]
        everything += f"</div><h2>{escape(look.name)}</h2><div>{''.join(figures)}"
        for number in range(0, len(figures), 2 * columns):
            sheet = f"sheet.{look.name}.{number // (2 * columns) + 1}"
            html = folder / f"{sheet}.html"
            shown = "".join(figures[number : number + 2 * columns])
            html.write_text(
                SHEET.format(title=look.name, columns=columns, height=760, figures=shown), "utf-8"
            )
            page.goto(html.absolute().as_uri())
            page.screenshot(path=folder / f"{sheet}.png", full_page=True)
            html.unlink()
    context.close()
    index = SHEET.format(title="Every page", columns=5, height=600, figures=everything)
    folder.joinpath("index.html").write_text(index, "utf-8")


def _figure(file: str, name: str) -> str:
    return (
        f'<figure><a href="{quote(file)}"><img src="{quote(file)}" alt=""></a>'
        f"<figcaption>{escape(name)}</figcaption></figure>"
    )
