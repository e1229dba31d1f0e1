"""What a call may bring along and take with it: questions, files, programs, other languages, a way out."""

import asyncio
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.errors import CallerError, InvalidInput, LimitExceeded, NotFound, ToolUnavailable
from kelpie.sandbox import EgressRules, ProcessLevel, SandboxCall, SandboxLimits, limits, order
from kelpie.sandbox.inside import files
from umi.dst import Host

# --- asks


@pytest.fixture
def heard():
    return []


@pytest.fixture
def ask(sandbox, heard):
    """`await ask(body, asks)`: a tool with a client; without `asks` every question is noted and echoed."""

    async def echo(operation, arguments):
        heard.append((operation, arguments))
        return {"operation": operation, **arguments}

    async def call(body, asks=echo, **rest):
        source = f"def tool(client):\n    {body}"
        return await sandbox.exec(SandboxCall(source, "tool", asks=asks, capabilities=("client",), **rest))

    return call


async def test_a_tool_asks_and_is_answered(ask, heard):
    result = await ask("return [client.blocks.update(label='x', value=['ü', 1]), client.ping()]")
    assert result.error is None
    assert result.value == [{"operation": "blocks.update", "label": "x", "value": ["ü", 1]}, {"operation": "ping"}]
    assert heard == [("blocks.update", {"label": "x", "value": ["ü", 1]}), ("ping", {})]


async def test_what_the_server_refuses_is_an_error_the_tool_can_catch(ask):
    async def refuse(operation, arguments):
        raise NotFound("there is no block 'x'")

    result = await ask("try: client.get()\n    except RuntimeError as error: return str(error)", refuse)
    assert result.value == "there is no block 'x'"
    assert (await ask("client.get()", refuse)).error == "AskError: there is no block 'x'"


async def test_a_fault_of_ours_ends_the_call_and_is_ours(ask):
    async def broken(operation, arguments):
        raise ZeroDivisionError("a bug of the server")

    with pytest.raises(ZeroDivisionError):
        await ask("client.get()", broken)


async def test_a_call_without_asks_may_not_ask(sandbox):
    source = "def tool(client): return client.anything()"
    result = await sandbox.exec(SandboxCall(source, "tool", capabilities=("client",)))
    assert result.error == "AskError: this tool may not ask anything of the server"


async def test_a_call_without_the_capability_has_no_client(ask, sandbox):
    result = await sandbox.exec(SandboxCall("def tool(): return client", "tool"))
    assert result.error == "NameError: name 'client' is not defined"


async def test_asks_are_bounded_in_number_and_size(ask, heard, monkeypatch):
    monkeypatch.setattr(limits, "SANDBOX_ASKS_MAX", 3)
    result = await ask("for _ in range(9): client.get()")
    assert result.error == "AskError: a tool may ask 3 times in one call"
    assert len(heard) == 3
    monkeypatch.setattr(limits, "SANDBOX_ASK_BYTES_MAX", 1000)
    assert "has at most 1,000 bytes" in (await ask("client.get(x='x' * 2000)")).error
    monkeypatch.setattr(limits, "SANDBOX_ANSWER_BYTES_MAX", 1000)

    async def long(operation, arguments):
        return "x" * 2000

    assert "at most 1,000 fit" in (await ask("client.get()", long)).error


async def test_questions_of_many_threads_get_each_its_own_answer(ask):
    result = await ask(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "    with ThreadPoolExecutor(4) as pool:\n"
        "        return list(pool.map(lambda n: client.get(n=n)['n'], range(40)))"
    )
    assert result.value == list(range(40))


async def test_an_ask_that_is_never_answered_ends_at_the_deadline(sandbox):
    waiting = asyncio.Event()

    async def never(operation, arguments):
        waiting.set()
        await asyncio.Event().wait()

    call = SandboxCall("def tool(client): client.get()", "tool", asks=never, capabilities=("client",))
    result = await sandbox.exec(call, SandboxLimits(wall_ms=500))
    assert waiting.is_set()
    assert result.killed_by == "wall time"


