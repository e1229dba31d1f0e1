"""umi.sync: the same memory for code without an event loop, from any number of threads."""

import asyncio
import gc
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import umi
import umi.sync
from tidy import faces
from umi.core import Core
from umi.errors import CalledInsideLoop, InvalidInput, StoreClosed, StoreInUse
from umi.working import Working

PAIRS = [(umi.Memory, umi.sync.Memory), (Core, umi.sync.Core), (Working, umi.sync.Working)]


def public(cls, is_wanted):
    return {name: member for name, member in vars(cls).items() if not name.startswith("_") and is_wanted(member)}


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "memory.db")


@pytest.fixture
def memory(path):
    with umi.sync.Memory(path, scope="ada", embedder=None) as opened:
        yield opened


def test_the_faces_are_as_they_would_be_made():
    stale = [path.name for path, text in faces.faces().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run: python tests/tidy/faces.py"


@pytest.mark.parametrize(("awaited", "blocking"), PAIRS, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_every_coroutine_method_has_a_blocking_one_of_the_same_signature_and_words(awaited, blocking):
    methods = public(awaited, inspect.iscoroutinefunction)
    assert len(methods) > 8
    for name, method in methods.items():
        other = vars(blocking)[name]
        assert inspect.signature(other) == inspect.signature(method), name
        assert inspect.getdoc(other) == inspect.getdoc(method), name
        assert not inspect.iscoroutinefunction(other), name


def test_both_memories_are_made_alike_and_have_the_same_properties():
    assert inspect.signature(umi.sync.Memory.__init__) == inspect.signature(umi.Memory.__init__)
    properties = public(umi.Memory, lambda member: isinstance(member, property))
    assert properties.keys() <= public(umi.sync.Memory, lambda member: isinstance(member, property)).keys()


def test_what_is_remembered_is_recalled_after_a_restart(path):
    with umi.sync.Memory(path, scope="ada", embedder=None) as memory:
        memory.remember("Ada's cat is called Miso.")
        memory.core.set_block("persona", "kind")
        memory.working.set("draft", "x")
    with umi.sync.Memory(path, scope="ada", embedder=None) as memory:
        assert memory.recall("cat")[0].fact.text == "Ada's cat is called Miso."
        assert 'type="persona"' in memory.core.render().text
        assert memory.working.get("draft") == "x"
        assert memory.of("bob").count() == 0


def test_errors_are_those_of_the_awaited_method(memory):
    with pytest.raises(InvalidInput, match="blank"):
        memory.remember(" ")
    with pytest.raises(InvalidInput, match="there is no block type"):
        memory.core.set_block("soul", "x")


def test_a_hundred_threads_lose_nothing(memory):
    start = threading.Barrier(100)

    def work(number):
        start.wait()
        for step in range(3):
            memory.of(f"scope {number % 10}").add_facts([f"thread {number} says {step}"])
            memory.working.incr("said")
            memory.of(f"scope {number % 10}").recall(f"thread {number}")

    with ThreadPoolExecutor(100) as pool:
        list(pool.map(work, range(100)))
    assert memory.working.get("said") == "300"
    texts = {fact.text for n in range(10) for fact in memory.of(f"scope {n}").list(umi.storage.Page(limit=100))}
    assert texts == {f"thread {number} says {step}" for number in range(100) for step in range(3)}


async def test_inside_a_running_loop_the_awaited_call_is_named(path):
    memory = umi.sync.Memory(path)
    for call, awaited in (
        (lambda: memory.recall("cat"), "await memory.recall(…)"),
        (memory.core.render, "await memory.core.render(…)"),
        (lambda: memory.working.get("x"), "await memory.working.get(…)"),
        (memory.close, "await memory.close(…)"),
    ):
        with pytest.raises(CalledInsideLoop) as caught:
            call()
        assert awaited in str(caught.value)
    assert caught.value.http_status == 400


def test_a_closed_memory_says_so_and_is_closed_once(path):
    memory = umi.sync.Memory(path)
    memory.count()
    memory.close()
    memory.close()
    with pytest.raises(StoreClosed, match="was closed"):
        memory.count()
    umi.sync.Memory(path).open(path).close()


def test_closing_ends_the_thread_and_frees_the_file(path):
    def threads():
        return [thread for thread in threading.enumerate() if thread.name == "umi-sync"]

    memory = umi.sync.Memory.open(path)
    assert len(threads()) == 1
    with pytest.raises(StoreInUse):
        umi.sync.Memory.open(path)
    memory.close()
    gc.collect()  # the one that could not open
    umi.sync.Memory.open(path).close()
    for thread in threads():
        thread.join(10)
    assert threads() == []


def test_calls_under_way_when_it_is_closed_end_one_way_or_the_other(path):
    memory = umi.sync.Memory.open(path, embedder=None)
    outcomes = []

    def work():
        try:
            for number in range(1_000):
                memory.add_facts([f"fact {number}"])
        except StoreClosed as error:
            outcomes.append(error)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    memory.add_facts(["one more"])
    memory.close()
    for thread in threads:
        thread.join(60)
    assert [thread for thread in threads if thread.is_alive()] == []
    assert len(outcomes) == 5


def test_a_seed_makes_a_memory_whose_power_can_be_cut():
    with umi.sync.Memory(seed=42) as memory:
        memory.remember("Ada likes tea.")
        memory.crash()
        assert memory.count() == 1
        assert memory.faults.fired == {}


def test_export_and_import(memory, tmp_path):
    memory.remember("Ada likes tea.")
    memory.export(str(tmp_path / "ada.jsonl"))
    other = memory.of("copy")
    assert other.import_(str(tmp_path / "ada.jsonl")).facts == 1
    assert other.count() == 1


def test_its_methods_are_typed(tmp_path):
    """A type checker sees what each returns, not Any."""
    hints = inspect.get_annotations(umi.sync.Memory.recall)
    assert str(hints["return"]).startswith("list[umi.entity.Recalled")
    assert not asyncio.iscoroutinefunction(umi.sync.Memory.recall)
