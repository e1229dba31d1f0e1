"""What this machine has and lacks, and what to do about it."""

import importlib.util
import os
import sys
from typing import Any

from kelpie.config import VARIABLES, Config
from kelpie.console.client import Client
from kelpie.console.show import Screen
from kelpie.errors import UmiError

# Extra -> the modules that show it is installed.
EXTRAS = {
    "server": ("fastapi", "uvicorn", "prometheus_client"),
    "analyst": ("duckdb", "sqlglot", "vl_convert"),
    "local": ("xllamacpp",),
}
PROVIDERS = {
    "OpenAI, or any server that speaks its wire": ("openai_api_key", "openai_base_url"),
    "Anthropic": ("anthropic_api_key", "anthropic_base_url"),
    "Ollama": ("ollama_base_url",),
    "vLLM": ("vllm_base_url",),
}
TRUSTS = {
    "operator": "code that ships with the server",
    "reviewed": "a tool that a person put there",
    "untrusted": "code that nobody read (run_code)",
}


def examine(config: Config, client: Client, screen: Screen) -> int:
    """Print the findings. Returns the number of things that keep the server from running."""
    broken = 0
    screen.heading("This machine")
    version = ".".join(map(str, sys.version_info[:3]))
    screen.good(f"Python {version}")
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        if not missing:
            screen.good(f"extra '{extra}'")
        elif extra == "local":
            screen.note(f"  extra '{extra}' is not installed; it runs a small model in process, without a server")
        else:
            broken += extra == "server"
            screen.bad(f"extra '{extra}' is not installed: pip install 'kelpie[{extra}]'")
    broken += _data_folder(config, screen)
    screen.heading("Models")
    screen.good("kelpie/planner answers questions about connected data, without a key or network")
    for name, fields in PROVIDERS.items():
        if any(getattr(config, field) for field in fields):
            screen.good(name)
        else:
            screen.note(f"  {name}: not configured ({' or '.join(_variables(fields))})")
    screen.heading(f"Server at {client.url}")
    try:
        health = client.get("/v1/health/")
    except UmiError as error:
        screen.note(f"  {error}")
    else:
        screen.good(f"kelpie {health['version']} is {health['status']}")
        _isolation(health, screen)
    return broken


def _isolation(health: dict[str, Any], screen: Screen) -> None:
    """Which levels there are, what keeps the others away, and where code of each trust runs."""
    screen.heading("Isolation of code that isn't the server's")
    for level in health.get("isolation", []):
        by = f" ({level['backend']})" if level.get("backend") else ""
        if level.get("available"):
            screen.good(f"level '{level['level']}'{by}")
        else:
            screen.bad(f"level '{level['level']}'{by}: {level.get('reason') or 'it does not say why'}")
        for line in level.get("tried", []):
            screen.note(f"    tried: {line}")
        for line in level.get("gaps", []):
            screen.note(f"    does not hold here: {line}")
    for trust, one in health.get("trust", {}).items():
        lowered = "; lowered by KELPIE_SANDBOX_UNTRUSTED" if one["lowered"] else ""
        if one["runs_at"] is not None:
            screen.good(f"{TRUSTS.get(trust, trust)} runs at '{one['runs_at']}'{lowered}")
        else:
            screen.bad(f"{TRUSTS.get(trust, trust)} does not run: it needs '{one['needs']}' or stronger{lowered}")


def _data_folder(config: Config, screen: Screen) -> int:
    folder = os.path.abspath(config.data_folder)
    parent = folder if os.path.isdir(folder) else os.path.dirname(folder)
    if os.access(parent, os.W_OK):
        screen.good(f"data folder {folder}")
        return 0
    screen.bad(f"data folder {folder} can't be written; set KELPIE_DATA to one that can")
    return 1


def _variables(fields: tuple[str, ...]) -> list[str]:
    return [variable for variable, field in VARIABLES.items() if field in fields]
