"""Warm processes: who gets which, when one is made anew, and that nothing of a call stays in it."""

import asyncio
import os
import signal

import pytest

from kelpie.errors import ToolUnavailable
from kelpie.sandbox import SandboxCall, SandboxLimits, limits

NOTHING = "def tool():\n    return 1"


@pytest.fixture
def started(sandbox):
    """The warm processes that `sandbox` started, in their order."""
    start, found = sandbox._templates._start, []

    def noted(need):
        found.append(start(need))
        return found[-1]

    sandbox._templates._start = noted
    return found


async def work(sandbox, source=NOTHING, **rest):
    result = await sandbox.exec(SandboxCall(source, "tool", **rest))
    assert result.error is None
    return result.value


def read(path):
    with open(path) as file:
        return file.read()


def gone(pid):
    return not os.path.exists(f"/proc/{pid}")


async def test_calls_of_one_domain_share_a_warm_process_and_of_two_never(sandbox, started):
    for domain in ("a", "a", "b", "a"):
        await work(sandbox, domain=domain)
    assert [warm.calls for warm in started] == [3, 1]
    assert len(sandbox._templates) == 2
    await sandbox.close()
    assert len(sandbox._templates) == 0
    assert all(gone(warm.process.pid) for warm in started)


async def test_calls_at_the_same_time_never_share_one(sandbox, started):
    slow = "import time\ndef tool():\n    time.sleep(0.3)"
    await asyncio.gather(*(work(sandbox, slow) for _ in range(3)))
    assert [warm.calls for warm in started] == [1, 1, 1]
    await sandbox.close()


async def test_a_layer_has_a_warm_process_of_its_own_and_is_read_only(sandbox, tmp_path):
    (tmp_path / "greet.py").write_text("def hello():\n    return 'hello'\n")
    os.chmod(tmp_path, 0o755)
    source = """
def tool():
    import greet
    try:
        open('/run/layer/x', 'w')
    except OSError as error:
        return [greet.hello(), greet.__file__, type(error).__name__]
"""
    result = await sandbox.exec(SandboxCall(source, "tool", layer=str(tmp_path)))
    assert result.error is None
    assert result.value[:2] == ["hello", "/run/layer/greet.py"]
    assert (await sandbox.exec(SandboxCall("import greet", ""))).error.startswith("ModuleNotFoundError")
    assert len(sandbox._templates) == 2
    await sandbox.close()


async def test_one_is_made_anew_after_so_many_calls(sandbox, started, monkeypatch):
    monkeypatch.setattr(limits, "SANDBOX_TEMPLATE_CALLS_MAX", 2)
    for _ in range(4):
        await work(sandbox)
    assert [warm.calls for warm in started] == [2, 2]
    assert len(sandbox._templates) == 0
    await started[1].buried()
    assert gone(started[1].process.pid)


async def test_one_is_made_anew_after_a_forged_report(sandbox, started):
    forged = await sandbox.exec(SandboxCall("import os\nos.write(3, b'x' * 100)\nos._exit(0)", ""))
    assert forged.error.startswith("NoResult")
    await work(sandbox)
    assert [warm.calls for warm in started] == [1, 1]
    await sandbox.close()


async def test_one_that_was_killed_between_calls_is_replaced(sandbox, started):
    await work(sandbox)
    os.kill(started[0].process.pid, signal.SIGKILL)
    await started[0].buried()
    await work(sandbox)
    assert [warm.alive for warm in started] == [False, True]
    await sandbox.close()


async def test_one_that_dies_in_mid_call_ends_the_call_with_an_error(sandbox, started):
    running = asyncio.Event()

    async def asks(operation, arguments):
        running.set()

    source = "import time\nclient.here()\ntime.sleep(60)"
    call = SandboxCall(source, "", asks=asks, capabilities=("client",))
    task = asyncio.ensure_future(sandbox.exec(call))
    await running.wait()
    started[0].close()
    result = await task
    assert result.error == "NoResult: the tool's process ended (with its sandbox) before its function returned"
    assert (result.exit, result.usage.cpu_ms) == (None, None)
    await work(sandbox)
    await sandbox.close()


async def test_there_are_never_more_than_so_many_and_the_longest_idle_goes_first(sandbox, started, monkeypatch):
    monkeypatch.setattr(limits, "SANDBOX_TEMPLATES_MAX", 2)
    for domain in ("a", "b", "c"):
        await work(sandbox, domain=domain)
        assert len(sandbox._templates) <= 2
    await started[0].buried()
    assert [warm.alive for warm in started] == [False, True, True]
    await sandbox.close()


