"""Names for agents that are made without one."""

from umi.dst import Rng

_MANNERS = (
    "amber brisk calm candid clever cosy curious dapper deft eager early easy fair fleet gentle glad golden hardy jolly"
    " keen kind lively loyal lucid mellow merry mild nimble noble patient placid plucky proud quick quiet ready rosy"
    " sage silver sleek sober spry steady sunny swift tidy tranquil trusty vivid warm wise witty"
).split()
_CREATURES = (
    "albatross auk avocet bittern cod cormorant crab crane curlew dipper dolphin dunlin eider fulmar gannet grebe"
    " gull heron herring kestrel kittiwake limpet lobster mackerel merlin mussel narwhal newt oyster petrel pike pipit"
    " plover porpoise puffin rail ray robin salmon sandpiper seal shrimp skate skua snipe sole squid starling stint"
    " stork swan tern thrush turbot urchin wagtail walrus whale whelk wren"
).split()
_NUMBER_MAX = 9_999


def random_name(rng: Rng) -> str:
    """Two words and a number, for example `brisk-puffin-417`: readable, and rarely the same twice."""
    manner = _MANNERS[rng.randint(0, len(_MANNERS) - 1)]
    creature = _CREATURES[rng.randint(0, len(_CREATURES) - 1)]
    return f"{manner}-{creature}-{rng.randint(1, _NUMBER_MAX)}"
