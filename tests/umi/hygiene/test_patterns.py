"""Patterns compiled late answer as those compiled at once."""

import re

import pytest

from umi.hygiene.patterns import Pattern


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (lambda pattern: pattern.search("xAB", 1).span(), (1, 3)),
        (lambda pattern: pattern.search("xab", 2).span(), (2, 3)),
        (lambda pattern: pattern.match("xab", 1).group(), "ab"),
        (lambda pattern: pattern.match("xab"), None),
        (lambda pattern: pattern.fullmatch("xab"), None),
        (lambda pattern: [found.group() for found in pattern.finditer("ab1Ba")], ["ab", "Ba"]),
        (lambda pattern: pattern.findall("ab1Ba"), ["ab", "Ba"]),
        (lambda pattern: pattern.sub("-", "1ab2"), "1-2"),
        (lambda pattern: pattern.split("1ab2"), ["1", "2"]),
    ],
)
def test_it_answers_as_a_compiled_one(use, expected, times):
    pattern = Pattern("[ab]+", re.IGNORECASE)
    for _ in range(times):
        assert use(pattern) == expected