async def test_idle_ones_end(sandbox, started, monkeypatch):
    await work(sandbox)
    sandbox._templates.end_idle()
    assert started[0].alive
    monkeypatch.setattr(limits, "SANDBOX_TEMPLATE_IDLE_MS_MAX", 0)
    sandbox._templates.end_idle()
    await started[0].buried()
    assert gone(started[0].process.pid)


async def test_a_warm_process_holds_nothing_of_the_server(sandbox, started, monkeypatch):
    monkeypatch.setenv("PLANTED_API_KEY", "a-secret-of-the-server")
    await work(sandbox)
    outer = started[0].process.pid
    (inner,) = read(f"/proc/{outer}/task/{outer}/children").split()
    for pid in (outer, inner):
        assert "a-secret-of-the-server" not in read(f"/proc/{pid}/environ") + read(f"/proc/{pid}/cmdline")
    opened = [os.readlink(f"/proc/{inner}/fd/{fd}") for fd in os.listdir(f"/proc/{inner}/fd")]
    assert [name.split(":")[0] for name in sorted(opened)] == ["/dev/null", "/dev/null", "pipe", "socket"]
    await sandbox.close()


async def test_a_warm_process_that_can_not_start_is_a_refusal_with_its_reason(sandbox, tmp_path):
    layer = tmp_path / "layer"
    layer.mkdir()
    call = SandboxCall(NOTHING, "tool", layer=str(layer))
    start = sandbox._templates._start

    def start_late(need):
        layer.rmdir()
        return start(need)

    sandbox._templates._start = start_late
    with pytest.raises(ToolUnavailable, match=r"a sandbox did not start, so this tool was not run: bwrap: .*layer"):
        await sandbox.exec(call)
    assert len(sandbox._free) == limits.SANDBOX_CALLS_AT_ONCE_MAX


async def test_memory_counts_for_all_processes_of_a_call_together(sandbox, needs):
    report = await sandbox.report()
    needs("cgroups", any("by a cgroup" in line for line in report.holds), "; ".join(report.gaps))
    source = """
import os
def tool():
    for _ in range(4):
        if os.fork() == 0:
            taken = bytearray(60 << 20)
            for at in range(0, len(taken), 4096):
                taken[at] = 1
            import time
            time.sleep(1)
            os._exit(0)
    ends = [os.wait()[1] for _ in range(4)]
    raise RuntimeError(f"{sum(end == 9 for end in ends)} were killed")
"""
    result = await sandbox.exec(SandboxCall(source, "tool"), SandboxLimits(memory_bytes=128 << 20))
    assert result.killed_by == "memory"
    assert result.error.startswith("RuntimeError: ")
    assert result.error != "RuntimeError: 0 were killed"
    alone = (
        "taken = []\nwhile True:\n    for part in [bytearray(1 << 20)]: part[::4096] = b'x' * 256; taken.append(part)"
    )
    again = await sandbox.exec(SandboxCall(alone, ""), SandboxLimits(memory_bytes=64 << 20))
    assert again.killed_by == "memory"
    await sandbox.close()


async def test_the_most_memory_held_is_reported_for_each_call_alone(sandbox, needs):
    report = await sandbox.report()
    needs("cgroups", any("cgroup (v1)" in line for line in report.holds), "v2 can't forget an earlier call's")
    large = await sandbox.exec(SandboxCall("x = bytearray(100 << 20)\nx[::4096] = b'x' * 25600", ""))
    small = await sandbox.exec(SandboxCall("pass", ""))
    assert large.usage.memory_bytes > 100 << 20 > small.usage.memory_bytes > 0
    await sandbox.close()


async def test_forking_stops_at_the_whole_calls_number_though_programs_raise_no_limit(sandbox):
    source = """
import subprocess
def tool():
    done = subprocess.run(["/bin/sh", "-c", "for n in 1 2 3 4 5 6 7 8; do sleep 9 & done; jobs -p | wc -l"],
                          capture_output=True, text=True)
    return [done.stdout, done.stderr, done.returncode]
"""
    out, err, _ = (await sandbox.exec(SandboxCall(source, "tool"), SandboxLimits(processes=5))).value
    assert "fork" in err
    assert not out.strip() or int(out) < 5
    await sandbox.close()
