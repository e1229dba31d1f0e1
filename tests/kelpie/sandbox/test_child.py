"""Programs of ours as children of the server: what they get, and how they end."""

import asyncio
import os
import sys

import pytest

from kelpie.sandbox import child

BOUNDS = child.Bounds(wall_ms=20_000, cpu_s=10, file_bytes=1 << 20, output_bytes=10_000)


def python(code):
    return [sys.executable, "-I", "-S", "-c", code]


async def test_it_reads_what_it_is_given_and_its_output_is_kept(host, monkeypatch):
    monkeypatch.setenv("KELPIE_KEYS", "secret")
    code = "import os, sys; print(sys.stdin.read(), dict(os.environ)); sys.stderr.write('and this'); sys.exit(3)"
    ended = await child.run(host, python(code), BOUNDS, environment={"A": "1"}, given=b"given")
    assert ended.exit == 3
    assert ended.output.startswith(b"given {'A': '1'")
    assert b"KELPIE" not in ended.output
    assert b"and this" in ended.output


async def test_what_it_prints_is_cut(host):
    ended = await child.run(host, python("print('x' * 50_000)"), BOUNDS, environment={})
    assert (ended.exit, len(ended.output)) == (0, 10_000)


@pytest.mark.parametrize(
    ("code", "bounds"),
    [
        ("while True: pass", BOUNDS._replace(cpu_s=1)),
        ("print('x' * (2 << 20), flush=True)", BOUNDS),
        ("x = bytearray(1 << 30)", BOUNDS._replace(memory_bytes=256 << 20)),
    ],
)
async def test_its_bounds_end_it(host, code, bounds):
    assert (await child.run(host, python(code), bounds, environment={})).exit != 0


async def test_time_ends_it_and_what_it_started(host, tmp_path):
    wrote = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(pid))"
    code = f"import os, time; pid = os.fork(); pid and {wrote}; time.sleep(60)"
    ended = await child.run(host, python(code), BOUNDS._replace(wall_ms=2_000), environment={})
    assert ended.exit is None
    for _ in range(500):  # the kernel takes a moment for those we don't wait for
        if is_alive((tmp_path / "pid").read_text()):
            await asyncio.sleep(0.01)
    assert not is_alive((tmp_path / "pid").read_text())


async def test_a_cancelled_caller_leaves_nothing(host, tmp_path):
    code = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    seen = asyncio.Event()

    async def watched():
        # It is made before it is written: an empty file is not a process yet.
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            seen.set()

    running = asyncio.ensure_future(child.run(host, python(code), BOUNDS, environment={}, watched=watched, every_ms=10))
    await seen.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not is_alive((tmp_path / "pid").read_text())


async def test_what_the_watcher_raises_ends_it(host):
    async def watched():
        raise ValueError("too much")

    with pytest.raises(ValueError, match="too much"):
        await child.run(host, python("input()"), BOUNDS, environment={}, watched=watched, every_ms=1)


async def test_a_program_that_is_not_there_is_an_error(host):
    with pytest.raises(OSError, match="nowhere"):
        await child.run(host, ["/nowhere"], BOUNDS, environment={})


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_the_test_knows_the_living():
    assert is_alive(os.getpid())
    assert not is_alive(2**22 + 1)
