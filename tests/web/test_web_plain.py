"""What members write is seen whole, turns no words around it, and hides nothing."""

import json
import re

import pytest
from browser import Browser
from ledger_world import World

from web.telling.formats import value
from web.telling.plain import shown, shown_json, shown_line

TURNING = "\u202eevil\u2069\u2066"


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("plain", "plain"),
        ("安全 é ✓", "安全 é ✓"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("a\x00b\x1b[31mc\x7f\x85", "a␀b␛[31mc␡\ufffd"),
        (TURNING, "\ufffdevil\ufffd\ufffd"),
        ("a\u2028b\u200fc\u061c", "a\ufffdb\ufffdc\ufffd"),
        ("אבג 123", "\u2068אבג 123\u2069"),
        ("\u2069אבג", "\u2068\ufffdאבג\u2069"),
    ],
)
def test_controls_are_made_visible_and_right_to_left_is_kept_to_itself(
    written: str, seen: str
) -> None:
    assert shown(written) == seen
    assert str(value(written)) == seen


@pytest.mark.parametrize("blank", [None, "", "  \t", "\u200b\ufeff", "\u3164\u2800", "\u0301"])
def test_a_title_that_nobody_could_see_is_none(blank: str | None) -> None:
    assert shown_line(blank) == ""


def test_a_title_is_one_line() -> None:
    assert shown_line(" one\r\ntwo\t three ") == "one two three"


def test_json_is_shown_with_escapes_that_mean_the_same() -> None:
    text = json.dumps({"a": f"{TURNING}\x7f安全"}, ensure_ascii=False)
    assert shown_json(text) == '{"a": "\\u202eevil\\u2069\\u2066\\u007f安全"}'
    assert json.loads(shown_json(text)) == json.loads(text)


def test_a_members_text_cannot_turn_the_ledgers_own_sentence_around(
    fresh: World, shop: Browser
) -> None:
    entry = fresh.log(fresh.submission("turned", title=TURNING))[0]
    said = {"corrects": entry.index, "field": "title", "value": TURNING, "reason": TURNING}
    corrected = fresh.log(
        fresh.statement("alpha", "corrected", "job-corrected/1", said, job="turned")
    )[0]
    fresh.days(91)
    fresh.sweep()
    for target in (
        "/en/",
        "/en/jobs",
        "/en/embargo",
        f"/en/jobs/{fresh.job_id('turned')}",
        "/feeds/published.json",
    ):
        text = shop.get(target).text
        assert "\ufffdevil" in text, target
        assert not re.search("[\u202e\u2066]", text), target
    formatted = shop.get(f"/en/entries/{corrected.index}").text.partition("<details>")[0]
    assert "\\u202eevil" in formatted
    assert "\u202e" not in formatted


def test_a_blank_title_leaves_the_job_a_name_to_click_on(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("blank", title="\u200b \u3164"))
    fresh.days(91)
    fresh.sweep()
    job = fresh.job_id("blank")
    assert f'<a href="/en/jobs/{job}">Evaluation suite</a>' in shop.get("/en/jobs").text


def test_a_page_of_the_feed_stays_small_whatever_members_write(fresh: World, shop: Browser) -> None:
    many = 60
    for number in range(many):
        fresh.log(
            fresh.submission(f"long-{number}", title="\U0001f4a3" * 120, purpose="💣" * 2_000)
        )
    fresh.days(91)
    fresh.sweep()
    target: str | None = "https://ledger.example/feeds/published.json?limit=100"
    seen: list[int] = []
    while target:
        reply = shop.get(target.removeprefix("https://ledger.example"))
        assert len(reply.body) < 100_000
        items = reply.json()["items"]
        assert items
        seen += [item["_apsci"]["discloses"] for item in items]
        target = reply.json().get("next_url")
    assert len(seen) == len(set(seen)) == many
    assert seen == sorted(seen, reverse=True)
