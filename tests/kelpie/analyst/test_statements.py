"""What docs/analyst.md promises names its tests; they are there, and what is not kept yet is said."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "analyst.md").read_text(encoding="utf-8")
PROMISED = PAGE.partition("\n## What is promised\n")[2].partition("\n## ")[0]
ROWS = [line for line in PROMISED.splitlines() if re.match(r"\| \d+ \|", line)]
KEPT = {4, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 20, 21, 22, 26, 27, 28}


def named(row):
    return re.findall(r"`(tests/[^`]+)`", row)


@pytest.mark.parametrize("path", sorted({path for row in ROWS for path in named(row)}))
def test_what_is_named_is_there(path):
    file, _, test = path.partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {test}\(", text, re.MULTILINE)


def test_every_promise_has_its_tests():
    assert [int(re.match(r"\| (\d+)", row)[1]) for row in ROWS] == sorted(KEPT)
    assert [row for row in ROWS if not named(row)] == []


def test_those_not_kept_yet_are_said():
    (paragraph,) = re.findall(r"^Not yet: .*(?:\n.+)*", PROMISED, re.MULTILINE)
    assert {
        int(number) for number in re.findall(r"(?:^Not yet: |\), )(\d+)(?=[ :])", paragraph.replace("\n", " "))
    } == (set(range(1, 31)) - KEPT)
