"""What is no export, a damaged one or one from the future is refused by line and reason, and nothing of it is kept."""

import json

import pytest

from umi import limits
from umi.errors import ImportRefused, InvalidInput
from umi.portable import VERSION

from .conftest import fill


async def nothing(scope):
    return not any((await scope.rows()).values())


def edited(lines, number, **fields):
    """The lines with the one of this number changed: `fact__text="…"` changes {"fact": {"text": "…"}}."""
    line = json.loads(lines[number - 1])
    for path, value in fields.items():
        *folders, name = path.split("__")
        where = line
        for folder in folders:
            where = where[folder]
        where[name] = value
    return [*lines[: number - 1], json.dumps(line).encode() + b"\n", *lines[number:]]


async def refused(scope, lines):
    with pytest.raises(ImportRefused) as caught:
        await scope.take(lines)
    assert await nothing(scope)
    return caught.value


async def test_a_file_of_a_newer_version_is_refused_by_both_versions(ada, elsewhere):
    error = await refused(elsewhere, edited(await ada.dumped(), 1, version=VERSION + 1))
    assert (error.line, error.http_status) == (1, 422)
    assert f"format {VERSION + 1}" in str(error)
    assert "upgrade" in str(error)


@pytest.mark.parametrize("version", [0, -1])
async def test_there_is_no_version_before_the_first(ada, elsewhere, version):
    assert (await refused(elsewhere, edited(await ada.dumped(), 1, version=version))).line == 1


FOREIGN = [
    b"",
    b"\n",
    b"hello\n",
    b'{"a": 1}\n',
    b"[]",
    b"\x00\xff\xfe",
    b'"umi"\n',
    b"[" * 100_000,
    b'{"kind":"umi"}\n',
]


@pytest.mark.parametrize("content", FOREIGN, ids=lambda content: repr(content[:20]))
async def test_what_is_no_export_is_refused(elsewhere, tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ImportRefused) as caught:
        await elsewhere.take_file(path)
    assert str(caught.value)
    assert await nothing(elsewhere)


async def test_what_can_not_be_read_is_an_error_of_the_caller(elsewhere, tmp_path):
    with pytest.raises(InvalidInput, match="can't be read"):
        await elsewhere.take_file(tmp_path / "none")
    with pytest.raises(InvalidInput, match="can't be read"):
        await elsewhere.take_file(tmp_path)


async def test_a_file_that_was_cut_anywhere_is_refused(ada, elsewhere):
    await fill(ada)
    lines = await ada.dumped()
    for kept in range(1, len(lines)):
        error = await refused(elsewhere, lines[:kept])
        assert error.line == kept + 1, "the first line that is missing"
        assert "cut" in str(error)
    error = await refused(elsewhere, [*lines[:-2], lines[-2][:-10]])
    assert error.line == len(lines) - 1


async def test_a_line_that_was_taken_out_is_missed(ada, elsewhere):
    await fill(ada)
    lines = await ada.dumped()
    for gone in range(1, len(lines) - 1):
        await refused(elsewhere, [*lines[:gone], *lines[gone + 1 :]])


async def test_nothing_may_follow_the_end(ada, elsewhere):
    lines = await ada.dumped()
    assert "after the end" in str(await refused(elsewhere, [*lines, lines[-1]]))
    assert "second export" in str(await refused(elsewhere, [lines[0], *lines]))


# Line of `fill`'s export, what is changed, what the refusal says.
DAMAGE = [
    (2, {"entity__name": " "}, "blank"),
    (2, {"entity__name": "é" * 129}, "at most 256"),
    (2, {"entity__importance": 1.5}, "importance"),
    (2, {"entity__mentions": -1}, "-1 times"),
    (2, {"entity__first_seen_ms": 10**18}, "year 9999"),
    (2, {"entity__attributes": {"a": "x" * 100_000}}, "at most 100,000"),
    (5, {"fact__text": ""}, "blank"),
    (5, {"fact__text": "a\x00b"}, "NUL"),
    (5, {"fact__text": 7}, "no line of an export"),
    (5, {"fact__id": ""}, "blank"),
    (5, {"fact__id": "x" * 257}, "at most 256"),
    (5, {"fact__version": 0}, "version"),
    (5, {"fact__version": 2**63}, "version"),
    (5, {"fact__importance": 2}, "importance"),
    (5, {"fact__valid_from_ms": 2**63}, "year 9999"),
    (5, {"fact__valid_to_ms": 0}, "stop being true"),
    (5, {"fact__claims": [{"subject": "a", "attribute": "b", "value": ""}]}, "blank"),
    (5, {"why__action": "invent"}, "none of"),
    (5, {"why__reason": "x" * 1025}, "at most 1,024"),
    (5, {"mentions": [""]}, "blank"),
    (5, {"evolutions": [{"old_id": "", "kind": "k", "reason": "", "confidence": 1, "at_ms": 0}]}, "blank"),
    (5, {"evolutions": [{"old_id": "a", "kind": "k", "reason": "", "confidence": 2, "at_ms": 0}]}, "confidence"),
    (5, {"kind": "fiction"}, "no line of an export"),
    (6, {"fact__known_to_ms": None}, "doesn't say when"),
    (6, {"fact__version": 9}, "doesn't stand below"),
    (6, {"fact__id": "other"}, "doesn't stand below"),
]


@pytest.mark.parametrize(("number", "change", "says"), DAMAGE, ids=lambda value: str(value)[:40])
async def test_a_damaged_line_is_named_with_its_reason(ada, elsewhere, number, change, says):
    await fill(ada)
    error = await refused(elsewhere, edited(await ada.dumped(), number, **change))
    assert error.line == number
    assert str(error).startswith(f"line {number}: ")
    assert says in str(error)


async def test_damaged_blocks_and_entries_are_refused_too(ada, elsewhere):
    await fill(ada)
    lines = await ada.dumped()
    kinds = [json.loads(line)["kind"] for line in lines]
    block, entry = kinds.index("block") + 1, kinds.index("working") + 1
    for number, change in (
        (block, {"block__label": "a<b"}),
        (block, {"block__type": "soul"}),
        (block, {"block__importance": -1}),
        (entry, {"text": None}),
        (entry, {"expires_ms": 10**18}),
    ):
        assert (await refused(elsewhere, edited(lines, number, **change))).line == number


async def test_a_line_is_as_long_as_its_limit_and_no_longer(ada, elsewhere, monkeypatch):
    await ada.add("ö" * 1_000)
    lines = await ada.dumped()
    longest = max(map(len, lines))
    monkeypatch.setattr(limits, "PORTABLE_LINE_BYTES_MAX", longest)
    await elsewhere.of("fits").take(lines)
    monkeypatch.setattr(limits, "PORTABLE_LINE_BYTES_MAX", longest - 1)
    assert "longer than" in str(await refused(elsewhere, lines))


async def test_a_foreign_file_is_as_large_as_its_limit_and_no_larger(elsewhere, tmp_path, monkeypatch):
    path = tmp_path / "mem0.json"
    path.write_text(json.dumps([{"id": "1", "memory": "schön"}]))
    size = path.stat().st_size
    monkeypatch.setattr(limits, "PORTABLE_FOREIGN_BYTES_MAX", size)
    assert (await elsewhere.take_file(path)).facts == 1
    monkeypatch.setattr(limits, "PORTABLE_FOREIGN_BYTES_MAX", size - 1)
    with pytest.raises(ImportRefused, match="at most"):
        await elsewhere.take_file(path)
