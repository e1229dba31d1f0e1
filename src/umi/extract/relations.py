"""What a sentence claims of two things, by the verb and preposition between them and by their types."""

from collections.abc import Callable
from typing import NamedTuple

from umi.extract.lexicon import BOSS_ROLES, JOBS, KNOWS_ROLES, ROLES
from umi.extract.verbs import KNOW, LEAVE, LIVE, MANAGE, NO_TIE_WITH, VISIT

_SCHOOLS = frozenset("university college school academy high institute polytechnic kindergarten".split())
_CLUBS = frozenset(
    """club rovers united rangers wanderers athletic fc choir orchestra band team ensemble quartet society association
    union party crew squad tigers lions eagles bears hawks wolves sharks bulls dragons knights falcons panthers giants
    church gym league committee council federation""".split()
)
_STUDY = frozenset("study attend graduate enrol enroll admit major learn train accept".split())
HIRE = frozenset("hire employ recruit appoint promote engage poach".split())
_FIRE = frozenset("fire sack dismiss".split())
_NO_JOB_AT = frozenset(
    """meet see eat wait visit park drink lunch buy shop stop arrive stay sleep call shout laugh bank read order
    graduate hear play sing like love hate prefer undergo""".split()
)
_NO_JOB_FOR = frozenset(
    "look wait leave buy search apply thank hope pay head vote ask shop root cheer call know".split()
)
_PASSED_ON = frozenset("switch move migrate convert change transfer go swap".split())
_STAY_IN = LIVE | frozenset("bear retire train practise practice lecture research house headquarter".split())

# relation, whether it runs from the value to the subject, whether the verb itself denies it
Said = tuple[str, bool, bool]
_MEMBERSHIP = frozenset(
    "member student part pupil alumnus alumna graduate player degree freshman phd doctorate msc bsc diploma".split()
)
_PLAYS = frozenset("play sing swim row compete".split())
_IN_CHARGE = frozenset("charge owner founder co-founder captain coach boss".split())
_MOVES = frozenset("move relocate migrate emigrate immigrate transfer return".split())
_LEADERS = frozenset("charge head leader lead owner manager".split())
_HOME = frozenset("college university school house flat apartment".split())
_PARTS = frozenset("part subsidiary division branch unit arm module component piece".split())
_PAIRED = frozenset("friends related engaged married class team colleagues neighbours neighbors couple".split())


class How(NamedTuple):
    """The words between a subject and a value, and what the value is.

    noun  the last common noun before the value: "a job at", "a member of", "in charge of"
    """

    verb: str
    preposition: str
    noun: str
    passive: bool
    value: str  # its type
    name: str


def said(subject: str, how: How) -> Said | None:
    """What `how` claims of a subject of this type; None for nothing."""
    rule = _OF_PERSON.get(how.value) if subject in ("self", "person") else _OF_OTHERS.get(subject)
    return rule(how) if rule is not None else None


def _yes(relation: str, *, back: bool = False, negated: bool = False) -> Said:
    return (relation, back, negated)


def kind_of_organization(name: str) -> str:
    """ "school", "club", or "" for what people work at."""
    words = name.casefold().split()
    if not _SCHOOLS.isdisjoint(words):
        return "school"
    return "club" if words[-1] in _CLUBS else ""


# --- of persons ---


def _person_organization(how: How) -> Said | None:
    kind = kind_of_organization(how.name)
    return _left(how, kind) or _runs(how) or _belongs(how, kind) or (_yes("works_at") if _has_job(how, kind) else None)


def _left(how: How, kind: str) -> Said | None:
    """ "quit X", "was fired from X", "moved from X"."""
    gone = how.verb in LEAVE and how.preposition in ("", "from", "at")
    passed_on = (how.verb == "leave" and how.preposition == "") or (
        how.verb in _PASSED_ON and how.preposition == "from"
    )
    if gone or passed_on or (how.passive and how.verb in _FIRE):
        return _yes("part_of" if kind == "club" else "works_at", negated=True)
    return None


