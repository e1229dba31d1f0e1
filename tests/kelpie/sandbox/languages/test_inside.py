"""JavaScript and TypeScript in the real sandbox, under the real node."""

import textwrap

import pytest

from kelpie.errors import InvalidSource, ToolUnavailable
from kelpie.sandbox import SandboxCall, SandboxLimits
from kelpie.sandbox.languages import node, node_program


@pytest.fixture
def run(sandbox, needs):
    """`await run(source, "f", a=1)`: a call of `f`; without a function the source is a program."""
    try:
        why = ""
        node_program()
    except ToolUnavailable as missing:
        why = str(missing)
    needs("node", not why, why)

    async def call(source, function="", language="javascript", wanted=None, asks=None, **more):
        arguments = more.pop("arguments", {})
        capabilities = ("client",) if asks is not None else ()
        called = SandboxCall(
            textwrap.dedent(source),
            function,
            arguments,
            language=language,
            asks=asks,
            capabilities=capabilities,
            **more,
        )
        return await sandbox.exec(called, wanted)

    return call


async def test_arguments_arrive_by_name_and_the_value_comes_back(run):
    source = "export function f(a, b = 2, c) { return { a, b, c, none: undefined }; }"
    result = await run(source, "f", arguments={"c": ["żółw 🐢", null := None], "a": {"deep": 1.5}})
    assert (result.error, result.level) == (None, "process")
    assert result.value == {"a": {"deep": 1.5}, "b": 2, "c": ["żółw 🐢", null]}


async def test_an_object_that_is_taken_apart_gets_them_all(run):
    result = await run("const f = ({ a, b = 2 }) => [a, b];", "f", arguments={"a": 1})
    assert result.value == [1, 2]


async def test_a_promise_is_awaited(run):
    source = """
        export default async function f(ms) {
            await new Promise((resolve) => setTimeout(resolve, ms));
            return 'later';
        }
    """
    assert (await run(source, "f", arguments={"ms": 20})).value == "later"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("throw new TypeError('no such place');", "TypeError: no such place"),
        ("throw 'just text';", "Error: just text"),
        ("return Promise.reject(new Error('later'));", "Error: later"),
        ("setTimeout(() => { throw new RangeError('nobody waits'); }); return new Promise(() => {});", "RangeError"),
        ("return new Promise(() => {});", "what it waits for never comes"),
        ("const a = {}; a.a = a; return a;", "not JSON"),
        ("return 1n;", "not JSON"),
        ("process.exit(3);", "without a result"),
        ("return missing;", "ReferenceError: missing is not defined"),
    ],
)
async def test_what_goes_wrong_is_an_error_with_its_text(run, body, error):
    result = await run(f"function f() {{ {body} }}", "f")
    assert error in result.error
    assert result.value is None


async def test_a_thrown_error_shows_its_line_on_stderr(run):
    result = await run("function f() {\n\n  throw new Error('here');\n}", "f")
    assert "tool.mjs:3:" in result.stderr


async def test_ten_megabytes_are_kept_in_bounds(run):
    wanted = SandboxLimits(result_chars=1_000)
    source = """
        function text() { return 'ż'.repeat(1e7); }
        function escaped() { return '\\u0001'.repeat(1e7); }
        function list() { return Array(1e6).fill('0123456789'); }
        function print() { console.log('x'.repeat(1e7)); console.error('y'.repeat(1e7)); return 'printed'; }
    """
    assert (await run(source, "text", wanted=wanted)).value == "ż" * 998  # and its quotes
    assert (await run(source, "escaped", wanted=wanted)).value == "\x01" * 166
    assert "characters of JSON" in (await run(source, "list", wanted=wanted)).error
    printed = await run(source, "print", wanted=wanted)
    assert printed.value == "printed"
    assert printed.stdout.startswith("xxx")
    assert "more bytes were left out" in printed.stdout
    assert "more bytes were left out" in printed.stderr


async def test_typescript_runs_without_its_types_and_keeps_its_lines(run):
    source = """\
        interface Place { name: string; seats?: number }
        type Kind = 'inside' | 'outside';

        export async function book(place: Place, kind: Kind = 'inside'): Promise<string> {
            const seats = (place.seats ?? 2) as number;
            if (seats > 9) throw new Error(`too many: ${seats}`);
            return `${place.name!} ${kind} ${seats}`;
        }
    """
    result = await run(source, "book", "typescript", arguments={"place": {"name": "Ada's"}})
    assert result.value == "Ada's inside 2"
    failed = await run(source, "book", "typescript", arguments={"place": {"name": "x", "seats": 10}})
    assert failed.error == "Error: too many: 10"
    assert "tool.mjs:6:" in failed.stderr


