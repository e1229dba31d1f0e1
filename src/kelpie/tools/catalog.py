"""From a tool's row to something the turn can run: the registered function of a built-in tool, or the sandbox."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import Sandbox, SandboxCall, SandboxLimits, SandboxResult
from kelpie.tools import limits
from kelpie.tools.arguments import check_arguments
from kelpie.tools.custom import CUSTOM, ToolRecord
from kelpie.tools.source import given_parameters
from kelpie.tools.tool import Outcome, Tool, ToolContext
from umi.wire.types import ToolSpec

EnvironmentOf = Callable[[ToolContext], Mapping[str, str]]
_Run = Callable[[ToolRecord, ToolContext, dict[str, Any]], Awaitable[Outcome]]


class Catalog:
    """Every tool of every tenant.

    builtins        the tools this server was built with, by name
    sandbox         where custom tools run
    sandbox_limits  what one call of a custom tool may use
    environment_of  the variables a custom tool of this caller is handed by name (an agent's secrets); none by default
    """

    def __init__(
        self,
        builtins: Mapping[str, Tool],
        sandbox: Sandbox,
        *,
        sandbox_limits: SandboxLimits | None = None,
        environment_of: EnvironmentOf | None = None,
    ) -> None:
        self.builtins = dict(builtins)
        self.sandbox = sandbox
        self._environment_of = environment_of
        # More than any tool may return never comes here whole: the sandbox cuts it where it arises.
        self._limits = msgspec.structs.replace(
            sandbox_limits or SandboxLimits(), result_chars=limits.TOOL_RETURN_CHARS_MAX
        )

    def tool_for(self, record: ToolRecord) -> Tool:
        """The tool of a row. Never raises: a tool that can't run says so when it is called."""
        if record.tool_type != CUSTOM:
            return self.builtins.get(record.name) or self._tool(record, _gone)
        return self._tool(record, self._run_custom)

    def _tool(self, record: ToolRecord, run: _Run) -> Tool:
        async def call(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
            return await run(record, context, arguments)

        spec = ToolSpec(record.name, record.description, record.json_schema["parameters"])
        return Tool(spec, call, "outside", record.return_chars_max, record.tool_type)

    async def _run_custom(self, record: ToolRecord, context: ToolContext, arguments: dict[str, Any]) -> Outcome:
        """Raises ToolFailed for arguments that don't fit and ToolUnavailable where nothing can be isolated."""
        checked = check_arguments(record.name, record.json_schema["parameters"], arguments)
        # Letta hands a tool its agent's state; ours gives no tool a hold on the agent, so the parameter is None.
        checked.update(dict.fromkeys(given_parameters(record.source_code, record.name)))
        environment = self._environment_of(context) if self._environment_of is not None else {}
        call = SandboxCall(record.source_code, record.name, checked, environment)
        return _outcome(record.name, await self.sandbox.exec(call, "reviewed", self._limits))


async def _gone(record: ToolRecord, _context: ToolContext, _arguments: dict[str, Any]) -> Outcome:
    raise ToolUnavailable(
        f"the built-in tool '{record.name}' is not part of this server; it was added by another version"
    )


def _outcome(name: str, result: SandboxResult) -> Outcome:
    if result.error is not None:
        text = f"Error executing function {name}: {result.error}"
    elif isinstance(result.value, str):
        text = result.value
    else:
        text = msgspec.json.encode(result.value).decode()
    return Outcome(
        text,
        is_error=result.error is not None,
        level=result.level,
        stdout=[result.stdout] if result.stdout else [],
        stderr=[result.stderr] if result.stderr else [],
    )
