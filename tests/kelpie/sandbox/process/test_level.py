"""What a tool gets, what it can't reach, and what stops it. All of it in the real sandbox."""

import asyncio
import os
import socket
import sys
import textwrap

import pytest

from kelpie.errors import InvalidInput, LimitExceeded, SandboxBusy
from kelpie.sandbox import ProcessLevel, SandboxCall, SandboxLimits, limits
from umi.dst import Host

SECRET = "a-secret-of-the-server"


@pytest.fixture
def run(sandbox):
    """`await run(body, name=value, …)`: the result of a function `tool(**arguments)` with this body."""

    async def call(body, wanted=None, environment=None, **arguments):
        source = f"def tool({', '.join(arguments)}):\n{textwrap.indent(textwrap.dedent(body), '    ')}"
        return await sandbox.exec(SandboxCall(source, "tool", arguments, environment or {}), wanted)

    return call


async def test_arguments_arrive_and_the_value_comes_back(run):
    result = await run("return {'seen': [a, b, c]}", a="żółw 🐢", b=[1, 2.5, None, True], c={"deep": {"er": []}})
    assert (result.error, result.exit, result.killed_by, result.level) == (None, 0, None, "process")
    assert result.value == {"seen": ["żółw 🐢", [1, 2.5, None, True], {"deep": {"er": []}}]}
    assert result.usage.duration_ms > 0
    assert result.usage.cpu_ms > 0


@pytest.mark.parametrize("value", ["text", "", 0, -1.5, True, None, [], {}, 10**30, ["ünï", "\x00", "🐢"]])
async def test_every_json_value_comes_back_as_it_is(run, value):
    assert (await run("return value", value=value)).value == value


async def test_output_is_kept_apart_from_the_value(run):
    result = await run(
        """
        import sys
        print('{"value": "not this"}')
        print("füür", file=sys.stderr)
        return "this"
        """
    )
    assert (result.value, result.stdout, result.stderr) == ("this", '{"value": "not this"}\n', "füür\n")


async def test_a_call_sees_nothing_of_the_one_before_it(run):
    body = "open('/tmp/left', 'w').write('x')\nopen('here', 'w').write('x')\nreturn 'wrote'"
    assert (await run(body)).value == "wrote"
    assert (await run("import os\nreturn [os.listdir('/tmp'), os.listdir('.')]")).value == [["work"], []]


async def test_an_async_function_is_awaited(sandbox):
    source = "import asyncio\nasync def tool(x):\n    await asyncio.sleep(0)\n    return x + 1"
    assert (await sandbox.exec(SandboxCall(source, "tool", {"x": 1}))).value == 2


async def test_calls_run_at_the_same_time_each_with_its_own_uid(sandbox):
    source = "import os, time\ndef tool(n):\n    time.sleep(0.05)\n    return [n, os.getuid()]"
    count = limits.SANDBOX_CALLS_AT_ONCE_MAX + 2
    results = await asyncio.gather(*(sandbox.exec(SandboxCall(source, "tool", {"n": n})) for n in range(count)))
    assert [result.value[0] for result in results] == list(range(count))
    uids = {result.value[1] for result in results}
    assert uids <= {limits.SANDBOX_UID_FIRST + n for n in range(limits.SANDBOX_CALLS_AT_ONCE_MAX)}
    assert len(uids) > 1
    assert sorted(sandbox._free) == list(range(limits.SANDBOX_CALLS_AT_ONCE_MAX))


async def test_hints_need_no_imports(sandbox):
    source = "def tool(a: Optional[List[str]], agent: AgentState = None) -> Dict[str, Any]:\n    return {'a': a}"
    assert (await sandbox.exec(SandboxCall(source, "tool", {"a": ["x"]}))).value == {"a": ["x"]}


async def test_a_model_of_pydantic_arrives_as_its_class(sandbox):
    source = """
from pydantic import BaseModel
class Leg(BaseModel):
    city: str
    nights: Optional[int] = 1
def tool(first: Leg, rest: list[Leg], plain: dict) -> list:
    return [type(first).__name__, first.nights, [leg.city for leg in rest], plain]
"""
    arguments = {"first": {"city": "Bern"}, "rest": [{"city": "Basel"}], "plain": {"city": "Chur"}}
    result = await sandbox.exec(SandboxCall(source, "tool", arguments))
    assert (result.error, result.value) == (None, ["Leg", 1, ["Basel"], {"city": "Chur"}])


# --- what is not there


def on_the_host(path):
    return os.path.exists(path)


