"""What the pages say can be done can be done: their Python runs, their commands, options and settings exist."""

import ast
import re
import shlex
import subprocess
import sys

import pytest

from kelpie.config import VARIABLES
from tidy.tree import ROOT

PAGES = sorted([path for path in (ROOT / "README.md",) if path.exists()] + list((ROOT / "docs").rglob("*.md")))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
NOT_RUN = "# not run"  # as the first line of a block, with the reason
SHELL = ("", "sh", "bash", "console", "shell")
SETTING = re.compile(r"\bKELPIE_[A-Z_]+\b")
# Read by somebody else than kelpie.config, and documented where that is.
OTHER_SETTINGS = {
    "KELPIE_REQUIRE": "tests/README.md",
    "KELPIE_SECRET_": "docs/configuration.md: how the names of passwords begin",
    "KELPIE_SECRET_MCP_": "docs/configuration.md: how the names of MCP servers' secrets begin",
    "KELPIE_URL": "kelpie --help",
    "KELPIE_KEY": "kelpie --help",
}


def name(path):
    return path.relative_to(ROOT).as_posix()


def python_blocks(text):
    """(line, code) of each Python block that is to be run."""
    for match in BLOCK.finditer(text):
        if match[1] in ("python", "py") and not match[2].startswith(NOT_RUN):
            yield text.count("\n", 0, match.start()) + 1, match[2]


def commands(text, program):
    """The arguments of each call of `program` in the code of a page, as lists of words."""
    lines = [line for match in BLOCK.finditer(text) if match[1] in SHELL for line in match[2].splitlines()]
    lines += INLINE.findall(BLOCK.sub("", text))
    for line in lines:
        code = re.sub(r"^\s*\$ ", "", line).split(" #")[0].strip()
        try:
            words = shlex.split(code)
        except ValueError:
            continue  # an apostrophe in prose: no command
        while words and re.fullmatch(r"[A-Z_]+=.*|\S*python\S*|-m", words[0]):
            words = words[1:]
        if words and words[0].rpartition("/")[2] == program:
            yield words[1:]


def targets():
    """The targets of the Makefile, with what `make help` says of them."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z]+):.*## (.*)$", makefile, re.MULTILINE))


def made():
    """The commands that a target of the Makefile runs: `make demo` documents `kelpie demo`."""
    return {(word,) for word in re.findall(r"/kelpie ([a-z]+)", (ROOT / "Makefile").read_text(encoding="utf-8"))}


def walk(command, path=()):
    """Every command of the program, groups included: its words and the command."""
    yield path, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, (*path, word))


@pytest.fixture(scope="module")
def program():
    """Every `kelpie` command by its words: (), ("models",), ("models", "get"), …"""
    import typer

    from kelpie.cli.app import app

    return dict(walk(typer.main.get_command(app)))


BLOCKS = [(page, line, code) for page in PAGES for line, code in python_blocks(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize(("page", "line", "code"), BLOCKS, ids=[f"{name(page)}:{line}" for page, line, _ in BLOCKS])
def test_the_python_of_a_page_runs(page, line, code, tmp_path):
    """In a process and a folder of its own: a reader copies one block, not the page."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, f"{name(page)}:{line}\n{ran.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_a_page_names_exists(page):
    for words in commands(page.read_text(encoding="utf-8"), "make"):
        named = [word for word in words if re.fullmatch(r"[a-z]+", word)]
        assert set(named) <= set(targets()), f"make {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_and_option_a_page_names_exists(page, program):
    for words in commands(page.read_text(encoding="utf-8"), "kelpie"):
        path = max((path for path in program if path == tuple(words[: len(path)])), key=len)
        command, rest = program[path], words[len(path) :]
        shown = " ".join(["kelpie", *words])
        if hasattr(command, "commands"):
            assert not [word for word in rest if not re.fullmatch(r"--help|…|<.*|[A-Z]+", word)], shown
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word.split("=")[0] for word in rest if word.startswith("--")} <= known, shown


def test_every_command_has_help_and_is_named_on_a_page(program):
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = {tuple(words[: len(path)]) for words in commands(text, "kelpie") for path in program} | made()
    for path, command in program.items():
        assert command.help, f"kelpie {' '.join(path)} has no help"
        assert path in named or hasattr(command, "commands"), f"no page names `kelpie {' '.join(path)}`"


def test_every_command_that_make_runs_exists(program):
    assert made() >= {("demo",), ("serve",)}
    assert made() <= set(program)


def test_every_target_is_phony_and_explained():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())
    made = set(re.findall(r"^([a-z]+):(?!=)", makefile, re.MULTILINE))
    assert made == phony == set(targets())


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_setting_a_page_names_is_read(page):
    assert set(SETTING.findall(page.read_text(encoding="utf-8"))) <= set(VARIABLES) | set(OTHER_SETTINGS)


def test_the_page_of_settings_lists_all_of_them_in_their_order():
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([A-Z0-9_]+)` \|", text, re.MULTILINE) == list(VARIABLES)


def test_the_readme_of_the_tests_lists_what_a_machine_may_lack():
    conftest = ast.parse((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))
    named = next(n.value for n in conftest.body if isinstance(n, ast.Assign) and n.targets[0].id == "CAPABILITIES")
    readme = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z-]+)` \|", readme, re.MULTILINE)) == set(ast.literal_eval(named))


def test_the_checks_above_see_what_a_page_holds():
    """On a page of our own: blocks, commands with prompts, variables and comments, and nothing from prose."""
    page = (
        "Run `make test ARGS=-x`, not make sense. See `kelpie models get smollm2`.\n\n"
        "```sh\n$ KELPIE_PORT=1 .venv/bin/kelpie serve --port 8283  # ours\npython -m kelpie ask 'how many?'\n```\n"
        "```python\nassert 1\n```\n```python\n# not run: needs a server\nassert 0\n```\n```json\n{}\n```\n"
    )
    assert list(commands(page, "make")) == [["test", "ARGS=-x"]]
    assert sorted(commands(page, "kelpie")) == [
        ["ask", "how many?"],
        ["models", "get", "smollm2"],
        ["serve", "--port", "8283"],
    ]
    assert list(python_blocks(page)) == [(7, "assert 1\n")]
    assert SETTING.findall(page) == ["KELPIE_PORT"]
