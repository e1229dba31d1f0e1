"""Whose memory of umi is whose: a scope for each person, each team, the whole of a tenant, each folder and collection.

No agent's memory may have one of these names: what a tenant's people hold to, or what their files say, must not be
written by an agent that was given their scope.
"""

_PREFIX = "kelpie:"
_COLLECTION = f"{_PREFIX}collection:"
ORGANISATION = f"{_PREFIX}organisation"


def of_person(person_id: str) -> str:
    return f"{_PREFIX}person:{person_id}"


def of_team(team_id: str) -> str:
    return f"{_PREFIX}team:{team_id}"


def of_folder(folder_id: str) -> str:
    return f"{_PREFIX}folder:{folder_id}"


def of_collection(collection_id: str) -> str:
    return f"{_COLLECTION}{collection_id}"


def collection_in(scope: str) -> str | None:
    """The collection whose scope this is, if it is one's."""
    return scope.removeprefix(_COLLECTION) if scope.startswith(_COLLECTION) else None


def is_reserved(scope: str) -> bool:
    """Whether a scope is kept for people, teams, organisations, folders and collections."""
    return scope.startswith(_PREFIX)