@pytest.mark.parametrize(
    "path", ["/etc/shadow", "/etc/passwd", "/root", "/home", "/sys", "/var", "/boot", "/opt", "/mnt"]
)
async def test_the_hosts_files_are_not_there(run, path):
    """Where a Python lies below one of them, its bin and lib are, and nothing else."""
    body = """
    import os
    found = [path] if os.path.isfile(path) else []
    found += [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
    return [name for name in found if not name.startswith((f"{python}/bin/", f"{python}/lib"))]
    """
    assert (await run(body, path=path, python=sys.base_prefix)).value == []


async def test_the_data_folder_and_the_servers_own_code_are_not_there(run, tmp_path):
    (tmp_path / "kelpie.db").write_text(SECRET)
    for path in (str(tmp_path / "kelpie.db"), __file__, limits.__file__):
        assert on_the_host(path)
        assert (await run("import os\nreturn os.path.exists(path)", path=path)).value is False


async def test_the_environment_holds_no_secret_of_the_server(run, monkeypatch):
    monkeypatch.setenv("PLANTED_API_KEY", SECRET)
    body = """
    import glob, os
    seen = repr(dict(os.environ))
    for path in glob.glob("/proc/*/environ"):
        try:
            seen += open(path).read()
        except OSError:
            pass
    return [sorted(os.environ), seen]
    """
    names, seen = (await run(body)).value
    assert set(names) <= {"PATH", "HOME", "LANG", "LC_CTYPE", "PWD"}
    assert SECRET not in seen


async def test_a_variable_arrives_by_name_and_is_on_no_command_line(run):
    body = """
    import os, subprocess
    lines = [open(f"/proc/{pid}/cmdline").read() for pid in os.listdir("/proc") if pid.isdigit()]
    child = subprocess.run(["/bin/sh", "-c", "echo $TOKEN"], capture_output=True, text=True).stdout
    return [os.environ["TOKEN"], child, "".join(lines)]
    """
    token, child, lines = (await run(body, environment={"TOKEN": SECRET})).value
    assert (token, child) == (SECRET, f"{SECRET}\n")
    assert SECRET not in lines


async def test_a_call_does_not_show_its_arguments_or_secrets_when_printed():
    shown = repr(SandboxCall(f"'{SECRET}'", "tool", {"a": SECRET}, {"TOKEN": SECRET}))
    assert "tool" in shown
    assert SECRET not in shown


async def test_a_listening_port_of_the_host_can_not_be_reached(run):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as reached, listener.accept()[0]:
            assert reached  # from here it can: the probe means something
        body = "import socket\nsocket.create_connection(('127.0.0.1', port), timeout=2)"
        result = await run(body, port=port)
        assert result.error.startswith(("PermissionError", "ConnectionRefusedError", "OSError"))
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


async def test_an_abstract_unix_socket_of_the_host_can_not_be_reached(run):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0kelpie-test")
        listener.listen()
        result = await run("import socket\nsocket.socket(socket.AF_UNIX).connect('\\0kelpie-test')")
        assert result.error.startswith("ConnectionRefusedError")


@pytest.mark.parametrize("folder", ["/", "/usr", "/usr/bin", "/etc", "/dev", "/run", "/run/kelpie", "/proc"])
async def test_nothing_but_tmp_can_be_written(run, folder):
    result = await run("open(f'{folder}/planted', 'w')", folder=folder)
    assert result.error.startswith(("OSError: [Errno 30]", "PermissionError", "FileNotFoundError"))
    assert not on_the_host(f"{folder}/planted")


async def test_a_tool_sees_only_its_own_processes(run):
    body = """
    import os
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    try:
        os.kill(outside, 0)
    except ProcessLookupError:
        return [pids, os.getpid()]
    """
    pids, own = (await run(body, outside=os.getpid() + 100_000)).value
    assert own in pids
    assert len(pids) <= 3
    assert max(pids) < 100


async def test_a_tool_has_no_rights_and_can_not_get_any(run):
    body = """
    import os
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    try:
        os.setuid(0)
    except OSError as error:
        denied = type(error).__name__
    return [denied, {name: status[name].strip() for name in ("CapEff", "CapPrm", "CapAmb", "NoNewPrivs")}, os.getuid()]
    """
    denied, rights, uid = (await run(body)).value
    assert denied in ("PermissionError", "OSError")  # forbidden, or nobody has that number inside
    assert rights == {"CapEff": "0" * 16, "CapPrm": "0" * 16, "CapAmb": "0" * 16, "NoNewPrivs": "1"}
    assert uid >= limits.SANDBOX_UID_FIRST


# --- what stops it


def marked(seconds):
    """An argument list that nothing else on this machine has, to look for afterwards."""
    return f"98765.{seconds}"


