"""Recall: union of what words, meaning, names and times find, ranked by one function of ours.

recall     the operation: what to read, how often, what to show
question   what a query asks, read from its words
channels   how much each channel gives each fact
ranking    whether there is an answer, and which facts come first
weights    the numbers, and what they were measured on
rewrite    other wordings of a query, by a model
graph      neighbours and paths over what facts claim
simulated  a model for tests that answers every prompt of umi
"""

from umi.retrieve.graph import Edge, Path, neighbours, paths
from umi.retrieve.recall import recall

__all__ = ["Edge", "Path", "neighbours", "paths", "recall"]
