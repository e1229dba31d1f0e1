"""Runs one order in this process and says what came of it. What carries the order here, and how this process was
locked up before, is somebody else's: the level "process" calls `perform` in a fork of its template, a microVM's guest
agent in a fork of its own.

    order     {source, function, arguments, environment, language, files: {path: base64}, keeps_files, layer,
              capabilities, node, limits: {result_chars, error_chars, files, files_bytes, memory_bytes, …}}
    channel   frames (see frames.py): asks while it runs, one report at its end; stdout and stderr are the tool's

The report is written by the same process that ran the tool, so the server must take it as the tool's word.
"""

from __future__ import annotations
import __future__

import json
import os
import resource
import sys
import types

import capabilities
import files
import programs

TYPE_CHECKING = False  # importing typing costs more than anything else here
if TYPE_CHECKING:
    from typing import Any

    from frames import Channel

FOLDER = "/run/kelpie"
PACKAGES = "/run/packages"
LAYER = "/run/layer"
_PACKAGES = [PACKAGES] if os.path.isdir(PACKAGES) else []  # looked for once, not at every call
_FILE = "<tool>"


def perform(order: dict[str, Any], channel: Channel) -> int:
    """Run the order, send its report, and return the exit status that this process should end with."""
    own_pid = os.getpid()
    prepare(order)
    bounds = order["limits"]
    value, error, out_of_memory, status, kept = "null", None, False, 0, None
    try:
        files.place(order.get("files", {}))
        if order["language"] == "python" and order["function"]:
            value = _as_json(_call(order, channel), bounds["result_chars"])
        elif order["language"] == "python":
            status, error = _program(order, channel)
        else:
            text, error, out_of_memory, status = programs.run(order, channel)
            value = text if error is None else "null"
        if order.get("keeps_files") and error is None and os.getpid() == own_pid:
            kept = files.collect(bounds["files"], bounds["files_bytes"])
    except MemoryError as raised:
        resource.setrlimit(resource.RLIMIT_AS, (resource.getrlimit(resource.RLIMIT_AS)[1],) * 2)
        value, out_of_memory = "null", True
        error = f"MemoryError: the tool needs more than {bounds['memory_bytes'] >> 20} MiB"
        _show(raised, order["source"])
    except BaseException as raised:  # noqa: BLE001 - whatever the tool raises, sys.exit() too, is its result
        value, error = "null", _described(raised)
        _show(raised, order["source"])
    _flush()
    if os.getpid() == own_pid:  # a child the tool forked may come back here too
        rest = {"error": error and error[: bounds["error_chars"]], "out_of_memory": out_of_memory, "files": kept or {}}
        text = f'{{"report": {{"value": {value}, {json.dumps(rest, ensure_ascii=False)[1:]}}}'
        channel.send_text(text.encode("utf-8", "replace"))
    return status


def prepare(order: dict[str, Any]) -> None:
    """The environment and the folders of packages that the order names."""
    if order["environment"]:
        os.environ.update(order["environment"])
    sys.path += _PACKAGES
    if order.get("layer"):
        sys.path.append(LAYER)
        os.environ.setdefault("NODE_PATH", f"{LAYER}/node_modules:{LAYER}")


def _call(order: dict[str, Any], channel: Channel) -> Any:
    source = order["source"]
    module = types.ModuleType("tool")
    sys.modules["tool"] = module  # pydantic and typing look a class's module up by its name
    if "pydantic" in source:
        # The fields of a model are evaluated: like Letta we let them use typing without importing it.
        import typing

        module.__dict__.update({name: getattr(typing, name) for name in typing.__all__})
    given = capabilities.given(order, channel)
    module.__dict__.update(given)
    # People send one function of a file, without the imports its hints need: hints are not evaluated.
    code = compile(source, _FILE, "exec", __future__.annotations.compiler_flag, dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102 - what this program is for
    function = getattr(module, order["function"])
    arguments = capabilities.filled(function, order["arguments"], given)
    value = function(**_as_models(function, arguments))
    if hasattr(value, "__await__"):
        import asyncio

        value = asyncio.run(_awaited(value))
    return value


def _program(order: dict[str, Any], channel: Channel) -> tuple[int, str | None]:
    """The source as `python program.py` would run it: (exit status, error)."""
    module = types.ModuleType("__main__")
    module.__dict__.update(capabilities.given(order, channel))
    sys.modules["__main__"] = module
    try:
        exec(compile(order["source"], _FILE, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - same
    except SystemExit as ended:
        if ended.code is None or ended.code == 0:
            return 0, None
        if isinstance(ended.code, int):
            return ended.code & 0xFF, _described(ended)
        sys.stderr.write(f"{ended.code}\n")
        return 1, _described(ended)
    except MemoryError:
        raise
    except BaseException as raised:  # noqa: BLE001 - as above
        _show(raised, order["source"])
        return 1, _described(raised)
    return 0, None


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
