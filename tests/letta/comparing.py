"""The findings of a scenario against the list of known differences.

A row of differences.yaml either names a `test` that shows it, or the scenario's own finding in `seen`: a pattern with
stars. `clients` are the callers that see it, all of them if it isn't there.
"""

import re
from pathlib import Path

import yaml

LIST = Path(__file__).with_name("differences.yaml")
DIFFERENCES = yaml.safe_load(LIST.read_text(encoding="utf-8"))
OF_SCHEMA = ": schema: "


def compared(findings, differences, caller, *, schema):
    """(findings that no row lists, rows that no finding shows). Without Letta's schemas no row is expected of them."""
    expected = [
        one
        for one in differences
        if "seen" in one and caller in one.get("clients", [caller]) and (schema or OF_SCHEMA not in one["seen"])
    ]
    unlisted = [one for one in sorted(findings) if not any(_is(one, row["seen"]) for row in expected)]
    gone = [row["seen"] for row in expected if not any(_is(one, row["seen"]) for one in findings)]
    return unlisted, gone


def _is(finding, pattern):
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), finding) is not None
