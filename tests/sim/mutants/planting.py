"""What a mutant is: a mistake in production's code, planted for as long as a test lasts, and the promise it breaks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mistake that the simulation has to see.

    plants     put it into production's modules. Where another defence hides it, they switch that off as well
    breaks     promises; one of them is broken
    scenarios  where it is looked for
    recorded   the scenario and seed that found it first. A change of what seeds mean moves it: `make mutants` says
               where to
    harmless   parts of the plants, each of which breaks none of these promises in the same run: it takes all of them
    """

    name: str
    plants: tuple[Plant, ...]
    breaks: tuple[str, ...]
    scenarios: tuple[str, ...]
    recorded: tuple[str, int]
    harmless: tuple[tuple[Plant, ...], ...] = ()

    def __str__(self) -> str:
        return self.name


@contextmanager
def planted(plants: tuple[Plant, ...]) -> Iterator[None]:
    """While it lasts, production makes these mistakes."""
    with pytest.MonkeyPatch.context() as patch:
        for plant in plants:
            plant(patch)
        yield
