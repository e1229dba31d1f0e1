"""What every test stands on: asyncio for coroutine tests, no way out to the network, no model that costs money."""

import inspect
import os
import socket

import pytest

from umi.dst import Host, ManualClock, Rng

MODEL_VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "OLLAMA_BASE_URL", "VLLM_API_BASE")
for variable in MODEL_VARIABLES:
    os.environ.pop(variable, None)


def pytest_collection_modifyitems(items):
    for item in items:
        if inspect.iscoroutinefunction(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.anyio)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch):
    """A connection to anywhere but this machine is a bug in a test, not a slow test."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            pytest.fail(f"a test tried to reach {address[0]}: tests stay on this machine")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def host(clock):
    """A Host with a clock that stands still and ids that are the same in every run."""
    return Host(clock=clock, rng=Rng("test"))
