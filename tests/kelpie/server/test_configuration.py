"""docs/configuration.md lists every setting, in order, with the default and the bounds the code has."""

import re
from pathlib import Path

from kelpie import config

PAGE = Path(__file__).resolve().parents[3] / "docs" / "configuration.md"
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", re.MULTILINE)
# Settings without a default value of their own: what the page says instead.
WITHOUT = {"none", "chosen", "OpenAI's", "Anthropic's"}


def rows():
    return ROW.findall(PAGE.read_text(encoding="utf-8"))


def test_every_variable_is_listed_in_its_order():
    assert [variable for variable, _, _ in rows()] == list(config.VARIABLES)


def test_defaults_are_those_of_the_code():
    defaults = config.Config()
    for variable, shown, _ in rows():
        value = getattr(defaults, config.VARIABLES[variable])
        assert (shown in WITHOUT) if value in (None, {}) else shown == f"`{value}`", variable


def test_bounds_and_choices_are_those_of_the_code():
    said = {config.VARIABLES[variable]: text for variable, _, text in rows()}
    for field, (low, high) in config._INTEGERS.items():
        assert f"{low:,} to {high:,}" in said[field]
    for field, choices in config._CHOICES.items():
        assert all(f"`{choice}`" in said[field] for choice in choices)
    assert f"{config.KEY_CHARS_MIN} characters or more" in said["keys"]


def test_every_setting_has_a_variable():
    assert set(config.VARIABLES.values()) == set(config.Config.__struct_fields__)
