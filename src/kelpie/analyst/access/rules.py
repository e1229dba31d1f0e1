"""AccessRule: one rule about one table, and whom it holds for."""

import msgspec

from kelpie.analyst import limits
from kelpie.errors import InvalidInput, LimitExceeded
from kelpie.people.records import Roster
from kelpie.people.speaker import Speaker
from umi.dst import Host

EVERYONE = "everyone"
_KINDS = ("team", "person")


class AccessRule(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept back of `table` for `who`.

    name            what people call it; unique within its semantic model
    semantic_model  the model's name: a model registered anew under its name is under the same rules
    who             "everyone", "team NAME" or "person NAME"
    unless          those it does not hold for: "team NAME", "person NAME"
    rows            an SQL condition over the table's columns; rows it does not hold for are not there
    mask            columns that are withheld: NULL in `*`, refused when named
    deny            the whole table is withheld
    says            the row filter in words, for answers ("only customers in Europe")
    """

    tenant: str
    id: str
    name: str
    semantic_model: str
    table: str
    who: str
    unless: list[str] = []
    rows: str | None = None
    mask: list[str] = []
    deny: bool = False
    says: str = ""
    created_at_ms: int

    @property
    def named(self) -> list[str]:
        """The people and teams it speaks of."""
        return [name for kind, _, name in (whom.partition(" ") for whom in (self.who, *self.unless)) if kind in _KINDS]

    def holds_for(self, speaker: Speaker, known: Roster) -> bool:
        """`known` are the people and teams it speaks of, as far as there are such.

        A rule for somebody who is not there any more, or has another name now, holds for everyone: a rule must not go
        away by itself. An exception for such a one is none.
        """
        held = self.who == EVERYONE or _is_meant(self.who, speaker, known) is not False
        return held and not any(_is_meant(one, speaker, known) for one in self.unless)

    def words(self) -> str:
        """Its row filter as a person reads it."""
        return f"{self.says or f'only rows of {self.table} where {self.rows}'} (access rule '{self.name}')"


def _is_meant(whom: str, speaker: Speaker, known: Roster) -> bool | None:
    """None: there is nobody of that name."""
    kind, _, name = whom.partition(" ")
    if kind == "team":
        team = known.team(name)
        return None if team is None else team.name in speaker.teams
    person = known.person(name)
    return None if person is None else person.id == speaker.person


def new_rule(
    host: Host,
    tenant: str,
    *,
    name: str,
    semantic_model: str,
    table: str,
    who: str,
    unless: list[str] | None = None,
    rows: str | None = None,
    mask: list[str] | None = None,
    deny: bool = False,
    says: str = "",
) -> AccessRule:
    """A rule that isn't stored yet. Raises InvalidInput or LimitExceeded; registering looks at its table."""
    rule = AccessRule(
        tenant=tenant,
        id=host.ids.new("access-rule"),
        name=name.strip(),
        semantic_model=semantic_model,
        table=table,
        who=who,
        unless=unless or [],
        rows=rows,
        mask=mask or [],
        deny=deny,
        says=says.strip(),
        created_at_ms=host.clock.now_ms(),
    )
    check_rule(rule)
    return rule


def check_rule(rule: AccessRule) -> None:
    """Raises InvalidInput or LimitExceeded for what can be seen without its table."""
    _check_bounds(rule)
    if rule.who != EVERYONE:
        _check_whom(rule, rule.who, "who: everyone, team NAME or person NAME")
    for whom in rule.unless:
        _check_whom(rule, whom, "unless: team NAME or person NAME")
    if not (rule.rows or rule.mask or rule.deny):
        raise InvalidInput(f"access rule '{rule.name}' keeps nothing back: give it `rows`, `mask` or `deny`")
    if rule.deny and (rule.rows or rule.mask):
        raise InvalidInput(f"access rule '{rule.name}' denies the whole table: leave out `rows` and `mask`")


def _check_bounds(rule: AccessRule) -> None:
    for what, text in (("name", rule.name), ("semantic model", rule.semantic_model), ("table", rule.table)):
        if not text:
            raise InvalidInput(f"an access rule needs a {what} that is not blank")
        if len(text) > limits.ACCESS_NAME_CHARS_MAX:
            raise LimitExceeded(f"the access rule's {what}", len(text), limits.ACCESS_NAME_CHARS_MAX, "characters")
    for many, count in (("exceptions", len(rule.unless)), ("masked columns", len(rule.mask))):
        if count > limits.ACCESS_LIST_MAX:
            raise LimitExceeded(f"the {many} of access rule '{rule.name}'", count, limits.ACCESS_LIST_MAX, "entries")
    for what, text in (("`rows`", rule.rows or ""), ("`says`", rule.says)):
        if len(text) > limits.ACCESS_CONDITION_CHARS_MAX:
            raise LimitExceeded(
                f"{what} of access rule '{rule.name}'", len(text), limits.ACCESS_CONDITION_CHARS_MAX, "characters"
            )


def _check_whom(rule: AccessRule, whom: str, wanted: str) -> None:
    kind, _, name = whom.partition(" ")
    if kind not in _KINDS or not name.strip() or len(name) > limits.ACCESS_NAME_CHARS_MAX:
        raise InvalidInput(f"access rule '{rule.name}' can't hold for '{whom[:100]}'; write {wanted}")
