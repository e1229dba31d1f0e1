"""What happened in a run, in the order it happened, for people: each moment has a lane."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec

from umi.dst.tasks import INCARNATION

Mark = Literal["", "fault", "answer", "broken", "log"]


class Moment(msgspec.Struct, frozen=True):
    """lane  a silo, the store, a disk, a client, a link; "world" for what concerns all of them"""

    at_ms: float
    lane: str
    text: str
    mark: Mark = ""
    event: str = ""  # the event of the plan it belongs to


class Story:
    def __init__(self, now_ms: Callable[[], float]) -> None:
        self._now_ms = now_ms
        self.moments: list[Moment] = []

    def tell(self, lane: str, text: str, mark: Mark = "", event: str = "") -> None:
        self.moments.append(Moment(round(self._now_ms(), 3), lane, text, mark, event))


class _ToStory(logging.Handler):
    def __init__(self, story_now: Callable[[], Story | None]) -> None:
        super().__init__(logging.WARNING)
        self._story_now = story_now

    def emit(self, record: logging.LogRecord) -> None:
        story = self._story_now()
        if story is not None:
            silo = INCARNATION.get().partition(".")[0] or "world"
            why = f": {record.exc_info[1]}" if record.exc_info else ""
            story.tell(silo, f"{record.getMessage()}{why}", "log")


@contextmanager
def logs_told(story_now: Callable[[], Story | None]) -> Iterator[None]:
    """While it lasts, what production logs is part of the story and goes nowhere else. The dead have their last words
    when the story is over (`story_now` gives None): nobody is told those."""
    handler, kept = _ToStory(story_now), []
    for name in ("kelpie", "umi"):
        logger = logging.getLogger(name)
        kept.append((logger, logger.handlers, logger.propagate, logger.level))
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, handlers, propagate, level in kept:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