async def test_a_flood_of_asks_that_reads_no_answer_is_stopped(sandbox, heard):
    async def note(operation, arguments):
        heard.append(operation)

    source = """
import json, os, struct
text = json.dumps({"ask": {"id": 1, "operation": "x", "arguments": {"x": "x" * 60_000}}}).encode()
while True:
    os.write(3, struct.pack(">I", len(text)) + text)
"""
    call = SandboxCall(source, "", asks=note, capabilities=("client",))
    result = await sandbox.exec(call, SandboxLimits(wall_ms=5_000))
    assert result.killed_by in ("output", "wall time")
    assert 0 < len(heard) <= limits.SANDBOX_ASKS_MAX


async def test_the_agents_state_has_attributes_and_keys(sandbox):
    source = "def tool(agent_state, x): return [agent_state.memory.human[0].value, agent_state['id'], x]"
    state = {"id": "agent-1", "memory": {"human": [{"value": "Sam"}]}}
    call = SandboxCall(source, "tool", {"agent_state": state, "x": 1}, capabilities=("agent_state",))
    assert (await sandbox.exec(call)).value == ["Sam", "agent-1", 1]


async def test_what_is_granted_and_not_asked_for_does_not_disturb(sandbox):
    call = SandboxCall(
        "def tool(x): return x", "tool", {"x": 1, "agent_state": {}}, capabilities=("agent_state", "client")
    )
    assert (await sandbox.exec(call)).value == 1


async def test_nothing_else_can_be_granted(sandbox):
    with pytest.raises(InvalidInput, match="'root' is nothing that a tool can be given"):
        await sandbox.exec(SandboxCall("", "tool", capabilities=("root",)))


# --- files


async def test_files_go_in_and_come_out(sandbox):
    source = (
        "data = open('in/a.txt').read()\nimport os\nos.mkdir('out')\nopen('out/b.bin', 'wb').write(data.encode() * 2)"
    )
    result = await sandbox.exec(SandboxCall(source, "", files={"in/a.txt": b"abc"}, keeps_files=True))
    assert result.error is None
    assert result.files == {"in/a.txt": b"abc", "out/b.bin": b"abcabc"}


async def test_a_failed_call_leaves_nothing(sandbox):
    call = SandboxCall("open('x', 'w').write('x')\n1 / 0", "", keeps_files=True)
    assert (await sandbox.exec(call)).files == {}
    call = SandboxCall("open('x', 'w').write('x')\nwhile True: pass", "", keeps_files=True)
    assert (await sandbox.exec(call, SandboxLimits(wall_ms=500))).files == {}


async def test_files_not_asked_for_stay(sandbox):
    assert (await sandbox.exec(SandboxCall("open('x', 'w').write('x')", ""))).files == {}


async def test_links_and_pipes_do_not_come_back(sandbox):
    source = """
import os
open('real', 'w').write('x')
os.symlink('/usr/lib', 'folder')
os.symlink('/etc/ld.so.cache', 'link')
os.symlink('../../../etc/passwd', 'up')
os.mkfifo('pipe')
os.mkdir('empty')
"""
    result = await sandbox.exec(SandboxCall(source, "", keeps_files=True))
    assert (result.error, result.files) == (None, {"real": b"x"})


async def test_more_files_than_may_come_back_are_an_error(sandbox, monkeypatch):
    monkeypatch.setattr(limits, "SANDBOX_FILES_MAX", 3)
    many = SandboxCall("for n in range(4): open(str(n), 'w')", "", keeps_files=True)
    result = await sandbox.exec(many)
    assert result.error == "ValueError: the working folder holds more than 3 files or 16,777,216 bytes"
    assert result.files == {}
    monkeypatch.setattr(limits, "SANDBOX_FILES_BYTES_MAX", 1000)
    large = SandboxCall("open('x', 'w').write('x' * 1001)", "", keeps_files=True)
    assert (await sandbox.exec(large)).error.startswith("ValueError: the working folder holds more than")