def _runs(how: How) -> Said | None:
    if how.verb in MANAGE and how.preposition == how.noun == "":
        return _yes("manages")
    return _yes("manages") if how.preposition == "of" and how.noun in _IN_CHARGE else None


def _belongs(how: How, kind: str) -> Said | None:
    """Members, students and players are part of it."""
    verb, preposition = how.verb, how.preposition
    if how.noun in _MEMBERSHIP or verb in _STUDY:
        return _yes("part_of")
    if kind == "school" and preposition in ("", "to") and verb in ("go", "get", "join", "return"):
        return _yes("part_of")
    if preposition in ("for", "in", "with", "at") and (verb in _PLAYS or (verb == "sign" and kind == "club")):
        return _yes("part_of")
    return _yes("part_of") if kind == "club" and (verb == "join" or preposition in ("in", "of")) else None


def _has_job(how: How, kind: str) -> bool:
    verb, preposition, noun = how.verb, how.preposition, how.noun
    if how.passive and (verb in HIRE or (verb in ("accept", "offer", "take") and kind != "school")):
        return True
    if preposition in ("at", "@"):
        return verb not in _NO_JOB_AT and not (verb == "look" and noun == "")
    if preposition == "for":
        return (
            verb == "leave"
            or (verb not in _NO_JOB_FOR and verb != "be")
            or noun in JOBS
            or noun in ("job", "role", "position")
        )
    if preposition == "with":
        return verb == "be" or (noun != "" and verb in ("sign", "start", "intern", "get", "land", "accept", "take"))
    verbs = _JOB_VERBS.get(preposition)
    return verbs is not None and verb in verbs and not (preposition in ("to", "over") and noun)


_JOB_VERBS = {
    "of": frozenset("be become serve promote appoint name".split()),
    "to": frozenset("move switch transfer go return".split()),
    "over": frozenset("move switch transfer go return".split()),
    "from": frozenset(("be", "come")),
    "in": frozenset(("work", "intern", "start")),
    "": frozenset(("join", "represent", "rejoin")),
}


def _person_person(how: How) -> Said | None:
    verb, preposition = how.verb, how.preposition
    if preposition == "under" or (verb, preposition) in (("report", "to"), ("work", "for")):
        return _yes("manages", back=True)
    if verb in MANAGE:
        relation = "knows" if verb in ("own", "found") else "manages"
        if how.passive and preposition == "by":
            return _yes(relation, back=True)
        if preposition in ("", "among", "including", "of"):
            return _yes(relation)
    if verb in KNOW and preposition in ("", "to", "with", "by") and not (verb == "know" and preposition):
        return _yes("knows")
    if preposition in ("with", "w/", "alongside") and verb not in NO_TIE_WITH and (verb, how.value) != ("be", "self"):
        return _yes("knows")
    if how.noun in ROLES and preposition in ("of", "to") and verb == "be":
        if how.noun in KNOWS_ROLES:
            return _yes("knows")
        return _yes("manages", back=how.noun not in BOSS_ROLES)
    if verb in ("run", "bump") and preposition == "into":
        return _yes("knows")
    return _yes("knows") if how.noun in _PAIRED and preposition in ("with", "to", "as") else None


def _person_location(how: How) -> Said | None:
    verb, preposition = how.verb, how.preposition
    if (verb in _PASSED_ON or verb in _MOVES) and preposition == "from":
        return _yes("located_in", negated=True)
    if verb == "leave" and preposition in ("", "for"):
        return _yes("located_in", negated=preposition == "")
    if preposition == "from":
        return _yes("located_in") if verb in ("be", "come", "hail", "work") else None
    if _stays(verb, preposition) or (
        preposition == "in" and verb in ("go", "have", "share", "rent") and how.noun in _HOME
    ):
        return _yes("located_in")
    visits = verb in VISIT and preposition in ("", "to", "in", "through", "around", "across", "on", "near", "into")
    return _yes("relates_to") if visits or (verb, preposition) == ("be", "to") else None


