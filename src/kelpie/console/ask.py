"""A question to the analyst: its steps as they happen, then the answer with what each number stands on."""

from pathlib import Path
from typing import Any

from kelpie.console.client import Client, Refused
from kelpie.console.show import Screen

ARGUMENTS_SHOWN_CHARS_MAX = 140


def put(
    client: Client,
    screen: Screen,
    question: str,
    *,
    semantic_model: str | None = None,
    session: str = "cli",
    model: str | None = None,
    chart_path: Path | None = None,
) -> dict[str, Any]:
    """Ask, show the steps, show the answer. Returns the answer as the API gives it."""
    body = {"question": question, "semantic_model": semantic_model, "session": session, "model": model, "stream": True}
    answer: dict[str, Any] | None = None
    for event in client.stream("/v1/analyst/questions", {k: v for k, v in body.items() if v is not None}):
        answer = _show_step(screen, event) or answer
    if answer is None:
        raise Refused("the connection ended before the answer came; the run goes on in the server")
    if answer["error"]:
        raise Refused(f"the run failed: {answer['error'].get('message')}")
    _show_answer(client, screen, answer, chart_path)
    return answer


def _show_step(screen: Screen, event: dict[str, Any]) -> dict[str, Any] | None:
    """Print one event. Returns the answer, if this is it."""
    match event["event"]:
        case "tool_call":
            arguments = event["arguments"]
            shown = (
                arguments
                if len(arguments) <= ARGUMENTS_SHOWN_CHARS_MAX
                else arguments[:ARGUMENTS_SHOWN_CHARS_MAX] + "…"
            )
            screen.note(f"  → {event['name']} {shown}")
        case "tool_return" if event["is_error"]:
            screen.note(f"    {event['text'][:300]}")
        case "answer":
            answer: dict[str, Any] = event["answer"]
            return answer
        case "error":
            raise Refused(event["message"])
    return None


def _show_answer(client: Client, screen: Screen, answer: dict[str, Any], chart_path: Path | None) -> None:
    screen.markdown(answer["text"])
    for query in answer["queries"]:
        screen.note(f"{query['id']}: {query['row_count']} rows in {query['duration_ms']:.0f} ms")
        screen.sql(query["sql"])
    for chart in answer["charts"]:
        screen.note(f"chart {chart['id']} ({client.url}/v1/analyst/charts/{chart['id']}?format=png)")
        if chart_path is not None:
            chart_path.write_bytes(client.get_bytes(f"/v1/analyst/charts/{chart['id']}", format="png"))
            screen.good(f"chart written to {chart_path}")
    if answer["numbers"] is None:
        screen.bad("not every number of this answer could be traced to a query")
    elif answer["numbers"]:
        screen.note(f"each of its {len(answer['numbers'])} numbers is a cell of a query above")
