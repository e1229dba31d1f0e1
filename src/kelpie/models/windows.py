"""How large well-known models' windows are, for providers that list names and nothing else."""

from typing import NamedTuple

from kelpie.models import limits


class Window(NamedTuple):
    context_tokens: int
    output_tokens: int


# By the beginning of the name; the longest that fits counts.
_WELL_KNOWN = {
    "gpt-5": Window(400_000, 128_000),
    "gpt-4.1": Window(1_047_576, 32_768),
    "gpt-4o": Window(128_000, 16_384),
    "gpt-4-turbo": Window(128_000, 4_096),
    "gpt-4": Window(8_192, 4_096),
    "gpt-3.5-turbo": Window(16_385, 4_096),
    "o1": Window(200_000, 100_000),
    "o3": Window(200_000, 100_000),
    "o4-mini": Window(200_000, 100_000),
    "claude-": Window(200_000, 32_000),
    "claude-3-haiku": Window(200_000, 4_096),
    "claude-3-5-": Window(200_000, 8_192),
    "claude-3-7-sonnet": Window(200_000, 64_000),
    "claude-sonnet-4": Window(200_000, 64_000),
    "claude-haiku-4": Window(200_000, 64_000),
}


def window_of(name: str, listed_context: int | None, listed_output: int | None) -> Window:
    """What the provider says counts first, then the name, then a cautious guess. An output can't be asked for that
    leaves no room for a prompt, so it is at most half of a window the provider told us."""
    bare = name.rsplit("/", 1)[-1].removeprefix("ft:")
    fitting = [known for known in _WELL_KNOWN if bare.startswith(known)]
    known = _WELL_KNOWN[max(fitting, key=len)] if fitting else None
    output = listed_output or (known.output_tokens if known else limits.OUTPUT_TOKENS_DEFAULT)
    if listed_context is not None:
        return Window(listed_context, min(output, listed_context // 2))
    return Window(known.context_tokens if known else limits.CONTEXT_WINDOW_TOKENS_DEFAULT, output)
