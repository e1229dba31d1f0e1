"""Words after which a task, a preference or a note follows."""

# After the subject: (words that follow the first) -> the task begins behind them. The longest match counts.
OF_SUBJECT: dict[str, tuple[tuple[str, ...], ...]] = {
    "must": ((),),
    "should": ((),),
    "gotta": ((),),
    "gota": ((),),
    "hafta": ((),),
    "need": (("to",),),
    "needs": (("to",),),
    "have": (("to",), ("got", "to")),
    "has": (("to",), ("got", "to")),
    "'ve": (("to",), ("got", "to")),
    "'s": (("got", "to"),),
    "had": (("better",),),
    "'d": (("better",),),
    "ought": (("to",),),
    "supposed": (("to",),),
    "required": (("to",),),
    "expected": (("to",),),
    "obliged": (("to",),),
    "promised": (("to",), ("me", "to"), ("us", "to"), ("her", "to"), ("him", "to"), ("them", "to")),
    "agreed": (("to",),),
    "volunteered": (("to",),),
    "offered": (("to",),),
    "committed": (("to",),),
    "pledged": (("to",),),
    "vowed": (("to",),),
    "undertaken": (("to",),),
    "undertook": (("to",),),
}
# Passive: "was asked to review"; a noun where the work is given as one: "was assigned the audit".
GIVEN = frozenset(
    """
        asked told instructed ordered assigned requested reminded expected required supposed supposed urged advised
        sent hired
    """.split()
)
HANDED = frozenset("assigned given handed allotted allocated delegated".split())
# Active, where the one who is told is the one who is to do it: "asked me to review".
TELLS = frozenset(
    """
        ask asks asked tell tells told want wants wanted expect expects remind reminds reminded instruct instructed
        order ordered     request requested need needs advise advised urge urged assign assigned beg begged get
    """.split()
)
CUES = (
    ("do", "n't", "forget", "to"),
    ("dont", "forget", "to"),
    ("do", "n't", "let", "me", "forget", "to"),
    ("never", "forget", "to"),
    ("do", "not", "forget", "to"),
    ("must", "n't", "forget", "to"),
    ("remember", "to"),
    ("note", "to", "self", ":", "remember", "to"),
    ("i", "mustn", "'t", "forget", "to"),
)
# "I have to admit": said of what one says, or of how one feels.
NOT_DONE = frozenset("admit say confess be wonder laugh agree smile think wait go run stop like love hate know".split())
CUE_NOUNS = frozenset(("todo", "to-do", "todos", "task", "reminder", "ai"))
DUTIES = frozenset(
    """
        task job assignment homework duty turn responsibility chore to-do todo step goal mission role deliverable item
    """.split()
)
BEHIND_NOTE = (
    ("note", "to", "self"),
    ("note", "to", "myself"),
    ("for", "the", "record"),
    ("keep", "in", "mind"),
    ("bear", "in", "mind"),
    ("please", "keep", "in", "mind"),
    ("please", "bear", "in", "mind"),
    ("please", "note"),
    ("just", "so", "you", "know"),
    ("for", "your", "information"),
    ("for", "future", "reference"),
    ("take", "note"),
    ("quick", "note"),
    ("side", "note"),
    ("a", "note"),
    ("note", "well"),
    ("note",),
    ("notes",),
    ("fyi",),
    ("nb",),
    ("n.b",),
    ("n.b.",),
    ("jsyk",),
    ("btw", "note"),
)


_BEHIND_NOTE = {
    first: tuple(cue for cue in BEHIND_NOTE if cue[0] == first) for first in {cue[0] for cue in BEHIND_NOTE}
}


def note_begins(low: list[str]) -> int:
    """Where the clause after an explicit cue begins in a sentence; -1 without one."""
    for cue in _BEHIND_NOTE.get(low[0], ()):
        size = len(cue)
        if tuple(low[:size]) != cue or len(low) < size + 3:
            continue
        following = low[size]
        if following in (":", ",", "-", "–", "—", "that"):
            start = size + 1
            while start < len(low) and low[start] in (":", ",", "-", "–", "—", "that"):
                start += 1
            return start
        if size > 1 or cue[0] in ("fyi", "jsyk"):
            return size
    return -1
