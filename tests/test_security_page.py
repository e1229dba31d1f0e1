"""What docs/security.md promises names its tests, and they are there."""

import re

import pytest

from tidy.tree import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
PROMISED = PAGE.partition("\n## What is kept")[2].partition("\n## ")[0]
ROWS = [line for line in PROMISED.splitlines() if re.match(r"\| \d+ \|", line)]


def named(row):
    return re.findall(r"`(tests/[^`]+)`", row)


@pytest.mark.parametrize("path", sorted({path for row in ROWS for path in named(row)}))
def test_what_is_named_is_there(path):
    file, _, test = path.partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {test or 'test_'}", text, re.MULTILINE)


def test_every_promise_has_its_tests():
    assert [int(re.match(r"\| (\d+)", row)[1]) for row in ROWS] == list(range(1, len(ROWS) + 1))
    assert len(ROWS) >= 12
    assert [row for row in ROWS if not named(row)] == []