FORGED = """
import json, os, struct
def tool():
    text = json.dumps({"report": {"value": 1, "error": None, "out_of_memory": False, "files": %s}}).encode()
    os.write(3, struct.pack(">I", len(text)) + text)
    os._exit(0)
"""


@pytest.mark.parametrize(
    ("forged", "says"),
    [
        ({"../x": "eA=="}, "leads out of the working folder"),
        ({"/etc/x": "eA=="}, "leads out of the working folder"),
        ({"a/../../x": "eA=="}, "leads out of the working folder"),
        ({"": "eA=="}, "is no path"),
        ({"a\0b": "eA=="}, "is no path"),
        ({"x" * 2000: "eA=="}, "is no path"),
        ({"a": "eA==", "a/b": "eA=="}, "can't be a file and the folder"),
        ({"x": "not base64!"}, "not base64"),
        ({str(n): "" for n in range(limits.SANDBOX_FILES_MAX + 1)}, "files came back"),
    ],
)
async def test_forged_files_are_no_result(sandbox, forged, says):
    result = await sandbox.exec(SandboxCall(FORGED % repr(forged), "tool", keeps_files=True))
    assert result.value is None
    assert result.files == {}
    assert says in result.error


async def test_a_second_report_is_no_result(sandbox):
    source = FORGED.replace("os._exit(0)", "return 2") % "{}"
    result = await sandbox.exec(SandboxCall(source, "tool"))
    assert (result.value, result.error.split(":")[0]) == (None, "NoResult")


@pytest.mark.parametrize("path", ["../x", "/x", "a/../b", "a//b", "", ".", "a/", "x\0", "x" * 1025])
async def test_a_path_that_leads_out_is_refused_before_anything_runs(sandbox, path):
    with pytest.raises(InvalidInput):
        await sandbox.exec(SandboxCall("", "", files={path: b""}))


async def test_files_are_bounded_before_anything_runs(sandbox):
    with pytest.raises(LimitExceeded, match="files"):
        await sandbox.exec(SandboxCall("", "", files={str(n): b"" for n in range(limits.SANDBOX_FILES_MAX + 1)}))
    with pytest.raises(LimitExceeded, match="bytes"):
        await sandbox.exec(SandboxCall("", "", files={"x": bytes(limits.SANDBOX_FILES_BYTES_MAX + 1)}))


@given(st.text(max_size=40))
def test_a_checked_path_stays_in_its_folder(path):
    try:
        files.checked(path)
    except ValueError:
        return
    whole = os.path.normpath(os.path.join("/folder", path))
    assert whole.startswith("/folder/")
    assert whole == f"/folder/{path}"


# --- programs


async def test_a_program_runs_as_main(sandbox):
    source = "import sys\nif __name__ == '__main__':\n    print(sys.argv[0])\n    sys.exit(int(len(sys.argv) > 5))"
    result = await sandbox.exec(SandboxCall(source, ""))
    assert (result.error, result.value, result.stdout, result.exit) == (None, None, "tool\n", 0)


@pytest.mark.parametrize(
    ("source", "error", "status"),
    [
        ("import sys; sys.exit(3)", "SystemExit: 3", 3),
        ("import sys; sys.exit('no')", "SystemExit: no", 1),
        ("1 / 0", "ZeroDivisionError: division by zero", 1),
        (
            "import os; os._exit(4)",
            "NoResult: the tool's process ended (exit status 4) before its function returned",
            4,
        ),
    ],
)
async def test_a_program_that_fails_says_how(sandbox, source, error, status):
    result = await sandbox.exec(SandboxCall(source, ""))
    assert (result.error, result.exit) == (error, status)


async def test_a_shell_script_runs(sandbox):
    source = "read x < in.txt; echo got $x $TOKEN; echo bad >&2; echo out > out.txt"
    call = SandboxCall(source, "", {}, {"TOKEN": "t"}, "shell", {"in.txt": b"line\n"}, keeps_files=True)
    result = await sandbox.exec(call)
    assert (result.error, result.stdout, result.stderr, result.exit) == (None, "got line t\n", "bad\n", 0)
    assert result.files["out.txt"] == b"out\n"
    failed = await sandbox.exec(SandboxCall("exit 3", "", language="shell"))
    assert (failed.error, failed.exit) == ("ExitStatus: the program ended with exit status 3", 3)