def alive(mark):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as line:
                found += [pid] if f"sleep\0{mark}" in line.read() else []
        except OSError:
            continue
    return found


async def until(holds):
    """Starting and dying take moments that are the kernel's."""
    for _ in range(500):
        if holds():
            return True
        await asyncio.sleep(0.01)
    return False


async def test_an_endless_loop_is_stopped_at_the_deadline_with_all_its_children(run):
    mark = marked(1)
    body = """
    import os, subprocess
    subprocess.Popen(["/bin/sleep", mark], start_new_session=True)
    print("started", flush=True)
    while True:
        pass
    """
    result = await run(body, SandboxLimits(wall_ms=2_000), mark=mark)
    assert (result.killed_by, result.exit, result.value) == ("wall time", None, None)
    assert result.error == "TimeoutError: the tool ran longer than 2,000 ms and was stopped"
    assert result.stdout == "started\n"
    assert await until(lambda: not alive(mark))


async def test_a_cancelled_call_leaves_no_process(sandbox):
    mark = marked(2)
    source = "import subprocess\ndef tool(mark):\n    subprocess.run(['/bin/sleep', mark])"
    task = asyncio.ensure_future(sandbox.exec(SandboxCall(source, "tool", {"mark": mark})))
    assert await until(lambda: alive(mark))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await until(lambda: not alive(mark))
    assert len(sandbox._free) == limits.SANDBOX_CALLS_AT_ONCE_MAX


async def test_a_call_cancelled_at_any_moment_of_its_start_leaves_nothing(sandbox):
    mark = marked(5)
    source = "import subprocess\ndef tool(mark):\n    subprocess.run(['/bin/sleep', mark])"
    await sandbox.exec(SandboxCall("def tool(): pass", "tool"))  # a warm process is there, and keeps its files
    open_before = len(os.listdir("/proc/self/fd"))
    delay_s, reached, tried = 0.0005, 0, 0
    while reached < 3 and delay_s < 30:  # before, in and after the start, however slow the machine
        task = asyncio.ensure_future(sandbox.exec(SandboxCall(source, "tool", {"mark": mark})))
        await asyncio.sleep(delay_s)
        reached += bool(alive(mark))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        delay_s, tried = delay_s * 1.3, tried + 1
    assert 3 == reached < tried
    assert await until(lambda: not alive(mark))
    assert len(os.listdir("/proc/self/fd")) == open_before
    assert len(sandbox._free) == limits.SANDBOX_CALLS_AT_ONCE_MAX


async def test_a_child_left_behind_dies_with_the_call(run):
    mark = marked(3)
    body = "import subprocess\nsubprocess.Popen(['/bin/sleep', mark], start_new_session=True)\nreturn 'done'"
    result = await run(body, SandboxLimits(wall_ms=20_000), mark=mark)
    assert (result.value, result.killed_by) == ("done", None)
    assert await until(lambda: not alive(mark))


async def test_a_call_dies_with_its_server(sandbox):
    mark = marked(4)
    program = """
import asyncio, sys
from kelpie.sandbox import ProcessLevel, SandboxCall
from umi.dst import Host
source = "import subprocess\\ndef tool(mark):\\n    subprocess.run(['/bin/sleep', mark])"
asyncio.run(ProcessLevel(Host()).exec(SandboxCall(source, "tool", {"mark": sys.argv[1]})))
"""
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", program, mark)
    assert await until(lambda: alive(mark))
    server.kill()
    await server.wait()
    assert await until(lambda: not alive(mark))


async def test_no_dead_process_is_left_to_whoever_adopts_orphans(sandbox):
    """In a container the server itself adopts them, and would never look."""
    program = """
import asyncio, ctypes, os
from kelpie.sandbox import ProcessLevel, SandboxCall, SandboxLimits
from umi.dst import Host

ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER
assert ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0) == 0

async def main():
    sandbox = ProcessLevel(Host())
    background = "import subprocess\\ndef tool(): subprocess.Popen(['/bin/sleep', '9'], start_new_session=True)"
    ended = [await sandbox.exec(SandboxCall(background, "tool"))]
    ended += [await sandbox.exec(SandboxCall("def tool():\\n while True: pass", "tool"), SandboxLimits(wall_ms=150))]
    await sandbox.close()
    return [result.killed_by for result in ended], open(f"/proc/self/task/{os.getpid()}/children").read()

print(asyncio.run(main()))
"""
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    said, _ = await server.communicate()
    assert said.decode() == "([None, 'wall time'], '')\n"


async def test_a_thread_left_behind_does_not_hold_the_call(run):
    body = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\nreturn 'done'"
    assert (await run(body)).value == "done"


