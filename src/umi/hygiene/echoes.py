"""The self-feeding guard: what a memory said is not remembered as if somebody had said it anew.

Without it an agent that is shown its memories, repeats them and stores its replies grows a store of its own echoes (one
audit of 10,134 facts in production found 97.8 % of them junk, 668 copies of a single hallucination).

`Echoes` keeps what recall returned, and a text is stored only after `strip` took out what is known from there: whole
facts, their sentences, and their clauses, also where they are introduced ("As I remember: …", "You told me that …"),
quoted, listed, joined ("… and that …"), or said from the other side ("I like tea", "you like tea"). Something that was
changed is no echo: a word more or less makes it a statement of its own.
"""

import hashlib
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise

from umi import limits
from umi.archival.keys import digest
from umi.hygiene.patterns import Pattern
from umi.storage import View

# Blocks that we render into prompts. A model that repeats one repeats its memory.
RECALL_TAG = "recalled_memory"
_BLOCKS = Pattern(
    rf"<(?P<tag>{RECALL_TAG}|core_memory|memory_blocks|memories)\b[^<>]{{0,200}}>.*?(?:</(?P=tag)>|\Z)", re.DOTALL
)
_IS_OURS = Pattern(r"<|(?:fact|passage)-")
_FACT_LINE = Pattern(r"^[ \t>*•\-\d.)]*\[?(?:fact|passage)-[0-9a-f]{8}-[0-9a-f-]{27}\]?.*$", re.MULTILINE)

