"""What the scenario is played against: one `kelpie serve` in a process of its own, with a scripted model, an MCP server
and a coffee shop's data beside it, and two tenants' keys for each client."""

import time

from tests.kelpie.analyst.warehouses import COFFEE_YAML, build_coffee
from tests.kelpie.api.conftest import InThread
from tests.kelpie.server.test_running import Process
from tests.kelpie.tools.mcp.reference import build as build_reference
from tests.kelpie.tools.mcp.serving import serve as serve_mcp

CALLERS = ("http", "python-1.7.12", "python-1.11.0", "python-1.12.1", "npm-1.12.1")
FOREIGN, FUZZ = "foreign ids", "fuzz"  # who try these have tenants of their own
OPERATOR = "operator-0123456789"
PERSON = "person-ours-0123456789"  # a key that speaks for one person of them alone


def keys_of(caller):
    """The keys of its two tenants."""
    name = caller.replace(".", "-").replace(" ", "-")
    return f"{name}-ours-0123456789", f"{name}-theirs-0123456789"


class House:
    def __init__(self, folder, scripted):
        data = folder / "data"
        data.mkdir()
        build_coffee(str(data / "coffee.duckdb"))
        self._mcp = InThread(_mcp)
        pairs = [(key, key[:-11]) for caller in (*CALLERS, FOREIGN, FUZZ) for key in keys_of(caller)]
        pairs.append((OPERATOR, "*"))
        pairs.append((PERSON, f"{keys_of(FOREIGN)[0][:-11]}:anna"))
        self._process = Process(
            data,
            folder / "log",
            KELPIE_KEYS=",".join(f"{tenant}={key}" for key, tenant in pairs),
            KELPIE_ANALYST_MODEL="kelpie/planner",
            KELPIE_MCP_PRIVATE_HOSTS="127.0.0.1",
            KELPIE_PROVIDER_PRIVATE_HOSTS="127.0.0.1",
            OPENAI_BASE_URL=scripted,
        )
        self.url = self._process.listening()
        self._given = {"mcp_url": f"{self._mcp.value}/mcp", "model_url": scripted, "coffee_yaml": COFFEE_YAML}

    def given(self, caller):
        """What the rows name and no row keeps."""
        tomorrow_ms = int(time.time() * 1000) + 86_400_000
        spare = "spare-" + caller.replace(".", "-").replace(" ", "-")
        return {**self._given, "tomorrow_ms": tomorrow_ms, "spare_tenant": spare}

    @property
    def said(self):
        return self._process.said

    def close(self):
        self._process.popen.kill()
        self._process.popen.wait()
        self._mcp.stop()


async def _mcp(announce, over):
    async with serve_mcp(app=build_reference().streamable_http_app()) as url:
        announce(url)
        await over.wait()
