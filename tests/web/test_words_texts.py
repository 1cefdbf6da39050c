"""The texts of the site by themselves: Markdown, its translations, and the glossary."""

import csv
import re
from pathlib import Path

import pytest

from web.i18n import DEFAULT, HERE, LANGUAGES
from web.pages import HANDLERS
from web.pages.documents import check_links
from web.words.library import LIBRARY, Library, check_library, read_document, read_library
from web.words.markdown import Block, TextRefused, read_text
from web.words.terms import FILE, read_terms

FRONT = "---\ntitle: A\ndescription: B.\n---\n"
FAMILIAR = {"page|pages"}
"""Rows of the short glossary that need no explanation."""


def test_the_pages_that_the_site_promises_are_there_in_every_language() -> None:
    promised = {
        *("about", "accessibility", "changelog", "docs", "docs/api", "docs/methodology"),
        *(
            "docs/exchange",
            "docs/threat-model",
            "docs/verify",
            "glossary",
            "licence",
            "press",
            "privacy",
        ),
    }
    assert promised <= set(LIBRARY.documents)
    for translations in LIBRARY.documents.values():
        assert list(translations) == list(LANGUAGES)
        titles = {document.title for document in translations.values()}
        assert len(titles) == len(LANGUAGES)


def test_every_document_is_in_the_list_of_documents() -> None:
    listed = {link.page for link in LIBRARY.documents["docs"][DEFAULT].text.links}
    assert set(LIBRARY.documents) - {"docs"} - listed == set()


@pytest.mark.parametrize("tag", [tag for tag in LANGUAGES if tag != DEFAULT])
def test_chinese_texts_are_set_with_their_own_punctuation(tag: str) -> None:
    for slug, translations in LIBRARY.documents.items():
        document = translations[tag]
        source = re.sub(
            r"```.*?```|`[^`]*`|\]\([^)]*\)|\{#[^}]*\}", "", document.source, flags=re.DOTALL
        )
        for text in (document.title, document.description, source):
            found = re.findall(r".?[\u4e00-\u9fff] ?[,;:?!()]|[,;:?!()] ?[\u4e00-\u9fff].?", text)
            assert (slug, found) == (slug, [])
            assert (slug, re.findall(r"[\u4e00-\u9fff] [\u4e00-\u9fff]+", text)) in [
                (slug, []),
                (slug, ["享 署名"]),  # the licence's own name
            ]
            assert not re.search(r"[\u4e00-\u9fff]\.(\s|$)", text), slug


def test_a_heading_gives_its_id_and_the_words_do_not_show_it() -> None:
    text = read_text("## The `root` {#root}\n\nx\n", blocks=(), break_as=" ")
    assert "".join(map(str, text.parts)) == '<h2 id="root">The <code>root</code></h2>\n<p>x</p>\n'
    assert [(each.level, each.id, each.text) for each in text.headings] == [(2, "root", "The root")]


def test_tables_name_their_columns_in_every_cell_and_carry_no_style() -> None:
    text = read_text("| A | B |\n|---|--:|\n| x | 1 |\n", blocks=(), break_as=" ")
    html = "".join(map(str, text.parts))
    assert '<table class="cards">' in html
    assert '<th scope="row">x</th>' in html
    assert '<td class="num" data-label="B">1</td>' in html
    assert "style" not in html


def test_html_in_a_text_is_shown_as_text() -> None:
    source = "<script>alert(1)</script>\n\nA <b onclick=x>b</b> <!-- c --> ![p](/x.png\n"
    html = "".join(map(str, read_text(source, blocks=(), break_as=" ").parts))
    assert re.findall("<[a-z!]+", html) == ["<p", "<p"]
    for document in (each[tag] for each in LIBRARY.documents.values() for tag in each):
        for part in document.text.parts:
            if isinstance(part, str):
                assert not re.search(r"<(script|style|iframe|img|b|i|div)\b", part)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("## No id\n", "is not a heading"),
        ("# Too large {#a}\n", "is not a heading"),
        ("#### Too small {#a}\n", "is not a heading"),
        ("## A {#a}\n\n## B {#a}\n", "the same id"),
        ("![x](y)\n", "no pictures"),
        ("[x](https://elsewhere.example)\n", "no page of this site"),
        ("[x](../up)\n", "no page of this site"),
        ("{{nothing}}\n", "no fact"),
        ("`{{nothing}}`\n", "no fact"),
    ],
)
def test_a_text_that_cannot_be_shown_is_refused(source: str, reason: str) -> None:
    with pytest.raises(TextRefused, match=reason):
        sorted(read_document("x", FRONT + source, LANGUAGES[DEFAULT]).places)


