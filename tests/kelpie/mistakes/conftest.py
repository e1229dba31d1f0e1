"""A real server in a process of its own, with the scripted model server behind both wires."""

import httpx2
import pytest

from benchmarks.processes import start_backend, start_kelpie

WIRES = ("openai", "anthropic")


class Place:
    """The server on its folder; `restart` kills it without warning and starts it again."""

    def __init__(self, folder, backend):
        self.folder = folder
        self.backend = backend
        self.start()

    def start(self):
        keys = {"ANTHROPIC_BASE_URL": self.backend.url, "ANTHROPIC_API_KEY": "sk-ant-scripted"}
        self.server = start_kelpie(self.folder, self.backend, **keys)
        self.server.wait_healthy("/v1/health/")
        self.client = httpx2.Client(base_url=self.server.url, timeout=60, trust_env=False)

    def restart(self):
        self.client.close()
        self.server.kill()
        self.start()

    def stop(self):
        self.client.close()
        self.server.stop()

    def call(self, method, path, body=None, **query):
        answer = self.client.request(method, path, json=body, params=query or None)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def get(self, path, **query):
        return self.call("GET", path, **query)

    def post(self, path, body):
        return self.call("POST", path, body)

    def agent(self, wire="openai", **fields):
        return self.post("/v1/agents/", {"name": "Ada", "model": f"{wire}/scripted"} | fields)

    def send(self, agent, text, **fields):
        return self.post(
            f"/v1/agents/{agent['id']}/messages", {"messages": [{"role": "user", "content": text}]} | fields
        )

    def last_request(self, agent):
        """The messages of the agent's last model call, as they went over the wire, in the chat format."""
        lines = self.client.get("/v1/trajectories/export", params={"agent_id": agent["id"]}).text.splitlines()
        return httpx2.Response(200, content=lines[-1].encode()).json()["messages"][:-1]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    backend = start_backend(folder)
    try:
        made = Place(folder, backend)
        yield made
        made.stop()
    finally:
        backend.stop()


@pytest.fixture(params=WIRES)
def wire(request):
    return request.param
