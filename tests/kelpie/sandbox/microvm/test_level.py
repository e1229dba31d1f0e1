"""What a call in a virtual machine gets, what it can't reach, and what stops it. All of it in real guests, on an
emulated processor: slow, but there on every machine. One level for all tests of this file: its template boots once."""

import asyncio
import contextlib
import os
import signal
import socket

import pytest
from tests.kelpie.sandbox import probes

from kelpie.errors import InvalidInput, LimitExceeded, SandboxBusy, ToolUnavailable
from kelpie.sandbox import EgressRules, SandboxCall, SandboxLimits, limits
from kelpie.sandbox.microvm import MicroVmLevel
from kelpie.sandbox.microvm.frames import GuestLost
from kelpie.sandbox.microvm.places import Places
from umi.dst import Host

NOW_MS_APART = 60_000


@pytest.fixture(scope="module")
def anyio_backend():
    """One event loop for the file: machines belong to the loop they were started on."""
    return "asyncio"


@pytest.fixture(scope="module")
async def level(image_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("microvm")
    (folder / "image").symlink_to(image_folder)
    host = Host()
    level = MicroVmLevel(host, str(folder), backends=["qemu-tcg"])
    report = await level.report()
    assert report.exists, report.reason
    yield level
    await level.close()
    await host.close()
    assert monitors() == []


@pytest.fixture
def run(level):
    async def call(source, function="tool", wanted=None, **rest):
        arguments = rest.pop("arguments", {})
        return await level.exec(SandboxCall(source, function, arguments, **rest), wanted)

    return call


def monitors():
    """Process ids of QEMUs that are children of ours: bubblewrap's, whose names are its."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        children = file.read().split()
    found = []
    for child in children:
        with contextlib.suppress(OSError), open(f"/proc/{child}/task/{child}/children") as file:
            found += [int(pid) for pid in file.read().split() if program_of(pid).startswith("qemu")]
    return found


def program_of(pid):
    with open(f"/proc/{pid}/comm") as file:
        return file.read().strip()


async def test_the_report_says_what_it_is_and_what_it_is_not(level):
    report = await level.report()
    assert (report.level, report.exists, report.backend, report.reason) == ("microvm", True, "qemu-tcg", "")
    assert "upstream gives no security promise for TCG alone" in report.gaps[0]
    assert report.holds


async def test_arguments_arrive_and_the_value_comes_back(run):
    source = (
        "def tool(a, b):\n    import os\n    print('seen')\n    return {'a': a, 'b': b, 'kernel': os.uname().release}"
    )
    result = await run(source, arguments={"a": "żółw 🐢", "b": [1, 2.5, None, True]})
    assert result.error is None
    assert (result.value["a"], result.value["b"]) == ("żółw 🐢", [1, 2.5, None, True])
    assert result.value["kernel"] != os.uname().release
    assert (result.stdout, result.exit, result.level, result.backend) == ("seen\n", 0, "microvm", "qemu-tcg")
    assert result.usage.cpu_ms > 0
    assert result.usage.memory_bytes > 0


async def test_what_it_raises_and_writes_is_its_result(run):
    result = await run(
        "import sys\ndef tool():\n    print('one')\n    sys.stderr.write('two')\n    raise ValueError('no')"
    )
    assert (result.value, result.error, result.stdout) == (None, "ValueError: no", "one\n")
    assert result.stderr.startswith("two")


async def test_programs_of_a_shell_and_of_python(run):
    shell = await run('read line < in; echo "$NAME $line"; exit 3', "", language="shell", files={"in": b"bird\n"},
                      environment={"NAME": "a"})  # fmt: skip
    assert (shell.stdout, shell.exit) == ("a bird\n", 3)
    python = await run("import sys\nprint(__name__)\nsys.exit(4)", "")
    assert (python.stdout, python.exit) == ("__main__\n", 4)


async def test_files_come_back_unless_the_call_failed(run):
    source = "def tool(fails):\n    open('out/made', 'wb').write(b'\\0\\xff')\n    assert not fails"
    files = {"in.txt": b"read me", "out/old": b"old"}
    done = await run(source, arguments={"fails": False}, files=files, keeps_files=True)
    assert done.files == {**files, "out/made": b"\0\xff"}
    failed = await run(source, arguments={"fails": True}, files=files, keeps_files=True)
    assert failed.error.startswith("AssertionError")
    assert failed.files == {}


async def test_it_may_ask_the_server_what_it_is_granted(run):
    async def asks(operation, arguments):
        if operation == "blocks.delete":
            raise InvalidInput("not that")
        return {operation: arguments}

    source = """
def tool(client):
    try:
        client.blocks.delete(label="x")
    except RuntimeError as refused:
        return [client.blocks.get(label="y"), str(refused)]
"""
    result = await run(source, asks=asks, capabilities=("client",))
    assert result.value == [{"blocks.get": {"label": "y"}}, "not that"]


async def test_a_layer_of_packages_can_be_imported_and_not_changed(run, tmp_path):
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "__init__.py").write_text("ANSWER = 42\n")
    source = """
def tool():
    import packed
    try:
        open(packed.__file__, "a")
    except OSError as error:
        return [packed.ANSWER, type(error).__name__]
"""
    for _ in range(2):  # the second needs no boot
        assert (await run(source, layer=str(tmp_path))).value == [42, "PermissionError"]
    with pytest.raises(InvalidInput, match="there is no folder of packages"):
        await run(source, layer="relative")


async def test_no_two_machines_draw_the_same_and_all_know_the_time(run):
    source = """
import os, random, time, uuid
def tool():
    first = "left" if os.path.exists("/tmp/left") else "clean"
    open("/tmp/left", "w").close()
    name = open("/etc/machine-id").read()
    return [first, time.time() * 1000, os.urandom(8).hex(), random.random(), name, str(uuid.uuid4())]
"""
    first, second = [(await run(source)).value for _ in range(2)]
    assert [first[0], second[0]] == ["clean", "clean"]
    for drawn in (first, second):
        assert abs(drawn[1] - Host().clock.now_ms()) < NOW_MS_APART
    assert not set(map(str, first[2:])) & set(map(str, second[2:]))


async def test_a_deadline_ends_the_call_and_keeps_what_it_wrote(run):
    source = "def tool():\n    print('so far', flush=True)\n    while True: pass"
    result = await run(source, wanted=SandboxLimits(wall_ms=2_000))
    assert (result.value, result.killed_by, result.exit) == (None, "wall time", None)
    assert result.stdout == "so far\n"
    assert result.error == "TimeoutError: the tool ran longer than 2,000 ms and was stopped"


@pytest.mark.parametrize(
    ("body", "wanted", "killed_by"),
    [
        ("while True: pass", SandboxLimits(cpu_ms=1_000), "cpu time"),
        ("return len(bytearray(100 << 20))", SandboxLimits(memory_bytes=64 << 20), "memory"),
        ("while True: print('x' * 100_000)", SandboxLimits(output_bytes=1_000), "output"),
    ],
)
async def test_a_limit_that_ends_a_call_is_named(run, monkeypatch, body, wanted, killed_by):
    monkeypatch.setattr(limits, "SANDBOX_OUTPUT_BYTES_MAX", 1 << 20)  # 64 MiB take a minute to emulate
    result = await run(f"def tool():\n    {body}", wanted=wanted)
    assert (result.value, result.killed_by) == (None, killed_by), result
    assert result.error


async def test_limits_that_refuse_rather_than_kill(run):
    source = """
import os
def tool():
    found = []
    forks = lambda: [os.fork() or os._exit(0) for _ in range(40)]
    for act in (forks, lambda: open("/tmp/a", "wb").write(bytes(3 << 20))):
        try:
            act()
        except OSError as error:
            found.append(error.errno)
    return found
"""
    result = await run(source, wanted=SandboxLimits(processes=4, tmp_bytes=1 << 20, file_bytes=2 << 20))
    assert result.error is None, result
    assert len(result.value) == 2
    long = await run("def tool():\n    return ['x' * 1000]", wanted=SandboxLimits(result_chars=100))
    assert long.error.startswith("ValueError: the tool returned 1,004 characters of JSON")


async def test_what_a_guest_does_not_have_is_refused_and_said(run):
    with pytest.raises(ToolUnavailable, match="javascript does not run at level 'microvm'"):
        await run("export function tool() {}", language="javascript")
    with pytest.raises(ToolUnavailable, match="no way to the network"):
        await run("def tool(): pass", egress=EgressRules(hosts=("example.com",)))
    with pytest.raises(LimitExceeded, match="the memory of a call in a virtual machine"):
        await run("def tool(): pass", wanted=SandboxLimits(memory_bytes=8 << 30))


async def test_the_host_can_not_be_reached(run):
    source = """
import os, socket
def tool(port):
    reached = []
    for family, address in (
        (socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET, ("10.0.2.2", port)), (40, (2, port)), (40, (0, port)),
    ):
        try:
            socket.socket(family).connect(address)
            reached.append(address)
        except OSError:
            pass
    return [reached, [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line]]
"""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        result = await run(source, arguments={"port": listener.getsockname()[1]})
    assert result.value == [[], ["lo"]]


# Attempts at amounts end a guest, or fill it for those that come after.
TOGETHER = [*probes.FILES, *probes.DEVICES, *probes.PROCESSES, *probes.NETWORK, *probes.PRIVILEGES, *probes.KERNEL]
# What looks for traces of another call needs two guests; the other means something else where its parent is a tool too.
SIMPLE = [probe for probe in TOGETHER if not (probe.before or probe.after or probe.name == "signal its watcher")]
ALONE = [probe for probe in probes.PROBES if probe not in SIMPLE]
# The guest's own list of users; and signals that nobody gets: kill(-1) answers well where there are kernel threads.
OF_THE_GUEST = {"read the list of users", "signal everybody"}


async def test_no_probe_gets_out(run):
    """All in one guest, each in a process of its own: a guest for each would take minutes on an emulated processor."""
    functions = "".join(
        f"def probe_{number}(w):\n{probes.textwrap.indent(probe.body, '    ')}\n" for number, probe in enumerate(SIMPLE)
    )
    source = f"""{probes.HEADER}
{functions}
def tool(w, count):
    out = []
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            got_out = False
            try:
                got_out = bool(globals()[f"probe_{{number}}"](w))
            finally:
                os._exit(42 if got_out else 0)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42:
            out.append(number)
    return out
"""
    with probes.world() as world:
        wanted = SandboxLimits(wall_ms=60_000)
        result = await run(source, arguments={"w": world, "count": len(SIMPLE)}, wanted=wanted)
    assert result.error is None, result
    assert {SIMPLE[number].name for number in result.value} - OF_THE_GUEST == set()
    assert len(SIMPLE) >= 70


async def test_no_probe_that_needs_a_guest_of_its_own_gets_out(level):
    """With those above, every probe there is: none is left out in a guest."""
    with probes.world() as world:
        outcomes = await probes.run_probes(level.exec, world, ALONE)
    assert {"find what another domain left", "outlive the call", "fill /tmp", "make many names"} <= set(outcomes)
    assert len(SIMPLE) + len(outcomes) == len(probes.PROBES)
    assert {name: outcome.why for name, outcome in outcomes.items() if outcome.out} == {}


async def test_the_monitor_is_jailed(run):
    """Looked at from outside while its guest waits for an answer."""
    seen = {}

    async def asks(_operation, _arguments):
        for pid in monitors():
            seen[pid] = jail_of(pid)

    result = await run("def tool(client):\n    client.look()", asks=asks, capabilities=("client",))
    assert result.error is None
    assert seen
    for jail in seen.values():
        assert jail["rights"] == ("0" * 16, "0" * 16, "1", "2")
        assert jail["environment"] in ("", "PWD=/\0")  # by bubblewrap
        assert jail["root"] <= {"bin", "dev", "lib", "lib64", "proc", "usr"}
        assert jail["shared"] == []
        assert jail["written"] == []
        if os.geteuid() == 0:
            uids = {int(uid) for uid in jail["users"]}
            assert uids <= set(range(limits.MICROVM_UID_FIRST, limits.MICROVM_UID_FIRST + 100))


def jail_of(pid):
    with open(f"/proc/{pid}/status") as file:
        status = {name: value.strip() for name, _, value in (line.partition(":") for line in file)}
    with open(f"/proc/{pid}/environ") as file:
        environment = file.read()
    with open(f"/proc/{pid}/mountinfo") as file:
        mounts = [line.split() for line in file]
    names = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
    return {
        "rights": (status["CapEff"], status["CapPrm"], status["NoNewPrivs"], status["Seccomp"]),
        "users": set(status["Uid"].split()),
        "environment": environment,
        "root": set(os.listdir(f"/proc/{pid}/root")),
        "shared": [
            name for name in names if os.readlink(f"/proc/{pid}/ns/{name}") == os.readlink(f"/proc/self/ns/{name}")
        ],
        "written": [
            mount[4] for mount in mounts if "rw" in mount[5].split(",") and not mount[4].startswith(("/proc", "/dev/"))
        ],
    }


async def test_a_template_can_not_be_written_any_more(level):
    template = level._machines._templates[""]
    for fd in (template.ram_fd, template.state_fd):
        again = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
        with pytest.raises(PermissionError):
            os.pwrite(again, b"changed", 0)
        os.close(again)


async def test_a_monitor_that_dies_ends_its_call_and_no_other(run, level):
    async def asks(_operation, _arguments):
        os.kill(own, signal.SIGKILL)

    await run("def tool(): pass")
    async with Host().clock.timeout(60_000):
        while not level._machines._spares or len(monitors()) != 1:  # until the spare one is ready, and no other there
            await Host().clock.sleep(10)
    [own] = monitors()  # the call gets it, and meanwhile another one is made
    result = await run("def tool(client):\n    client.die()", asks=asks, capabilities=("client",))
    assert (result.value, result.exit) == (None, None)
    assert result.error == "NoResult: the virtual machine ended before it answered"
    assert (await run("def tool(): return 1")).value == 1


async def spared(level):
    """The machine that waits for a call, once there is one."""
    async with Host().clock.timeout(60_000):
        while not level._machines._spares:
            await Host().clock.sleep(10)
    return level._machines._spares[0][0]


async def test_a_machine_that_has_rehearsed_waits_for_its_call_as_any_other(level, run):
    await run("def tool(): pass")
    machine = await spared(level)
    assert (await machine.qmp.execute("query-status"))["status"] == "paused"
    seen = "import os, sys\ndef tool(): return [os.getcwd(), os.listdir(), __name__, sorted(os.environ)]"
    rehearsed = await run(seen)
    assert level._machines._spares == [] or level._machines._spares[0][0] is not machine
    assert rehearsed.value == ["/tmp/work", [], "tool", ["HOME", "LANG", "PATH"]]


async def test_a_machine_that_does_not_rehearse_is_ended_and_no_call_fails(level, run, monkeypatch):
    failed = asyncio.Event()

    async def warm(_machine):
        failed.set()
        raise GuestLost("it did not rehearse")

    await run("def tool(): pass")
    await spared(level)
    monkeypatch.setattr(level._machines.monitor, "warm", warm)
    assert (await run("def tool(): return 1")).value == 1  # the spare one
    await failed.wait()
    assert (await run("def tool(): return 2")).value == 2
    await level._machines._refilling
    assert level._machines._spares == []
    assert len(monitors()) == 0


async def test_a_cancelled_call_leaves_no_machine(level, run):
    begun = asyncio.Event()

    async def asks(_operation, _arguments):
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(run("def tool(client):\n    client.wait()", asks=asks, capabilities=("client",)))
    await begun.wait()
    before = len(monitors())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(monitors()) in (before - 1, before)  # a spare one may have come meanwhile
    assert len(level._machines._uids) >= level._at_once


async def test_more_calls_than_places_are_answered_or_refused_at_once(level, run, monkeypatch):
    monkeypatch.setattr(level, "_places", Places(level._host, "microvm", 2, 2))
    source = "def tool(n): return n * n"
    done = await asyncio.gather(*(run(source, arguments={"n": n}) for n in range(6)), return_exceptions=True)
    refused = [one for one in done if isinstance(one, SandboxBusy)]
    assert len(refused) == 2
    assert all(one.retry_after_s >= 1 for one in refused)
    assert [one.value for one in done if not isinstance(one, SandboxBusy)] == [0, 1, 4, 9]
