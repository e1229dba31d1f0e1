"""What a mutant is: a mistake in production's code, planted for as long as a test lasts, and the promise it breaks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake that the simulation has to see.

    plants     put it into the modules of production; together they are one mutant. Where a second defence hides the
               first mistake, that defence is off as well
    breaks     the promises one of which is broken by it
    scenarios  where it is looked for
    recorded   the scenario and seed that found it first. A change of what a seed means moves it: `make mutants` says
               where to
    hidden     what is planted with the second defence still on: it must do no harm there
    """

    name: str
    plants: tuple[Plant, ...]
    breaks: tuple[str, ...]
    scenarios: tuple[str, ...]
    recorded: tuple[str, int]
    hidden: tuple[Plant, ...] = ()

    def __str__(self) -> str:
        return self.name


@contextmanager
def planted(plants: tuple[Plant, ...]) -> Iterator[None]:
    """While it lasts, production makes these mistakes."""
    with pytest.MonkeyPatch.context() as patch:
        for plant in plants:
            plant(patch)
        yield
