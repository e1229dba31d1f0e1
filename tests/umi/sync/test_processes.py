"""One file in several processes at once: nothing lost, no error of a lock, and what one wrote the others find."""

import subprocess
import sys

import pytest

import umi
from umi.errors import StoreInUse
from umi.storage import Page

WRITER = """
import sys
import umi.sync

path, name = sys.argv[1:]
with umi.sync.Memory(path, scope="shared", shared=True, embedder=None) as memory:
    for number in range(40):
        memory.remember(f"{name} has seen whale number {number}.")
        memory.working.incr("said")
        memory.core.append("log", f"{name}{number}")
        if number % 10 == 0:
            assert memory.recall(f"whale number {number}"), "its own at least"
    fact = memory.add_facts([f"{name} changes its mind."]).fact
    memory.update(fact.id, text=f"{name} has changed its mind.")
"""


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "memory.db")


@pytest.mark.slow
async def test_four_processes_share_a_file_and_lose_nothing(path):
    async with umi.Memory(path, scope="shared", shared=True, embedder=None) as memory:
        command = [sys.executable, "-c", WRITER, path]
        processes = [subprocess.Popen([*command, name], stderr=subprocess.PIPE, text=True) for name in "ABCD"]  # noqa: ASYNC220 - awaited below, by the operating system
        for process in processes:
            assert process.communicate(timeout=120)[1] == ""
            assert process.returncode == 0
        texts = {fact.text for fact in await memory.list(Page(limit=1_000))}
        seen = {f"{name} has seen whale number {number}." for name in "ABCD" for number in range(40)}
        assert texts == seen | {f"{name} has changed its mind." for name in "ABCD"}
        assert await memory.working.get("said") == "160"
        log = (await memory.core.get_block(label="log")).value.split("\n")
        assert sorted(log) == sorted(f"{name}{number}" for name in "ABCD" for number in range(40))
        found = await memory.recall("C whale number 39")
        assert found[0].fact.text == "C has seen whale number 39.", "an index that others wrote to is not stale"
        assert not any((await memory.audit()).orphans.values())


async def test_a_file_that_is_not_shared_is_in_use_by_a_process_that_is_named(path):
    hold = (
        "import sys, umi.sync; memory = umi.sync.Memory.open(sys.argv[1]); print('held', flush=True); sys.stdin.read();"
        " memory.close()"
    )
    process = subprocess.Popen(  # noqa: ASYNC220 - held while the test looks
        [sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    with pytest.raises(StoreInUse) as caught:
        await umi.Memory.open(path)
    assert caught.value.holder_pid == process.pid
    assert f"process {process.pid}" in str(caught.value)
    process.communicate("")
    await (await umi.Memory.open(path)).close()
