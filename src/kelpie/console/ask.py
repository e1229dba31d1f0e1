"""A question to the analyst: its steps as they happen, then the answer with what each number stands on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kelpie.console.client import Client, Refused, ServerUnreachable
from kelpie.console.show import Screen
from kelpie.errors import InvalidInput

ARGUMENTS_SHOWN_CHARS_MAX = 140
REPORT_FORMS = {".html": "html", ".htm": "html", ".md": "md", ".json": "json"}
CHART_FORMS = {".png": "png", ".svg": "svg", ".json": "json"}


def put(
    client: Client,
    screen: Screen,
    question: str,
    *,
    semantic_model: str | None = None,
    session: str = "cli",
    model: str | None = None,
    as_: str | None = None,
    check: bool | None = None,
    chart_path: Path | None = None,
    files: "Files | None" = None,
) -> dict[str, Any]:
    """Ask, show the steps, show the answer, write the files. Returns the answer as the API gives it.

    Interrupted, it cancels the run: what runs in the database for it is stopped.
    """
    files = files or Files(chart=chart_path)
    files.check()
    body = {
        "question": question,
        "semantic_model": semantic_model,
        "session": session,
        "model": model,
        "as": as_,
        "check": check,
    }
    given = {name: value for name, value in body.items() if value is not None}
    answer: dict[str, Any] | None = None
    run: dict[str, str] = {}
    with _cancelling(client, screen, run):
        for event in client.stream("/v1/analyst/questions", {**given, "stream": True}):
            if event["event"] == "run":
                run["id"] = event["run_id"]
            answer = _show_event(client, screen, event, answer)
    if answer is None:
        raise Refused("the connection ended before the answer came; the run goes on in the server")
    files.write(client, screen, answer)
    return answer


@dataclass(frozen=True, slots=True)
class Files:
    """What of an answer is written, and where. A file's ending says in which form."""

    chart: Path | None = None
    csv: Path | None = None
    report: Path | None = None

    def check(self) -> None:
        """Raises InvalidInput for an ending that means nothing, before anything is asked."""
        form_of(self.report, REPORT_FORMS)
        form_of(self.chart, CHART_FORMS)

    def write(self, client: Client, screen: Screen, answer: dict[str, Any]) -> None:
        if self.chart is not None:
            form = form_of(self.chart, CHART_FORMS)
            for chart in answer["charts"][-1:]:
                self.chart.write_bytes(client.get_bytes(f"/v1/analyst/charts/{chart['id']}", format=form))
                screen.good(f"chart written to {self.chart}")
            if not answer["charts"]:
                screen.note("there is no chart in this answer")
        if self.csv is not None:
            for query in answer["queries"][-1:]:
                self.csv.write_bytes(client.get_bytes(f"/v1/analyst/queries/{query['id']}/csv"))
                screen.good(f"table written to {self.csv}")
            if not answer["queries"]:
                screen.note("there is no table in this answer")
        if self.report is not None:
            form = form_of(self.report, REPORT_FORMS)
            self.report.write_bytes(client.get_bytes(f"/v1/analyst/answers/{answer['run_id']}", format=form))
            screen.good(f"report written to {self.report}")


def form_of(path: Path | None, forms: Mapping[str, str]) -> str | None:
    """The API's name for a file's form, by its ending. Raises InvalidInput."""
    if path is None:
        return None
    form = forms.get(path.suffix.lower())
    if form is None:
        raise InvalidInput(f"{path.name}: the name has to end in one of {', '.join(forms)}")
    return form


@contextmanager
def _cancelling(client: Client, screen: Screen, run: Mapping[str, str]) -> Iterator[None]:
    """An interrupt ends the run, not only the watching."""
    try:
        yield
    except KeyboardInterrupt:
        if "id" in run:
            try:
                client.post(f"/v1/analyst/questions/{run['id']}/cancel", {})
            except (Refused, ServerUnreachable) as error:
                screen.bad(f"the run was not cancelled: {error}")
            else:
                screen.note(f"{run['id']} is cancelled")
        raise


def _show_event(
    client: Client, screen: Screen, event: dict[str, Any], answer: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Print one event. Returns the answer as far as it is known."""
    match event["event"]:
        case "tool_call":
            arguments = event["arguments"]
            cut = len(arguments) > ARGUMENTS_SHOWN_CHARS_MAX
            screen.note(f"  → {event['name']} {arguments[:ARGUMENTS_SHOWN_CHARS_MAX]}{'…' if cut else ''}")
        case "step":
            step = event["step"]
            took = f" ({step['duration_ms']:,.0f} ms)" if step.get("duration_ms") is not None else ""
            screen.note(f"    {step['text'][:300]}{took}")
        case "answer":
            answer = event["answer"]
            if answer["error"]:
                raise Refused(f"the run failed: {answer['error'].get('message')}")
            _show_answer(client, screen, answer)
        case "check" if answer is not None:
            answer |= {name: event[name] for name in ("label", "checks", "caveats")}
            _show_label(screen, answer)
        case "error":
            raise Refused(event["message"])
    return answer


def _show_answer(client: Client, screen: Screen, answer: dict[str, Any]) -> None:
    if answer["status"] == "cancelled":
        screen.bad("the question was cancelled")
    screen.markdown(answer["text"])
    if answer["unsourced"]:
        screen.bad(f"the model's own words are not shown: {answer['unsourced']} in them stands in no result")
    for query in answer["queries"]:
        screen.note(f"{query['id']}: {query['row_count']} rows in {query['duration_ms']:.0f} ms")
        screen.sql(query["sql"])
    for one in answer["conventions"]:
        if one["used"]:
            screen.note(f"{one['kind']} of {one['whose'] or 'the organisation'}: {one['topic']} = {one['value']}")
    for caveat in answer["caveats"]:
        screen.note(f"note: {caveat}")
    for chart in answer["charts"]:
        screen.note(f"chart {chart['id']} ({client.url}/v1/analyst/charts/{chart['id']}?format=png)")
    _show_label(screen, answer)


def _show_label(screen: Screen, answer: dict[str, Any]) -> None:
    count = len(answer["numbers"])
    if count:
        each = "its number is a cell" if count == 1 else f"each of its {count} numbers is a cell"
        screen.note(f"{answer['label']}: {each} of a query above ({answer['run_id']})")
