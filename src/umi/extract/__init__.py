"""What a text says: the things it names, what it claims of them, and when.

local.py         LocalExtractor, without a model; note_of
own_types.py     EntityType, RelationType: what a user adds to what is looked for
model.py         Model, what umi asks of a language model; ModelExtractor; WiredModel over umi.wire
prompt.py        the question to a model, and what of its answer is believed
repair.py        JSON as models write it
simulated.py     SimulatedModel, for tests
attributes.py    which attributes have several values at once
dates.py         dates(): absolute and relative dates; calendar.py has its words
chunk.py         chunks(): a long text in pieces
tokens.py        words and sentences
names.py         the names of a sentence and their types
gazetteer.py     names that people know: given_names.txt, gazetteer.txt
neighbours.py    what the words around an unknown name say it is
phrases.py       where tasks, preferences, events and fields of study end
clauses.py       Walker: who does what with whom in a sentence, word by word, on layers that each know one thing:
                 state.py what is understood so far, tastes.py what is liked and learned, duties.py what is to be done,
                 ties.py what belongs to whom, grouping.py what part a name plays
relations.py     what a verb and a preposition claim
discourse.py     the things of a text, and who a pronoun means
lexicon.py       words by their part in a sentence; verbs.py and tasks.py likewise
"""

from umi.extract.attributes import many_valued, symmetric
from umi.extract.chunk import chunks
from umi.extract.dates import When, dates
from umi.extract.local import LocalExtractor, note_of
from umi.extract.model import Model, ModelExtractor, WiredModel
from umi.extract.own_types import EntityType, RelationType

__all__ = [
    "EntityType",
    "LocalExtractor",
    "Model",
    "ModelExtractor",
    "RelationType",
    "When",
    "WiredModel",
    "chunks",
    "dates",
    "many_valued",
    "note_of",
    "symmetric",
]
