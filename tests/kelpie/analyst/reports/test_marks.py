"""Answers' Markdown as HTML: what they are written in is shown, everything else is text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.analyst.reports.marks import as_html

TABLE = (
    '<div class="wide"><table><tr><th>a</th><th class=r>b</th></tr><tr><td>x | y</td><td class=r>5</td></tr></table>'
    "</div>"
)
_BLOCKS = ("p", "ul", "li", "h3", "strong", "code", "pre", "table", "tr", "th", "td")
OURS = [f"<{slash}{tag}>" for tag in _BLOCKS for slash in ("", "/")]
OURS += ["<br>", '<div class="wide">', "</div>", "<th class=r>", "<td class=r>"]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
        ("**5** of `x`", "<p><strong>5</strong> of <code>x</code></p>"),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("1. a\n2) b", "<ul><li>a</li><li>b</li></ul>"),
        ("## Head\ntext", "<h3>Head</h3><p>text</p>"),
        ("```sql\nSELECT 1 < 2\n\nFROM x\n```\nafter", "<pre><code>SELECT 1 &lt; 2\n\nFROM x</code></pre><p>after</p>"),
        ("```\nnever closed", "<pre><code>never closed</code></pre>"),
        (
            "| a | b |\n|---|---:|\n| x \\| y | 5 |",
            TABLE,
        ),
    ],
)
def test_what_answers_are_written_in(text, html):
    assert as_html(text) == html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](http://evil/x.png)",
        '<img src=x onerror="alert(1)">',
        "- <b>bold</b>",
        "| <i>a</i> |",
        "```\n</code></pre><script>\n```",
        "**<u>x</u>**",
        "`<u>x</u>`",
        "<a href='x'>",
    ],
)
def test_markup_in_a_text_is_text(text):
    shown = as_html(text)
    for tag in ("<script", "<img", "<b>", "<i>", "<u>", "<a ", "javascript:alert(1)</a>"):
        assert tag not in shown


def test_numbers_become_links_wherever_they_stand():
    text = "**5** and\n\n| n |\n|---|\n| 7 |\n\n- 9"
    links = [(text.index("5"), text.index("5") + 1, 1), (text.index("7"), text.index("7") + 1, 2),
             (text.index("9"), text.index("9") + 1, 1)]  # fmt: skip
    shown = as_html(text, links, "a1-n")
    assert '<strong><a class="n" href="#a1-n1">5</a></strong>' in shown
    assert '<td><a class="n" href="#a1-n2">7</a></td>' in shown
    assert '<li><a class="n" href="#a1-n1">9</a></li>' in shown


def test_a_text_can_t_forge_a_link():
    assert "<a" not in as_html("\ue0001\ue001x\ue002")


@given(st.text(max_size=60))
def test_every_character_that_could_be_markup_is_escaped(text):
    shown = as_html(text)
    for tag in OURS:
        shown = shown.replace(tag, "")
    assert "<" not in shown
    assert ">" not in shown