async def test_cpu_time_has_its_own_limit(run):
    result = await run("while True: pass", SandboxLimits(wall_ms=30_000, cpu_ms=1_000))
    assert result.killed_by == "cpu time"
    assert result.error == "TimeoutError: the tool used more than 1,000 ms of CPU time and was stopped"


async def test_two_gigabytes_are_a_memory_error(run):
    result = await run("return len(bytearray(2 << 30))")
    assert (result.killed_by, result.error) == ("memory", "MemoryError: the tool needs more than 512 MiB")


async def test_memory_that_grows_piece_by_piece_ends_the_same_way(run):
    result = await run("kept = []\nwhile True: kept.append('x' * 100_000)", SandboxLimits(memory_bytes=100 << 20))
    assert (result.killed_by, result.error) == ("memory", "MemoryError: the tool needs more than 100 MiB")


async def test_a_tool_may_survive_its_own_memory_error(run):
    body = "try:\n    bytearray(2 << 30)\nexcept MemoryError:\n    return 'caught'"
    result = await run(body)
    assert (result.value, result.killed_by) == ("caught", None)


async def test_a_fork_bomb_stays_small(run):
    body = """
    import os, signal
    count = 0
    try:
        while count < 500:
            if os.fork() == 0:
                signal.pause()
            count += 1
    except BlockingIOError:
        return count
    """
    result = await run(body)
    assert 0 < result.value < limits.SANDBOX_PROCESSES_DEFAULT


async def test_a_forked_child_that_returns_does_not_answer_for_the_call(run):
    body = "import os, time\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\nreturn 'child' if pid == 0 else 'parent'"
    assert (await run(body)).value == "parent"


async def test_files_are_bounded_in_size_and_in_sum(run):
    body = """
    written = 0
    for number in range(100):
        with open(f"/tmp/{number}", "wb") as file:
            written += file.write(bytes(1 << 20))
    return written
    """
    result = await run(body, SandboxLimits(tmp_bytes=4 << 20))
    assert result.error == "OSError: [Errno 28] No space left on device"
    result = await run("open('/tmp/x', 'wb').write(bytes(2 << 20))", SandboxLimits(file_bytes=1 << 20))
    assert result.error == "OSError: [Errno 27] File too large"


async def test_shared_memory_counts_as_files(run):
    body = "open('/dev/shm/x', 'wb').write(bytes(8 << 20))"
    assert "No space left" in (await run(body, SandboxLimits(tmp_bytes=4 << 20))).error


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_ten_megabytes_of_output_are_read_and_cut(run, stream):
    body = "import sys\nfor _ in range(160): getattr(sys, stream).write('x' * 65536)\nreturn 'done'"
    result = await run(body, stream=stream)
    text = getattr(result, stream)
    assert result.value == "done"
    assert text[:100_000] == "x" * 100_000
    assert text[100_000:] == "\n[10,385,760 more bytes were left out]"


async def test_output_without_end_is_stopped(run):
    result = await run("while True: print('x' * 65536)", SandboxLimits(wall_ms=60_000))
    assert (result.killed_by, result.exit) == ("output", None)
    assert len(result.stdout) < 101_000


async def test_a_text_of_ten_megabytes_is_cut_where_it_arises(run):
    result = await run("return 'ü' * 10_000_000", SandboxLimits(result_chars=1000))
    assert result.value == "ü" * 1000


async def test_any_other_result_that_long_is_refused(run):
    result = await run("return ['x' * 10_000_000]", SandboxLimits(result_chars=1000))
    assert result.value is None
    assert result.error == "ValueError: the tool returned 10,000,004 characters of JSON; at most 1,000 fit"


async def test_more_than_a_report_on_the_results_pipe_is_stopped(run):
    body = """
    import os, sys
    fd = int(sys.argv[1])
    while True:
        os.write(fd, b"x" * 65536)
    """
    result = await run(body)
    assert (result.killed_by, result.value) == ("output", None)


# --- what a tool may do wrong


