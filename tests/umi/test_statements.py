"""What docs/umi.md promises and compares names its tests and measurements; they are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "umi.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("|") and re.search(r"`(tests|benchmarks)/", line)]
WANTED = {*range(1, 18), *range(21, 28), 29}


def named(row):
    return re.findall(r"`((?:tests|benchmarks)/[^`]+)`", row)


@pytest.mark.parametrize("path", sorted({path for row in ROWS for path in named(row)}))
def test_what_is_named_is_there(path):
    file, _, test = path.partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert not test or re.search(rf"^(async )?def {test}\(", text, re.MULTILINE)


def test_every_statement_has_its_test():
    numbered = {int(found[1]) for line in ROWS if (found := re.match(r"\| (\d+) \|", line))}
    assert numbered == WANTED


def test_those_not_met_are_said():
    (line,) = re.findall(r"^Not met: .*(?:\n.+)*", PAGE, re.MULTILINE)
    assert {18, 19, 20, 28, 30} <= {int(number) for number in re.findall(r"\b(\d\d)\b", line)}
