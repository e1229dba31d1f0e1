"""How many numbers the vectors of well-known models have. A model that is not here is not listed as one for vectors:
whoever stores vectors has to know.
"""

_DIMENSIONS = {
    "text-embedding-3-small": 1_536,
    "text-embedding-3-large": 3_072,
    "text-embedding-ada-002": 1_536,
    "mistral-embed": 1_024,
    "nomic-embed-text": 768,
    "mxbai-embed-large": 1_024,
    "gemini-embedding-001": 3_072,
    "text-embedding-004": 768,
}


def dimensions_of(name: str) -> int | None:
    """By the name, without what a server puts before it, or after a colon."""
    return _DIMENSIONS.get(name.rpartition("/")[2].partition(":")[0])