def test_a_text_without_title_or_description_is_refused() -> None:
    for source in ("", "Words.\n", "---\ntitle: A\n---\nWords.\n"):
        with pytest.raises(TextRefused, match="title and a description"):
            read_document("x", source, LANGUAGES[DEFAULT])


@pytest.mark.parametrize(
    ("english", "chinese", "reason"),
    [
        ("Words.\n", None, "is there in en only"),
        ("## A {#a}\n", "## 甲 {#b}\n", "other headings"),
        ("[a](jobs)\n", "[甲](log)\n", "other links"),
        ("{{origin}}\n", "{{vkey}}\n", "other facts"),
        ("[a](x#nowhere)\n", "[甲](x#nowhere)\n", "which is not there"),
        ("[a](#nowhere)\n", "[甲](#nowhere)\n", "which is not there"),
    ],
)
def test_texts_that_do_not_hold_together_are_refused(
    tmp_path: Path, english: str, chinese: str | None, reason: str
) -> None:
    for tag, source in zip(LANGUAGES, (english, chinese), strict=True):
        (tmp_path / tag).mkdir()
        if source is not None:
            (tmp_path / tag / "x.md").write_text(FRONT + source)
    with pytest.raises(TextRefused, match=reason):
        check_library(read_library(tmp_path))


def test_the_texts_of_the_site_hold_together() -> None:
    check_library(LIBRARY)


def test_a_link_to_a_page_that_the_site_does_not_have_is_refused() -> None:
    check_links(LIBRARY, HANDLERS)
    broken = read_document("x", FRONT + "[a](nowhere/at-all)\n", LANGUAGES[DEFAULT])
    with pytest.raises(TextRefused, match="nowhere/at-all"):
        check_links(Library({"x": {DEFAULT: broken}}, ()), HANDLERS)


# --- the glossary -----------------------------------------------------------------------------


def test_the_glossary_uses_the_words_of_the_site_and_explains_them_all() -> None:
    with (HERE / "glossary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    known = {term.words[DEFAULT].lower(): term for term in LIBRARY.terms}
    assert len(known) > 60
    unexplained = []
    for row in rows:
        forms = row["english"].lower().split("|")
        found = [known[form] for form in forms if form in known]
        if found:
            assert row["zh_Hans"] in found[0].words["zh-Hans"], row
        elif row["english"] not in FAMILIAR:
            unexplained.append(row["english"])
    assert unexplained == []


def test_each_term_is_explained_in_one_sentence_of_its_language() -> None:
    for term in LIBRARY.terms:
        english, chinese = term.meanings["en"], term.meanings["zh-Hans"]
        assert re.fullmatch(r"[A-Z][^\n]{10,200}\.", english), english
        assert not re.search(r"[\u4e00-\u9fff]", english)
        assert re.fullmatch(r"[^\n]{5,120}。", chinese), chinese
        assert chinese.count("。") == 1


def test_a_term_without_a_language_or_twice_the_same_is_refused(tmp_path: Path) -> None:
    lines = FILE.read_text("utf-8").splitlines()
    broken = tmp_path / "terms.csv"
    for text in (f"{lines[0]}\nA,,b,c\n", f"{lines[0]}\nA,b,c,d\na,b,c,d\n"):
        broken.write_text(text)
        with pytest.raises(ValueError, match=r"lacks a language|the same id"):
            read_terms(broken)


def test_a_block_stands_only_where_its_paragraph_is_its_name() -> None:
    text = read_text("{{terms}}\n\nSee {{terms}}.\n", blocks=("terms",), break_as=" ")
    assert text.parts.count(Block("terms")) == 1
