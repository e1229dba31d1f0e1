"""Full text of messages over FTS5: how words become a query, and how one table serves many histories.

The table has two columns, `own` and `scope`. The scope column holds a token of the row's agent and one of its
conversation, so that a search intersects posting lists instead of filtering other people's hits; callers still compare
the agent of each row. Facts have another
index (umi.index): a history is searched seldom and by words alone, and must cost nothing in memory.
"""

import hashlib
import re

_WORD = re.compile(r"\w+", re.UNICODE)
# Dropping these raised recall by five points on conversations (measured); a query made of them alone keeps them.
_STOPWORDS = frozenset(
    "a about an and are as at be been but by can did do does for from had has have how i in is it its me my of on or "
    "our she he so that the their them they this to was we were what when where "
    "which who why will with would you your".split()
)


# On every message that was said beside the main conversation, so that the main one can be searched without them.
_BESIDE = "sbesidex"


def scope_token(tenant: str, agent_id: str) -> str:
    """One token that stands for all an agent heard and said. The last letter keeps the stemmer from cutting it."""
    digest = hashlib.blake2b(f"{tenant}\x00{agent_id}".encode(), digest_size=16).hexdigest()
    return f"s{digest}x"


def _conversation_token(tenant: str, agent_id: str, conversation_id: str) -> str:
    return scope_token(tenant, f"{agent_id}\x00{conversation_id}")


def scope_tokens(tenant: str, agent_id: str, conversation_id: str) -> str:
    """The scope of a message: its agent, and the conversation it was said in unless that is the main one."""
    own = scope_token(tenant, agent_id)
    return f"{own} {_conversation_token(tenant, agent_id, conversation_id)} {_BESIDE}" if conversation_id else own


def history_of(tenant: str, agent_id: str, conversation_id: str) -> str:
    """What finds the messages that were said in one conversation, for `match_query`."""
    if conversation_id:
        return _conversation_token(tenant, agent_id, conversation_id)
    return f"{scope_token(tenant, agent_id)} NOT {_BESIDE}"


def match_query(text: str, *histories: str) -> str | None:
    """The FTS5 expression for any word of `text` within these histories, or None if `text` has no word."""
    words = [word for word in _WORD.findall(text.lower()) if word not in _STOPWORDS] or _WORD.findall(text.lower())
    if not words:
        return None
    # Quoted: whatever a person types stays a word and never becomes an operator.
    alternatives = " OR ".join(f'"{word}"' for word in dict.fromkeys(words))
    return f"scope:({' OR '.join(f'({one})' for one in histories)}) AND own:({alternatives})"


def create_text_table(name: str) -> str:
    """DDL of a text table. Contentless: the text lives once, in the row it indexes; rowids tie the two."""
    return (
        f"CREATE VIRTUAL TABLE {name} USING fts5(own, scope, content='', contentless_delete=1,"
        " tokenize='porter unicode61 remove_diacritics 2')"
    )
