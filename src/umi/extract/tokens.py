"""One pass over a text: words with their places, and where sentences begin and end."""

import functools
import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"(?:[A-Za-z]\.){2,}|w/(?=\s)"  # U.S., e.g.
    r"|\w+(?:[-&]\w+|(?<=\b[OD])['’]\w+|\.(?:js|io|ai|com|org|net)\b|[+#]+(?!\w))*"  # O'Brien, Node.js, C++
    r"|['’](?:s|m|re|ve|ll|d|t)\b"  # Bob + 's; don + 't is mended below
    r"|\.NET\b|\n|[^\w\s]"
)
_ENDS = frozenset(".!?\n")
_ABBREVIATIONS = frozenset(
    """dr mr mrs ms prof st sr jr vs etc inc ltd co corp no approx dept gen col sgt capt rev hon mt ft fr""".split()
)


class Sentence:
    """The words of one sentence, in four lists side by side, without the mark that ends it.

    words, low    as written, and in small letters with straight apostrophes
    starts, ends  character offsets in the text
    mark          what ends it: ".", "!", "?", or "" at a line's or the text's end
    """

    __slots__ = ("ends", "low", "mark", "starts", "words")

    def __init__(
        self, words: list[str], starts: list[int], ends: list[int], mark: str, *, straight: bool = True
    ) -> None:
        self.words, self.starts, self.ends, self.mark = words, starts, ends, mark
        self.low = [word.lower() for word in words] if straight else [word.lower().replace("’", "'") for word in words]


def sentences(text: str) -> Iterator[Sentence]:
    words: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    straight = "’" not in text
    for match in _TOKEN.finditer(text):
        word = match.group()
        start, end = match.span()
        if word in _ENDS and not (word == "." and _inside(text, words, end)):
            if words:
                yield Sentence(words, starts, ends, "" if word == "\n" else word, straight=straight)
                words, starts, ends = [], [], []
            continue
        if word[-1] == "t" and word[0] in "'’" and words and words[-1][-1] in "nN" and len(words[-1]) > 1:
            start -= 1
            words[-1], word = words[-1][:-1], words[-1][-1] + word
            ends[-1] = start
        words.append(word)
        starts.append(start)
        ends.append(end)
    if words:
        yield Sentence(words, starts, ends, "", straight=straight)


@functools.lru_cache(maxsize=4_096)
def words_of(name: str) -> tuple[str, ...]:
    """A name as the tokeniser sees it, in small letters."""
    return tuple(match.group().lower().replace("’", "'") for match in _TOKEN.finditer(name))


def _inside(text: str, words: list[str], end: int) -> bool:
    """Whether the full stop before `end` belongs to a word: "Dr. Ito", "J. Smith", "3.5", "..." before more."""
    if not words:
        return False
    last = words[-1]
    if last.lower() in _ABBREVIATIONS:
        return (
            last[0].isupper() or last.lower() in ("vs", "etc", "no", "approx") or text[end : end + 2].strip().islower()
        )
    if len(last) == 1 and last.isupper() and last != "I":
        return True
    return text[end : end + 1].isalnum() and end >= 2 and text[end - 2].isalnum()
