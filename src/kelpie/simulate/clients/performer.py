"""A part somebody outside plays: some kinds of operations, how they ended, and what must hold of what came of them."""

from collections import Counter
from collections.abc import Callable
from typing import ClassVar

from kelpie.simulate.clients.clients import Outcome
from kelpie.simulate.plans.plan import Event


class Performer:
    """`kinds` are the operations it performs; `word` is what its outcomes are counted under."""

    kinds: ClassVar[tuple[str, ...]] = ()
    word: ClassVar[str] = ""

    @property
    def outcomes(self) -> list[Outcome]:
        """How each message that it sent ended. What is unknown may still become a run, long after."""
        return []

    def counts(self) -> Counter[str]:
        """How often something happened, for the verdict."""
        return Counter(f"{self.word} {outcome}" for outcome in self.outcomes)

    async def set_up(self) -> None:
        """Before anything goes wrong."""

    async def perform(self, event: Event) -> None:
        """Do what the event says."""
        raise NotImplementedError(event.kind)

    async def check(self, breaks: Callable[[str, str], None]) -> None:
        """Once everything has healed: `breaks(promise, what was seen)` for each promise that was not kept."""
