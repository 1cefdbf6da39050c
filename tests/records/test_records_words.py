"""Words of texts: the same of what is indexed and of what is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.records.words import (
    MAX_QUERY,
    MAX_QUERY_WORDS,
    MAX_WORD,
    MAX_WORDS,
    index_words,
    is_word,
    query_words,
)

TEXTS = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from(list("abcXYZ 019-_'\"*:&|!()\0\\ßİΣſ안ᄀ가é\u0301ﬁ①㌔ﷺ")),
        st.sampled_from(list("安全红队自编码器カタカナひらがな々〇\U00020000")),
    ),
    max_size=80,
)


def matches(text: str, query: str) -> bool:
    """What a search does with them."""
    indexed = index_words([text])
    return all(any(word.startswith(asked) for word in indexed) for asked in query_words(query))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        (" -- ", ()),
        ("Linear probes, on Qwen2.5-72B", ("5", "72b", "linear", "on", "probes", "qwen2")),
        ("\uff21\uff22\uff23 \ufb01ne STRASSE Straße", ("abc", "fine", "strasse")),
        ("a\0b a'b a*b", ("a", "b")),
        ("安全", ("全", "安全")),
        ("器", ("器",)),
        ("用GPU训练自编码器。", ("gpu", "器", "用", "码器", "编码", "练自", "自编", "训练")),
        ("カタカナ", ("カナ", "カタ", "タカ", "ナ")),
        ("हिन्दी", ("हिन्दी",)),
        ("x" * 100, ("x" * MAX_WORD,)),
    ],
)
def test_texts_have_these_words(text: str, words: tuple[str, ...]) -> None:
    assert index_words([text]) == tuple(sorted(words))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", ()),
        ("Probe  probe", ("probe",)),
        ("安全", ("安全",)),
        ("器", ("器",)),
        ("自编码器 probe", ("自编", "编码", "码器", "probe")),
        ('"a" OR b*', ("a", "or", "b")),
    ],
)
def test_queries_have_these_words(query: str, words: tuple[str, ...]) -> None:
    assert query_words(query) == words


@pytest.mark.parametrize("query", ["probe", "PROBES", "安全", "安", "全", "红队", "自编码器", "器"])
def test_words_are_found_by_their_beginning(query: str) -> None:
    assert matches("Sparse Probes: 安全与红队测试 自编码器", query)


@pytest.mark.parametrize("query", ["robe", "probest", "全与安", "队红", "编器"])
def test_what_is_not_there_is_not_found(query: str) -> None:
    assert not matches("Sparse Probes: 安全与红队测试 自编码器", query)


@given(TEXTS)
def test_a_text_is_found_by_itself_and_by_the_beginnings_of_its_words(text: str) -> None:
    assert matches(text, text)
    for word in index_words([text]):
        assert matches(text, word)
        assert matches(text, word[:1])


@given(TEXTS)
def test_words_are_words_and_stay_as_they_are(text: str) -> None:
    for word in (*index_words([text]), *query_words(text)):
        assert is_word(word)
        assert " " not in word
        assert word in index_words([word])


@given(TEXTS)
def test_case_and_width_make_no_difference(text: str) -> None:
    wide = text.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})
    assert index_words([wide]) == index_words([text])
    folded = [each for each in text if each.upper().casefold() == each.casefold()]
    assert index_words(["".join(folded).upper()]) == index_words(["".join(folded)])


@given(st.lists(TEXTS, max_size=4))
def test_words_of_several_texts_are_those_of_each(texts: list[str]) -> None:
    assert set(index_words(texts)) == {word for text in texts for word in index_words([text])}


def test_words_are_bounded() -> None:
    many = " ".join(f"w{number}" for number in range(MAX_WORDS * 2))
    found = index_words([many])
    assert len(found) == MAX_WORDS
    assert set(found) == {f"w{number}" for number in range(MAX_WORDS)}
    assert len(query_words(many)) == MAX_QUERY_WORDS
    assert query_words("x " + "y" * MAX_QUERY) == ("x", "y" * MAX_WORD)
    assert query_words(" " * MAX_QUERY + "late") == ()


@pytest.mark.parametrize(
    "text", ["", "a b", '"', "a*", "a'", "a\0", "x" * (MAX_WORD + 1), "(", ":"]
)
def test_what_is_no_word_is_told(text: str) -> None:
    assert not is_word(text)
