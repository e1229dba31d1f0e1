"""What every request passes: slashes, sizes, hosts, and what is noted about it."""

import socket

import pytest

from kelpie.api import limits
from kelpie.events import RequestEnded


@pytest.mark.parametrize("path", ["/v1/agents", "/v1/blocks", "/v1/tools", "/v1/runs", "/v1/steps", "/v1/models"])
def test_collections_answer_with_and_without_a_slash(http, path):
    with_slash, without = http.get(f"{path}/"), http.get(path)
    assert (with_slash.status_code, without.status_code) == (200, 200)
    assert with_slash.json() == without.json()


def test_health_is_served_at_both_places(http):
    for path in ("/v1/health/", "/v1/health", "/health", "/health/"):
        assert http.get(path).json()["status"] == "ok"


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_read(live):
    host, _, port = live.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        length = limits.REQUEST_BODY_BYTES_MAX + 1
        head = f"POST /v1/agents/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(1_000).startswith(b"HTTP/1.1 413")


def test_a_body_that_does_not_say_its_size_is_counted(http):
    sent = []

    def pieces():
        for _ in range(40):
            sent.append(1_000_000)
            yield b" " * 1_000_000

    answer = http.post("/v1/agents/", content=pieces(), headers={"content-type": "application/json"})
    assert (answer.status_code, "larger than" in answer.json()["detail"]) == (413, True)
    assert sum(sent) > limits.REQUEST_BODY_BYTES_MAX


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8283", 200),
        ("localhost", 200),
        ("localhost:1", 200),
        ("kelpie.localhost", 200),
        ("[::1]:8283", 200),
        ("192.168.1.5", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:80", 403),
        ("localhost.evil.example", 403),
    ],
)
def test_without_keys_a_name_that_was_pointed_here_is_refused(http, host, status):
    """A web page can have its own name resolve to 127.0.0.1, and would then read and write as it likes."""
    assert http.get("/v1/agents/count", headers={"host": host}).status_code == status


def test_with_keys_any_name_will_do(start):
    live = start(keys={"a-key-0123456789abcdef": "ada"})
    assert live.http.get("/v1/agents/count", headers={"host": "kelpie.example"}).status_code == 200


def test_a_request_is_noted_by_its_route_and_never_by_its_ids(live, http):
    seen = []
    live.server.events.subscribe(seen.append)
    agent = live.agent()
    http.get(f"/v1/agents/{agent['id']}/messages")
    http.get("/v1/agents/agent-1")
    http.get("/v1/nothing/at-all")
    http.get("/health")  # the note on a request is written after its answer was sent
    noted = [(one.method, one.route, one.status) for one in seen if isinstance(one, RequestEnded)]
    assert noted[:4] == [
        ("POST", "/v1/agents", 200),
        ("GET", "/v1/agents/{agent_id}/messages", 200),
        ("GET", "/v1/agents/{agent_id}", 422),
        ("GET", "unmatched", 404),
    ]
    assert all(one.duration_ms > 0 for one in seen if isinstance(one, RequestEnded))


def test_a_bug_is_one_500_and_the_server_lives(start, caplog):
    live = start(openai_api_key="sk-very-secret-key-0123456789")

    def broken():
        raise RuntimeError("with sk-very-secret-key-0123456789 inside")

    object.__setattr__(live.server.app.state.house, "metrics", broken)
    answer = live.http.get("/metrics")
    assert answer.status_code == 500
    assert "its log says more" in answer.json()["detail"]
    assert "RuntimeError" not in answer.text
    assert "/metrics failed" in caplog.text
    assert live.http.get("/v1/agents/count").status_code == 200
