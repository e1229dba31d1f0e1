"""Those who call: plain HTTP, and Letta's published clients, each in an environment and a process of its own."""

import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import httpx2
from uv import find_uv_bin

from kelpie.api import reference, unserved

HERE = Path(__file__).parent
CACHE = Path(os.path.expanduser("~/.cache/kelpie/tests/letta"))
NPM = "@letta-ai/letta-client"


@dataclass(frozen=True)
class Answer:
    """status  of the server's last answer, None if the client raised before it asked
    body    that answer as JSON, None for what is none
    value   what the caller was given: the body, the events of a stream, or what a client made of them
    error   what the client raised, None for nothing
    by      "http", or the client's own name
    """

    status: int | None
    body: object
    value: object
    error: str | None = None
    by: str = "http"

    @property
    def text(self):
        return json.dumps([self.body, self.value], default=str)


class Http:
    """Calls by plain HTTP: what no client has, and what nothing is compared with."""

    def __init__(self, url, transport=None):
        self._http = httpx2.Client(base_url=url, timeout=60, trust_env=False, transport=transport)
        self._queries = {
            (method.upper(), unserved.nameless(path)): {
                one["name"] for one in operation.get("parameters", []) if one["in"] == "query"
            }
            for path, operations in json.loads(reference.shipped())["paths"].items()
            for method, operation in operations.items()
        }

    def call(self, key, row, give):
        """`give` by name. A key of None asks without one."""
        given, headers = dict(give), {} if key is None else {"authorization": f"Bearer {key}"}
        path = re.sub(r"\{(\w+)(?::path)?\}", lambda found: str(given.pop(found.group(1))), row.path)
        queries = self._queries.get((row.method, unserved.nameless(row.path)), set())
        if row.method in ("GET", "DELETE"):
            queries = queries | set(given)
        params = {name: given.pop(name) for name in [*given] if name in queries}
        return self._answered(self._http.request(row.method, path, params=params, headers=headers, **_body(given, row)))

    def _answered(self, response):
        text = response.text
        if "event-stream" in response.headers.get("content-type", ""):
            events = [line[6:] for line in text.split("\n") if line.startswith("data: ") and line != "data: [DONE]"]
            return Answer(response.status_code, None, [json.loads(one) for one in events])
        try:
            body = json.loads(text)
        except ValueError:
            body = text or None
        return Answer(response.status_code, body, body)

    def close(self):
        self._http.close()


def _body(given, row):
    """As httpx takes it: an upload with its fields, what is no JSON, or JSON."""
    if row.method in ("GET", "DELETE"):
        return {}
    if "$items" in given:
        return {"json": given["$items"]}
    if "$content" in given:
        return {"content": given["$content"].encode()}
    files = {name: value for name, value in given.items() if isinstance(value, dict) and "$file" in value}
    if files:
        sent = {name: (one["$file"], one["text"].encode("latin-1")) for name, one in files.items()}
        return {"files": sent, "data": {name: value for name, value in given.items() if name not in files}}
    return {"json": {name.removeprefix("body_"): value for name, value in given.items()}}


class Client:
    """A published client. What this version doesn't have is called by plain HTTP, and counted in `missing`."""

    def __init__(self, name, command, url, calls, http):
        self.name, self.missing, self._calls, self._http = name, set(), calls, http
        self._process = subprocess.Popen(
            [*command, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=_bare()
        )
        self.version = self._read()["version"]

    def call(self, key, row, give):
        call = self._calls.get(row.op)
        if call is None or key is None:
            return self._http.call(key, row, give)
        path = {name: give[name] for name in row.places}
        rest = {name.lstrip("$"): value for name, value in give.items() if name not in path}
        asked = {"key": key, "call": call, "path": path, "give": rest, "reads": row.method in ("GET", "DELETE")}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        told = self._read()
        if told.get("missing"):
            self.missing.add(row.op)
            return self._http.call(key, row, give)
        return Answer(**told, by=self.name)

    def _read(self):
        line = self._process.stdout.readline()
        assert line, f"{self.name} ended: {self._process.poll()}"
        return json.loads(line)

    def close(self):
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()
        self._http.close()


def _bare():
    hidden = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME")
    return {name: value for name, value in os.environ.items() if name not in hidden}


def python_client(version):
    """The command that runs this version of the Python client, and why it can't be had."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        if importlib.metadata.version("letta-client") == version:
            return [sys.executable, str(HERE / "bridge.py")], ""
    folder = CACHE / f"python-{version}"
    python = str(folder / "bin" / "python")
    uv, wanted = find_uv_bin(), f"letta-client=={version}"
    steps = lambda to: (  # noqa: E731
        [uv, "venv", "-q", "-p", sys.executable, to],
        [uv, "pip", "install", "-q", "--python", f"{to}/bin/python", wanted],
    )
    return [python, str(HERE / "bridge.py")], _made(folder, python, steps)


def npm_client(version):
    """The same of the npm package."""
    folder = CACHE / f"npm-{version}"
    entry = folder / "node_modules" / NPM / "index.mjs"
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return [], "node and npm are not there"
    steps = lambda to: ([npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", to, f"{NPM}@{version}"],)  # noqa: E731
    return [node, str(HERE / "bridge.mjs"), str(entry)], _made(folder, entry, steps)


def _made(folder, sign, steps):
    """Make `folder` by these steps unless it is there: whole or not at all. Why not, or an empty text."""
    if os.path.exists(sign):
        return ""
    CACHE.mkdir(parents=True, exist_ok=True)
    making = tempfile.mkdtemp(dir=CACHE)
    for step in steps(making):
        ran = subprocess.run(step, capture_output=True, text=True, check=False, env=_bare())
        if ran.returncode:
            shutil.rmtree(making)
            return (ran.stderr.strip().splitlines() or ["it can't be installed"])[-1]
    try:
        os.rename(making, folder)
    except OSError:  # another process was faster
        shutil.rmtree(making)
    return "" if os.path.exists(sign) else f"{sign} is not there after its installation"
