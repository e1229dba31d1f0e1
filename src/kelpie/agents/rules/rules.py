"""Tool rules: which tools may be called now, whether one must be, whether the turn may end. Pure.

A rule speaks of the calls of one turn so far. A rule whose tool the agent does not have says nothing: an agent must not
come to a stop because a tool was detached. Of several rules each takes away; what all of them leave may be called.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from kelpie.agents import limits
from kelpie.errors import InvalidInput, LimitExceeded
from umi.entity import check_json


class _Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """`tool` is the name of the tool it is about."""

    tool: str


class RunFirst(_Rule, frozen=True, tag="run_first"):
    """The turn's first call is of this tool, or of another that is to run first. `arguments` are filled in."""

    arguments: dict[str, Any] = {}


class EndsTurn(_Rule, frozen=True, tag="ends_turn"):
    """A call that succeeds ends the turn."""


class GoesOn(_Rule, frozen=True, tag="goes_on"):
    """After a call the model is asked again, also where a turn would end."""


class Children(_Rule, frozen=True, tag="children"):
    """Right after this tool only `children` may be called, and one of them must be. `arguments` are filled in, by
    child."""

    children: list[str]
    arguments: dict[str, dict[str, Any]] = {}


class Parent(_Rule, frozen=True, tag="parent"):
    """`children` may be called right after this tool alone, and one of them must be."""

    children: list[str]


class Conditional(_Rule, frozen=True, tag="conditional"):
    """What may be called right after this tool follows from what it gave.

    by_output  the next tool by the text of the output
    otherwise  the next tool for every other output; None: any tool
    is_strict  for every other output no tool may be called
    """

    by_output: dict[str, str]
    otherwise: str | None = None
    is_strict: bool = False


class AtMost(_Rule, frozen=True, tag="at_most"):
    """No more than `count` calls in a turn."""

    count: int


class BeforeEnd(_Rule, frozen=True, tag="before_end"):
    """The turn does not end before it was called."""


class Approved(_Rule, frozen=True, tag="approved"):
    """A person is asked before each call. `is_needed` false: nobody is, also where the tool itself wants it."""

    is_needed: bool = True


Rule = RunFirst | EndsTurn | GoesOn | Children | Parent | Conditional | AtMost | BeforeEnd | Approved


class Made(msgspec.Struct, frozen=True):
    """A call of this turn; `output` is None while nobody knows it."""

    tool: str
    output: str | None = None


def check(rules: Sequence[Rule]) -> None:
    """Raise InvalidInput or LimitExceeded for rules that can't be stored."""
    if len(rules) > limits.AGENT_RULES_MAX:
        raise LimitExceeded("the agent's list of tool rules", len(rules), limits.AGENT_RULES_MAX, "rules")
    if rules:
        kept = {"tool_rules": msgspec.to_builtins(list(rules))}
        check_json("the agent's list of tool rules", kept, limits.AGENT_RULES_BYTES_MAX)
    for rule in rules:
        if isinstance(rule, Children) and (others := sorted(set(rule.arguments) - set(rule.children))):
            raise InvalidInput(f"the rule of '{rule.tool}' fills in arguments of {', '.join(others)}: no child of it")
        if isinstance(rule, AtMost) and rule.count < 1:
            raise InvalidInput(f"the rule of '{rule.tool}' must allow at least one call, not {rule.count}")


def named(rules: Iterable[Rule]) -> set[str]:
    """Every tool that a rule names."""
    names: set[str] = set()
    for rule in rules:
        names.add(rule.tool)
        if isinstance(rule, Children | Parent):
            names.update(rule.children)
        elif isinstance(rule, Conditional):
            names.update(rule.by_output.values(), [rule.otherwise] if rule.otherwise else [])
    return names


def constrain(rules: Iterable[Rule]) -> bool:
    """Whether what may be called depends on what was called: then one call at a time is asked for."""
    return any(not isinstance(rule, Approved | EndsTurn | GoesOn | BeforeEnd) for rule in rules)


def allowed(rules: Sequence[Rule], tools: Collection[str], made: Sequence[Made]) -> list[str]:
    """Which of `tools` may be called now, in their order."""
    every = set(tools)
    first = set[str]() if made else {rule.tool for rule in rules if isinstance(rule, RunFirst)} & every
    if first:
        return [name for name in tools if name in first]
    left, times = set(every), Counter(one.tool for one in made)
    for rule in rules:
        if rule.tool not in every:
            continue
        if isinstance(rule, AtMost):
            if times[rule.tool] >= rule.count:
                left.discard(rule.tool)
        elif (may := _left_by(rule, every, made)) is not every:
            left &= may
    return [name for name in tools if name in left]


def _left_by(rule: Rule, tools: set[str], made: Sequence[Made]) -> set[str]:
    is_last = bool(made) and made[-1].tool == rule.tool
    if isinstance(rule, Children) and is_last:
        return set(rule.children)
    if isinstance(rule, Parent):
        return set(rule.children) if is_last else tools - set(rule.children)
    if isinstance(rule, Conditional) and is_last:
        return _by_output(rule, made[-1].output, tools)
    return tools


