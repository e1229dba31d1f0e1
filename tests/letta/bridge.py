"""One of Letta's Python clients as a program: a call a line comes in, what the client made of it goes out.

It runs in an environment that holds that client and nothing of ours. A line asks
`{"key", "call": "agents.blocks.update", "path": {…}, "give": {…}, "reads"}`; the answer is `{"missing": true}` where
this version has no such call, else `{"status", "body", "value", "error"}`: the last answer of the server as it came,
what the client gave its caller, as JSON, and the name of what it raised.
"""

import inspect
import json
import sys
import traceback
import warnings

import httpx
import letta_client
from letta_client import APIStatusError, Letta
from pydantic import BaseModel, TypeAdapter

warnings.simplefilter("ignore")


class Seen:
    """A client with a key, and the last answer of the server that it met."""

    def __init__(self, url, key):
        self.last = None
        http = httpx.Client(event_hooks={"response": [self._note]}, trust_env=False, timeout=30)
        self.client = Letta(
            base_url=url, api_key=key, http_client=http, max_retries=0, _strict_response_validation=True
        )

    def _note(self, response):
        self.last = response
        if "event-stream" not in response.headers.get("content-type", ""):
            response.read()

    def body(self):
        try:
            return self.last.json() if self.last is not None else None
        except (ValueError, httpx.ResponseNotRead, httpx.StreamConsumed):
            return None


def plain(value):
    """What a call gave, as JSON."""
    if isinstance(value, BaseModel) and hasattr(type(value), "has_next_page"):
        kind = getattr(value, "_model", None)
        items = [plain(one) for one in value._get_page_items()]
        if kind is not None:  # the client takes the items of a list as they come
            TypeAdapter(list[kind]).validate_python(items)
        return items
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True, by_alias=True)
    if isinstance(value, letta_client.Stream):
        with value:
            return [plain(one) for one in value]
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


def arguments(method, path, give, *, reads):
    """`path` and `give` as this version's call takes them: what it doesn't know travels all the same."""
    known = inspect.signature(method).parameters
    given, extra = dict(path), {}
    last = [given.popitem()[1]] if given else []  # the last id of the path stands first; versions name it differently
    for name, value in give.items():
        is_file = isinstance(value, dict) and "$file" in value
        sent = (value["$file"], value["text"].encode("latin-1")) if is_file else value
        (given if name in known else extra)[name] = sent
    if extra:
        given["extra_query" if reads else "extra_body"] = extra
    return last, given


def answer(clients, url, asked):
    seen = clients.setdefault(asked["key"], None) or Seen(url, asked["key"])
    clients[asked["key"]] = seen
    method = seen.client
    for name in asked["call"].split("."):
        method = getattr(method, name, None)
        if method is None:
            return {"missing": True}
    seen.last, value, error = None, None, None
    try:
        last, named = arguments(method, asked["path"], asked["give"], reads=asked["reads"])
        value = plain(method(*last, **named))
    except APIStatusError as raised:
        error = type(raised).__name__
    except Exception as raised:  # noqa: BLE001 - told to the scenario
        error = f"{type(raised).__name__}: {raised}"[:600] + traceback.format_exc(limit=-1)[-200:]
    status = seen.last.status_code if seen.last is not None else None
    return {"status": status, "body": seen.body(), "value": value, "error": error}


if __name__ == "__main__":
    clients = {}
    sys.stdout.write(json.dumps({"version": letta_client.__version__}) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(clients, sys.argv[1], json.loads(line))) + "\n")
        sys.stdout.flush()
