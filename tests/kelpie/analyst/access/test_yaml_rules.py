"""Rules in a file; a mistake is named with its line."""

import pytest

from kelpie.analyst import limits
from kelpie.analyst.access import yaml_rules
from kelpie.analyst.access.yaml_rules import read_rules
from kelpie.errors import InvalidInput, LimitExceeded

# The example in the module's own docstring.
EXAMPLE = "\n".join(line for line in yaml_rules.__doc__.splitlines() if line.startswith("    "))


def test_the_example_is_read(host):
    europe, addresses, pay = read_rules(host, "t", EXAMPLE)
    assert {one.semantic_model for one in (europe, addresses, pay)} == {"saas"}
    assert (europe.who, europe.unless, europe.rows) == ("team Sales", ["person anna"], "region = 'EMEA'")
    assert (addresses.who, addresses.unless, addresses.mask) == ("everyone", ["team Support"], ["email", "phone"])
    assert (pay.table, pay.deny) == ("salaries", True)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rules: []", "semantic_model"),
        ("semantic_model: a\nrules:\n  - name: x\n    table: t\n    who: everyone\n", "line 3: .*keeps nothing back"),
        (
            "semantic_model: a\nrules:\n  - name: x\n    table: t\n    who: everyone\n    hide: true\n",
            "line 6: .*'hide'",
        ),
        (
            "semantic_model: a\nrules:\n  - name: x\n    table: t\n    who: sales\n    deny: true\n",
            "line 3: .*team NAME",
        ),
        ("semantic_model: a\nrules:\n  - name: x\n    mask: email\n    table: t\n    who: everyone", "line 4"),
        ("- a\n- b", "is a mapping"),
        ("semantic_model: [", "line 1: this is not YAML"),
    ],
)
def test_a_mistake_is_named_with_its_line(host, text, says):
    with pytest.raises(InvalidInput, match=says):
        read_rules(host, "t", text)


def test_a_file_is_bounded(host):
    with pytest.raises(LimitExceeded):
        read_rules(host, "t", "#" * (limits.ACCESS_YAML_BYTES_MAX + 1))
