"""`kelpie analyst` and `kelpie ask`, as a person types them: from a file of data to a report, and Ctrl-C."""

import json
import os
import signal
import subprocess
import sys

import pytest
from tests.kelpie.analyst.warehouses import COFFEE_YAML, build_coffee

from benchmarks.processes import start_kelpie
from kelpie.cli import app as commands
from kelpie.console.client import Client

QUESTION = "What was the turnover per drink?"
# Nobody lives to see its end, however fast the machine and however late the reader.
SLOW = (
    "run sql: SELECT count(*) AS n FROM orders a, orders b, orders c, orders d, orders e, orders f"
    " WHERE a.cups * b.cups * c.cups + d.cups * e.cups * f.cups > 40"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("analyst")
    server = start_kelpie(folder, None, KELPIE_ANALYST_MODEL="kelpie/planner")
    server.wait_healthy("/v1/health/")
    build_coffee(str(folder / "data" / "coffee.duckdb"))
    yield server
    server.stop()


@pytest.fixture
def typed(server, monkeypatch, capsys):
    """`typed("ask", "…")`: the command in this process, as a process of its own takes seconds to start. Exit code and
    what was printed."""
    monkeypatch.setenv("KELPIE_URL", server.url)
    monkeypatch.setenv("COLUMNS", "300")
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


@pytest.fixture
def do(typed):
    return lambda *arguments: typed("analyst", *arguments)


@pytest.fixture
def model(do, tmp_path_factory):
    """The coffee shop's semantic model in a file, registered by hand."""
    file = tmp_path_factory.mktemp("model") / "coffee.yaml"
    file.write_text(COFFEE_YAML, encoding="utf-8")
    if "coffee" not in do("models", "list")[1]:
        code, shown = do("connections", "add", "coffee", "--path", "coffee.duckdb")
        assert (code, "coffee is connected" in shown) == (0, True), shown
        assert "every expression runs" in do("models", "check", "coffee", file)[1]
        assert "is registered" in do("models", "add", "coffee", file)[1]
    return file


def test_data_are_connected_listed_checked_and_forgotten(do, typed, model):
    assert "coffee" in do("connections", "list")[1]
    assert "coffee" in do("models", "list")[1]
    assert do("connections", "check", "coffee")[0] == 0
    assert do("connections", "add", "twin", "--config", '{"path": "coffee.duckdb"}')[0] == 0
    assert "twin is forgotten" in do("connections", "remove", "twin")[1]
    code, shown = do("connections", "remove", "twin")
    assert (code, "there is nothing called 'twin'" in shown) == (1, True)
    code, shown = do("connections", "add", "x")
    assert (code, "--path" in shown) == (1, True)
    code, shown = do("connections", "add", "x", "--config", "[]")
    assert (code, "JSON object" in shown) == (1, True)


def test_a_model_is_drafted_and_its_mistakes_are_named(do, typed, model, tmp_path):
    out = tmp_path / "draft.yaml"
    code, shown = do("models", "infer", "coffee", "--out", out, "--name", "drafted")
    assert code == 0, shown
    assert "every expression runs" in do("models", "check", "coffee", out)[1]
    assert "drafted" in do("models", "infer", "coffee", "--name", "drafted")[1]
    out.write_text(COFFEE_YAML.replace("SUM(", "SUMM("), encoding="utf-8")
    code, shown = do("models", "check", "coffee", out)
    assert (code, "line " in shown) == (1, True)
    assert do("models", "add", "coffee", out)[0] == 1
    assert do("models", "check", "coffee", tmp_path / "gone.yaml")[0] == 1
    out.write_text(COFFEE_YAML.replace("name: coffee", "name: second"), encoding="utf-8")
    assert do("models", "add", "coffee", out)[0] == 0
    assert "second is forgotten" in do("models", "remove", "second")[1]


def test_steps_answer_label_and_files_are_shown(typed, model, tmp_path):
    files = ("--report", tmp_path / "r.html", "--csv", tmp_path / "t.csv", "--chart", tmp_path / "c.svg")
    code, shown = typed("ask", QUESTION, "--session", "asked", *files)
    assert code == 0, shown
    for part in ("→ query_metric", "passed by the guard", "SELECT", "derived: each of its", "verified: each of its"):
        assert part in shown
    assert shown.index("→ query_metric") < shown.index("passed by the guard") < shown.index("SELECT")
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "t.csv").read_text().startswith("drink,turnover")
    assert (tmp_path / "c.svg").read_text().startswith("<svg")


def test_a_file_of_no_form_is_refused_before_anything_is_asked(typed, model, tmp_path):
    code, shown = typed("ask", QUESTION, "--report", tmp_path / "r.docx")
    assert (code, "has to end in one of .html" in shown, "→" in shown) == (1, True, False)


def ids(typed, folder, session):
    """The ids of a run and its query."""
    out = folder / "answer.json"
    assert typed("ask", QUESTION, "--session", session, "--report", out)[0] == 0
    said = json.loads(out.read_text())
    return said["run_id"], said["queries"][0]["id"]


def test_a_query_is_shown_run_again_and_checked(do, typed, model, tmp_path):
    _, query = ids(typed, tmp_path, "queries")
    shown = do("queries", "show", query)[1]
    for part in ("coffee (duckdb)", "turnover = SUM(sale.paid)", "SELECT", "flat white"):
        assert part in shown
    code, shown = do("queries", "rerun", query)
    assert (code, "same: the same rows" in shown) == (0, True)
    code, shown = do("queries", "check", query)
    assert (code, "agrees" in shown) == (0, True)
    assert do("queries", "show", "query-1")[0] == 1


def test_an_answer_is_written_asked_again_confirmed_and_corrected(do, typed, model, tmp_path):
    run, _ = ids(typed, tmp_path, "answers")
    assert do("answers", "report", run, tmp_path / "a.md")[0] == 0
    assert (tmp_path / "a.md").read_text().startswith(f"# {QUESTION}")
    code, shown = do("answers", "reexecute", run)
    assert (code, "same" in shown) == (0, True)
    assert "from now on" in do("answers", "confirm", run)[1]
    listed = do("answers", "verified")[1]
    assert QUESTION in listed
    learned = next(word for word in listed.split() if word.startswith("verified-"))
    assert do("answers", "verified", "--remove", learned)[0] == 0
    assert do("answers", "reject", run, "--reason", "no")[1].strip().endswith("kept")
    sql = tmp_path / "right.sql"
    sql.write_text("SELECT drink, max(paid) AS most FROM orders GROUP BY 1 ORDER BY 1", encoding="utf-8")
    assert "from now on" in do("answers", "reject", run, "--sql", sql)[1]
    removed = next(word for word in do("answers", "verified")[1].split() if word.startswith("verified-"))
    assert do("answers", "verified", "--remove", removed)[0] == 0


def test_ctrl_c_cancels_the_question_in_the_server(server, typed, model):
    # A shell that runs these tests in the background has its children ignore interrupts: this one minds them.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "kelpie", "ask", SLOW, "--url", server.url]
    command += ["--session", "slow"]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = inherited | {"COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    asking = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    said = ""
    while "→ run_sql" not in said:
        line = asking.stdout.readline()
        assert line, said
        said += line
    asking.send_signal(signal.SIGINT)
    rest, _ = asking.communicate(timeout=60)
    assert asking.returncode == 130
    assert "is cancelled" in rest
    code, shown = typed("ask", QUESTION, "--session", "slow")
    assert (code, "derived" in shown) == (0, True), "the agent goes on"
