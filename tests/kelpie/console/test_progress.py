"""How far long work is: a bar where somebody looks, lines where nobody does, and nothing on standard output."""

import io

from rich.console import Console

from kelpie.console.progress import Meter
from umi.dst import ManualClock


def test_a_log_gets_a_line_every_ten_seconds():
    clock, log = ManualClock(), io.StringIO()
    with Meter("playing", 200, clock, Console(file=log)) as meter:
        for done in range(100):
            clock.advance(1_000)
            meter.tell(done + 1, f"{done + 1} runs")
    assert log.getvalue().splitlines()[:2] == ["playing: 5% 10 runs", "playing: 10% 20 runs"]
    assert len(log.getvalue().splitlines()) == 10


def test_a_terminal_gets_a_bar_that_leaves_nothing_behind():
    clock, screen = ManualClock(), io.StringIO()
    with Meter("playing", 10, clock, Console(file=screen, force_terminal=True, width=80)) as meter:
        meter.tell(5, "[5 runs]")
        with meter.out_of_the_way():
            screen.write("a line of its own\n")
    text = screen.getvalue()
    assert "50 %" in text
    assert "[5 runs]" in text
    assert "a line of its own" in text
    assert text.rstrip().endswith("\x1b[2K")  # erased


def test_unless_told_otherwise_it_speaks_on_standard_error(capsys):
    clock = ManualClock()
    with Meter("playing", 0, clock) as meter:
        clock.advance(20_000)
        meter.tell(1)
    said = capsys.readouterr()
    assert said.out == ""
    assert "playing" in said.err
