"""`kelpie people`, `kelpie analyst conventions` and `kelpie ask --as`, typed by a person in front of a real server."""

import pytest
from typer.testing import CliRunner

from benchmarks.processes import start_backend, start_kelpie
from kelpie.cli import app as commands
from kelpie.cli.app import app
from kelpie.console.client import Client

FILE = "teams: [Finance]\npeople: [{handle: anna, name: Anna Berg, teams: [Finance]}]\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli-people")
    backend = start_backend(folder)
    server = start_kelpie(folder, backend)
    server.wait_healthy("/v1/health/")
    yield server
    server.stop()
    backend.stop()


@pytest.fixture
def typed(place, monkeypatch, capsys):
    """`typed("people", "list")`: exit code and what was printed."""
    monkeypatch.setenv("KELPIE_URL", place.url)
    monkeypatch.setenv("COLUMNS", "200")
    opened, begin = [], Client.__init__

    def noted(client, *arguments):
        begin(client, *arguments)
        opened.append(client)

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["kelpie", *map(str, arguments)])
        code = commands.run()
        while opened:
            opened.pop().close()  # a command leaves that to the end of its process
        return code, capsys.readouterr().out

    monkeypatch.setattr(Client, "__init__", noted)
    return run


def test_people_come_from_a_file_or_one_by_one_and_go(typed, tmp_path):
    file = tmp_path / "people.yaml"
    file.write_text(FILE, encoding="utf-8")
    assert typed("people", "apply", file) == (0, "✓ added: Finance, anna\n")
    assert typed("people", "apply", file) == (0, "✓ unchanged: Finance, anna\n")
    code, shown = typed("people", "add", "ben", "--name", "Ben Okoro", "--team", "Sales", "--team", "finance")
    assert (code, shown) == (0, "✓ ben (Ben Okoro), Finance, Sales\n")
    code, shown = typed("people", "list")
    assert code == 0
    assert [line.split("│")[1:-1] for line in shown.splitlines() if "Okoro" in line] == [
        [" ben    ", " Ben Okoro ", " Finance, Sales "]
    ]
    assert typed("people", "remove", "ben") == (0, "✓ ben is gone, with all conventions\n")
    assert "teams of nobody: Sales" in typed("people", "list")[1]
    assert typed("people", "remove", "Sales", "--team") == (0, "✓ Sales is gone, with all conventions\n")
    assert "Sales" not in typed("people", "list")[1]
    typed("people", "remove", "anna")
    typed("people", "remove", "Finance", "--team")


def test_conventions_are_kept_listed_and_forgotten(typed, tmp_path):
    file = tmp_path / "people.yaml"
    file.write_text(FILE, encoding="utf-8")
    typed("people", "apply", file)
    list_ = ("analyst", "conventions", "list")
    keep = ("analyst", "conventions", "keep")
    code, shown = typed(*keep, "show", "chart")
    assert (code, shown.startswith("✓ show: chart (organisation); passage-")) == (0, True)
    assert typed(*keep, "show", "table", "--as", "finance", "--weight", "0.9")[0] == 0
    code, shown = typed(*keep, "show", "chart", "--as", "Finance")
    assert "(Finance), in the place of 1 other" in shown
    code, shown = typed(*keep, "revenue", "year:fiscal", "--as", "anna")
    assert code == 0
    code, shown = typed(*list_, "--as", "anna")
    assert code == 0
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if "passage-" in line]
    assert [row[:5] for row in rows] == [
        ["revenue", "year:fiscal", "Anna Berg", "0.5", ""],
        ["show", "chart", "Finance", "0.5", ""],
    ]
    typed(*keep, "show", "table", "--as", "anna")
    shown = typed(*list_, "--as", "anna")[1]
    assert "chart (Finance); chart (organisation)" in shown
    own = shown[shown.index("passage-", shown.index(" show ")) :][: len("passage-") + 36]
    code, said = typed("analyst", "conventions", "forget", own, "--as", "anna", "--hard")
    assert (code, said.replace("\n", "")) == (0, f"✓ {own} is forgotten")
    assert "Anna Berg" in typed(*list_, "--as", "anna")[1]  # the other one
    assert own not in typed(*list_, "--as", "anna")[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("people", "add", "a b"), "can't be a handle"),
        (("people", "remove", "nobody"), "no person has the id or handle 'nobody'"),
        (("people", "apply", "no-such.yaml"), "can't read no-such.yaml: No such file"),
        (("analyst", "conventions", "keep", "show", "pie"), "'show' is one of table, chart"),
        (("analyst", "conventions", "keep", "show", "table", "--as", "nobody"), "nobody here is called 'nobody'"),
        (("analyst", "conventions", "keep", "show", "table", "--scope", "person"), "say for whom ('as')"),
        (("analyst", "conventions", "forget", "passage-x"), "no convention that holds here"),
        (("ask", "How many?", "--as", "nobody"), "nobody here is called 'nobody'"),
    ],
)
def test_wrong_use_is_one_clear_line(typed, arguments, says):
    code, shown = typed(*arguments)
    assert code == 1
    assert says in shown.replace("\n", "")
    assert "Traceback" not in shown


def test_a_file_that_is_no_text_is_refused(typed, tmp_path):
    file = tmp_path / "people.yaml"
    file.write_bytes(b"people: \xff")
    code, shown = typed("people", "apply", file)
    assert (code, "is not UTF-8: byte 8" in shown.replace("\n", "")) == (1, True)


def test_access_rules_are_listed_applied_and_removed(typed, tmp_path):
    """Over data they are tested with the API; here: what the commands say."""
    code, shown = typed("analyst", "access", "list")
    assert (code, "keeps back" in shown) == (0, True)
    file = tmp_path / "rules.yaml"
    file.write_text(
        "semantic_model: nothing\nrules: [{name: a, table: b, who: everyone, deny: true}]", encoding="utf-8"
    )
    code, shown = typed("analyst", "access", "apply", file)
    assert (code, "'nothing'" in shown) == (1, True)
    code, shown = typed("analyst", "access", "remove", "access-rule-x")
    assert (code, "no access rule has the id 'access-rule-x'" in shown) == (1, True)


@pytest.mark.parametrize("group", [("people",), ("analyst", "conventions"), ("analyst", "access")])
def test_every_command_says_what_it_does(group):
    shown = CliRunner().invoke(app, [*group, "--help"])
    assert (shown.exit_code, "Usage" in shown.output) == (0, True)
