import base64
import hashlib
import re

import pytest

from rl_assets.reports.page import badge, facts_list, html_page, masthead, notice, page_file, verdict_chip
from rl_assets.reports.recipe_styles import MUTED, NUM_COLORS

NASTY = "</script><img src=x onerror=alert(1)>&\"'"


def policy_of(page: bytes) -> str:
    found = re.search(r'Content-Security-Policy" content="([^"]*)"', page.decode())
    assert found
    return found.group(1)


def test_a_page_allows_its_own_scripts_and_no_request(parse):
    page = html_page(title="t", body="<p>b</p>", scripts=["var a = 'ü';"])
    digest = base64.b64encode(hashlib.sha256(parse(page).scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy_of(page)
    assert policy_of(page).startswith("default-src 'none'")
    assert "http" not in policy_of(page)


def test_a_page_without_scripts_allows_none():
    assert "script-src 'none'" in policy_of(html_page(title="t", body=""))


def test_plain_text_stays_text_everywhere(parse):
    body = "".join(
        [
            masthead(kind=NASTY, title=NASTY, summary=NASTY),
            facts_list({NASTY: NASTY}),
            badge(NASTY),
            notice(NASTY),
        ]
    )
    page = parse(html_page(title=NASTY, body=body))
    assert not [tag for tag, _ in page.elements if tag in {"img", "script"}]
    assert page.text.count(NASTY) == 8


def test_data_cannot_end_its_script(parse):
    page = parse(html_page(title="t", body="", data={"figures": '"</script><p id=out>"'}))
    assert ("p", {"id": "out"}) not in page.elements


@pytest.mark.parametrize(
    ("verdict", "text"), [("pass", "pass"), ("hold", "hold"), ("fail", "fail"), (None, "not judged")]
)
def test_a_verdict_is_told_in_words(parse, verdict, text):
    assert text in parse(html_page(title="t", body=verdict_chip(verdict))).text


def test_the_stylesheet_defines_every_colour_for_both_schemes():
    style = page_file("page.css")
    for name in [*(f"series-{n}" for n in range(1, NUM_COLORS + 1)), MUTED]:
        assert len(re.findall(rf"--{name}: #[0-9a-f]{{6}};", style)) == 2
    assert "prefers-color-scheme: dark" in style
    assert "url(" not in style
    assert "@import" not in style
