"""An answer as it is shown: the sentence, and all that it stands on.

answer      what an answer is made of
assembling  from a run that ended to its answer: shown only if each number in it has a source
stated      numbers that are no results: what the question and the conventions said
steps       what was done, in order
conventions which of those that hold had a part in it
keeping     rows: what was shown, and what people said of it
"""

from kelpie.analyst.answers.answer import Answer, ConventionUse, Freshness, Step
from kelpie.analyst.answers.assembling import assemble

__all__ = ["Answer", "ConventionUse", "Freshness", "Step", "assemble"]
