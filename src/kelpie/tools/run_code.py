"""run_code: an agent runs a program that its model wrote. Nobody read it before, so it runs in a machine of its own."""

from typing import Any

from kelpie.errors import LimitExceeded
from kelpie.sandbox import SandboxResult
from kelpie.sandbox.sandbox import Language
from kelpie.tools import limits
from kelpie.tools.arguments import check_arguments
from kelpie.tools.bench import Bench, Job, files_told
from kelpie.tools.memory import text_argument
from kelpie.tools.settings import ToolSettings
from kelpie.tools.tool import Outcome, Tool, ToolContext
from umi.wire.types import ToolSpec

NAME = "run_code"
# As models write them.
_LANGUAGES: dict[str, Language] = {
    "python": "python",
    "javascript": "javascript",
    "js": "javascript",
    "typescript": "typescript",
    "ts": "typescript",
    "shell": "shell",
    "bash": "shell",
}
_SETTINGS = ToolSettings(trust="untrusted", workspace=True)
_SPEC = ToolSpec(
    NAME,
    "Run a program and read what it prints. It starts in a folder with the files of the workspace, and what it leaves"
    " there is kept for the next call if it succeeds. It has no network and no packages beyond the standard library.",
    {
        "type": "object",
        "properties": {
            "code": {"type": "string", "description": "The whole program; print what you want to read."},
            "language": {"type": "string", "enum": list(_LANGUAGES), "description": "What it is written in."},
        },
        "required": ["code", "language"],
    },
)


def run_code(bench: Bench) -> Tool:
    """The tool, on a server whose sandboxed calls go to `bench`."""

    async def run(context: ToolContext, arguments: dict[str, Any]) -> Outcome:
        checked = check_arguments(NAME, _SPEC.parameters, arguments)
        code = text_argument(checked, "code")
        if (size := len(code.encode())) > limits.CODE_BYTES_MAX:
            raise LimitExceeded("the code", size, limits.CODE_BYTES_MAX, "bytes")
        job = Job(
            name=NAME,
            source=code,
            function="",
            arguments={},
            language=_LANGUAGES[checked["language"]],
            trust="untrusted",
            settings=_SETTINGS,
        )
        outcome = await bench.run(job, context, _text)
        outcome.stdout, outcome.stderr = [], []  # both are in the text
        return outcome

    return Tool(_SPEC, run, "outside", sandboxed=bench.sandboxed("untrusted", "", 0))


def _text(result: SandboxResult, changed: list[str]) -> str:
    """What a terminal would show, and what became of the files."""
    parts = [result.stdout.rstrip("\n")]
    if result.stderr.strip():
        parts.append(f"[stderr]\n{result.stderr.rstrip()}")
    if result.error is not None:
        parts.append(f"[failed] {result.error}; files it changed were not kept")
    parts += [f"[no network] {line}" for line in result.network]
    if changed:
        parts.append(files_told(changed))
    return "\n".join(part for part in parts if part) or "(it printed nothing)"
