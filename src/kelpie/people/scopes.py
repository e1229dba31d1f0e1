"""Whose memory of umi is whose: a scope for each person, for each team and for the whole of a tenant.

No agent's memory may have one of these names: what a tenant's people hold to must not be written by an agent that was
given their scope.
"""

_PREFIX = "kelpie:"
ORGANISATION = f"{_PREFIX}organisation"


def of_person(person_id: str) -> str:
    return f"{_PREFIX}person:{person_id}"


def of_team(team_id: str) -> str:
    return f"{_PREFIX}team:{team_id}"


def is_reserved(scope: str) -> bool:
    """Whether a scope is kept for people, teams and organisations."""
    return scope.startswith(_PREFIX)
