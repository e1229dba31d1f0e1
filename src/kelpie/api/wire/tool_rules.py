"""Tool rules as Letta's clients write them, and as ours."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kelpie.agents.rules import rules
from kelpie.agents.rules.rules import Rule
from kelpie.api import limits
from kelpie.errors import InvalidInput

Name = Annotated[str, Field(min_length=1, max_length=limits.RULE_NAME_CHARS_MAX)]
Names = Annotated[list[Name], Field(max_length=limits.RULE_CHILDREN_MAX)]


class _Base(BaseModel):
    """`prompt_template` is taken and ignored, as Letta does."""

    model_config = ConfigDict(extra="forbid")

    tool_name: Name
    prompt_template: str | None = None

    def rule(self) -> Rule:
        raise NotImplementedError


class RunFirst(_Base):
    type: Literal["run_first", "InitToolRule"] = "run_first"
    args: dict[str, Any] | None = None

    def rule(self) -> Rule:
        return rules.RunFirst(tool=self.tool_name, arguments=self.args or {})


class ExitLoop(_Base):
    type: Literal["exit_loop", "TerminalToolRule"] = "exit_loop"

    def rule(self) -> Rule:
        return rules.EndsTurn(tool=self.tool_name)


class ContinueLoop(_Base):
    type: Literal["continue_loop", "continue_tool_rule"] = "continue_loop"

    def rule(self) -> Rule:
        return rules.GoesOn(tool=self.tool_name)


class ChildArguments(BaseModel):
    name: Name
    args: dict[str, Any] | None = None


class ConstrainChildTools(_Base):
    type: Literal["constrain_child_tools", "ToolRule"] = "constrain_child_tools"
    children: Names
    child_arg_nodes: list[ChildArguments] | None = Field(default=None, max_length=limits.RULE_CHILDREN_MAX)

    def rule(self) -> Rule:
        filled = {node.name: node.args or {} for node in self.child_arg_nodes or []}
        return rules.Children(tool=self.tool_name, children=self.children, arguments=filled)


class ParentLastTool(_Base):
    type: Literal["parent_last_tool"] = "parent_last_tool"
    children: Names

    def rule(self) -> Rule:
        return rules.Parent(tool=self.tool_name, children=self.children)


class Conditional(_Base):
    type: Literal["conditional"] = "conditional"
    child_output_mapping: dict[str, Name] = Field(max_length=limits.RULE_CHILDREN_MAX)
    default_child: Name | None = None
    require_output_mapping: bool = False

    def rule(self) -> Rule:
        return rules.Conditional(
            tool=self.tool_name,
            by_output=self.child_output_mapping,
            otherwise=self.default_child,
            is_strict=self.require_output_mapping,
        )


class MaxCountPerStep(_Base):
    type: Literal["max_count_per_step"] = "max_count_per_step"
    max_count_limit: int = Field(ge=1)

    def rule(self) -> Rule:
        return rules.AtMost(tool=self.tool_name, count=self.max_count_limit)


class RequiredBeforeExit(_Base):
    type: Literal["required_before_exit"] = "required_before_exit"

    def rule(self) -> Rule:
        return rules.BeforeEnd(tool=self.tool_name)


class RequiresApproval(_Base):
    type: Literal["requires_approval"] = "requires_approval"

    def rule(self) -> Rule:
        return rules.Approved(tool=self.tool_name)


ToolRule = Annotated[
    RunFirst
    | ExitLoop
    | ContinueLoop
    | ConstrainChildTools
    | ParentLastTool
    | Conditional
    | MaxCountPerStep
    | RequiredBeforeExit
    | RequiresApproval,
    Field(discriminator="type"),
]


class ModifyApproval(BaseModel):
    requires_approval: bool


_LIST: TypeAdapter[list[ToolRule]] = TypeAdapter(list[ToolRule])


def given(found: Iterable[Any]) -> list[Rule]:
    """The rules that a document holds, an agent file or another server's row. Raises InvalidInput."""
    try:
        return [one.rule() for one in _LIST.validate_python(list(found))]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"the tool rules can't be read: {where}: {first['msg']}") from None


def shown(kept: Sequence[Rule]) -> list[dict[str, Any]]:
    """The rules as clients know them. That nobody is to be asked before a call is no rule of theirs."""
    return [
        {"tool_name": rule.tool, "prompt_template": None} | _shown(rule)
        for rule in kept
        if not isinstance(rule, rules.Approved) or rule.is_needed
    ]


def _shown(rule: Rule) -> dict[str, Any]:
    match rule:
        case rules.RunFirst():
            return {"type": "run_first", "args": rule.arguments or None}
        case rules.EndsTurn():
            return {"type": "exit_loop"}
        case rules.GoesOn():
            return {"type": "continue_loop"}
        case rules.Children():
            nodes = [{"name": name, "args": filled or None} for name, filled in rule.arguments.items()]
            return {"type": "constrain_child_tools", "children": rule.children, "child_arg_nodes": nodes or None}
        case rules.Parent():
            return {"type": "parent_last_tool", "children": rule.children}
        case rules.Conditional():
            return {
                "type": "conditional",
                "child_output_mapping": rule.by_output,
                "default_child": rule.otherwise,
                "require_output_mapping": rule.is_strict,
            }
        case rules.AtMost():
            return {"type": "max_count_per_step", "max_count_limit": rule.count}
        case rules.BeforeEnd():
            return {"type": "required_before_exit"}
        case rules.Approved():
            return {"type": "requires_approval"}
