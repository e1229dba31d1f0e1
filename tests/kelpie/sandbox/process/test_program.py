"""Programs that live on between calls: the jail is a call's, the streams are asyncio's, the end is certain."""

import asyncio
import json
import os
import sys

import pytest
from tests.kelpie.sandbox.process.test_level import alive, marked, until

from kelpie.errors import InvalidInput, SandboxBusy, ToolUnavailable
from kelpie.sandbox import EgressRules, ProcessLevel, SandboxCall, SandboxLimits, limits
from kelpie.sandbox.process import bwrap
from kelpie.sandbox.process.program import open_program
from umi.dst import Host

ECHO = ["/bin/sh", "-c", "while read line; do echo got $line; done"]


async def said(program):
    """What it prints until it ends, and its status."""
    out, err = await asyncio.gather(program.stdout.read(), program.stderr.read())
    status = await program.wait()
    await program.close()
    return out.decode(), err.decode(), status


async def test_a_program_talks_on_its_streams_until_it_is_closed(sandbox):
    program = await open_program(sandbox, ECHO)
    for word in ("one", "two"):
        program.stdin.write(f"{word}\n".encode())
        await program.stdin.drain()
        assert await program.stdout.readline() == f"got {word}\n".encode()
    await program.close()
    await program.close()
    assert await program.wait() is None
    assert len(sandbox.program_places) == limits.SANDBOX_PROGRAMS_MAX


async def test_a_program_that_ends_by_itself_has_a_status(sandbox):
    program = await open_program(sandbox, ["/bin/sh", "-c", "echo out; echo bad >&2; exit 4"])
    assert await said(program) == ("out\n", "bad\n", 4)


async def test_a_closed_stdin_is_its_end(sandbox):
    program = await open_program(sandbox, ["/bin/cat"])
    program.stdin.write(b"x" * 1_000_000)
    program.stdin.close()
    assert await said(program) == ("x" * 1_000_000, "", 0)


async def test_a_program_that_is_not_there_says_so(sandbox):
    program = await open_program(sandbox, ["/bin/nothing"])
    assert await said(program) == ("", "/bin/nothing can't be started: No such file or directory\n", 127)


async def test_environment_and_files_arrive_and_nothing_else_is_there(sandbox, tmp_path, monkeypatch):
    monkeypatch.setenv("PLANTED_API_KEY", "a-secret-of-the-server")
    os.chmod(tmp_path, 0o755)
    (tmp_path / "tool.py").write_text(
        "import json, os, socket, sys\n"
        "def tries(act):\n"
        "    try: return bool(act())\n"
        "    except OSError: return False\n"
        "print(json.dumps([sorted(os.environ), os.environ['TOKEN'], os.path.exists('/etc/passwd'), os.getpid() < 9,\n"
        "    tries(lambda: socket.socket(socket.AF_INET)), tries(lambda: open(__file__, 'a')), os.getuid()]))\n"
    )
    command = [bwrap.find_python(), str(tmp_path / "tool.py")]
    program = await open_program(sandbox, command, environment={"TOKEN": "t"}, reads=[str(tmp_path)])
    out, err, status = await said(program)
    assert (err, status) == ("", 0)
    names, token, *can, uid = json.loads(out)
    assert set(names) - {"TOKEN"} <= {"PATH", "HOME", "LANG", "LC_CTYPE", "PWD"}
    assert (token, can) == ("t", [False, True, False, False])
    assert uid >= limits.SANDBOX_UID_FIRST + limits.SANDBOX_CALLS_AT_ONCE_MAX


async def test_a_program_has_a_calls_limits(sandbox):
    code = "try:\n    bytearray(2 << 30)\nexcept MemoryError:\n    print('no memory')"
    program = await open_program(sandbox, [bwrap.find_python(), "-c", code])
    assert await said(program) == ("no memory\n", "", 0)
    spin = [bwrap.find_python(), "-c", "while True: pass"]
    program = await open_program(sandbox, spin, limits=SandboxLimits(cpu_ms=1000))
    assert (await said(program))[2] == 128 + 24


async def test_closing_kills_all_that_it_started(sandbox):
    mark = marked(7)
    program = await open_program(sandbox, ["/bin/sh", "-c", f"/bin/sleep {mark} & echo started; wait"])
    assert await program.stdout.readline() == b"started\n"
    assert await until(lambda: alive(mark))
    await program.close()
    assert not alive(mark)


async def test_a_program_dies_with_its_server(sandbox):
    mark = marked(8)
    server = f"""
import asyncio
from kelpie.sandbox import ProcessLevel
from kelpie.sandbox.process.program import open_program
from umi.dst import Host
async def main():
    program = await open_program(ProcessLevel(Host()), ["/bin/sleep", "{mark}"])
    await program.wait()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", server)
    assert await until(lambda: alive(mark))
    process.kill()
    await process.wait()
    assert await until(lambda: not alive(mark))


async def test_a_start_that_is_cancelled_leaves_nothing(sandbox):
    await sandbox.exec(SandboxCall("pass", ""))
    await sandbox.close()
    before = len(os.listdir("/proc/self/fd"))
    mark = marked(9)
    for delay_s in (0, 0.001, 0.01, 0.05, 0.1):
        task = asyncio.ensure_future(open_program(sandbox, ["/bin/sleep", mark]))
        await asyncio.sleep(delay_s)
        task.cancel()
        try:
            await (await task).close()
        except asyncio.CancelledError:
            continue
    assert await until(lambda: not alive(mark))
    assert await until(lambda: len(os.listdir("/proc/self/fd")) == before)
    assert len(sandbox.program_places) == limits.SANDBOX_PROGRAMS_MAX


async def test_its_way_out_is_the_proxy(sandbox):
    code = (
        "import urllib.request, urllib.error\n"
        "try: urllib.request.urlopen('http://other.example/', timeout=10)\n"
        "except urllib.error.HTTPError as error: print(error.code)"
    )
    rules = EgressRules(hosts=("allowed.example",))
    program = await open_program(sandbox, [bwrap.find_python(), "-c", code], egress=rules)
    assert await said(program) == ("403\n", "", 0)
    assert "other.example" in program.network[0]


async def test_what_can_not_be_started_is_refused(sandbox, tmp_path, monkeypatch):
    for command in ([], ["a\0b"]):
        with pytest.raises(InvalidInput, match="a program needs a command"):
            await open_program(sandbox, command)
    for path in ("relative", str(tmp_path / "nothing")):
        with pytest.raises(InvalidInput, match="there is no such absolute path"):
            await open_program(sandbox, ECHO, reads=[path])
    for path in ("/", "//", "/proc/self", "/etc/", "/tmp", "/dev/null", "/usr/../etc"):
        with pytest.raises(InvalidInput, match="can't be lent"):
            await open_program(sandbox, ECHO, reads=[path])
    with pytest.raises(InvalidInput, match="can't be handed"):
        await open_program(sandbox, ECHO, environment={"A=B": ""})
    sandbox.program_places.clear()
    with pytest.raises(SandboxBusy):
        await open_program(sandbox, ECHO)
    with pytest.raises(ToolUnavailable, match="can't be isolated"):
        await open_program(ProcessLevel(Host(), bwrap_path=str(tmp_path / "bwrap")), ECHO)
