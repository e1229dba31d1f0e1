"""The `umi` command, as a person or a script runs it."""

import json
import os
import subprocess
import sys

import pytest

from umi.serve.operations import OPERATIONS


@pytest.fixture
def umi(tmp_path):
    """Runs the command in a folder of its own; returns (exit code, what it wrote, what it said was wrong)."""

    def run(*arguments, stdin=None):
        env = {name: value for name, value in os.environ.items() if not name.startswith("UMI_")}
        env |= {"COLUMNS": "120", "NO_COLOR": "1"}
        command = [sys.executable, "-m", "umi", *arguments]
        ended = subprocess.run(
            command, cwd=tmp_path, env=env, input=stdin, capture_output=True, text=True, check=False, timeout=60
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended.returncode, ended.stdout, ended.stderr

    return run


@pytest.fixture
def told(umi):
    """A command that goes well, as the JSON it answers."""

    def run(*arguments, **how):
        code, out, err = umi(*arguments, "--json", **how)
        assert code == 0, err
        return json.loads(out)

    return run


def test_a_memory_from_the_first_sentence_to_its_history(umi, told):
    code, out, _ = umi("remember", "Ada's cat is called Miso.")
    assert code == 0
    assert "Ada's cat is called Miso." in out
    assert "umi undo change-" in out
    assert "memory.db" not in out
    fact = told("recall", "What is the cat called?")[0]["fact"]
    _, out, _ = umi("recall", "cat")
    assert fact["id"] in out, "whole, to be copied"
    assert fact["text"] in umi("show", fact["id"])[1]
    assert told("update", fact["id"], "--text", "Ada's cat is called Momo.", "--reason", "misheard")["version"] == 2
    assert "misheard" in umi("history", fact["id"])[1]
    assert told("history")[0]["fact"]["id"] == fact["id"]
    umi("undo", fact["id"])
    assert told("list")[0]["text"] == "Ada's cat is called Miso."
    assert told("count") == 1
    assert "Ada (person)" in umi("remember", "Ada works at Initech.")[1]
    assert "Initech" in umi("entities")[1]
    assert "2 facts" in umi("audit")[1]
    assert umi("forget", fact["id"]) == (0, "✓ yes\n", "")


def test_texts_and_facts_come_from_standard_input_too(told):
    assert told("remember", "-", stdin="Ada likes tea.\n")["facts"][0]["text"].strip() == "Ada likes tea."
    lines = 'Bob likes coffee.\n{"subject": "Eve", "attribute": "works_at", "value": "Acme"}\n'
    assert [fact["text"] for fact in told("add", "-", stdin=lines)["facts"]] == [
        "Bob likes coffee.",
        "Eve works at Acme",
    ]


def test_times_filters_and_tags_are_options(told):
    told(
        "remember",
        "Ada went to Rome.",
        "--event-time",
        "2024-05-01",
        "--tags",
        "trip",
        "--tags",
        "italy",
        "--metadata",
        '{"n": 1}',
    )
    told("remember", "Ada went to Oslo.", "--event-time", "2023-05-01")
    found = told("recall", "Where did Ada go?", "--time-from", "2024-01-01", "--time-to", "2024-12-31")
    assert [one["fact"]["text"] for one in found] == ["Ada went to Rome."]
    assert (found[0]["fact"]["tags"], found[0]["fact"]["metadata"]) == (["trip", "italy"], {"n": 1})
    assert len(told("list", "--filters", '{"metadata.n": {"gte": 1}}')) == 1
    assert told("list", "--newest-first", "--limit", "1")[0]["text"] == "Ada went to Oslo."


def test_core_and_working_memory_have_commands_of_their_own(umi, told):
    umi("core", "set", "persona", "I am kind.", "--importance", "0.75")
    umi("core", "set", "notes", "own label")
    umi("core", "append", "notes", "another line")
    assert [block["label"] for block in told("core", "list")] == ["persona", "notes"]
    assert '<block type="persona" importance="0.75">I am kind.</block>' in umi("core", "render")[1]
    assert umi("core", "show", "notes")[1] == "own label\nanother line\n"
    assert umi("core", "remove", "persona")[0] == 0
    umi("working", "set", "draft", "x", "--ttl-ms", "60000")
    assert umi("working", "get", "draft")[1] == "x\n"
    assert told("working", "incr", "n", "5") == 5
    assert told("working", "incr", "n") == 6
    assert told("working", "keys") == ["draft", "n"]


def test_export_and_import_move_a_scope(umi, told, tmp_path):
    umi("remember", "Ada likes tea.", "--scope", "ada")
    assert told("export", "ada.jsonl", "--scope", "ada")["facts"] == 1
    exported = umi("export", "-", "--scope", "ada")[1].splitlines()
    assert exported[1:] == (tmp_path / "ada.jsonl").read_text().splitlines()[1:], "but for the moment in the first line"
    assert told("import", "ada.jsonl", "--scope", "ada")["known"] == 1
    assert "facts: 1" in umi("import", "ada.jsonl", "--db", "other.db", "--each-scope")[1]
    assert told("count", "--db", "other.db", "--scope", "ada") == 1
    (tmp_path / "mem0.json").write_text('[{"id": "1", "memory": "Likes chess", "user_id": "bob"}]')
    assert told("import", "mem0.json", "--each-scope")["scopes"] == ["user:bob"]
    (tmp_path / "bad.jsonl").write_text('{"kind": "umi", "version": 99, "scope": "x"}\n')
    code, _, err = umi("import", "bad.jsonl")
    assert (code, "line 1: " in err, "upgrade" in err) == (1, True, True)


MISTAKES = [
    (["remember", " "], "blank"),
    (["show", "passage-none"], "umi list"),
    (["forget", "passage-none"], "umi list"),
    (["recall", "x", "--filters", "{oops"], "no JSON"),
    (["recall", "x", "--filters", '{"scope": {"like": 1}}'], ""),
    (["recall", "x", "--limit", "0"], "limit"),
    (["recall", "x", "--time-from", "yesterdayish"], "time"),
    (["remember", "x", "--importance", "7"], "importance"),
    (["core", "set", "per<sona", "x"], "label"),
    (["working", "get", ""], "key"),
    (["import", "nothing.jsonl"], "can't be read"),
    (["export", "no/such/folder/x"], "can't be written"),
    (["embedder", "get", "gpt"], "minilm"),
    (["count", "--url", "http://127.0.0.1:9"], "umi serve"),
    (["count", "--url", "ftp://x"], "http://"),
    (["mcp", "--tools", "dream"], "there is no tool"),
    (["count", "--db", "/proc/none/x.db"], ""),
]


@pytest.mark.parametrize(
    ("arguments", "says"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_mistake_is_told_in_a_line_and_ends_with_1(umi, arguments, says):
    code, out, err = umi(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith("✗ ")
    assert says in err


@pytest.mark.parametrize(
    "arguments", [["dream"], ["recall"], ["recall", "x", "--colour", "red"], ["list", "--limit", "many"]]
)
def test_a_command_that_is_none_is_explained_and_ends_with_2(umi, arguments):
    code, _, err = umi(*arguments)
    assert code == 2
    assert "--help" in err


def test_a_file_that_is_in_use_says_by_whom_and_how_to_share_it(umi, tmp_path, umi_serve):
    with umi_serve(tmp_path / "memory.db") as url:
        code, _, err = umi("count")
        assert code == 1
        assert "in use by process" in err
        assert "umi serve" in err
        assert "--url" in err
        assert umi("remember", "Ada likes tea.", "--url", url)[0] == 0
        assert "Ada likes tea." in umi("recall", "tea", "--url", url)[1]
        assert umi("export", "ada.jsonl", "--url", url)[0] == 0
        assert "known: 1" in umi("import", "ada.jsonl", "--url", url)[1]


def test_help_names_every_command(umi):
    code, out, _ = umi("--help")
    assert code == 0
    for (
        command
    ) in "remember recall show list history undo forget audit export import serve mcp core working embedder".split():
        assert f" {command} " in out


@pytest.mark.parametrize(
    "command", ["recall", "core set", "working get", "export", "import", "serve", "mcp", "embedder get"]
)
def test_each_command_has_help(umi, command):
    code, out, _ = umi(*command.split(), "--help")
    assert code == 0
    assert "Usage: " in out


def test_every_operation_is_a_command():
    from umi.cli.app import app, core_app, working_app

    commands = [len(one.registered_commands) for one in (app, core_app, working_app)]
    others = 4  # export, import, serve, mcp
    assert sum(commands) - others == len(OPERATIONS)