async def test_what_a_tool_raises_is_the_result(run):
    result = await run("print('before')\nreturn 1 + 'a'")
    assert result.error == "TypeError: unsupported operand type(s) for +: 'int' and 'str'"
    assert (result.value, result.exit, result.killed_by, result.stdout) == (None, 0, None, "before\n")
    assert 'File "<tool>", line 3, in tool' in result.stderr
    assert "return 1 + 'a'" in result.stderr
    assert "runner" not in result.stderr


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt: "),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        ("import requests", "ModuleNotFoundError: No module named 'requests'"),
        ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "E: (its text could not be made)"),
        ("raise ValueError('x' * 100_000)", "ValueError: " + "x" * 9_988),
        ("return {1, 2}", "TypeError: the tool returned a set that is not JSON (Object of type set is not JSON"),
        ("return [object()]", "TypeError: the tool returned a list that is not JSON (Object of type object is not"),
        ("return float('nan')", "ValueError: the tool returned a float that is not JSON"),
        ("x = []\nx.append(x)\nreturn x", "ValueError: the tool returned a list that is not JSON (Circular reference"),
        ("import os; os._exit(0)", "NoResult: the tool's process ended (exit status 0) before its function returned"),
        ("import os; os._exit(9)", "NoResult: the tool's process ended (exit status 9) before its function returned"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            "NoResult: the tool's process ended (SIGSEGV)",
        ),
        ("import os; os.closerange(0, 100)", "NoResult: the tool's process ended (exit status "),
    ],
)
async def test_a_mistake_is_an_error_with_its_reason(run, body, error):
    result = await run(body)
    assert result.error.startswith(error)
    assert (result.value, result.killed_by) == (None, None)


async def test_source_that_fails_before_the_function_is_an_error(sandbox):
    result = await sandbox.exec(SandboxCall("raise OSError('at import')\ndef tool(): pass", "tool"))
    assert result.error == "OSError: at import"
    result = await sandbox.exec(SandboxCall("def tool(:", "tool"))
    assert result.error.startswith("SyntaxError: ")


async def test_a_tool_that_closes_its_output_still_answers(run):
    assert (await run("import os, sys\nsys.stdout.close()\nos.close(2)\nreturn 'quiet'")).value == "quiet"


async def test_a_tool_can_not_kill_its_parent(run):
    body = """
    import os, signal, time
    try:
        os.kill(os.getppid(), signal.SIGKILL)
    except PermissionError:
        pass
    time.sleep(0.05)
    return "alive"
    """
    assert (await run(body)).value == "alive"


@pytest.mark.parametrize("forged", ["not json", '{"value": 1}', "[" * 100_000, '{"value": 1, "error": 2}', "\\xff"])
async def test_a_forged_report_is_no_result(run, forged):
    body = """
    import os, sys
    fd = int(sys.argv[1])
    os.write(fd, forged.encode("latin-1"))
    os._exit(0)
    """
    result = await run(body, forged=forged)
    assert result.error.startswith("NoResult: ")
    assert result.value is None


async def test_half_a_surrogate_pair_does_not_reach_the_server(run):
    assert (await run("return 'a\\ud800b'")).value == "a?b"
    assert (await run("print('a\\ud800b')")).error.startswith("UnicodeEncodeError")


# --- what is refused before anything runs


async def test_what_can_not_be_handed_over_is_refused(sandbox):
    with pytest.raises(InvalidInput, match="'A=B' can't be handed"):
        await sandbox.exec(SandboxCall("", "tool", {}, {"A=B": SECRET}))
    with pytest.raises(InvalidInput) as refused:
        await sandbox.exec(SandboxCall("", "tool", {}, {"A": f"{SECRET}\0"}))
    assert SECRET not in str(refused.value)
    with pytest.raises(LimitExceeded, match="101 variables"):
        await sandbox.exec(SandboxCall("", "tool", {}, {f"A{n}": "" for n in range(101)}))
    with pytest.raises(LimitExceeded, match="a tool's source with its arguments"):
        await sandbox.exec(SandboxCall("", "tool", {"a": "x" * limits.SANDBOX_ORDER_BYTES_MAX}))


async def test_a_call_does_not_wait_for_ever_for_a_place(sandbox, monkeypatch):
    monkeypatch.setattr(limits, "SANDBOX_WAIT_MS_MAX", 1)
    for _ in range(limits.SANDBOX_CALLS_AT_ONCE_MAX):
        await sandbox._places.acquire()
    with pytest.raises(SandboxBusy, match="every place at level 'process' is taken") as refused:
        await sandbox.exec(SandboxCall("def tool(): pass", "tool"))
    assert refused.value.retry_after_s > 0


async def test_two_first_calls_share_one_self_test(needs, tested):
    needs("sandbox", tested[1].exists, tested[1].reason)
    sandbox = ProcessLevel(Host())
    ran = []
    selftest = sandbox._selftest

    async def counted():
        ran.append(1)
        return await selftest()

    sandbox._selftest = counted
    call = SandboxCall("def tool(): return 1", "tool")
    results = await asyncio.gather(sandbox.exec(call), sandbox.exec(call))
    assert ([result.value for result in results], ran) == ([1, 1], [1])
