"""One process per file."""

import os
import signal
import subprocess
import sys

import pytest

from umi.errors import StoreInUse
from umi.storage.engine import Engine
from umi.storage.lock import FileLock

HOLD = """
import sys
from umi.storage.engine import Engine
Engine(sys.argv[1], [])
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(path):
    """Another process that holds the database."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "open\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_and_told_who_holds_the_file(path, holder):
    with pytest.raises(StoreInUse, match=f"in use by process {holder.pid}") as raised:
        Engine(path, [])
    assert raised.value.holder_pid == holder.pid


def test_a_link_to_the_file_meets_the_same_lock(path, holder, tmp_path):
    os.symlink(path, tmp_path / "link.db")
    with pytest.raises(StoreInUse) as raised:
        Engine(str(tmp_path / "link.db"), [])
    assert raised.value.holder_pid == holder.pid


def test_a_holder_that_is_killed_lets_go(path, holder):
    holder.send_signal(signal.SIGKILL)
    assert holder.wait() == -signal.SIGKILL
    Engine(path, []).close()


def test_the_same_process_is_refused_as_well(path):
    engine = Engine(path, [])
    with pytest.raises(StoreInUse, match=f"process {os.getpid()}"):
        Engine(path, [])
    engine.close()
    Engine(path, []).close()


def test_a_lock_that_was_released_names_nobody(path):
    lock = FileLock(path)
    with open(f"{path}.lock", encoding="utf-8") as file:
        assert file.read().split() == [str(os.getpid())]
    lock.release()
    assert os.path.getsize(f"{path}.lock") == 0


def test_a_holder_without_a_pid_is_another_process(path):
    lock = FileLock(path)
    os.truncate(f"{path}.lock", 0)
    with pytest.raises(StoreInUse, match="another process") as raised:
        FileLock(path)
    assert raised.value.holder_pid is None
    lock.release()


# --- shared -----------------------------------------------------------------------------------------------------------

SHARE = HOLD.replace("Engine(sys.argv[1], [])", "Engine(sys.argv[1], [], shared=True)")


@pytest.fixture
def sharers(path):
    """Two other processes that share the database, the first of them opened first."""
    running = []
    for _ in range(2):
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", SHARE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
        assert running[-1].stdout.readline() == "open\n"
    yield running
    for process in running:
        process.kill()
        process.communicate()


def test_who_wants_a_file_alone_is_refused_while_others_share_it(path, sharers):
    Engine(path, [], shared=True).close()
    for process in sharers:
        with pytest.raises(StoreInUse) as raised:
            Engine(path, [])
        assert raised.value.holder_pid == process.pid  # the first that is still there
        process.kill()
        process.wait()
    engine = Engine(path, [])
    engine.close()
    assert os.path.getsize(f"{path}.lock") == 0


def test_who_wants_to_share_a_file_is_refused_while_one_has_it_alone(path, holder):
    with pytest.raises(StoreInUse) as raised:
        Engine(path, [], shared=True)
    assert raised.value.holder_pid == holder.pid


def test_the_last_that_shares_a_file_takes_the_names_away(path):
    first, second = FileLock(path, shared=True), FileLock(path, shared=True)
    second.release()
    with open(f"{path}.lock", encoding="utf-8") as file:
        assert set(file.read().split()) == {str(os.getpid())}
    with pytest.raises(StoreInUse):
        FileLock(path)
    first.release()
    assert os.path.getsize(f"{path}.lock") == 0


def test_names_beyond_number_are_not_kept(path):
    first = FileLock(path, shared=True)
    for _ in range(1000):
        FileLock(path, shared=True).release()
    assert os.path.getsize(f"{path}.lock") < 5000
    first.release()


# --- names ------------------------------------------------------------------------------------------------------------


def test_databases_of_other_names_do_not_disturb_each_other(tmp_path):
    engines = [Engine(str(tmp_path / f"{name}.db"), []) for name in "ab"]
    for engine in engines:
        engine.close()
