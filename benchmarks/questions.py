"""Asks the product every question of benchmarks/questions and compares its numbers with gold SQL.

Run with `python -m benchmarks.questions`. A real server answers over its API, each question in a session of its own.
Ends with 1 if any number is wrong: another than gold, any for what the data can't tell, or the default of a question
that can mean two things. A refusal or a question back is not wrong, only not right.
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import duckdb
import msgspec
import yaml

from benchmarks.gold import FOLDER, Item, difference, read_items, split_result
from kelpie.console.client import Client, Refused
from kelpie.demo import company, warehouse
from kelpie.demo.script import CACHE_FOLDER
from kelpie.demo.server import DemoServer
from kelpie.errors import EnvironmentFault

PLANNER = "kelpie/planner"
ROWS_SHOWN_MAX = 8
LOG_SHOWN_CHARS_MAX = 2_000
# right, or what else became of the question; "unsaid" is an ambiguous one answered without asking, as it was meant.
Verdict = Literal["right", "wrong", "refused", "asked", "unsaid", "forgot", "failed"]
VERDICTS: tuple[Verdict, ...] = ("right", "wrong", "refused", "asked", "unsaid", "forgot", "failed")


class Warehouse(msgspec.Struct, frozen=True):
    """A DuckDB file and the semantic model over it."""

    name: str
    path: str
    yaml: str


class Reply(msgspec.Struct, frozen=True):
    """What the product did with one message. `asked` are questions back with their options, as one text each."""

    text: str
    queries: list[dict[str, Any]]
    asked: list[str]
    failed: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """`why` says it in words where it is not right."""

    item: Item
    verdict: Verdict
    why: str
    replies: list[Reply]


class Desk:
    """One warehouse behind a running server, and beside it for gold."""

    def __init__(self, client: Client, data: Warehouse, model: str = PLANNER) -> None:
        self._client, self._model = client, model
        self._gold = duckdb.connect(data.path, read_only=True)
        config = {"path": os.path.basename(data.path)}
        connection = client.post("/v1/analyst/connections", {"name": data.name, "config": config})
        body = {"connection_id": connection["id"], "yaml": data.yaml}
        self._semantic_model: str = client.post("/v1/analyst/semantic-models", body)["id"]
        metrics = yaml.safe_load(data.yaml)["metrics"]
        self._support = {metric["name"]: metric["support"] for metric in metrics if "support" in metric}

    def close(self) -> None:
        self._gold.close()

    def judge(self, item: Item) -> Outcome:
        """Ask, answer what is asked back, and compare."""
        try:
            return self._judge(item)
        except Refused as error:
            return Outcome(item, "failed", str(error), [])

    def _judge(self, item: Item) -> Outcome:
        reply = self.ask(item.question, item.id)
        if reply.failed:
            return Outcome(item, "failed", reply.text, [reply])
        if item.kind == "unanswerable":
            verdict: Verdict = "wrong" if reply.queries else "asked" if reply.asked else "right"
            return Outcome(item, verdict, "something was computed" if reply.queries else "", [reply])
        if item.kind == "ambiguous":
            return self._judge_ambiguous(item, reply)
        if reply.queries:
            why = self._difference(item, reply)
            return Outcome(item, "wrong" if why else "right", why, [reply])
        return Outcome(item, "asked" if reply.asked else "refused", "; ".join(reply.asked), [reply])

    def _judge_ambiguous(self, item: Item, first: Reply) -> Outcome:
        if first.queries:
            why = self._difference(item, first)
            return Outcome(item, "wrong" if why else "unsaid", f"it did not ask; {why or 'it meant the same'}", [first])
        if not first.asked:
            return Outcome(item, "refused", "", [first])
        missing = [word for word in item.asks if word not in " ".join(first.asked).casefold()]
        if missing or len(first.asked) > 1:
            return Outcome(item, "asked", f"not about {missing}: {first.asked}" if missing else "twice", [first])
        second = self.ask(item.answer, item.id)
        if not second.queries:
            return Outcome(item, "asked" if second.asked else "refused", "after the answer", [first, second])
        why = self._difference(item, second)
        if why:
            return Outcome(item, "wrong", f"after the answer: {why}", [first, second])
        again = self.ask(item.question, item.id)
        replies = [first, second, again]
        if again.asked or not again.queries:
            return Outcome(item, "forgot", "asked again, it did not remember the answer", replies)
        why = self._difference(item, again)
        return Outcome(item, "wrong" if why else "right", f"asked again: {why}" if why else "", replies)

    def ask(self, question: str, session: str) -> Reply:
        body = {
            "question": question,
            "semantic_model": self._semantic_model,
            "session": session,
            "model": self._model,
            "stream": True,
        }
        asked, answer = [], None
        for event in self._client.stream("/v1/analyst/questions", body):
            if event["event"] == "tool_call" and event["name"] == "ask_user":
                back = msgspec.json.decode(event["arguments"])
                asked.append("\n- ".join([back["question"], *back.get("options", [])]))
            elif event["event"] == "answer":
                answer = event["answer"]
            elif event["event"] == "error":
                raise Refused(event["message"])
        if answer is None:
            raise Refused("the stream ended without an answer")
        return Reply(answer["text"], answer["queries"], asked, failed=answer["status"] != "completed")

    def _difference(self, item: Item, reply: Reply) -> str:
        """Why the last query is none of the right answers."""
        said = []
        for gold in item.golds:
            rows = self._gold.execute(gold.gold_sql).fetchall()
            why = difference(gold, rows, split_result(reply.queries[-1], self._support))
            if not why:
                return ""
            said.append(why)
        return said[0]


@contextmanager
def serving(folder: str) -> Iterator[Client]:
    """A server of its own on `folder`."""
    server = DemoServer(folder)
    try:
        server.start()
        yield server.client
    except EnvironmentFault as error:
        with open(os.path.join(folder, "server.log"), encoding="utf-8", errors="replace") as log:
            error.add_note(log.read()[-LOG_SHOWN_CHARS_MAX:])
        raise
    finally:
        server.client.close()
        server.stop()


def judge_all(
    data: Warehouse, items: Sequence[Item], told: Callable[[Outcome], None] = lambda _: None, model: str = PLANNER
) -> list[Outcome]:
    """Every question of one warehouse, over a server that lives in the folder of its file."""
    with serving(os.path.dirname(data.path)) as client:
        desk = Desk(client, data, model)
        try:
            outcomes = []
            for item in items:
                outcomes.append(desk.judge(item))
                told(outcomes[-1])
            return outcomes
        finally:
            desk.close()


def table(outcomes: Sequence[Outcome]) -> str:
    """How many of each kind had which verdict, and the share that was right."""
    lines = [f"{'':14}{''.join(f'{name:>9}' for name in VERDICTS)}{'of':>7}{'right':>9}"]
    for kind in ("answerable", "ambiguous", "unanswerable"):
        verdicts = Counter(outcome.verdict for outcome in outcomes if outcome.item.kind == kind)
        if count := verdicts.total():
            cells = "".join(f"{verdicts[name]:>9}" for name in VERDICTS)
            lines.append(f"{kind:14}{cells}{count:>7}{verdicts['right'] / count:>9.0%}")
    return "\n".join(lines)


def show(outcome: Outcome, *, whole: bool) -> None:
    """One line, or with `whole` also what was asked of the data and what was said."""
    item = outcome.item
    print(f"{outcome.verdict:8} {item.id:13} {item.question}{f'  [{outcome.why}]' if outcome.why else ''}")
    for reply in outcome.replies if whole else []:
        for query in reply.queries:
            asked = query.get("metric_query")
            print(f"    asked of the data: {msgspec.json.encode(asked).decode() if asked else '(SQL)'}")
            print("    " + query["sql"].replace("\n", "\n    "))
            for row in query["rows"][:ROWS_SHOWN_MAX]:
                print(f"      {row}")
        print("    said: " + reply.text.replace("\n", "\n      "))
    if whole:
        for gold in item.golds if item.gold_sql else []:
            print("    gold: " + gold.gold_sql.strip().replace("\n", "\n          "))


def build(name: str, folder: str) -> Warehouse:
    """The demo warehouse `name`, "flights" or "company", in `folder`. Raises EnvironmentFault."""
    path = os.path.join(folder, f"{name}.duckdb")
    if name == "flights":
        archive = warehouse.fetch_archive(os.path.expanduser(CACHE_FOLDER), _quiet)
        warehouse.build_warehouse(archive, path, _quiet)
        return Warehouse(name, path, warehouse.semantic_model_yaml())
    company.build_company(path, _quiet)
    return Warehouse(name, path, company.semantic_model_yaml())


def _quiet(_text: str) -> None:
    pass


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.questions", description=__doc__)
    parser.add_argument("--file", action="append", default=[], help="only files whose name has this in it")
    parser.add_argument("--only", action="append", default=[], metavar="ID", help="only this question")
    parser.add_argument("--show", action="store_true", help="show the queries, the answers and gold")
    parser.add_argument("--model", default=PLANNER, help="the handle that answers")
    options = parser.parse_args()
    files = sorted(name for name in os.listdir(FOLDER) if name.endswith(".yaml"))
    chosen = {
        name: [item for item in read_items(os.path.join(FOLDER, name)) if not options.only or item.id in options.only]
        for name in files
        if all(part in name for part in options.file)
    }
    every: list[Outcome] = []
    by_file: dict[str, list[Outcome]] = {}
    for about in ("flights", "company"):
        items = {item.id: name for name in chosen for item in chosen[name] if name.startswith(about)}
        if not items:
            continue
        with tempfile.TemporaryDirectory() as folder:
            asked = [item for name in chosen if name.startswith(about) for item in chosen[name]]
            outcomes = judge_all(build(about, folder), asked, lambda o: show(o, whole=options.show), options.model)
        every += outcomes
        for outcome in outcomes:
            by_file.setdefault(items[outcome.item.id], []).append(outcome)
    for name, outcomes in sorted(by_file.items()):
        print(f"\n{name}\n{table(outcomes)}")
    print(f"\nall\n{table(every)}")
    wrong = [outcome for outcome in every if outcome.verdict == "wrong"]
    for outcome in wrong:
        show(outcome, whole=False)
    return 1 if wrong or not every else 0


if __name__ == "__main__":
    sys.exit(main())
