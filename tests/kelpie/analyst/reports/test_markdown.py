"""An answer as Markdown: table, SQL, records; data can't break out of their cells."""

import msgspec
import pytest
from tests.kelpie.analyst.reports.answers_to_show import HOSTILE, answer

from kelpie.analyst.reports import as_markdown


def test_an_answer_is_a_document():
    text = as_markdown([answer()])
    assert text.startswith("# How late was A?\n\n*Asked 1970-01-01 00:00 UTC for Ada")
    assert "A had 65.8 minutes." in text
    assert "| Carrier | Average delay (minutes) |" in text
    assert "| A | 65.8 |" in text
    assert "```sql\nSELECT 1\n```" in text
    assert "| 65.8 | average delay, A |" in text
    assert "- Internal flights are left out." in text
    assert "1. asked for delay (4 ms)" in text


def test_several_answers_are_kept_apart():
    assert as_markdown([answer(), answer()]).count("\n\n---\n\n# ") == 1


@pytest.mark.parametrize("said", HOSTILE)
def test_a_cell_stays_in_its_cell(said):
    text = as_markdown([answer(rows=[("A", 65.83), (said, 1.0)])])
    (line,) = [line for line in text.splitlines() if line.endswith("| 1.0 |")]
    assert line.replace("\\|", "").count("|") == 3
    assert "<" not in text.replace("<-", "")


def test_a_fence_is_longer_than_any_in_the_sql():
    made = answer()
    query = msgspec.structs.replace(made.queries[0], sql="SELECT '```' AS x")
    text = as_markdown([msgspec.structs.replace(made, queries=[query], numbers=[], text="nothing")])
    assert "````sql\nSELECT '```' AS x\n````" in text


def test_a_long_table_says_what_is_missing():
    rows = [("A", 65.83), *((f"c{n}", 1.0) for n in range(300))]
    assert "(101 more rows are in the CSV.)" in as_markdown([answer(rows=rows)])
