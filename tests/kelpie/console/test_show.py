"""What is printed is text: no markup of rich's, no control characters, whatever data or a model say."""

import io

import pytest
from rich.console import Console

from kelpie.console.show import Screen

HOSTILE = ["[red]x[/red]", "[/nothing]", "[link=http://x]y[/link]", "\x1b[31mred\x1b[0m", "\x07bell", "\x9b31m"]


@pytest.fixture
def printed():
    out = io.StringIO()
    screen = Screen(Console(file=out, width=200, highlight=False))
    screen.out = out
    return screen


@pytest.mark.parametrize("said", HOSTILE)
@pytest.mark.parametrize("way", ["note", "plain", "good", "bad", "heading", "table", "markdown"])
def test_hostile_text_is_printed_as_it_is_or_harmless(printed, said, way):
    if way == "table":
        printed.table([said], [[said]])
    else:
        getattr(printed, way)(said)
    shown = printed.out.getvalue()
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\x9b" not in shown
    if said.startswith("[") and way != "markdown":
        assert said in shown


def test_a_table_says_what_is_missing(printed):
    printed.table(["n"], [[n] for n in range(25)])
    assert "5 more rows" in printed.out.getvalue()


def test_long_sql_is_folded_and_says_so(printed):
    printed.sql("\n".join(f"SELECT {number}" for number in range(100)))
    text = printed.out.getvalue()
    assert "SELECT 39" in text
    assert "SELECT 40" not in text
    assert "60 more lines" in text
