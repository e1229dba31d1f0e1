"""Texts that are no memory: nothing in them is worth recalling, or they are instructions to a program."""

import re

from umi.hygiene.patterns import Pattern
from umi.index.terms import STOPWORDS, words_of

# Said without saying anything. A text of such words alone has no content.
_EMPTY = frozenset(
    "ok okay k yes yeah yep yup no nope nah sure thanks thank thx please hi hello hey bye goodbye cool great good"
    " nice fine wow oh ah hmm hm mm haha hahaha lol lmao omg uh um er right exactly absolutely definitely totally"
    " indeed true awesome perfect alright welcome sorry well now just here there too also really very much so got"
    " sounds let go back hope know see think anything something nothing else more help need want like would maybe"
    " again later soon day morning night evening afternoon cheers yay idk tbh hallo danke bitte ja nein gut".split()
)
_PROMPT = Pattern(
    r"""(?ix)
      \byou\ are\ (?:now\ )?(?:an?|the)\ (?:[\w-]+\ ){0,6}(?:chatbot|language\ model|ai|ai\ agent|copilot
        |assistant(?!\ (?:professor|manager|coach|director|teacher)))\b
    | \bas\ an?\ (?:(?:large\ )?language\ model|ai(?:\ language)?\ (?:model|assistant))\b
    | \b(?:ignore|disregard|forget)\ (?:all\ |any\ )?(?:the\ |your\ )?(?:previous|prior|above|earlier)[ ]
        (?:instructions|messages|prompts)\b
    | \b(?:your|my)\ (?:system\ prompt|instructions\ (?:are|say)|knowledge\ cut-?off)\b
    | \b(?:always|only)\ (?:respond|reply|answer)\ (?:in|with|using|only)\b
    | \brespond\ (?:only\ )?(?:in|with)\ (?:valid\ )?(?:json|xml|markdown|yaml)\b
    | \byou\ (?:must|should|will)\ (?:always|never|not)[ ]
        (?:reveal|disclose|mention|respond|reply|answer|use\ the\ tool|call)\b
    | <\|?(?:system|im_start|im_end|assistant|endoftext|start_header_id|tool_call|function_call)\|?>
    | \[/?INST\]|<<SYS>>|^\#{1,3}\ (?:system|instruction|response|role)s?\b
    | "(?:tool_calls|function_call|finish_reason|role)"\s*:
    | ^(?:system|assistant|developer)\s+(?:prompt|message)\s*:
    | \b(?:traceback\ \(most\ recent\ call\ last\)|exit\ code\ \d+|stack\ trace:)
    """,
    re.MULTILINE,
)
_PROMPT_HINTS = (
    *("you are ", "as an ", "ignore ", "disregard ", "forget ", "prompt", "instructions", "cutoff", "cut-off"),
    *("respond", "reply", "answer", "you must", "you should", "you will", "<|", "<system", "<assistant", "inst]"),
    *("<<sys", "# ", '"tool_calls"', '"function_call"', '"finish_reason"', '"role"', "system ", "assistant "),
    *("developer ", "traceback", "exit code", "stack trace", "<tool_call", "<function_call", "<im_", "<endof"),
    "<start_",
)


def junk(text: str) -> str | None:
    """Why a text is no memory: "too short", "no content", "repetition" or "boilerplate"; None if it may be one.

    Too short is a text of less than two letters or digits; without content one of stopwords and acknowledgements
    alone; a repetition says one word over and over; boilerplate is what programs tell each other: system prompts, chat
    markup, tool calls, stack traces.
    """
    words = words_of(text)
    if sum(map(len, words)) < 2:
        return "too short"
    if all(word in STOPWORDS or word in _EMPTY for word in words):
        return "no content"
    if len(words) >= 8 and len(set(words)) * 8 <= len(words):
        return "repetition"
    lowered = text.lower()
    if any(hint in lowered for hint in _PROMPT_HINTS) and _PROMPT.search(text):
        return "boilerplate"
    return None