async def test_typescript_that_is_more_than_types_is_refused_before_it_runs(run):
    with pytest.raises(InvalidSource, match="line 1: an enum"):
        await run("enum E { A }\nfunction f(): void {}", "f", "typescript")


async def test_a_program_runs_to_its_end_with_its_files(run):
    source = """
        const fs = require('fs');
        import { readFile } from 'node:fs/promises';
        console.log(await readFile('in.txt', 'utf8'));
        setTimeout(() => fs.writeFileSync('out.txt', 'written late'), 20);
    """
    result = await run(source, files={"in.txt": b"given"}, keeps_files=True)
    assert (result.error, result.stdout, result.exit) == (None, "given\n", 0)
    assert result.files["out.txt"] == b"written late"
    assert set(result.files) <= {"in.txt", "out.txt"}


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("process.exit(0);", None),
        ("process.exit(3);", "exit status 3"),
        ("let x = ;", "SyntaxError"),
        ("null.x;", "TypeError"),
        ("import 'no-such-package';", "no-such-package"),
    ],
)
async def test_how_a_program_ended_is_said(run, source, error):
    result = await run(source)
    assert (result.error is None) if error is None else error in result.error


async def test_the_client_asks_the_server(run):
    asked = []

    async def asks(operation, arguments):
        asked.append((operation, arguments))
        return {"seen": arguments.get("label")}

    source = """
        async function f(client) {
            const one = await client.blocks.update({ label: 'human', value: 'Ada' });
            const all = await Promise.all([client.blocks.list(), client.blocks.list()]);
            return [one.seen, all.length];
        }
    """
    result = await run(source, "f", asks=asks)
    assert (result.error, result.value) == (None, ["human", 2])
    assert asked == [("blocks.update", {"label": "human", "value": "Ada"}), *[("blocks.list", {})] * 2]


async def test_memory_and_time_have_an_end(run):
    small = SandboxLimits(memory_bytes=128 << 20, wall_ms=20_000)
    hungry = await run(
        "function f() { const a = []; for (;;) a.push(Array(1e5).fill(Math.random())); }", "f", wanted=small
    )
    assert (hungry.value, hungry.killed_by) == (None, "memory"), hungry
    assert hungry.error == "MemoryError: the tool needs more than 128 MiB"
    brief = SandboxLimits(wall_ms=1_000)
    endless = await run("function f() { for (;;); }", "f", wanted=brief)
    assert endless.killed_by == "wall time"


async def test_nothing_of_the_server_is_there(run, monkeypatch):
    monkeypatch.setenv("KELPIE_KEYS", "a-secret-of-the-server")
    source = """
        const fs = require('fs');
        async function f() {
            const tried = {};
            for (const path of ['/etc/shadow', '/root', '/home', '/proc/1/environ'])
                try { tried[path] = String(fs.readFileSync(path)).length; } catch (error) { tried[path] = error.code; }
            try { await fetch('http://127.0.0.1:8283/'); tried.net = 'open'; } catch (error) { tried.net = 'closed'; }
            return [tried, Object.keys(process.env).sort(), process.argv.length];
        }
    """
    tried, names, _ = (await run(source, "f", environment={"GIVEN": "1"})).value
    assert tried["net"] == "closed"
    assert "KELPIE_KEYS" not in names
    assert "GIVEN" in names
    assert not any(isinstance(code, int) and code > 0 for code in tried.values())


def test_without_node_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(node, "_SYSTEM_PATH", "/nowhere")
    with pytest.raises(ToolUnavailable, match="nodejs"):
        node_program()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo v12.22.9", "18 or newer; this is 12.22.9"),
        ("echo hello", "no version of node"),
        ("exit 1", "does not run"),
    ],
)
def test_a_node_that_will_not_do_is_named(monkeypatch, tmp_path, script, reason):
    program = tmp_path / "node"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(node, "_SYSTEM_PATH", str(tmp_path))
    with pytest.raises(ToolUnavailable, match=reason):
        node_program()


def test_a_node_of_its_own_folder_is_bound_with_it(monkeypatch, tmp_path):
    program = tmp_path / "node-22" / "bin" / "node"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho v22.1.0\n")
    program.chmod(0o755)
    monkeypatch.setattr(node, "_SYSTEM_PATH", str(program.parent))
    found = node_program()
    assert (found.version, found.reads) == ((22, 1, 0), (str(tmp_path / "node-22"),))
