"""YAML read with the line of every part; the mistakes people make are tested where files are applied."""

import msgspec
import pytest

from kelpie import yaml_lines
from kelpie.errors import InvalidInput


class Part(msgspec.Struct, kw_only=True):
    line: int = 0
    name: str | None = None
    count: int = 0
    share: float = 0
    on: bool | None = None
    parts: list["Part"] = []


def read(text):
    return yaml_lines.read(text, Part, what="the file", bytes_max=10_000)


def test_every_part_knows_its_line():
    found = read("# a note\nname: one\nparts:\n  - name: two\n    parts:\n      - {name: three}\n")
    assert (found.line, found.parts[0].line, found.parts[0].parts[0].line) == (2, 4, 6)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("count: 12", "count", 12),
        ("count: -3", "count", -3),
        ("share: 0.5", "share", 0.5),
        ("share: +1.", "share", 1.0),
        ("on: yes", "on", True),
        ("on: off", "on", False),
        ("on: ~", "on", None),
        ("name: 2026-01-01", "name", "2026-01-01"),
        ("name: '12'", "name", "12"),
        ("name: on the road", "name", "on the road"),
    ],
)
def test_words_mean_what_yaml_says_and_dates_stay_text(text, field, value):
    assert getattr(read(text), field) == value


@pytest.mark.parametrize(
    "text", ["count: 0x10", "count: 1_000", "count: 1:30", f"count: {'9' * 5_000}", "share: .inf", "share: 1e5"]
)
def test_numbers_that_people_may_not_have_meant_are_refused(text):
    with pytest.raises(InvalidInput, match=r"line 1: (count|share): Expected"):
        read(text)
