"""Looking for something in an agent's files: by a pattern in their lines, or by words and meaning in their chunks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kelpie.errors import InvalidInput, LimitExceeded, MissingExtra
from kelpie.files import attached, files, limits
from kelpie.files.attached import AgentFile
from kelpie.files.lines import lines_of
from umi.dst.threads import in_thread
from umi.entity import Recalled
from umi.memory import Archive
from umi.storage import View

_FILES_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Match:
    """A line that matches, with some around it: (number, text) of each, and the number of the one that does."""

    path: str
    line: int
    around: list[tuple[int, str]]


@dataclass(slots=True)
class Matches:
    """What a pattern finds.

    page    matches from `skip` on
    counts  how many each file has, in the order of the files
    total   all of them
    halted  why not every file was searched, or "" if all were
    """

    page: list[Match] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    total: int = 0
    halted: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    path: str
    recalled: Recalled


async def grep(
    view: View, tenant: str, agent_id: str, pattern: str, *, include: str | None, context_lines: int, skip: int
) -> Matches:
    """Lines of the agent's files that match a regular expression, whatever the case.

    include  a regular expression that paths must match
    skip     how many matches come before the page
    Raises InvalidInput for what is no expression (RE2's: without look-around and back references, so that none takes
    more than time in proportion to what is searched), LimitExceeded, MissingExtra.
    """
    expression = compiled("pattern", pattern)
    wanted = compiled("include", include) if include else None
    matches, chars = Matches(), 0
    every = await attached.first_files(view, tenant, agent_id, limits.GREP_FILES_MAX + 1)
    found = [one for one in every[: limits.GREP_FILES_MAX] if wanted is None or wanted.search(one.path)]
    for some in _batches(found):
        chars += sum(one.chars for one in some)
        if chars > limits.GREP_CHARS_MAX:
            matches.halted = f"{limits.GREP_CHARS_MAX:,} characters were searched"
        elif matches.total >= limits.GREP_MATCHES_MAX:
            matches.halted = f"{matches.total:,} matches were found"
        if matches.halted:
            return matches
        texts = await files.texts_of(view, tenant, some)
        await in_thread(_grep, matches, expression, some, texts, context_lines, skip)
    if len(every) > limits.GREP_FILES_MAX:
        matches.halted = f"{limits.GREP_FILES_MAX:,} files were looked at"
    return matches


def _batches(found: Sequence[AgentFile]) -> Iterator[list[AgentFile]]:
    """A few files at once, or a long one: their texts are in memory together."""
    some: list[AgentFile] = []
    for one in found:
        if len(some) == _FILES_AT_ONCE or sum(each.chars for each in some) + one.chars > limits.FILE_TEXT_CHARS_MAX:
            yield some
            some = []
        some.append(one)
    if some:
        yield some


def _grep(
    matches: Matches, expression: Any, some: Sequence[AgentFile], texts: dict[str, str], context_lines: int, skip: int
) -> None:
    for file in some:
        lines = lines_of(texts.get(file.id, ""))
        for at, line in enumerate(lines):
            if not expression.search(line):
                continue
            matches.counts[file.path] = matches.counts.get(file.path, 0) + 1
            if skip <= matches.total < skip + limits.GREP_PAGE_MATCHES:
                first = max(0, at - context_lines)
                around = list(enumerate(lines[first : at + context_lines + 1], first + 1))
                matches.page.append(Match(file.path, at + 1, around))
            matches.total += 1


def compiled(what: str, pattern: str) -> Any:
    """Raises InvalidInput, LimitExceeded, MissingExtra."""
    if len(pattern) > limits.GREP_PATTERN_CHARS_MAX:
        raise LimitExceeded(f"the {what}", len(pattern), limits.GREP_PATTERN_CHARS_MAX, "characters")
    try:
        import re2
    except ImportError:
        raise MissingExtra("searching files for a pattern", "files") from None
    options = re2.Options()
    options.case_sensitive, options.log_errors = False, False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise InvalidInput(f"the {what} {pattern[:100]!r} is no regular expression: {error}") from None


async def search(view: View, archive: Archive, tenant: str, agent_id: str, query: str, limit: int) -> list[Found]:
    """The chunks of an agent's files that answer a query, best first: by words, and by meaning where there is an
    embedder. Each folder ranks its own, and scores of two say nothing of each other: the best of each come first."""
    ranked: list[tuple[int, Found]] = []
    for folder in await attached.folders_of(view, tenant, agent_id):
        best = await archive.recall(view, tenant, folder.scope, query, limit=limit)
        ranked += [
            (rank, Found(f"{folder.name}/{one.fact.source.get('file_name', '')}", one)) for rank, one in enumerate(best)
        ]
    ranked.sort(key=lambda one: one[0])
    return [one for _, one in ranked[:limit]]
