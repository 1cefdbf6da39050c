"""Every page as a strict reader takes it: no error, every reference resolves, nothing is inline.

Two readers: justhtml builds the tree as a browser does, and tells what it had to mend; the
tokenizer of the standard library shows the tags as they were written, and each has to be closed
where it was opened, which browsers do not ask for.
"""

import html.entities
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from browser import Browser
from justhtml import Element, JustHTML
from ledger_world import World
from site_map import answers, languages, pages

REFERENCES = (
    "for", "headers", "list", "form", "aria-labelledby", "aria-describedby", "aria-controls",
    "aria-owns", "aria-details", "aria-errormessage",
)  # fmt: skip
CHILDREN = {
    "ul": {"li", "script", "template"},
    "ol": {"li", "script", "template"},
    "dl": {"dt", "dd", "div", "script", "template"},
    "tr": {"td", "th", "script", "template"},
    "select": {"option", "optgroup", "hr"},
}
INTERACTIVE = {"a", "button", "input", "select", "textarea", "summary", "label", "iframe"}
PHRASING = {
    "p", "span", "a", "b", "i", "em", "strong", "small", "code", "time", "abbr", "h1", "h2", "h3",
    "h4", "label", "button", "dt", "summary", "cite", "q", "mark", "data", "sub", "sup", "kbd",
}  # fmt: skip
BLOCKS = {
    "p", "div", "ul", "ol", "dl", "table", "section", "article", "figure", "form", "header", "nav",
    "footer", "main", "aside", "pre", "details", "fieldset", "blockquote", "h2", "h3", "h4",
}  # fmt: skip
HAVE_BLOCKS = {"a", "summary"}
"""These may hold blocks, or headings at least, where their parent may."""
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
DATA = {"application/json", "application/ld+json"}
LOADS = (
    "src",
    "srcset",
    "poster",
    "data",
    "action",
    "formaction",
    "ping",
    "background",
    "manifest",
)
LEADS = {"alternate", "canonical", "license", "help", "search", "author"}
"""A ``<link>`` of these kinds is followed by somebody, or by nobody; it loads nothing."""


class AsWritten(HTMLParser):
    """The tags as they stand in the text; ``faults`` is what is wrong with them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.faults: list[str] = []
        self.open: list[str] = []

    def complain(self, what: str) -> None:
        self.faults.append(f"{self.getpos()}: {what}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        twice = [name for name, count in Counter(name for name, _ in attrs).items() if count > 1]
        for name in twice:
            self.complain(f"<{tag}> has {name} twice")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if "svg" not in self.open and tag not in VOID:
            self.complain(f"<{tag}/> closes nothing")
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.complain(f"</{tag}> where {self.open[-1:]} is open")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if "&" in data or ("<" in data and self.open[-1:] not in (["script"], ["style"])):
            self.complain(f"{data!r} is not escaped")

    def handle_entityref(self, name: str) -> None:
        if f"{name};" not in html.entities.html5:
            self.complain(f"&{name} means nothing")


def as_written(text: str) -> list[str]:
    """What is wrong with the tags of a page."""
    reader = AsWritten()
    reader.feed(text)
    reader.close()
    return reader.faults + [f"<{tag}> is not closed" for tag in reader.open]


def elements(root: Element) -> Iterator[Element]:
    """Every element below ``root``, in the order of the page."""
    for child in root.children or ():
        if isinstance(child, Element):
            yield child
            yield from elements(child)


def ancestors(element: Element) -> Iterator[Element]:
    """What an element stands in, from the inside out."""
    above = element.parent
    while isinstance(above, Element):
        yield above
        above = above.parent


def of(element: Element, name: str) -> str:
    """An attribute's value, or nothing."""
    return (element.attrs or {}).get(name) or ""


def parsed(text: str) -> tuple[JustHTML, list[Element]]:
    """The page and all its elements."""
    page = JustHTML(text, sanitize=False, collect_errors=True)
    return page, list(elements(page.root))


def faults(text: str, language: str) -> list[str]:
    """Everything that is wrong with a page, in words."""
    page, all_of_them = parsed(text)
    found = [*map(str, page.errors), *as_written(text)]
    for look in (_references, _headings, _languages, _nesting, _inline, _outside):
        found += look(all_of_them)
    if [of(each, "lang") for each in all_of_them if each.name == "html"] != [language]:
        found.append("the page does not say its language")
    return found


def _references(page: list[Element]) -> list[str]:
    counted = Counter(of(each, "id") for each in page if "id" in (each.attrs or {}))
    found = [f"id {name!r} {count} times" for name, count in counted.items() if count > 1]
    found += [f"id {name!r} is no id" for name in counted if not name or " " in name]
    for each in page:
        for name in REFERENCES:
            for target in of(each, name).split():
                if target not in counted:
                    found.append(f"<{each.name} {name}={target!r}> leads nowhere")
        address = of(each, "href")
        if address.startswith("#") and address[1:] not in counted:
            found.append(f"<a href={address!r}> leads nowhere")
    return found


def _headings(page: list[Element]) -> list[str]:
    levels = [int(each.name[1]) for each in page if each.name in {"h1", "h2", "h3", "h4", "h5"}]
    found = [] if levels.count(1) == 1 else [f"{levels.count(1)} first headings"]
    found += ["the first heading is not the first"] if levels[:1] != [1] else []
    jumps = [(high, low) for high, low in pairwise(levels) if low > high + 1]
    return found + [f"h{low} comes after h{high}" for high, low in jumps]


