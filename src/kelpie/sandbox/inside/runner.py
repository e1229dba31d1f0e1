"""The first program inside a sandbox: pid 1, and its child, which gives up what it may do and calls the tool.

In:   one JSON object on stdin, read to its end: source, function, arguments, environment, limits
Out:  on the result's fd, the child's report {value, error, out_of_memory}, a line feed, and what pid 1 saw {cpu_ms};
      stdout and stderr belong to the tool. The exit status is the child's, 128 + n for signal n.

The report is written by the same process that ran the tool, so the server must take it as the tool's word.
"""

from __future__ import annotations
import __future__

import json
import os
import resource
import sys
import types

TYPE_CHECKING = False  # importing typing costs more than anything else here
if TYPE_CHECKING:
    from typing import Any

FOLDER = "/run/kelpie"
PACKAGES = "/run/packages"
_FILE = "<tool>"


def main() -> None:
    result_fd, uid = int(sys.argv[1]), int(sys.argv[2])
    sys.path.remove(FOLDER)
    tool = os.fork()
    if tool == 0:
        _serve(result_fd, uid)
    status, used = _outlive(tool)
    code = os.waitstatus_to_exitcode(status)
    _write(result_fd, b'\n{"cpu_ms": %.3f}' % ((used.ru_utime + used.ru_stime) * 1000))
    os._exit(code if code >= 0 else 128 - code)


def _outlive(tool: int) -> tuple[int, resource.struct_rusage]:
    """Reap children until the tool's process is among them. Pid 1 keeps its user: the kernel forgets whose death it
    must follow when a process changes its own, and with the server this one has to die."""
    while True:
        try:
            pid, status, used = os.wait4(-1, 0)
        except KeyboardInterrupt:
            continue  # the one signal that Python listens to, so a tool could send it
        if pid == tool:
            return status, used


def _serve(result_fd: int, uid: int) -> None:
    own_pid = os.getpid()
    _become(uid)
    order = json.loads(sys.stdin.buffer.read())
    _close_all_but(result_fd)
    os.environ.update(order["environment"])
    if os.path.isdir(PACKAGES):
        sys.path.append(PACKAGES)
    limits = order["limits"]
    _limit(limits, counted=limits["processes"] + (0 if uid else 1))
    report = _run(order, limits)
    if os.getpid() == own_pid:  # a child the tool forked may come back here too
        _write(result_fd, report)
    # No exit handlers, and no waiting for threads the tool left behind: the call has its result.
    os._exit(0)


def _become(uid: int) -> None:
    """The kernel's out-of-memory choice falls on a tool before anything else; then root's rights go for good."""
    try:
        with open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    except OSError:
        pass  # some containers fix the score: the limits hold without it
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def _close_all_but(result_fd: int) -> None:
    """A tool has no business with its own order, nor with anything the server may have let through."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in (0, 1, 2, result_fd):
            try:
                os.close(int(name))
            except OSError:
                continue  # the one that listed the folder


def _limit(limits: dict[str, int], counted: int) -> None:
    """`counted` are the processes of our user: pid 1 is among them unless it is somebody else."""
    cpu_s = -(-limits["cpu_ms"] // 1000)
    bounds = (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_FSIZE, limits["file_bytes"], limits["file_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"], limits["open_files"]),
        (resource.RLIMIT_NPROC, counted, counted),
        # SIGXCPU at the soft limit says why; a tool that ignores it is killed a second later.
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
        (resource.RLIMIT_AS, limits["memory_bytes"], limits["memory_bytes"] + limits["memory_reserve_bytes"]),
    )
    for kind, soft, hard in bounds:
        resource.setrlimit(kind, (soft, hard))


def _run(order: dict[str, Any], limits: dict[str, int]) -> bytes:
    value, error, out_of_memory = "null", None, False
    try:
        value = _as_json(_call(order), limits["result_chars"])
    except MemoryError as raised:
        resource.setrlimit(resource.RLIMIT_AS, (resource.getrlimit(resource.RLIMIT_AS)[1],) * 2)
        out_of_memory, error = True, f"MemoryError: the tool needs more than {limits['memory_bytes'] >> 20} MiB"
        _show(raised, order["source"])
    except BaseException as raised:  # noqa: BLE001 - whatever the tool raises, sys.exit() too, is its result
        error = _described(raised)[: limits["error_chars"]]
        _show(raised, order["source"])
    _flush()
    rest = json.dumps({"error": error, "out_of_memory": out_of_memory}, ensure_ascii=False)
    return f'{{"value": {value}, {rest[1:]}'.encode("utf-8", "replace")


def _call(order: dict[str, Any]) -> Any:
    source = order["source"]
    module = types.ModuleType("tool")
    sys.modules["tool"] = module  # pydantic and typing look a class's module up by its name
    if "pydantic" in source:
        # The fields of a model are evaluated: like Letta we let them use typing without importing it.
        import typing

        module.__dict__.update({name: getattr(typing, name) for name in typing.__all__})
    # People send one function of a file, without the imports its hints need: hints are not evaluated.
    code = compile(source, _FILE, "exec", __future__.annotations.compiler_flag, dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102 - what this program is for
    function = getattr(module, order["function"])
    value = function(**_as_models(function, order["arguments"]))
    if hasattr(value, "__await__"):
        import asyncio

        value = asyncio.run(_awaited(value))
    return value


def _as_json(value: Any, chars_max: int) -> str:
    """The value as JSON text. Text longer than `chars_max` is cut; anything else that long is refused."""
    if isinstance(value, str):
        return json.dumps(value[:chars_max], ensure_ascii=False)
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as raised:
        said = "return text, numbers, booleans, None, or lists and dicts of them"
        raise type(raised)(f"the tool returned a {type(value).__name__} that is not JSON ({raised}); {said}") from None
    if len(text) > chars_max:
        raise ValueError(f"the tool returned {len(text):,} characters of JSON; at most {chars_max:,} fit")
    return text


async def _awaited(value: Any) -> Any:
    return await value


def _as_models(function: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments whose parameter is a pydantic model, or a list or dict of them, as instances of that model."""
    if "pydantic" not in sys.modules:
        return arguments
    import typing

    from pydantic import BaseModel, TypeAdapter

    def holds_model(hint: Any) -> bool:
        if isinstance(hint, type) and issubclass(hint, BaseModel):
            return True
        return any(holds_model(inner) for inner in typing.get_args(hint))

    hints = typing.get_type_hints(function)
    return {
        name: TypeAdapter(hints[name]).validate_python(value) if holds_model(hints.get(name)) else value
        for name, value in arguments.items()
    }


def _described(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - the tool's own __str__ may fail
        return f"{type(error).__name__}: (its text could not be made)"


def _show(error: BaseException, source: str) -> None:
    """The traceback on stderr, from the tool's first line on, with its lines."""
    try:
        import linecache
        import traceback

        linecache.cache[_FILE] = (len(source), None, source.splitlines(keepends=True), _FILE)
        trail = error.__traceback__
        while trail is not None and trail.tb_frame.f_code.co_filename == __file__:
            trail = trail.tb_next
        traceback.print_exception(type(error), error, trail)
    except Exception:  # noqa: BLE001 - stderr may be closed, memory or file descriptors may have run out
        return


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: BLE001, S112 - the tool may have closed or replaced it
            continue


def _write(fd: int, report: bytes) -> None:
    while report:
        report = report[os.write(fd, report) :]