_LISTED = Pattern(r"^[\s>*•·–—\-+#]+|^\s*\(?\d{1,3}[.)]\s+|^\s*[a-z][.)]\s+")
_QUOTES = "\"'`“”‘’«»„*_ \t"
_DATED = Pattern(
    r"^(?:\[[^\]\n]{1,60}\]|\(?\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?Z?)?\)?)\s*[:,\-–]?\s*"
    r"|^(?:on )?\d{1,2} [A-Z][a-z]+ \d{4}\s*[:,\-–]\s*"
)
_SPEAKER = Pattern(r"^[A-Z][\w.-]{0,30}(?: [A-Z][\w.-]{0,30}){0,2}:\s+(?=\S)")
_LEAD = Pattern(
    r"""^(?:
      (?:yes|yeah|yep|no|ok|okay|sure|right|well|so|and|also|of\ course|certainly|indeed|exactly|absolutely|true)
        [,!.:;]?\s+
    | (?:as\ far\ as|as|if|what)\ i\ (?:can\ )?(?:remember|recall|know|understand)
        (?:\ correctly)?(?:\ it)?\s*(?:is|:|,)?\s+
    | (?:from|according\ to|based\ on|in|per)\ (?:my|your|our|the|what)\ [^:,.\n]{1,60}[:,]\s+
    | here(?:'s|’s|\ is|\ are)\ [^:.\n]{1,60}:\s+
    | (?:i|we)\ (?:do\ |also\ |still\ |can\ |have\ )?
        (?:remember|recall|know|note|noted|see|understand|believe|think|remembered|it\ noted)
        (?:\ from\ (?:before|earlier|our\ [a-z ]{1,30}))?(?:\ that\b|:|,)?\s+
    | (?:you|he|she|they|the\ user|[A-Z][a-z]+)[ ]
        (?:(?:have|has|had|'ve|once|also|previously|already|just|earlier)\ ){0,3}
        (?:told\ (?:me|us)|mentioned|said|shared|noted|stated|explained|wrote|let\ me\ know)
        (?:\ to\ me)?(?:\ (?:before|earlier|previously|once|last\ time|yesterday))?\s*(?:that\b|:|,)?\s+
    | (?:it\ (?:is|was)\ (?:noted|mentioned|said)|it\ says|my\ memory\ (?:says|tells\ me)
        |memory|fact|note|noted|remembered|recalled|reminder|from\ memory)\s*(?:that\b|:|,)\s+
    | that\s+
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_TAIL = Pattern(
    r"[,;:\s–—-]+(?:as (?:you told me|you said|you mentioned|i remember|i recall)|right|correct|yes|you said"
    r"|if i (?:remember|recall) correctly)(?: before| earlier)?\W*$",
    re.IGNORECASE,
)
# What is said around an echo, and says nothing: introductions that end in a colon, and polite closings.
_AROUND = Pattern(
    r"""^(?:
      [^.!?\n]{0,120}:
    | (?:is\ there|do\ you\ (?:want|need)|would\ you\ like|can\ i|may\ i|shall\ i|how\ can\ i|what\ (?:else|can))\b
        [^.!\n]{0,120}\?
    | (?:let\ me\ know|feel\ free|i\ hope|hope)\b[^.!?\n]{0,120}[.!]?
    | (?:anything\ else|does\ that\ help|is\ that\ (?:right|correct)|right|correct)\s*\?
    | (?:yes|no|yeah|sure|ok|okay|of\ course|certainly|right|great|thanks|thank\ you)[.!,]*
    | that's\ (?:right|all|correct|what\ i\ (?:remember|know))[.!,]*
    | (?:as\ )?i\ (?:remember|recall|know)(?:\ (?:this|that|it))?[.!]?
    | \W*
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
_ABBREVIATIONS = (r"\bDr", r"\b[MS]r", r"\bM[rs]s", r"\bMs", r"\bSt", r"\bProf", r"\bNo", r"\bvs", r"\bJr", r"\b[A-Z]")
_NO_ABBREVIATION = "".join(rf"(?<!{one}\.)" for one in (*_ABBREVIATIONS, r"\be\.g", r"\bi\.e", r"\betc"))
_SENTENCE = Pattern(rf"(?<=[.!?…]){_NO_ABBREVIATION}[\"'”’»)]*\s+|\n+")
_SENTENCE_WORDS_MIN = 3  # a shorter piece of a fact is known only as the whole of one: it may be cut at an abbreviation
_JOINT = Pattern(r"\s*;\s*|,?\s+(?:and|but|also|while)\s+(?:also\s+)?(?:that\s+)?|,\s+", re.IGNORECASE)
_RUN_SENTENCES_MAX = 3  # of a fact that is looked for as a whole among others
_STATEMENT_CHARS_MAX = 2_000  # a longer one is compared as a whole alone
_PARTS_MAX = 8  # clauses that a sentence is cut into; who joins more is read as one
_WORDS = Pattern(r"[^\W_]+(?:[.,:/@-][^\W_]+)*|[%$€£+]")
# Who speaks: "I like my tea" and "you like your tea" are one statement.
_SIDES = {
    **dict.fromkeys(("i", "you", "me", "u"), "@"),
    **dict.fromkeys(("my", "your"), "@s"),
    **dict.fromkeys(("mine", "yours"), "@ss"),
    **dict.fromkeys(("am", "are", "m", "re"), "are"),
    **dict.fromkeys(("myself", "yourself"), "@self"),
    **dict.fromkeys(("was", "were"), "were"),
    "ve": "have",
}


class Echoes:
    """What recall returned lately, by scope: digests only, bounded, in this process alone.

    capacity  digests kept of each scope (a fact of three sentences has four); the oldest go first
    After a restart, pass `known` to `strip`: what it names is an echo too.
    """

    def __init__(self, capacity: int = limits.ECHOES_DIGESTS_MAX, scopes_max: int = limits.ECHOES_SCOPES_MAX) -> None:
        self._capacity = capacity
        self._scopes_max = scopes_max
        self._heard: OrderedDict[tuple[str, str], _Heard] = OrderedDict()

    def note(self, tenant: str, scope: str, texts: Iterable[str]) -> None:
        """Recall returned these facts. Costs next to nothing: reading them waits until something is remembered."""
        heard = self._heard.setdefault((tenant, scope), _Heard(self._capacity))
        self._heard.move_to_end((tenant, scope))
        while len(self._heard) > self._scopes_max:
            self._heard.popitem(last=False)
        heard.note(texts)

    def strip(self, tenant: str, scope: str, text: str, known: Collection[bytes] = frozenset()) -> str:
        """`text` without what recall returned or `known` names (see `stored`), and without our own rendering of
        memories; "" if nothing of it says anything new. A text without an echo comes back as it is.

        For what an agent says, and texts that come from anywhere. What a person says of themselves is news, even where
        it repeats a memory.
        """
        without = _FACT_LINE.sub("", _BLOCKS.sub("", text)) if _IS_OURS.search(text) else text
        is_ours = without != text
        heard = self._heard_of(tenant, scope, without)
        if not (heard or known or is_ours) or (_key(without) is None and not is_ours):
            return text
        memory = _Known(heard, known)
        if not memory.is_new(without):
            return ""
        kept, dropped = _sift(without, memory)
        return kept if dropped or is_ours else text

    def is_echo(self, tenant: str, scope: str, text: str, known: Collection[bytes] = frozenset()) -> bool:
        """Whether nothing of `text` is new."""
        return bool(text.strip()) and not self.strip(tenant, scope, text, known)

    def release(self, tenant: str, scope: str, texts: Iterable[str]) -> None:
        """These facts ended, changed or were forgotten: to say them again is news."""
        if (heard := self._heard.get((tenant, scope))) is not None:
            heard.release(texts)

    def forget(self, tenant: str, scope: str) -> None:
        """Keep nothing of a scope any more: its owner is gone."""
        self._heard.pop((tenant, scope), None)

    def _heard_of(self, tenant: str, scope: str, text: str) -> Collection[bytes]:
        """The digests to compare a text with; none where no part of it can be an echo."""
        heard = self._heard.get((tenant, scope))
        return heard.digests() if heard is not None and heard.may_be_in(text) else ()


class _Heard:
    """The echoes of one scope: texts that wait to be read, and the digests of those that were."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: dict[str, None] = {}
        self._digests: OrderedDict[bytes, str] = OrderedDict()  # with how each statement begins
        self._beginnings: frozenset[str] = frozenset()

    def note(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._waiting.pop(text, None)  # it is the newest again
            self._waiting[text] = None
        if len(self._waiting) > limits.ECHOES_WAITING_MAX:
            self.digests()

    def digests(self) -> Collection[bytes]:
        if self._waiting:
            for text in self._waiting:
                for key, beginning in _keys(text):
                    self._digests[key] = beginning
                    self._digests.move_to_end(key)
            self._waiting = {}
            while len(self._digests) > self._capacity:
                self._digests.popitem(last=False)
            self._beginnings = frozenset(self._digests.values())
        return self._digests

    def may_be_in(self, text: str) -> bool:
        """Whether some statement begins within the text: mostly none does, which is known in a tenth of the time."""
        self.digests()
        words = _words(text)
        return not self._beginnings.isdisjoint([*words, *map(" ".join, pairwise(words))])

    def release(self, texts: Iterable[str]) -> None:
        self.digests()
        for text in texts:
            for key, _ in _keys(text):
                self._digests.pop(key, None)


async def stored(view: View, tenant: str, scope: str, text: str) -> frozenset[bytes]:
    """What of `text` the scope holds as a fact that is still true, word for word, for `strip`: after a restart nothing
    was heard yet."""
    forms = [form for one in (text, *_sentences(text)) for form in _unwrapped(one)]
    forms += [form for one in _sentences(text) for part in _JOINT.split(one) for form in _unwrapped(part)]
    by_digest = {digest(tenant, scope, form): form for form in forms[: limits.ECHOES_STATEMENTS_MAX] if form}
    places = ", ".join("?" * len(by_digest))
    if not places:
        return frozenset()
    rows = await view.fetch(
        "SELECT digest FROM fact WHERE tenant = ? AND scope = ? AND known_to_ms IS NULL AND valid_to_ms IS NULL"
        f" AND digest IN ({places})",
        tenant,
        scope,
        *by_digest,
    )
    keys = (_key(by_digest[bytes(row[0])]) for row in rows)
    return frozenset(key for key in keys if key is not None)


class _Known:
    def __init__(self, heard: Collection[bytes], known: Collection[bytes]) -> None:
        self._heard = heard
        self._known = known

    def is_new(self, statement: str) -> bool:
        """Whether neither the statement nor what it is without introductions is known, whole or clause by clause."""
        forms = list(_unwrapped(statement))
        if any(self._has(form) for form in forms):
            return False
        return not any(self._has_parts(form) for form in forms)

    def _has(self, form: str) -> bool:
        key = _key(form)
        return key is None or key in self._heard or key in self._known

    def _has_parts(self, form: str) -> bool:
        """Whether the statement is known pieces joined, each perhaps introduced again."""
        places = [] if len(form) > _STATEMENT_CHARS_MAX else [match.span() for match in _JOINT.finditer(form)]
        places = places[: _PARTS_MAX - 1]
        if not places:
            return False
        starts, ends = [0, *(end for _, end in places)], [*(start for start, _ in places), len(form)]
        reached = {0}  # clauses from the beginning that are known
        for first in range(len(starts)):
            if first not in reached:
                continue
            for last in range(first, len(ends)):
                piece = form[starts[first] : ends[last]]
                if any(self._has(one) for one in _unwrapped(piece)):
                    reached.add(last + 1)
        return len(starts) in reached


def _sift(text: str, memory: _Known) -> tuple[str, bool]:
    """What is new, line by line, and whether anything wasn't. If so, what is said around it goes too."""
    kept: list[list[str]] = []
    dropped = False
    for line in text.splitlines():
        sentences = _sentences(line) if memory.is_new(line) else []
        new = _new_of(sentences, memory)
        dropped = dropped or (bool(line.strip()) and len(new) < max(1, len(sentences)))
        kept.append(new)
    lines = (" ".join(one.strip() for one in new if not _AROUND.match(one.strip())) for new in kept)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(), dropped


def _new_of(sentences: list[str], memory: _Known) -> list[str]:
    """Without known runs of sentences, the longest first: where a fact holds an abbreviation, it is cut in two."""
    new: list[str] = []
    at = 0
    while at < len(sentences):
        runs = range(min(_RUN_SENTENCES_MAX, len(sentences) - at), 0, -1)
        known = next((n for n in runs if not memory.is_new(" ".join(sentences[at : at + n]))), 0)
        if not known:
            new.append(sentences[at])
        at += known or 1
    return new


def _sentences(text: str) -> list[str]:
    return [one for one in _SENTENCE.split(text) if one and one.strip()]


def _keys(text: str) -> Iterator[tuple[bytes, str]]:
    """Of a fact: the whole, and each sentence, with their first two words."""
    sentences = [one for one in _sentences(text) if len(_WORDS.findall(one)) >= _SENTENCE_WORDS_MIN]
    for statement in (text, *sentences):
        for form in _unwrapped(statement):
            if words := _words(form):
                yield _digest(words), " ".join(words[:2])


def _unwrapped(statement: str) -> Iterator[str]:
    """The statement, and what is left of it as one wrapping after the other is taken off."""
    form = statement.strip()
    yield form
    if len(form) > _STATEMENT_CHARS_MAX:
        return
    for _ in range(_PARTS_MAX):
        before = form
        form = _TAIL.sub("", form)
        form = _LISTED.sub("", form).strip(_QUOTES)
        form = _DATED.sub("", form)
        form = _LEAD.sub("", form) if _LEAD.match(form) else _SPEAKER.sub("", form)
        form = form.strip(_QUOTES)
        if form == before:
            return
        if form:
            yield form


def _key(statement: str) -> bytes | None:
    """16 bytes that are equal for one statement, however it is written and from whichever side; None if it has no
    word."""
    words = _words(statement)
    return _digest(words) if words else None


def _words(statement: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", statement).casefold().replace("’", "'").replace("n't", " not")
    return [_SIDES.get(word, word) for word in _WORDS.findall(plain)]


def _digest(words: list[str]) -> bytes:
    return hashlib.blake2b(" ".join(words).encode(), digest_size=16).digest()
