"""The repository's rules as a test, after TigerBeetle's tidy.zig: what a reviewer would otherwise have to repeat.

First the rules run on this repository. Then each of them runs on small trees with a violation planted in them
(tests/tidy/planted): a check that can't fail is a defect.
"""

import re
import subprocess
import sys

import pytest

from tidy import planting
from tidy.rules import RULES
from tidy.tree import ROOT, Tree

BY_NAME = {rule.__name__: rule for rule in RULES}
CASES = [(rule, case) for rule in BY_NAME for case in planting.read(rule)]


@pytest.fixture(scope="module")
def this_tree():
    return Tree(ROOT)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_this_repository_keeps_the_rule(rule, this_tree):
    findings = sorted(rule(this_tree))
    assert not findings, "\n" + "\n".join(map(str, findings))


def test_the_tree_is_really_read(this_tree):
    assert {"umi.storage.engine", "kelpie.errors"} <= set(this_tree.modules)
    assert sum(len(imports) for imports in this_tree.imports.values()) > 50
    assert {"pyproject.toml", "Makefile", ".ci/run", "docs/architecture.md"} <= set(this_tree.texts)


def test_every_exception_gives_its_reason(this_tree):
    entries = [entry for entries in this_tree.allowed.values() for entry in entries]
    assert all(len(entry["reason"]) > 10 for entry in entries)


def test_the_clean_tree_keeps_every_rule(tmp_path):
    tree = planting.Case("clean").plant(tmp_path)
    assert [str(finding) for rule in RULES for finding in rule(tree)] == []


@pytest.mark.parametrize(("rule", "case"), CASES, ids=[f"{rule}-{case.title}" for rule, case in CASES])
def test_a_planted_violation_is_found(rule, case, tmp_path):
    findings = [str(finding) for finding in BY_NAME[rule](case.plant(tmp_path))]
    assert case.says
    assert any(case.says in finding for finding in findings), findings


@pytest.mark.parametrize("case", planting.read("nothing"), ids=lambda case: case.title)
def test_what_is_allowed_is_not_reported(case, tmp_path):
    tree = case.plant(tmp_path)
    assert [str(finding) for rule in RULES for finding in rule(tree)] == []


def test_every_banned_name_is_found(tmp_path, this_tree):
    """One file per pattern of bans.toml, in a folder where that ban holds."""
    wanted = {}
    for ban in this_tree.bans["ban"]:
        for name in ban["names"]:
            root, _, rest = name.partition(".")
            if root == "builtins":
                use = f"{rest}(1)"
            elif root == "?":
                use = f"(lambda x: x.{rest})"
            else:
                use = f"import {root}\n{name}.inside()"
            wanted[f"{ban.get('folders', ['src/umi/'])[0]}low{len(wanted)}.py"] = use
    case = planting.Case("bans", edits=[("file", path, use.split("\n")) for path, use in wanted.items()])
    found = {finding.path for finding in BY_NAME["banned_names_are_not_used"](case.plant(tmp_path))}
    assert found == set(wanted)
    assert len(wanted) > 40


def test_every_forbidden_word_is_found(tmp_path, this_tree):
    words = [ban["word"] for ban in this_tree.bans["word"]]
    case = planting.Case("words", edits=[("file", f"docs/{n}.md", [f"so {word} it"]) for n, word in enumerate(words)])
    assert len(list(BY_NAME["forbidden_words_are_absent"](case.plant(tmp_path)))) == len(words)


def test_the_graph_script_fails_on_an_upward_arrow(tmp_path):
    """A copy of what `make graph` runs, over a planted tree, exits 1 and names the arrow."""
    planting.read("imports_point_down")[0].plant(tmp_path)
    for source in (ROOT / "tests" / "tidy").glob("*.py"):
        (tmp_path / "tests" / "tidy" / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    script = str(tmp_path / "tests" / "tidy" / "graph.py")
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "src/umi/low.py:3: umi.low (floor 0) may not import umi.high.room" in ran.stderr
    assert re.search(r"^ 1  umi.high +\d+  umi.limits umi.low$", ran.stdout, re.MULTILINE)
