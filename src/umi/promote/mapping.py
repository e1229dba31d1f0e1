"""Which block an entity of a type goes to, and back."""

from collections.abc import Mapping

from umi.core.order import block_type

_BLOCKS = {
    "self": "persona",
    "preference": "persona",
    "person": "facts",
    "organization": "facts",
    "location": "facts",
    "topic": "facts",
    "event": "facts",
    "project": "goals",
    "task": "goals",
    "note": "scratch",
}
_OTHER = "facts"  # where types go that users define
_ENTITIES = {"persona": "self", "facts": "topic", "goals": "project"}


class EntityToBlockMapping:
    """The default, with changes: `EntityToBlockMapping({"person": "human", "task": "scratch"})`. Replace it by anything
    with the method `map`. Raises InvalidInput for a block type that isn't one."""

    def __init__(self, changes: Mapping[str, str] | None = None) -> None:
        self._blocks = _BLOCKS | {kind: block_type(block) for kind, block in (changes or {}).items()}

    def map(self, entity_type: str) -> str:
        """The type of block, one of umi.core.TYPES."""
        return self._blocks.get(entity_type, _OTHER)

    def entity_type(self, block: str) -> str:
        """The type an entity gets that is made from a block. Several types share a block, so it loses some: "persona"
        gives self, "facts" topic, "goals" project, everything else note; changes of the mapping don't show here."""
        return _ENTITIES.get(block, "note")
