"""Where source runs that isn't ours: what a job is handed, the sandbox it goes to, and what of its result is kept."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kelpie.errors import ToolFailed, ToolUnavailable
from kelpie.sandbox import MINIMUM, LevelName, Sandbox, SandboxCall, SandboxLimits, SandboxResult, Trust
from kelpie.sandbox.sandbox import Language
from kelpie.sealing import UNSEALED, Seal
from kelpie.tools import audit, blocks, limits, secrets, surroundings, workspace
from kelpie.tools.asks import Asks, shown
from kelpie.tools.audit import Sandboxed
from kelpie.tools.secrets import NO_SECRETS, Secrets
from kelpie.tools.settings import AGENT_STATE, RIGHTS, ToolSettings
from kelpie.tools.source import CLIENT
from kelpie.tools.tool import Outcome, ToolContext
from kelpie.tools.workspace import WorkspaceFile
from umi.storage import Changes

# (requirements, language) -> a folder with these packages, made once. Raises ToolFailed, InvalidInput, LimitExceeded.
FolderFor = Callable[[Sequence[str], str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Job:
    """One call, before it is known what it is handed.

    function   "" runs the source as a program
    given      parameters that are filled in here: agent_state, client
    variables  what it is handed beside its agent's secrets
    """

    name: str
    source: str
    function: str
    arguments: dict[str, Any] = field(repr=False)
    language: Language
    trust: Trust
    settings: ToolSettings
    given: tuple[str, ...] = ()
    variables: Secrets = NO_SECRETS


class Bench:
    """Implements the way from a Job to an Outcome.

    sandbox     where jobs run
    limits      what one call may use, unless its tool says otherwise
    minimum     the level that each trust needs on this server, for the record; the sandbox is what holds to it
    seal        opens agents' secrets
    folder_for  makes the folder of a tool's packages; None where there are none to be had
    """

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        sandbox_limits: SandboxLimits | None = None,
        minimum: Mapping[Trust, LevelName] = MINIMUM,
        folder_for: FolderFor | None = None,
        seal: Seal = UNSEALED,
    ) -> None:
        self.sandbox = sandbox
        self._minimum = dict(minimum)
        self._folder_for, self._seal = folder_for, seal
        # More than any tool may return never comes here whole: the sandbox cuts it where it arises.
        self._limits = msgspec.structs.replace(
            sandbox_limits or SandboxLimits(), result_chars=limits.TOOL_RETURN_CHARS_MAX
        )

    def sandboxed(self, trust: Trust, tool_id: str, version: int) -> Sandboxed:
        """What the audit is to know of a tool before it is called."""
        return Sandboxed(trust=trust, needs=self._minimum[trust], tool_id=tool_id, version=version)

    async def run(self, job: Job, context: ToolContext, text_of: Callable[[SandboxResult, list[str]], str]) -> Outcome:
        """Run it. `text_of` words the result for the model, given the paths that it changed.

        A call that failed changes nothing: neither files nor what it asked to be written. Raises IsolationMissing,
        SandboxBusy, ToolFailed, ToolUnavailable, LimitExceeded, InvalidInput if it can't be run.
        """
        handed = await self._secrets(job, context)
        files = await self._files(job, context)
        asks = Asks(context, job.settings.granted)
        call = SandboxCall(
            job.source,
            job.function,
            await self._arguments(job, context),
            {**handed.values, **job.variables.values},
            language=job.language,
            files={path: file.content for path, file in files.items()},
            keeps_files=self._has_workspace(job, context),
            layer=await self._layer(job),
            egress=job.settings.egress,
            asks=asks if self._has_client(job, context) else None,
            domain=f"{context.tenant}/{job.trust}",
            capabilities=self._capabilities(job, context),
        )
        try:
            result = await self.sandbox.exec(call, job.trust, self._wanted(job.settings))
        finally:
            asks.is_over = True  # whatever of the sandbox is left asks in vain
        hide = Secrets(call.environment)
        network = [secrets.hidden(line, hide) for line in result.network]
        result = msgspec.structs.replace(result, network=network)
        ran = audit.of_result(result, dict(asks.made))
        outcome = Outcome(
            "",
            is_error=result.error is not None,
            level=result.level,
            stdout=[secrets.hidden(result.stdout, hide)] if result.stdout else [],
            stderr=[secrets.hidden(result.stderr, hide)] if result.stderr else [],
            ran=ran,
        )
        changed: list[str] = []
        if result.error is None:
            try:
                outcome.changes, changed = self._kept(call, context, files, result, asks.planned)
            except ToolFailed as error:
                result = msgspec.structs.replace(result, error=str(error))
                outcome.is_error = True
        outcome.text = secrets.hidden(text_of(result, changed), hide)
        return outcome

    def _kept(
        self,
        call: SandboxCall,
        context: ToolContext,
        files: Mapping[str, WorkspaceFile],
        result: SandboxResult,
        planned: Changes,
    ) -> tuple[Changes, list[str]]:
        changes = Changes().extend(planned)
        changed: list[str] = []
        if call.keeps_files:
            now_ms = context.host.clock.now_ms()
            synced, changed = workspace.plan_sync(context.tenant, context.agent_id, files, result.files, now_ms)
            changes.extend(synced)
        return changes, changed

    async def _arguments(self, job: Job, context: ToolContext) -> dict[str, Any]:
        """What the model gave, and the parameters it never sees: null where they are not granted."""
        arguments = {**job.arguments, **dict.fromkeys(job.given)}
        if AGENT_STATE in self._capabilities(job, context):
            seen = [shown(block) for block in await blocks.of(context)]
            arguments[AGENT_STATE] = {**context.agent, "memory": {"blocks": seen}}
        if self._has_client(job, context):
            del arguments[CLIENT]  # the runner makes it
        return arguments

    def _capabilities(self, job: Job, context: ToolContext) -> tuple[str, ...]:
        """The parameters that are more than null."""
        sees = AGENT_STATE in job.given and AGENT_STATE in job.settings.granted and bool(context.agent_id)
        return (AGENT_STATE,) * sees + (CLIENT,) * self._has_client(job, context)

    @staticmethod
    def _has_client(job: Job, context: ToolContext) -> bool:
        return CLIENT in job.given and bool(context.agent_id) and not job.settings.granted.isdisjoint(RIGHTS)

    @staticmethod
    def _has_workspace(job: Job, context: ToolContext) -> bool:
        return job.settings.workspace and bool(context.agent_id)

    async def _secrets(self, job: Job, context: ToolContext) -> Secrets:
        """Its tenant's and its agent's: all if a person reviewed it and didn't say which, else those that are named."""
        named = job.settings.secrets
        if not context.agent_id or (named is None and job.trust == "untrusted") or named == []:
            return NO_SECRETS
        of_all = await surroundings.handed(context.view, context.tenant, self._seal)
        own = await secrets.of_agent(context.view, context.tenant, context.agent_id, self._seal)
        kept = {**of_all.values, **own.values}
        if named is None:
            return Secrets(kept)
        missing = [name for name in named if name not in kept]
        if missing:
            raise ToolFailed(f"{job.name} needs a secret that its agent does not have: {', '.join(missing)}")
        return Secrets({name: kept[name] for name in named})

    async def _files(self, job: Job, context: ToolContext) -> dict[str, WorkspaceFile]:
        if not self._has_workspace(job, context):
            return {}
        return await workspace.read_all(context.view, context.tenant, context.agent_id)

    async def _layer(self, job: Job) -> str:
        if not job.settings.requirements:
            return ""
        if self._folder_for is None:
            raise ToolUnavailable(f"{job.name} needs packages, and this server installs none")
        return await self._folder_for(job.settings.requirements, job.language)

    def _wanted(self, settings: ToolSettings) -> SandboxLimits:
        if settings.timeout_ms is None:
            return self._limits
        cpu_ms = max(self._limits.cpu_ms, settings.timeout_ms)
        return msgspec.structs.replace(self._limits, wall_ms=settings.timeout_ms, cpu_ms=cpu_ms)


def files_told(changed: list[str]) -> str:
    """The paths a call changed, for the model."""
    told = ", ".join(changed[: limits.WORKSPACE_FILES_TOLD_MAX])
    more = len(changed) - limits.WORKSPACE_FILES_TOLD_MAX
    return f"[changed in the workspace: {told}{f' and {more} more' if more > 0 else ''}]"
