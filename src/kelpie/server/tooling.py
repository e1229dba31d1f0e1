"""The tools of a server, put together: those that ship with it, those people and models write, those of MCP servers."""

import os
from typing import NamedTuple

from kelpie.agents.turn.heartbeats import PAUSE_TOOL
from kelpie.analyst.service import Analyst
from kelpie.analyst.tools import analyst_tools
from kelpie.config import Config
from kelpie.sandbox import Sandbox
from kelpie.sandbox.layers import Layers
from kelpie.sealing import Seal
from kelpie.server import isolation
from kelpie.tools.bench import Bench
from kelpie.tools.catalog import Catalog
from kelpie.tools.custom import EXTERNAL
from kelpie.tools.files import FILE_TOOLS
from kelpie.tools.mcp.programs import OpenProgram
from kelpie.tools.mcp.settings import Variables
from kelpie.tools.mcp.tools import McpTools
from kelpie.tools.memory import MEMORY_TOOLS
from kelpie.tools.others import OTHERS_TOOLS
from kelpie.tools.rewriting import REWRITING_TOOLS
from kelpie.tools.run_code import run_code
from kelpie.tools.web import Fetcher, Search, web_tools
from umi.dst import Host
from umi.wire import Transport


class Tooling(NamedTuple):
    bench: Bench
    mcp: McpTools
    catalog: Catalog


def furnish(
    config: Config,
    host: Host,
    *,
    analyst: Analyst,
    sandbox: Sandbox,
    opens_program: OpenProgram | None,
    transport: Transport,
    seal: Seal,
) -> Tooling:
    """Raises InvalidInput for a setting that is none."""
    packages = Layers(host, os.path.join(config.data_folder, "layers"), config.packages or "")
    bench = Bench(sandbox, minimum=isolation.minimum_of(config), folder_for=packages.folder_for, seal=seal)
    mcp = McpTools(
        host,
        opens_program=opens_program,
        variables=Variables(config.connection_secrets),
        private_hosts=config.mcp_private_hosts,
        seal=seal,
    )
    fetcher = Fetcher(host, config.web_hosts) if config.web_hosts else None
    searches = config.web_search_key is not None or config.web_search_url is not None
    search = Search(host, transport, config.web_search_key or "", config.web_search_url or "") if searches else None
    own = (*MEMORY_TOOLS, *REWRITING_TOOLS, PAUSE_TOOL, *FILE_TOOLS, *OTHERS_TOOLS)
    tools = (*own, *analyst_tools(analyst), run_code(bench), *web_tools(fetcher, search))
    catalog = Catalog({tool.name: tool for tool in tools}, bench, {EXTERNAL: mcp.tool_for})
    return Tooling(bench, mcp, catalog)
