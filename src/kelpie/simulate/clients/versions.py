"""What people put into folders, who may have taken it away since, and so what may be found there, and what must.

Every version of a file has a word of its own in each of its lines: whatever is found says whose it is.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from kelpie.simulate.clients.clients import Outcome
from kelpie.simulate.plans.plan import Event

NEVER = math.inf
WORD = re.compile(r"\bwop\d+\b")
UNREADABLE = "pdf"  # the ending of what calls itself a document and is none


@dataclass(slots=True)
class Version:
    """A file that somebody uploaded, or wanted to.

    name      it was to have in its folder; `as_name` is the one it got
    text      what it says; None if it can't be read
    known_ms  since when it was certainly there: somebody was told
    read_ms   since when it was certainly read: somebody was told
    skipped   its name was taken, and so nothing was to happen
    """

    event: Event
    folder: int
    name: str
    text: str | None
    began_ms: float
    replaces: bool = False
    outcome: Outcome = "unknown"
    ended_ms: float = NEVER
    known_ms: float = NEVER
    read_ms: float = NEVER
    id: str | None = None
    as_name: str | None = None
    skipped: bool = False

    @property
    def word(self) -> str:
        return word_of(self.event.id)

    @property
    def is_nothing(self) -> bool:
        """Whoever uploaded it was told that it was not taken."""
        return self.outcome == "refused" or self.skipped

    def is_slice(self, start: int, end: int, text: str) -> bool:
        return self.text is not None and 0 <= start < end and self.text[start:end] == text


@dataclass(slots=True)
class Removal:
    """Of one file, or of a whole folder with all its files: then `file_id` is None."""

    folder: int
    file_id: str | None
    began_ms: float
    outcome: Outcome = "unknown"
    ended_ms: float = NEVER


@dataclass(slots=True)
class Shelves:
    """All that was put into folders, by the name that clients called it (which is the event's), and all removals."""

    versions: dict[str, Version] = field(default_factory=dict)
    removals: list[Removal] = field(default_factory=list)

    def by_word(self, word: str) -> Version | None:
        return next((one for one in self.versions.values() if one.word == word), None)

    def in_folder(self, folder: int) -> list[Version]:
        return [one for one in self.versions.values() if one.folder == folder and not one.is_nothing]

    def is_gone(self, version: Version, at_ms: float) -> bool:
        """Whether it can't be there any more: what took it away began after it was known, and is over."""
        for over_ms, began_ms, must_be_known in self._taken_by(version, acknowledged=True):
            if over_ms <= at_ms and (not must_be_known or version.known_ms < began_ms):
                return True
        return False

    def may_be_gone(self, version: Version, by_ms: float = NEVER) -> bool:
        """Whether somebody may have taken it away before: not if that was over when it came."""
        return any(
            over_ms > version.began_ms and began_ms < by_ms
            for over_ms, began_ms, _ in self._taken_by(version, acknowledged=False)
        )

    def is_there(self, version: Version, since_ms: float, until_ms: float) -> bool:
        """Whether whoever looks in that time must find it."""
        return version.known_ms < since_ms and not version.is_nothing and not self.may_be_gone(version, until_ms)

    def is_kept(self, folder: int, name: str) -> bool:
        """Whether some file must have this name in the end: a replacement leaves another one, a removal none."""
        named = [one for one in self.in_folder(folder) if name in (one.as_name, one.name)]
        ids = {one.id for one in named}
        removals = [
            one
            for one in self.removals
            if one.outcome != "refused" and one.folder == folder and (one.file_id is None or one.file_id in ids)
        ]
        return any(
            one.as_name == name
            and one.known_ms < NEVER
            and not any(removal.ended_ms > one.began_ms for removal in removals)
            for one in named
        )

    def _taken_by(self, version: Version, *, acknowledged: bool) -> Iterator[tuple[float, float, bool]]:
        """When each of them was over and began, and whether it only takes what was there when it began. Where a name
        isn't known, of a version nobody heard of, it may be anybody's of the folder."""
        for one in self.removals:
            if one.outcome == "refused" or (acknowledged and one.outcome != "ok"):
                continue
            if (one.file_id is None and one.folder == version.folder) or (
                one.file_id is not None and one.file_id == version.id
            ):
                yield one.ended_ms, one.began_ms, False
        for other in self.versions.values():
            if other is version or not other.replaces or other.folder != version.folder or other.is_nothing:
                continue
            if acknowledged and other.outcome != "ok":
                continue
            if other.name == version.as_name or (version.as_name is None and not acknowledged):
                yield other.ended_ms, other.began_ms, True


def word_of(event_id: str) -> str:
    return "w" + event_id.replace("-", "")


def written(event: Event) -> tuple[bytes, str | None]:
    """The bytes of the file that an event uploads, and the text that they are read as."""
    word, name = word_of(event.id), event.args["name"]
    if name.endswith(UNREADABLE):
        return f"{word} is no document".encode(), None
    lines = [f"head {word} of {name}"]
    lines += [f"{word} line {number} says so it goes, and so on, as lines do" for number in range(event.args["lines"])]
    if name.endswith("html"):
        paragraphs = "".join(f"<p>{line}</p>" for line in lines)
        return f"<html><body>{paragraphs}</body></html>".encode(), "\n\n".join(lines)
    text = "\n".join(lines) + "\n"
    return text.encode(), text