def _languages(page: list[Element]) -> list[str]:
    known = {*languages(), "x-default"}
    return [
        f"<{each.name} {name}={of(each, name)!r}>"
        for each in page
        for name in ("lang", "hreflang")
        if name in (each.attrs or {}) and of(each, name) not in known
    ]


def _nesting(page: list[Element]) -> list[str]:
    found = []
    for each in page:
        parent = each.parent.name if isinstance(each.parent, Element) else ""
        if parent in CHILDREN and each.name not in CHILDREN[parent]:
            found.append(f"<{each.name}> in <{parent}>")
        if each.name in BLOCKS and parent in PHRASING - HAVE_BLOCKS:
            found.append(f"<{each.name}> in <{parent}>")
        if each.name in INTERACTIVE - {"label", "summary"}:
            around = {above.name for above in ancestors(each)} & INTERACTIVE
            around -= {"label"} if each.name in {"input", "select", "textarea"} else set()
            found += [f"<{each.name}> in <{above}>" for above in around]
    return found


def _inline(page: list[Element]) -> list[str]:
    found = []
    for each in page:
        attributes = each.attrs or {}
        found += [f"<{each.name} {name}>" for name in attributes if name.startswith("on")]
        found += [f"<{each.name} style>"] if "style" in attributes else []
        if each.name == "style" or (
            each.name == "script" and not attributes.get("src") and of(each, "type") not in DATA
        ):
            found.append(f"an inline <{each.name}>")
    return found


def _outside(page: list[Element]) -> list[str]:
    """What a browser would fetch, or send, elsewhere without anybody's asking."""
    found = []
    for each in page:
        loads = [of(each, name) for name in LOADS]
        if each.name in {"link", "image", "use"} and not set(of(each, "rel").split()) & LEADS:
            loads += [of(each, "href"), of(each, "xlink:href")]
        found += [
            f"<{each.name}> loads {address}"
            for address in loads
            if "//" in address or address.startswith(("http:", "https:"))
        ]
    return found


@pytest.mark.parametrize("language", languages())
def test_no_page_has_a_fault(site: Browser, world: World, language: str) -> None:
    targets = [path for path in pages(world) if path.startswith(f"/{language}/")]
    targets += [f"/{language}/nowhere", f"/{language}/jobs?state=nonsense"]
    targets += [path for path in answers(world) if path.startswith(f"/embed/{language}/")]
    faulty = {target: faults(site.get(target).text, language) for target in targets}
    assert {target: found for target, found in faulty.items() if found} == {}


def test_a_page_is_called_by_what_it_is(site: Browser, world: World) -> None:
    """No two pages share a title: searches, earlier sizes and jobs that are sealed aside."""
    titles = {}
    for target in pages(world):
        is_job = "/jobs/" in target and not target.endswith("/proof")
        if "?" not in target and not is_job:
            page, _ = parsed(site.get(target).text)
            titles[target] = page.query("title")[0].to_text().strip()
    assert all(title.partition(" · ")[0] for title in titles.values())
    twice = {title for title, count in Counter(titles.values()).items() if count > 1}
    assert {target: title for target, title in titles.items() if title in twice} == {}


@pytest.mark.parametrize(
    ("markup", "fault"),
    [
        ("<p>one<div>two</div></p>", "unexpected-end-tag"),
        ("<p id=a>one</p><p id=a>two</p>", "id 'a' 2 times"),
        ("<label for=b>one</label>", "leads nowhere"),
        ("<a href='#c'>one</a>", "leads nowhere"),
        ("<h3>one</h3>", "h3 comes after h1"),
        ("<h1>one</h1>", "2 first headings"),
        ("<ul><p>one</p></ul>", "<p> in <ul>"),
        ("<span><div>one</div></span>", "<div> in <span>"),
        ("<a href='/'><button>one</button></a>", "<button> in <a>"),
        ("<p lang=klingon>one</p>", "klingon"),
        ("<p style='color: red'>one</p>", "<p style>"),
        ("<p onclick='x()'>one</p>", "<p onclick>"),
        ("<script>x()</script>", "an inline <script>"),
        ("<p>one & two</p>", "not escaped"),
        ("<p>one &nosuch; two</p>", "means nothing"),
        ("<p><b>one</p>", "</p> where ['b'] is open"),
        ("<p>one", "</main> where ['p'] is open"),
        ("<p class=a class=b>one</p>", "<p> has class twice"),
        ("<div/>", "<div/> closes nothing"),
        ("<img src='//other.example/x.png' alt=''>", "loads //other.example"),
        ("<form action='https://other.example/'></form>", "loads https:"),
        ("<link rel=preload href='https://other.example/'>", "loads https:"),
    ],
)
def test_faults_are_found(markup: str, fault: str) -> None:
    page = (
        "<!doctype html><html lang=en><head><title>t</title></head><body><main>"
        "<h1>t</h1>{}</main></body></html>"
    )
    assert faults(page.format(""), "en") == []
    assert any(fault in each for each in faults(page.format(markup), "en"))
