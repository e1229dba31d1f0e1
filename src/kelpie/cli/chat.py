"""A conversation with an agent in the terminal, streamed as it is written."""

from typing import Any

from kelpie.console.client import Client
from kelpie.console.show import Screen
from kelpie.errors import InvalidInput

CHAT_AGENT = "kelpie chat"


def find_or_create(client: Client, name: str | None, model: str | None) -> dict[str, Any]:
    """The agent called `name`, made with the first usable model if there is none yet."""
    name = name or CHAT_AGENT
    found = client.get("/v1/agents/", name=name)
    if found and (model is None or found[0]["model"] == model):
        agent: dict[str, Any] = found[0]
        return agent
    if model is None:
        handles = [card["handle"] for card in client.get("/v1/models/") if not card["handle"].startswith("kelpie/")]
        if not handles:
            raise InvalidInput(
                "no language model is configured: set OPENAI_API_KEY, OPENAI_BASE_URL, ANTHROPIC_API_KEY,"
                " OLLAMA_BASE_URL or VLLM_API_BASE for the server, or run `kelpie models get smollm2`"
            )
        model = handles[0]
    blocks = [
        {"label": "human", "value": "", "description": "What I know about the person I talk to."},
        {"label": "persona", "value": "I am a helpful assistant."},
    ]
    made: dict[str, Any] = client.post("/v1/agents/", {"name": name, "model": model, "memory_blocks": blocks})
    return made


def say(client: Client, screen: Screen, agent_id: str, text: str) -> None:
    """Send one message and print what comes back, piece by piece."""
    body = {"messages": [{"role": "user", "content": text}], "streaming": True, "stream_tokens": True}
    speaking = False
    for event in client.stream(f"/v1/agents/{agent_id}/messages", body):
        kind = event.get("message_type")
        if kind == "assistant_message":
            screen.plain(_text(event["content"]), end="")
            speaking = True
            continue
        if speaking:
            screen.plain("")
            speaking = False
        if kind == "tool_return_message":
            screen.note(f"{event.get('name') or 'tool'}: {str(event.get('tool_return'))[:200]}")
        elif kind == "error_message":
            screen.bad(str(event.get("detail") or event.get("message")))
    if speaking:
        screen.plain("")


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def talk(client: Client, screen: Screen, name: str | None, model: str | None) -> None:
    """Read lines until the end of input."""
    agent = find_or_create(client, name, model)
    screen.note(f"{agent['name']} ({agent['model']}). An empty line or Ctrl-D ends the conversation; it is remembered.")
    while True:
        try:
            text = screen.console.input("[bold]you:[/bold] ").strip()
        except EOFError:
            return
        if not text:
            return
        say(client, screen, agent["id"], text)
