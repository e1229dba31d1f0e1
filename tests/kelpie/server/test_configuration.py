"""docs/configuration.md lists every setting, in order, with the default and the bounds the code has."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kelpie import config
from kelpie.cli.app import app

PAGE = Path(__file__).resolve().parents[3] / "docs" / "configuration.md"
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", re.MULTILINE)
# Settings without a default value of their own: what the page says instead.
WITHOUT = {"none", "chosen", "OpenAI's", "Anthropic's", "the provider's"}


def rows():
    return ROW.findall(PAGE.read_text(encoding="utf-8"))


def test_every_variable_is_listed_in_its_order():
    assert [variable for variable, _, _ in rows()] == list(config.VARIABLES)


def test_defaults_are_those_of_the_code():
    defaults = config.Config()
    for variable, shown, _ in rows():
        value = getattr(defaults, config.VARIABLES[variable])
        value = ("off", "on")[value] if isinstance(value, bool) else value
        assert (shown in WITHOUT) if value in (None, {}, ()) else shown == f"`{value}`", variable


def test_bounds_and_choices_are_those_of_the_code():
    said = {config.VARIABLES[variable]: text for variable, _, text in rows()}
    for field, (low, high) in config._INTEGERS.items():
        assert f"{low:,} to {high:,}" in said[field]
    for field, choices in config._CHOICES.items():
        assert all(f"`{choice}`" in said[field] for choice in choices)
    assert f"{config.KEY_CHARS_MIN} characters or more" in said["keys"]


def test_every_setting_has_a_variable():
    assert {*config.VARIABLES.values(), "connection_secrets"} == set(config.Config.__struct_fields__)


def test_secrets_of_connections_are_all_variables_with_their_prefix():
    read = config.from_environment({"KELPIE_SECRET_SALES": "hunter2-hunter2", "OTHER_SECRET": "x"})
    assert read.connection_secrets == {"KELPIE_SECRET_SALES": "hunter2-hunter2"}
    assert "hunter2-hunter2" in read.secrets


@pytest.mark.parametrize("word", ["1", "true", "Yes", "ON"])
def test_a_switch_is_turned_on_by_any_of_the_usual_words(word):
    assert config.from_environment({"KELPIE_STRICT_LETTA": word}).strict_letta


@pytest.mark.parametrize("word", ["0", "false", "No", "off", ""])
def test_and_off(word):
    assert not config.from_environment({"KELPIE_STRICT_LETTA": word}).strict_letta


@pytest.mark.parametrize(("arguments", "is_strict"), [([], False), (["--strict-letta"], True)])
def test_the_command_line_has_the_switch_as_well(monkeypatch, arguments, is_strict):
    seen = []
    monkeypatch.setattr("kelpie.server.run", lambda given: seen.append(given) or 0)
    assert CliRunner().invoke(app, ["serve", *arguments]).exit_code == 0
    assert [given.strict_letta for given in seen] == [is_strict]
