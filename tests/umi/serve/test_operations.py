"""The table of operations says what the methods take, no less and no more."""

import inspect

import msgspec
import pytest

from umi import Memory
from umi.core import Core
from umi.errors import InvalidInput
from umi.serve import faces
from umi.serve.openapi import describe
from umi.serve.operations import OPERATIONS, Value
from umi.serve.parameters import AsOf, Paged, Recall
from umi.working import Working

PARTS = {"": Memory, "core": Core, "working": Working}
# What stays in the process: files of its machine, and waiting for its background work.
AT_HOME = {"close", "open", "export", "import_", "import_lines", "embedded"}
FLAT = {
    "time_range": {"time_from", "time_to"},
    "as_of": {"valid_at", "known_at"},
    "page": {"limit", "after", "before", "newest_first"},
}
BYTES = {"data", "expected_data"}
ALL = list(OPERATIONS.values())


@pytest.mark.parametrize("part", PARTS)
def test_every_method_is_an_operation(part):
    methods = {
        name
        for name, member in vars(PARTS[part]).items()
        if inspect.iscoroutinefunction(member) and not name.startswith("_")
    }
    assert methods - AT_HOME == {one.method for one in ALL if one.part == part}


@pytest.mark.parametrize("operation", ALL, ids=lambda one: one.name)
def test_an_operation_takes_what_its_method_takes(operation):
    parameters = dict(inspect.signature(getattr(PARTS[operation.part], operation.method)).parameters)
    del parameters["self"]
    parameters.pop("count", None)  # a function can't be sent
    fields = {field.name: field for field in msgspec.structs.fields(operation.takes)}
    expected = set()
    for name in parameters:
        expected |= FLAT.get(name, {name})
    assert set(fields) - BYTES == expected
    for name in expected & set(parameters):
        default = parameters[name].default
        has = fields[name]
        if default is inspect.Parameter.empty:
            assert has.required or name in ("value", "expected", "type"), name
        else:
            given = has.default_factory() if has.default is msgspec.NODEFAULT else has.default
            assert (list(given) if isinstance(given, list) else given) == (list(default) if default == () else default)


@pytest.mark.parametrize("operation", ALL, ids=lambda one: one.name)
def test_an_operation_is_described_for_people_and_machines(operation):
    assert len(operation.doc) > 5
    assert "Raises" not in operation.doc
    assert operation.result is not None or operation.result is None
    described = describe("1")["paths"][f"/v1/{operation.name}"]["post"]
    assert described["operationId"] == operation.name
    assert "$ref" in str(described["requestBody"])


def test_the_client_has_a_method_for_every_operation():
    for part, cls in (("", faces.Memory), ("core", faces.Core), ("working", faces.Working)):
        methods = {name for name, member in vars(cls).items() if inspect.iscoroutinefunction(member)}
        assert methods == {one.method for one in ALL if one.part == part}


def test_pages_and_pairs_become_what_the_methods_take():
    page = Paged(limit=3, after="a", newest_first=True).arguments()["page"]
    assert (page.limit, page.after, page.before, page.ascending) == (3, "a", None, False)
    assert AsOf(known_at=5).arguments() == {"as_of": (None, 5)}
    assert AsOf().arguments() == {"as_of": None}
    assert Recall(query="x", time_from="2024-01-01").arguments()["time_range"] == ("2024-01-01", None)


BAD = [
    b"",
    b"{",
    b"[]",
    b"7",
    b'{"query": 7}',
    b'{"query": "x", "colour": "red"}',
    b'{"query": "x", "limit": "many"}',
    b'{"query": "\xff"}',
    b'{"query":' * 10_000,
    b'{"query": "x", "filters": ' + b'{"a":' * 100_000,
]


@pytest.mark.parametrize("body", BAD, ids=lambda body: repr(body[:24]))
def test_bad_parameters_are_refused_by_name(body):
    with pytest.raises(InvalidInput, match=r"^recall: "):
        OPERATIONS["recall"].read(body)


async def test_bytes_and_texts_of_working_memory_are_told_apart(tmp_path):
    async with Memory(str(tmp_path / "memory.db"), embedder=None) as memory:

        async def run(name, **given):
            return await OPERATIONS[name].run(memory, OPERATIONS[name].read(msgspec.json.encode(given)))

        await run("working_set", key="t", value="ünï")
        await run("working_set", key="b", data=b"\x00\xff")
        assert await run("working_get", key="t") == Value(text="ünï")
        assert await run("working_get", key="b") == Value(data=b"\x00\xff")
        assert await run("working_get", key="none") == Value()
        assert await run("working_compare_and_set", key="b", expected_data=b"\x00\xff", value="now text") is True
        assert [one.told()[:2] for one in await run("working_entries")] == [("b", "now text"), ("t", "ünï")]
        with pytest.raises(InvalidInput):
            await run("working_set", key="nothing")
