"""From a tool's row to something the turn can run: the registered function of a built-in tool, or the sandbox."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import SandboxResult
from kelpie.tools.arguments import check_arguments
from kelpie.tools.audit import Sandboxed
from kelpie.tools.bench import Bench, Job, files_told
from kelpie.tools.custom import CUSTOM, ToolRecord
from kelpie.tools.secrets import NO_SECRETS, Secrets
from kelpie.tools.source import given_parameters
from kelpie.tools.tool import Outcome, Tool, ToolContext
from umi.wire.types import ToolSpec

_Run = Callable[[ToolRecord, ToolContext, dict[str, Any]], Awaitable[Outcome]]
ToolOf = Callable[[ToolRecord], Tool]


class Catalog:
    """Every tool of every tenant.

    builtins  the tools this server was built with, by name
    bench     where custom tools run; None where there are none
    kinds     how rows of other types than custom and built-in become tools, by type
    """

    def __init__(
        self, builtins: Mapping[str, Tool], bench: Bench | None, kinds: Mapping[str, ToolOf] | None = None
    ) -> None:
        self.builtins = dict(builtins)
        self.bench = bench
        self.kinds = dict(kinds or {})

    def tool_for(self, record: ToolRecord) -> Tool:
        """The tool of a row. Never raises: a tool that can't run says so when it is called."""
        if record.tool_type in self.kinds:
            return self.kinds[record.tool_type](record)
        if record.tool_type == CUSTOM and self.bench is not None:
            audited = self.bench.sandboxed(record.settings.trust, record.id, record.version)
            return _tool(record, self.run_custom, audited)
        return self.builtins.get(record.name) or _tool(record, _gone)

    async def run_custom(
        self, record: ToolRecord, context: ToolContext, arguments: dict[str, Any], variables: Secrets = NO_SECRETS
    ) -> Outcome:
        """One call of a custom tool; `variables` are handed to it beside its agent's secrets.

        Raises ToolFailed for arguments that don't fit, and what Bench.run raises.
        """
        assert self.bench is not None, "where there is no bench, a custom tool is not run"
        parameters = record.json_schema["parameters"]
        checked = check_arguments(record.name, parameters, arguments)
        given = given_parameters(record.source_code, record.source_type, record.name)
        job = Job(
            name=record.name,
            source=record.source_code,
            function=record.name,
            arguments=checked,
            language=record.source_type,  # type: ignore[arg-type]  # one of SOURCE_TYPES: it was parsed when it was stored
            trust=record.settings.trust,
            settings=record.settings,
            given=tuple(name for name in given if name not in parameters["properties"]),
            variables=variables,
        )
        return await self.bench.run(job, context, lambda result, changed: _text(record.name, result, changed))


def _tool(record: ToolRecord, run: _Run, sandboxed: Sandboxed | None = None) -> Tool:
    async def call(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
        return await run(record, context, arguments)

    spec = ToolSpec(record.name, record.description, record.json_schema["parameters"])
    needs_approval = record.settings.needs_approval
    return Tool(spec, call, "outside", record.return_chars_max, record.tool_type, sandboxed, needs_approval)


async def _gone(record: ToolRecord, _context: ToolContext, _arguments: dict[str, Any]) -> Outcome:
    raise ToolUnavailable(f"the tool '{record.name}' is not part of this server; it was added by another version")


def _text(name: str, result: SandboxResult, changed: list[str]) -> str:
    if result.error is not None:
        return f"Error executing function {name}: {result.error}"
    text = result.value if isinstance(result.value, str) else msgspec.json.encode(result.value).decode()
    return f"{text}\n{files_told(changed)}" if changed else text
