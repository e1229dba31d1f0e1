"""The commands as a person types them: what they print, and how they end."""

import json
import os
import subprocess
import sys
import time

import httpx2
import pytest

from benchmarks.processes import free_port, start_backend, start_kelpie


def kelpie(*arguments, typed="", **environment):
    """Run the command line in a process of its own. Returns exit code, standard output and standard error."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ran = subprocess.run(
        [sys.executable, "-m", "kelpie", *arguments],
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**inherited, "COLUMNS": "200", **environment},
    )
    return ran.returncode, ran.stdout, ran.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    backend = start_backend(folder)
    server = start_kelpie(folder, backend)
    server.wait_healthy("/v1/health/")
    yield server
    server.stop()
    backend.stop()


def remembered(place, name):
    """Wait until the agent has remembered something: that is done after the answer."""
    with httpx2.Client(base_url=place.url, trust_env=False) as http:
        agent = http.get("/v1/agents/", params={"name": name}).json()[0]
        for _ in range(500):
            if http.get(f"/v1/agents/{agent['id']}/archival-memory").json():
                return
            time.sleep(0.02)
    raise AssertionError(f"nothing was remembered of what was said to {name}")


def test_every_command_says_what_it_does():
    code, shown, _ = kelpie("--help")
    assert code == 0
    for command in ("serve", "demo", "ask", "chat", "doctor", "models", "trajectories", "sim", "audit"):
        assert command in shown
        code, helped, _ = kelpie(command, "--help")
        assert (code, "Usage" in helped) == (0, True)


@pytest.mark.parametrize("command", [("ask", "How many?"), ("chat",), ("models", "list"), ("trajectories", "export")])
def test_without_a_server_a_command_says_how_to_start_one(command):
    code, shown, _ = kelpie(*command, "--url", f"http://127.0.0.1:{free_port()}")
    assert code == 1
    assert "kelpie serve" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "complaint"),
    [
        (("serve", "--port", "99999"), {}, 2, "--port"),
        (("serve", "--host", "0.0.0.0"), {}, 1, "KELPIE_KEYS"),
        (("serve",), {"KELPIE_PORT": "many"}, 1, "KELPIE_PORT must be a whole number"),
        (("serve",), {"KELPIE_STRICT_LETTA": "maybe"}, 1, "KELPIE_STRICT_LETTA must be one of"),
        (("serve",), {"KELPIE_KEYS": "short"}, 1, "shorter than 16"),
        (("serve",), {"KELPIE_LOG_LEVEL": "loud"}, 1, "one of debug, info"),
        (("nonsense",), {}, 2, "nonsense"),
        (("models", "get", "gpt-9"), {}, 1, "smollm2"),
    ],
)
def test_wrong_use_is_one_clear_line(tmp_path, arguments, environment, code, complaint):
    given = {"KELPIE_DATA": str(tmp_path), **environment}
    ended, shown, wrong = kelpie(*arguments, **given)
    assert ended == code
    assert complaint in shown + wrong
    assert "Traceback" not in shown + wrong


def test_a_second_server_on_the_same_data_names_the_first(place):
    folder = place.log.parent / "data"
    code, shown, wrong = kelpie("serve", "--port", "0", "--data", str(folder))
    assert code == 1
    assert f"in use by process {place.process.pid}" in shown + wrong


def test_a_second_server_on_the_same_port_says_so(place, tmp_path):
    port = place.url.rsplit(":", 1)[1]
    code, shown, wrong = kelpie("serve", "--port", port, "--data", str(tmp_path))
    assert code == 1
    assert f"can't listen on 127.0.0.1:{port}" in shown + wrong


def test_the_doctor_says_what_is_there(place):
    code, shown, _ = kelpie("doctor", "--url", place.url, OPENAI_API_KEY="sk-secret-of-mine-000000")
    assert code == 0
    assert "✓ extra 'server'" in shown
    assert "✓ OpenAI" in shown
    assert "Anthropic: not configured" in shown
    assert "is ok" in shown
    assert "level 'process'" in shown
    assert "code that nobody read (run_code)" in shown
    assert "sk-secret" not in shown


def test_the_audit_is_a_table_people_can_read(place):
    code, shown, _ = kelpie("audit", "tools", "--url", place.url, "--agent", "agent-of-nobody")
    assert (code, "no call of a tool in a sandbox" in shown) == (0, True)
    with httpx2.Client(base_url=place.url, trust_env=False) as http:
        body = {"source_code": 'def greet() -> str:\n    """Greet."""\n    return "hello"\n', "args": {}}
        assert http.post("/v1/tools/run", json=body).status_code in (200, 501)
        code, shown, _ = kelpie("audit", "tools", "--url", place.url)
        (row,) = http.get("/v1/audit/tools").json()
        assert (code, "greet" in shown, "reviewed" in shown) == (0, True, True)
        assert ("process" in shown) == (row["state"] == "ran")
        if row["refusal"]:
            assert row["refusal"][:20] in shown
        body = {"server_name": "away", "type": "streamable_http", "server_url": "https://away.invalid/mcp"}
        assert http.put("/v1/tools/mcp/servers", json=body).status_code == 200
        assert http.post("/v1/tools/mcp/servers/away/tools/look/execute", json={"args": {}}).status_code >= 400
    code, shown, _ = kelpie("audit", "tools", "--url", place.url, "--server", "away")
    assert (code, "away: look" in shown, "refused" in shown, "greet" in shown) == (0, True, True, False)


def test_models_are_listed_by_their_handles(place):
    code, shown, _ = kelpie("models", "list", "--url", place.url)
    assert code == 0
    assert "kelpie/planner" in shown
    assert "openai/" in shown


def test_a_conversation_is_streamed_and_remembered(place):
    code, shown, _ = kelpie("chat", "--url", place.url, "--agent", "Ada", typed="[[say:hello there]]\n\n")
    assert code == 0
    assert "hello there" in shown
    remembered(place, "Ada")
    again = kelpie("chat", "--url", place.url, "--agent", "Ada", typed="[[say:second time]]\n")
    assert "second time" in again[1]
    export = kelpie("trajectories", "export", "--url", place.url)[1].splitlines()
    said = [message["content"] for message in json.loads(export[-1])["messages"] if message["role"] == "user"]
    first, recalled, second = said
    assert (first, second) == ("[[say:hello there]]", "[[say:second time]]")
    assert recalled.startswith("<recalled_memory>")
    assert '"[[say:hello there]]"' in recalled


def test_an_export_goes_to_a_file_or_says_why_not(place, tmp_path):
    kelpie("chat", "--url", place.url, "--agent", "Exported", typed="hello\n")
    out = tmp_path / "runs.jsonl"
    code, shown, _ = kelpie("trajectories", "export", "--url", place.url, "--out", str(out))
    assert code == 0
    lines = out.read_text().splitlines()
    assert f"{len(lines)} runs written" in shown
    assert all({"messages", "tools", "metadata"} == set(json.loads(line)) for line in lines)
    code, shown, _ = kelpie("trajectories", "export", "--url", place.url, "--out", str(tmp_path / "no" / "x.jsonl"))
    assert code == 1
    assert "make it first" in shown


def test_a_question_without_data_says_what_to_do(place):
    code, shown, _ = kelpie("ask", "How many flights?", "--url", place.url)
    assert code == 1
    assert "connect data first" in shown
