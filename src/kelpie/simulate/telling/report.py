"""A run as a story: in the terminal, and as a page.

Both show the same: what was promised, what came of it, what happened when and where, and the line that shows it again.
"""

import re
from collections.abc import Iterator
from html import escape

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kelpie.simulate.plans import scenarios
from kelpie.simulate.running import Verdict
from kelpie.simulate.telling.page import headers, rows
from kelpie.simulate.telling.page_style import SCRIPT, STYLE
from kelpie.simulate.telling.story import Mark, Moment
from kelpie.simulate.telling.timeline import Timeline, timeline_of

_SIGNS: dict[Mark, tuple[str, str]] = {
    "": (" ", ""),
    "answer": (" ", ""),
    "log": ("·", "dim"),
    "fault": ("!", "yellow"),
    "broken": ("✗", "bold red"),
}
_WORD = re.compile(r"[\w-]+")


def replay_line(verdict: Verdict, plan_file: str | None = None) -> str:
    """What to type to see the run again. A plan that was changed needs its file."""
    plan = verdict.plan
    return f"kelpie sim replay {plan.seed} " + (f"--plan {plan_file}" if plan_file else f"--scenario {plan.scenario}")


def promise_of(scenario: str) -> str:
    """What the scenario tries to break; nothing for a plan that somebody wrote by hand."""
    known = scenarios.SCENARIOS
    return known[scenario].promise if scenario in known else ""


# ---- in the terminal


def as_text(verdict: Verdict) -> RenderableType:
    """The story line by line: seconds, who, what. "!" marks a fault, "✗" a broken promise, "·" a log line of the
    server; an arrow, what the broken promise names."""
    line = timeline_of(verdict)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    for moment in line.moments:
        grid.add_row(*_cells(moment, line))
    return Group(_title(verdict), Text(), grid, Text(), *_outcome(verdict))


def _cells(moment: Moment, line: Timeline) -> Iterator[Text]:
    sign, style = _SIGNS[moment.mark]
    named = moment.event in line.named
    yield Text(f"{moment.at_ms / 1000:,.3f}", "dim")
    yield Text("→" if named and moment.mark != "broken" else sign, style or "bold")
    yield Text(moment.lane, style or "cyan")
    event = f"{moment.event}: " if moment.event and not moment.text.startswith(moment.event) else ""
    yield Text(f"{event}{moment.text}", "bold" if named and not style else style)


def _title(verdict: Verdict) -> Text:
    plan = verdict.plan
    title = Text(f"{plan.scenario}, seed {plan.seed}", "bold")
    if promise := promise_of(plan.scenario):
        title.append(f"  {promise}", "not bold dim")
    return title


def _outcome(verdict: Verdict) -> Iterator[Text]:
    for violation in verdict.violations:
        text = Text("✗ ", "bold red").append(violation.promise).append(f": {violation.text}", "not bold")
        yield text
    if not verdict.violations:
        yield Text("✓ every promise was kept", "green")
    seconds = f"{verdict.virtual_ms / 1000:,.1f} virtual seconds, {verdict.steps:,} steps"
    yield Text(f"{seconds}; faults: {_counted(verdict.fired)}; operations: {_counted(verdict.outcomes)}", "dim")
    if verdict.plan.schedule:
        yield Text(f"under another order of steps than the seed's own: {verdict.plan.schedule}", "dim")
    yield Text(f"digest {verdict.digest or '(none: the run did not end)'}", "dim")


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


# ---- as a page


def as_page(verdict: Verdict, *, commit: str = "", replay: str = "") -> str:
    """One file of HTML that needs nothing else: a lane for each machine, link and client, time running down.

    commit  of the code that was run
    replay  the line that shows it again, if it is another than that of the scenario and seed
    """
    plan, line = verdict.plan, timeline_of(verdict)
    title = escape(f"{plan.scenario}, seed {plan.seed}")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="content-security-policy" content="{_POLICY}">
<title>{"✗" if verdict.violations else "✓"} {title}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<p class="kicker">kelpie sim</p>
<h1>{title}</h1>
<p class="promise">{escape(promise_of(plan.scenario))}</p>
{_verdict(verdict, line)}
<p class="replay"><code>{escape(replay or replay_line(verdict))}</code><button type="button">copy</button></p>
{_facts(verdict, commit)}
</header>
<main>
{_LEGEND}
<table class="story">
<thead>{headers(line)}</thead>
<tbody>
{rows(line)}
</tbody>
</table>
</main>
<script type="module">{SCRIPT}</script>
</body>
</html>
"""


_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
_LEGEND = """<form class="legend">
<label><input type="checkbox" id="few"> only faults, and what the broken promise names</label>
<span><i class="key dot-fault"></i>fault</span>
<span><i class="key dot-broken"></i>promise broken</span>
<span><i class="key dot-answer"></i>client</span>
<span><i class="key key-busy"></i>waits for an answer</span>
<span><i class="key dot-log"></i>log of a server</span>
<span><i class="key key-bar"></i>window of faults</span>
<span><i class="key key-down"></i>down or standing still</span>
</form>"""


def _verdict(verdict: Verdict, line: Timeline) -> str:
    if not verdict.violations:
        return '<p class="kept">✓ every promise was kept</p>'
    items = (
        f'<li><b>{escape(one.promise)}</b> <span class="at">{one.at_ms / 1000:,.3f} s</span>'
        f"<br>{_linked(one.text, line)}</li>"
        for one in verdict.violations
    )
    return f'<ul class="broken">{"".join(items)}</ul>'


def _linked(text: str, line: Timeline) -> str:
    """The events it names, as links to where they are in the story."""

    def linked(match: re.Match[str]) -> str:
        word = escape(match[0])
        return f'<a href="#{word}">{word}</a>' if match[0] in line.named else word

    parts = (_WORD.sub(linked, part) if part[:1].isalnum() else escape(part) for part in _parts(text))
    return "".join(parts)


def _parts(text: str) -> Iterator[str]:
    """Words and what is between them, so that each can be escaped by itself."""
    at = 0
    for match in _WORD.finditer(text):
        yield text[at : match.start()]
        yield match[0]
        at = match.end()
    yield text[at:]


def _facts(verdict: Verdict, commit: str) -> str:
    plan = verdict.plan
    options = plan.options
    silos = f"{options.silos} silo" + ("s" if options.silos > 1 else "")
    house = f"{silos}, the store {'over the network' if options.remote else 'in the same process'}"
    facts = [
        ("order of steps", escape(plan.schedule) if plan.schedule else "the seed's own"),
        ("commit", f"<code>{escape(commit or 'unknown')}</code>"),
        ("digest", f"<code>{escape(verdict.digest) or 'none: the run did not end'}</code>"),
        ("length", f"{verdict.virtual_ms / 1000:,.1f} virtual seconds, {verdict.steps:,} steps"),
        ("house", f"{house}; agents: {options.agents}, by {options.routing}; {options.wire} wire"),
        ("faults that happened", _chips(verdict.fired)),
        ("operations", _chips(verdict.outcomes)),
    ]
    return f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{value}</dd></div>' for name, value in facts)}</dl>"


def _chips(counts: dict[str, int]) -> str:
    chips = (f'<span class="chip">{escape(name)} <b>{count}</b></span>' for name, count in counts.items())
    return "".join(chips) or "none"
