"""The demo: the main job end to end, over the public API only, on real data, with a crash in the middle.

Every claim it prints is checked; what does not hold ends it with exit code 1.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from kelpie.console.ask import put
from kelpie.console.client import Client
from kelpie.console.show import Screen
from kelpie.demo.claims import claim
from kelpie.demo.server import DemoServer
from kelpie.demo.teams import connect_company, two_forms
from kelpie.demo.warehouse import build_warehouse, fetch_archive, semantic_model_yaml
from kelpie.errors import UmiError

CACHE_FOLDER = "~/.cache/kelpie"
MODEL = "kelpie/planner"
SESSION = "demo"
PERSON = "ada"
RANKING = "Which carriers had the worst average arrival delay in summer 2013?"
FOLLOW_UP = "How did it develop month by month?"
UNKNOWABLE = "What did passengers pay for their tickets?"
PREFERENCE = "Please show me tables, not charts."
# Every pair of flights to one place in one month, hundreds of millions: some seconds of honest work.
SLOW_SQL = """run sql:
SELECT a.carrier, b.carrier AS other, count(*) AS pairs, avg(abs(a.arr_delay - b.arr_delay)) AS apart
FROM flights a JOIN flights b ON a.dest = b.dest AND a.month = b.month
WHERE sqrt(abs(a.arr_delay) + 1) * ln(abs(b.arr_delay) + 2) > 1
GROUP BY a.carrier, b.carrier ORDER BY pairs DESC"""
PNG_BYTES_MIN = 5_000  # a blank image of this size compresses to less


def play(screen: Screen, data: Path | None) -> int:
    """Run the demo. Returns the exit code."""
    folder = str(data) if data else tempfile.mkdtemp(prefix="kelpie-demo-")
    os.makedirs(folder, exist_ok=True)
    server = DemoServer(folder)
    try:
        _load(screen, server)
        _questions(screen, server.client, folder)
        agent_id = _preference(screen, server.client)
        _crash(screen, server, agent_id)
        _remembered(screen, server.client)
        screen.heading("4  Two teams, one number")
        connect_company(screen, server)
        two_forms(screen, server.client, folder)
        _trajectories(screen, server.client, folder)
    except UmiError as error:
        screen.bad(str(error))
        screen.note(f"the server's log is {os.path.join(folder, 'server.log')}")
        return 1
    finally:
        server.stop()
    _next(screen, folder)
    return 0


def _load(screen: Screen, server: DemoServer) -> None:
    screen.heading("1  Real data")
    warehouse = os.path.join(server.folder, "flights.duckdb")
    with screen.waiting("every flight out of New York City in 2013"):
        archive = fetch_archive(os.path.expanduser(CACHE_FOLDER), screen.note)
        build_warehouse(archive, warehouse, screen.note)
    with screen.waiting("starting the server"):
        seconds = server.start()
    screen.good(f"kelpie serve answers on port {server.port} after {seconds:.1f} s, data in {server.folder}")
    connection = server.client.post(
        "/v1/analyst/connections", {"name": "flights", "config": {"path": "flights.duckdb"}}
    )
    body = {"connection_id": connection["id"], "yaml": semantic_model_yaml()}
    model = server.client.post("/v1/analyst/semantic-models", body)
    server.client.post("/v1/people", {"handle": PERSON, "name": "Ada"})
    screen.good(f"336,776 flights connected, semantic model '{model['name']}' registered: every expression was run")


def _ask(screen: Screen, client: Client, question: str, chart_path: Path | None = None) -> dict[str, Any]:
    screen.heading(f"“{question}”")
    return put(
        client, screen, question, semantic_model="flights", session=SESSION, model=MODEL, as_=PERSON,
        chart_path=chart_path,
    )  # fmt: skip


def _questions(screen: Screen, client: Client, folder: str) -> None:
    screen.heading("2  Questions")
    chart = Path(folder) / "worst-carriers.png"
    ranking = _ask(screen, client, RANKING, chart)
    claim(bool(ranking["queries"]) and bool(ranking["numbers"]), "each number of the answer comes from a query")
    claim(chart.exists() and chart.stat().st_size > PNG_BYTES_MIN, "the ranking comes with a chart")
    _show_provenance(screen, client, ranking)
    months = _ask(screen, client, FOLLOW_UP)
    claim(bool(months["queries"]), "the follow-up is answered from the data")
    claim("month" in months["queries"][-1]["sql"].lower(), "the follow-up asks by month")
    refused = _ask(screen, client, UNKNOWABLE)
    claim(not refused["queries"], "what the data can't tell is not asked of them")
    claim("arrival delay" in refused["text"].lower(), "the refusal says what the data can tell")


def _show_provenance(screen: Screen, client: Client, answer: dict[str, Any]) -> None:
    number = answer["numbers"][0]
    behind = client.get(f"/v1/analyst/queries/{number['query_id']}")
    query = behind["query"]
    claim(query["sql"] == answer["queries"][0]["sql"], "a number's provenance names the query that was run")
    screen.note(
        f"for example {number['text']}: row {number['row'] + 1}, column {number['column']} of {query['id']},"
        f" on {os.path.basename(query['snapshot']['where'])}"
    )


def _preference(screen: Screen, client: Client) -> str:
    screen.heading("3  A preference, a crash")
    told = _ask(screen, client, PREFERENCE)
    kept = client.get("/v1/analyst/conventions", **{"as": PERSON})["conventions"]
    claim([(one["topic"], one["value"]) for one in kept] == [("show", "table")], "the preference is kept for Ada")
    screen.good(f"kept for Ada: {kept[0]['topic']} = {kept[0]['value']} ({kept[0]['id']})")
    agent_id: str = told["agent_id"]
    return agent_id


def _crash(screen: Screen, server: DemoServer, agent_id: str) -> None:
    before = _user_messages(server.client, agent_id)
    body = {"question": SLOW_SQL, "semantic_model": "flights", "session": SESSION, "model": MODEL, "as": PERSON}
    events = server.client.stream("/v1/analyst/questions", body | {"stream": True})
    path = f"/v1/runs/{next(events)['run_id']}"  # acknowledged: from here on it must not be lost
    with screen.waiting("a slow query is running"):
        claim(server.wait_until(path, ("running",), 10) == "running", "the slow run is in a step")
        steps = server.client.get(f"{path}/steps")
        claim(bool(steps), "the step's intent is on disk before the query runs")
    server.kill()
    screen.good("a heavy query was acknowledged and running: the server was killed with SIGKILL")
    with screen.waiting("starting it again"):
        seconds = server.start()
        status = server.wait_until(path, ("completed", "failed", "cancelled"), 60)
    claim(status == "completed", "the run that was cut off has finished")
    after = _user_messages(server.client, agent_id)
    claim(after[: len(before)] == before and len(after) == len(before) + 1, "every acknowledged message is there")
    screen.good(f"healthy again after {seconds:.1f} s; the run is {status}; all {len(after)} messages are there")
    said = server.client.get(f"{path}/messages")
    interrupted = [m for m in said if m["message_type"] == "tool_return_message" and m["status"] == "error"]
    claim(bool(interrupted), "the query that was cut off is reported, not silently run again")
    screen.note(f"the agent was told: {interrupted[0]['tool_return'][:120]}…")


def _user_messages(client: Client, agent_id: str) -> list[str]:
    rows = client.get(f"/v1/agents/{agent_id}/messages", limit=100, order="asc")
    return [row["content"] for row in rows if row["message_type"] == "user_message"]


def _remembered(screen: Screen, client: Client) -> None:
    answer = _ask(screen, client, RANKING)
    claim(not answer["charts"], "after the preference there is no chart")
    claim("|" in answer["text"], "the answer is a table")
    claim("preference" in answer["text"].lower(), "the answer says why it is a table")
    screen.good("a table this time, and it says why")


def _trajectories(screen: Screen, client: Client, folder: str) -> None:
    screen.heading("5  What was recorded")
    runs = client.get("/v1/runs/", limit=50, order="asc")
    rows: list[Sequence[Any]] = []
    for run in runs:
        steps = client.get(f"/v1/runs/{run['id']}/steps")
        messages = client.get(f"/v1/runs/{run['id']}/messages")
        asked = next((m["content"] for m in messages if m["message_type"] == "user_message"), "")
        calls = sum(m["message_type"] == "tool_call_message" for m in messages)
        rows.append([" ".join(str(asked).split())[:60], run["status"], run["stop_reason"], len(steps), calls])
    screen.table(["asked", "status", "stop reason", "steps", "with calls"], rows, title="runs, as trajectories")
    out = Path(folder) / "trajectories.jsonl"
    lines = list(client.lines("/v1/trajectories/export"))
    out.write_bytes(b"".join(lines))
    claim(len(lines) == len(runs), "every run is exported")
    roles = {m["role"] for line in lines for m in msgspec.json.decode(line)["messages"]}
    claim({"system", "user", "assistant", "tool"} <= roles, "an exported run has all that the model saw")
    screen.good(f"{len(lines)} runs in the chat format for fine-tuning: {out}")


def _next(screen: Screen, folder: str) -> None:
    screen.heading("Next")
    screen.plain(
        f"  kelpie serve --data {folder}\n"
        '  kelpie ask "Which origin airport had the most cancelled flights in December?" --model flights\n'
        '  kelpie ask "What share of MRR comes from each plan?" --model company --as finance\n'
        "  kelpie doctor\n"
        "  open http://127.0.0.1:8283/docs"
    )
