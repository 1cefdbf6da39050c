"""Templates, read as trees: everything that they print is escaped, and links lead where they may.

What a template prints is escaped unless it is ``Markup``. So nobody may make any but those modules
that are named here, no template may switch escaping off, an attribute has quotes around what is
printed into it, and an address is made by functions that know where addresses lead.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from jinja2 import Environment, nodes

from web.static_files import StaticFiles
from web.templating import Pages

WEB: Final = Path(__file__).parents[2] / "web"
TEMPLATES: Final = sorted((WEB / "templates").rglob("*.html"))
MARKUP: Final = {
    "web/telling/amounts.py": "formats constants with escaped values, as formats does",
    "web/telling/formats.py": "formats constants with escaped values: Markup(...).format escapes",
    "web/words/markdown.py": "renders the site's own Markdown, which no author can write",
}
"""Modules that may call something markup, and why that is no way in."""
MADE: Final = {
    "to": "an address of this site in the same language",
    "machine": "an address of this site for programs",
    "same": "this very address with other parameters",
    "static": "a file of this site, by its digest",
    "oembed": "an address of this site",
}
"""Functions whose answers may stand in an attribute that leads somewhere."""
KNOWN: Final = {
    "address": "base, job, api_reference: made by web.query.address or written in web.contract",
    "asked.path": "the path of this request: the page is there, so it is one of this site's",
    "document": "the OpenAPI document's address, a constant",
    "each.receipt": "/entries/N.proof",
    "feed_address": "web.feed_addresses, a path of this site",
    "file.path": "a bulk file's path, of letters that ledger.exports chooses",
    "newest": "made by same()",
    "older": "made by same()",
    "receipt": "/entries/N.proof or /jobs/ID.proof",
    "schemas": "the address of the schemas' list, a constant",
    "there": "the public address that the operator has set, and a path of this site",
    "twin": "made by machine()",
}
"""Other expressions that stand in such an attribute, and where they come from."""
LEADING: Final = re.compile(r"""(?is)\b(?:href|src|action|formaction|data|poster|srcset)\s*=\s*$""")
QUOTED: Final = re.compile(r"""(?is)\s[a-z][a-z0-9_:-]*\s*=\s*(["'])[^"'<>]*\Z""")


def environment() -> Environment:
    """The one that pages are made in."""
    return Pages(StaticFiles())._environment


def tree_of(path: Path) -> nodes.Template:
    return environment().parse(path.read_text("utf-8"), filename=str(path))


def test_escaping_is_on_for_every_template() -> None:
    assert environment().autoescape is True
    assert len(TEMPLATES) > 30
    rendered = environment().from_string("{{ word }}").render(word="<b>\"'&")
    assert rendered == "&lt;b&gt;&#34;&#39;&amp;"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_prints_anything_unescaped(path: Path) -> None:
    tree = tree_of(path)
    used = {each.name for each in tree.find_all(nodes.Filter)}
    assert not used & {"safe", "xmlattr", "urlize", "tojson", "forceescape", "indent"}
    assert not list(tree.find_all((nodes.MarkSafe, nodes.MarkSafeIfAutoescape)))
    names = {each.name for each in tree.find_all(nodes.Name)}
    assert not names & {"Markup", "caller_safe"}
    switched = tree.find_all((nodes.ScopedEvalContextModifier, nodes.EvalContextModifier))
    assert not list(switched)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_what_is_printed_in_a_tag_stands_in_quotes_and_leads_where_it_may(path: Path) -> None:
    assert faults_of(path.read_text("utf-8")) == []


def faults_of(text: str) -> list[str]:  # noqa: C901 - one case a kind of letter
    """What a template prints in a tag without quotes, or as an address that nobody has checked."""
    found = []
    inside, quote, attribute = False, "", ""
    at = 0
    for piece in re.finditer(r"(?s){#.*?#}|{%.*?%}|{{.*?}}|.", text):
        part = piece[0]
        at = piece.start()
        line = text.count("\n", 0, at) + 1
        if part.startswith("{{"):
            if inside and not quote:
                found.append(f"line {line}: {part} stands in a tag without quotes")
            if inside and quote and LEADING.search(attribute) and not _may_lead(part):
                found.append(f"line {line}: {part} leads nobody knows where")
            attribute = attribute.rstrip() + "x" if quote else attribute
        elif len(part) > 1:
            continue
        elif not inside and part == "<" and re.match(r"[a-zA-Z]", text[at + 1 : at + 2]):
            inside, quote, attribute = True, "", ""
        elif inside and quote:
            attribute = attribute if part != quote else ""
            quote = "" if part == quote else quote
            if quote:
                attribute += part
        elif inside and part in "\"'":
            quote = part
        elif inside and part == ">":
            inside = False
        elif inside:
            attribute = attribute + part if not part.isspace() else ""
    return found


def _may_lead(printed: str) -> bool:
    return _is_made(environment().parse(printed).body[0].nodes[0])  # type: ignore[attr-defined]


def _is_made(node: nodes.Node) -> bool:
    """Whether an expression is an address that this site has made."""
    known = MADE.keys() | KNOWN.keys()
    match node:
        case nodes.Call(node=nodes.Name(name=name)) | nodes.Name(name=name):
            return name in known
        case nodes.Call(node=nodes.Getattr(node=inner)) | nodes.Getitem(node=inner):
            # As to("jobs").partition("?")[0]: a part of an address that was made.
            return _is_made(inner)
        case nodes.Getattr(node=nodes.Name(name=name), attr=attribute):
            return f"{name}.{attribute}" in known
        case nodes.CondExpr():
            ends = [node.expr1, *([node.expr2] if node.expr2 is not None else [])]
            return all(map(_is_made, ends))
        case nodes.Const():
            return str(node.value).startswith(("/", "#"))
    return False


def modules() -> Iterator[Path]:
    yield from sorted(WEB.rglob("*.py"))


def test_only_named_modules_call_anything_markup() -> None:
    found = set()
    for path in modules():
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == "Markup":
                found.add(str(path.relative_to(WEB.parent)))
            if isinstance(node, ast.Attribute) and node.attr in {"Markup", "__html__"}:
                found.add(str(path.relative_to(WEB.parent)))
    assert found == MARKUP.keys()


def test_markup_is_made_of_constants_alone() -> None:
    """``Markup`` of what is not written down in the module is markup by whoever said it."""
    for name in ("formats.py", "amounts.py"):
        tree = ast.parse((WEB / "telling" / name).read_text("utf-8"))
        calls = [each for each in ast.walk(tree) if isinstance(each, ast.Call)]
        made = [
            each
            for each in calls
            if isinstance(each.func, ast.Name) and each.func.id in {"Markup", "escape"}
        ]
        assert made
        for call in made:
            if isinstance(call.func, ast.Name) and call.func.id == "Markup":
                assert all(isinstance(each, ast.Constant) for each in call.args)


def test_the_checks_find_what_they_look_for() -> None:
    assert faults_of("<a class={{ x }}>")
    assert faults_of('<a href="{{ job.uri }}">')
    assert faults_of("<img src='{{ x }}'>")
    assert not faults_of('<a href="{{ to("jobs") }}" title="{{ x }}">{{ x }}</a>')
    tree = environment().parse("{{ x | safe }}")
    assert {each.name for each in tree.find_all(nodes.Filter)} == {"safe"}
    tree = environment().parse("{% autoescape false %}{{ x }}{% endautoescape %}")
    assert list(tree.find_all(nodes.ScopedEvalContextModifier))
