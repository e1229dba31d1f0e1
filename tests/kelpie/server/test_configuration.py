"""docs/configuration.md lists every setting, in order, with the default and the bounds the code has."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kelpie import config
from kelpie.cli.app import app
from kelpie.config import KeyOwner
from kelpie.errors import InvalidInput

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


def test_lettas_password_is_asked_for_where_secure_says_so_and_lets_others_in():
    beyond = {"KELPIE_HOST": "0.0.0.0"}
    with pytest.raises(InvalidInput, match="set LETTA_SERVER_PASSWORD to 8 characters"):
        config.from_environment({"LETTA_SERVER_SECURE": "true", "LETTA_SERVER_PASSWORD": "short"})
    with pytest.raises(InvalidInput, match="lets others in"):
        config.from_environment({**beyond, "LETTA_SERVER_PASSWORD": "long-enough"})
    read = config.from_environment({**beyond, "LETTA_SERVER_SECURE": "true", "LETTA_SERVER_PASSWORD": "long-enough"})
    assert "long-enough" in read.secrets


def test_an_encryption_key_is_long_and_a_secret():
    with pytest.raises(InvalidInput, match="32 characters or more") as refused:
        config.from_environment({"KELPIE_ENCRYPTION_KEY": "short-key"})
    assert "short-key" not in str(refused.value)
    assert "k" * 32 in config.from_environment({"KELPIE_ENCRYPTION_KEY": "k" * 32}).secrets


@pytest.mark.parametrize(
    ("written", "owner"),
    [
        ("", KeyOwner("default")),
        ("acme", KeyOwner("acme")),
        ("acme:anna+Sales", KeyOwner("acme", ("anna", "Sales"), "write")),
        ("*", KeyOwner("default", (), "operator")),
    ],
)
def test_a_key_is_its_owners(written, owner):
    assert KeyOwner.of(written) == owner
    with pytest.raises(InvalidInput, match="speaks for everybody"):
        KeyOwner.of("*:anna")


def test_a_scope_includes_those_below_it():
    order = ["read", "write", "admin", "operator"]
    for number, scope in enumerate(order):
        owner = KeyOwner("t", (), scope)
        assert [owner.may(one) for one in order] == [True] * (number + 1) + [False] * (3 - number)