def _by_output(rule: Conditional, output: str | None, tools: set[str]) -> set[str]:
    """Nothing while the output is not known: what comes after it is to be asked for when it is."""
    if output is None:
        return set()
    found = next((tool for key, tool in rule.by_output.items() if _is_same(key, output)), None)
    if found is None and rule.is_strict:
        return set()
    found = found or rule.otherwise
    return tools if found is None else {found}


def _is_same(key: str, output: str) -> bool:
    """`true` and `False` are written differently by everybody; all else is compared letter by letter."""
    key, output = key.strip(), output.strip()
    if key.lower() in ("true", "false"):
        return key.lower() == output.lower()
    return key == output


def must_call(rules: Sequence[Rule], tools: Collection[str], made: Sequence[Made]) -> bool:
    """Whether the model may not answer with words alone now. False where it may call nothing."""
    if not made:
        return any(isinstance(rule, RunFirst) and rule.tool in tools for rule in rules)
    last = made[-1]
    narrowing = [rule for rule in rules if rule.tool == last.tool and isinstance(rule, Children | Parent | Conditional)]
    narrows = any(_left_by(rule, set(tools), made) != set(tools) for rule in narrowing)
    return narrows and last.tool in tools and bool(allowed(rules, tools, made))


def refusal(rules: Sequence[Rule], tools: Collection[str], made: Sequence[Made], tool: str) -> str | None:
    """Why a call is not made, in words for the model; None if it may be."""
    may = allowed(rules, tools, made)
    if tool in may:
        return None
    instead = f"call one of: {', '.join(may)}" if may else "no tool may be called now"
    return f"the agent's tool rules don't allow '{tool}' now; {instead}"


def replay(rules: Sequence[Rule], tools: Collection[str], calls: Iterable[Made]) -> list[Made]:
    """Those of a turn's calls that were made: the rules refused the others."""
    made: list[Made] = []
    for call in calls:
        if refusal(rules, tools, made, call.tool) is None:
            made.append(call)
    return made


def missing(rules: Iterable[Rule], tools: Collection[str], made: Sequence[Made]) -> list[str]:
    """The tools that have to be called before the turn ends, and were not. One that may not be called any more is not
    waited for."""
    called = {one.tool for one in made}
    wanted = [rule.tool for rule in rules if isinstance(rule, BeforeEnd) and rule.tool in tools]
    return [name for name in dict.fromkeys(wanted) if name not in called]


def ends_turn(rules: Iterable[Rule], tool: str) -> bool:
    return any(isinstance(rule, EndsTurn) and rule.tool == tool for rule in rules)


def goes_on(rules: Iterable[Rule], tool: str) -> bool:
    """Whether the turn goes on after this tool, whatever the agent's kind says of it."""
    return any(isinstance(rule, GoesOn | Children | Conditional) and rule.tool == tool for rule in rules)


def needs_approval(rules: Iterable[Rule], tool: str, *, by_itself: bool) -> bool:
    """Whether a person is asked before a call. `by_itself`: what the tool says of every agent's calls."""
    said = [rule.is_needed for rule in rules if isinstance(rule, Approved) and rule.tool == tool]
    return said[-1] if said else by_itself


def filled_in(rules: Iterable[Rule], made: Sequence[Made], tool: str) -> Mapping[str, Any]:
    """The arguments that rules give to a call; they win over the model's."""
    found: dict[str, Any] = {}
    for rule in rules:
        if isinstance(rule, RunFirst) and rule.tool == tool and not made:
            found.update(rule.arguments)
        elif isinstance(rule, Children) and made and made[-1].tool == rule.tool:
            found.update(rule.arguments.get(tool, {}))
    return found


def in_words(rules: Sequence[Rule]) -> str:
    """What the model is told of the rules; "" without any. The same text as long as the rules are the same."""
    lines = [f"- {line}" for rule in rules if (line := _line(rule))]
    return "<tool_usage_rules>\n" + "\n".join(lines) + "\n</tool_usage_rules>" if lines else ""


def _line(rule: Rule) -> str:
    match rule:
        case RunFirst():
            return f"begin with {rule.tool}"
        case EndsTurn():
            return f"{rule.tool} ends your turn when called"
        case GoesOn():
            return f"{rule.tool} must be followed by something more in your turn"
        case Children():
            return f"after using {rule.tool}, you must use one of these tools: {', '.join(rule.children)}"
        case Parent():
            return f"{', '.join(rule.children)} can only be used right after {rule.tool}"
        case Conditional():
            return f"what {rule.tool} gives determines which tool you must use next"
        case AtMost():
            return f"{rule.tool}: at most {rule.count} use(s) per turn"
        case BeforeEnd():
            return f"{rule.tool} must be called before ending your turn"
        case Approved():
            return f"{rule.tool} requires approval before it runs" if rule.is_needed else ""