async def test_a_shell_script_longer_than_a_command_line_may_be(sandbox):
    result = await sandbox.exec(SandboxCall("# " + "x" * 200_000 + "\necho done", "", language="shell"))
    assert (result.error, result.stdout) == (None, "done\n")


async def test_what_makes_no_sense_is_refused(sandbox):
    with pytest.raises(InvalidInput, match="a shell script has no functions"):
        await sandbox.exec(SandboxCall("", "tool", language="shell"))
    with pytest.raises(InvalidInput, match="a program takes no arguments"):
        await sandbox.exec(SandboxCall("", "", {"a": 1}))
    with pytest.raises(InvalidInput, match="there is no folder of packages"):
        await sandbox.exec(SandboxCall("", "", layer="relative"))
    with pytest.raises(InvalidInput, match="must be JSON"):
        await sandbox.exec(SandboxCall("", "tool", {"a": object()}))


async def test_without_node_javascript_is_refused_by_name(sandbox, monkeypatch):
    def missing():
        raise ToolUnavailable("JavaScript and TypeScript need node, which was not found")

    monkeypatch.setattr(order.languages, "node_program", missing)
    with pytest.raises(ToolUnavailable, match="node"):
        await sandbox.exec(SandboxCall("export function f() {}", "f", language="javascript"))


# --- a way out


async def refused_inside(sandbox, source, **rest):
    rules = EgressRules(hosts=("allowed.example",), **rest)
    return await sandbox.exec(SandboxCall(source, "", egress=rules), SandboxLimits(wall_ms=60_000))


async def test_what_is_not_listed_is_refused_by_the_proxy_and_reported(sandbox):
    source = """
import os, urllib.error, urllib.request
assert os.environ["HTTPS_PROXY"] == os.environ["http_proxy"] == "http://127.0.0.1:3128"
try:
    urllib.request.urlopen("http://other.example/", timeout=10)
except urllib.error.HTTPError as error:
    print(error.code)
"""
    result = await refused_inside(sandbox, source)
    assert (result.error, result.stdout) == (None, "403\n")
    assert len(result.network) == 1
    assert "other.example" in result.network[0]


async def test_the_network_inside_leads_to_the_proxy_alone(sandbox):
    source = """
import socket
def tries(act):
    try:
        act()
        return "yes"
    except OSError as error:
        return type(error).__name__
print(tries(lambda: socket.create_connection(("127.0.0.1", 3128), timeout=5)))
print(tries(lambda: socket.create_connection(("192.0.2.1", 80), timeout=5)))
print(tries(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53))))
print(tries(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)))
print(tries(lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)))
print(tries(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)))
"""
    result = await refused_inside(sandbox, source)
    assert result.stdout.split() == [
        "yes",
        "OSError",
        "OSError",
        "PermissionError",
        "PermissionError",
        "PermissionError",
    ]


async def test_a_call_without_a_way_out_has_no_proxy(sandbox):
    source = "import os, socket\nassert 'HTTP_PROXY' not in os.environ\nsocket.create_connection(('127.0.0.1', 3128))"
    assert (await sandbox.exec(SandboxCall(source, ""))).error.startswith("PermissionError")


async def test_the_door_and_the_relay_are_gone_after_the_call(sandbox):
    await sandbox.exec(SandboxCall("pass", ""))
    before = len(os.listdir("/proc/self/fd"))
    await refused_inside(sandbox, "pass")
    assert len(os.listdir("/proc/self/fd")) == before
    await sandbox.close()


async def test_a_level_that_does_not_exist_serves_none_of_it(tmp_path):
    level = ProcessLevel(Host(), bwrap_path=str(tmp_path / "bwrap"))
    with pytest.raises(ToolUnavailable):
        await level.exec(SandboxCall("", "", egress=EgressRules(hosts=())))
    assert issubclass(ToolUnavailable, CallerError)
