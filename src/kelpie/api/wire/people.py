"""People, teams, conventions and access rules on the wire: they are ours, so they are the rooms' words."""

from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from kelpie.analyst.access.rules import AccessRule
from kelpie.analyst.conventions.convention import WEIGHT_DEFAULT, Convention
from kelpie.analyst.conventions.keeping import Kept
from kelpie.people import Speaker
from kelpie.people.applying import Applied
from kelpie.people.records import Person, Team

Weight = Field(default=WEIGHT_DEFAULT, ge=0, le=1, allow_inf_nan=False)


class _Body(BaseModel):
    # What is ours has no fields of other versions to put up with, and a misspelt one must not mean everybody.
    model_config = ConfigDict(extra="forbid")


class CreatePerson(_Body):
    """`handle` is how requests and keys name the person, in lower case and for ever; `name` is the handle if there is
    none."""

    handle: str
    name: str | None = None
    teams: list[str] = []


class ModifyPerson(_Body):
    """What is not given stays; `teams` are all that the person is in."""

    name: str | None = None
    teams: list[str] | None = None


class CreateTeam(_Body):
    name: str


class ApplyFile(_Body):
    """A file of people and teams, or of access rules. What it names becomes as it says; what it doesn't stays."""

    yaml: str


class KeepConvention(_Body):
    """`as` says whose it is: a person's by default their own, a team's the team's, without it the organisation's.
    `scope` and `team` choose another that this speaker may change."""

    kind: Literal["definition", "preference", "correction"]
    topic: str
    value: str
    weight: float = Weight
    scope: Literal["person", "team", "organisation"] | None = None
    team: str | None = None
    as_: str | None = Field(default=None, alias="as")


class OverrideConvention(_Body):
    value: str
    weight: float = Weight
    as_: str | None = Field(default=None, alias="as")


def person(one: Person) -> dict[str, Any]:
    return {
        "id": one.id,
        "handle": one.handle,
        "name": one.name,
        "teams": one.teams,
        "created_at_ms": one.created_at_ms,
    }


def team(one: Team) -> dict[str, Any]:
    return {"id": one.id, "name": one.name, "created_at_ms": one.created_at_ms}


def applied(one: Applied) -> Any:
    return msgspec.to_builtins(one)


def conventions(speaker: Speaker, published: list[Convention], held: list[Convention]) -> dict[str, Any]:
    """What holds for a speaker, and every convention that had a part in deciding it."""
    return {"speaker": speaker, "conventions": published, "considered": held}


def kept(one: Kept) -> Any:
    return msgspec.to_builtins(one)


def access_rule(one: AccessRule) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(one).items() if name != "tenant"}