def _stays(verb: str, preposition: str) -> bool:
    if verb in _MOVES and preposition in ("to", "into", "back"):
        return True
    if verb == "come":
        return preposition in ("near", "in")
    return verb in _STAY_IN and preposition in ("in", "near", "at", "outside", "around", "on")


def _person_project(how: How) -> Said:
    if (how.verb in MANAGE and how.preposition == "") or how.noun in _LEADERS:
        return _yes("manages")
    gone = how.verb in LEAVE or (how.verb in _PASSED_ON and how.preposition == "from")
    return _yes("relates_to", negated=gone)


def _person_topic(how: How) -> Said:
    stopped = how.verb in ("stop", "quit", "drop", "abandon") or (how.verb in _PASSED_ON and how.preposition == "from")
    return _yes("relates_to", negated=stopped)


def _person_event(_how: How) -> Said:
    return _yes("relates_to")


# --- of organizations, projects, events and places ---


def _of_organization(how: How) -> Said | None:
    rule = _OF_ORGANIZATION.get(how.value)
    return rule(how) if rule is not None else None


def _organization_person(how: How) -> Said | None:
    verb, preposition = how.verb, how.preposition
    if how.passive:
        return _yes("manages", back=True) if preposition == "by" and verb in MANAGE | {"buy", "acquire"} else None
    if verb in _FIRE and preposition == "":
        return _yes("works_at", back=True, negated=True)
    if preposition in ("", "as") and (verb in HIRE or (verb == "have" and how.noun)):
        return _yes("works_at", back=True)
    return _yes("part_of", back=True) if preposition == "" and verb in ("admit", "accept", "enrol") else None


def _organization_location(how: How) -> Said | None:
    if how.preposition == "from":
        return _yes("located_in", negated=how.verb in ("move", "relocate"))
    near = how.preposition in ("in", "at", "near", "to", "on")
    return _yes("located_in") if near and how.verb != "go" else None


def _organization_organization(how: How) -> Said | None:
    if how.verb in ("acquire", "buy", "own", "absorb", "swallow"):
        return _yes("part_of", back=not how.passive)
    return _yes("part_of") if how.verb in ("belong", "merge") or how.noun in _PARTS else None


def _uses(how: How) -> Said:
    gone = (how.verb in _PASSED_ON and how.preposition == "from") or how.verb in ("drop", "abandon")
    return _yes("relates_to", negated=gone)


def _of_project(how: How) -> Said | None:
    value, verb, preposition = how.value, how.verb, how.preposition
    if value == "topic":
        return _uses(how)
    if value == "person":
        if how.passive and preposition in ("by", "with"):
            return _yes("manages" if verb in MANAGE else "relates_to", back=True)
        return _yes("relates_to", back=True) if verb == "belong" else None
    if value == "organization":
        mine = verb == "belong" or preposition in ("of", "at", "by", "from", "within", "for")
        return _yes("part_of") if mine else None
    if value == "project":
        part = verb == "belong" or how.noun in _PARTS or preposition == "of"
        return _yes("part_of" if part else "relates_to")
    return _yes("located_in") if value == "location" and preposition in ("in", "at") else None


def _takes_place(how: How) -> Said | None:
    there = how.value == "location" and how.preposition in ("in", "at", "near")
    return _yes("located_in") if there else None


_Rule = Callable[[How], Said | None]
_OF_PERSON: dict[str, _Rule] = {
    "organization": _person_organization,
    "person": _person_person,
    "self": _person_person,
    "location": _person_location,
    "project": _person_project,
    "topic": _person_topic,
    "event": _person_event,
}
_OF_ORGANIZATION: dict[str, _Rule] = {
    "person": _organization_person,
    "location": _organization_location,
    "organization": _organization_organization,
    "project": _uses,
    "topic": _uses,
    "event": _uses,
}
_OF_OTHERS: dict[str, _Rule] = {
    "organization": _of_organization,
    "project": _of_project,
    "event": _takes_place,
    "location": _takes_place,
}
