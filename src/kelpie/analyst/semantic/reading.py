"""YAML text -> SemanticModel. Every mistake is refused with the line it is on."""

from kelpie import yaml_lines
from kelpie.analyst import limits
from kelpie.analyst.semantic.coherence import check_coherence
from kelpie.analyst.semantic.model import SemanticModel
from kelpie.errors import InvalidInput, InvalidModel


def read_model(text: str) -> SemanticModel:
    """The model. Raises InvalidModel ("line 12: …") or LimitExceeded; looks at no data. MissingExtra without PyYAML."""
    try:
        model = yaml_lines.read(
            text,
            SemanticModel,
            what="the semantic model",
            bytes_max=limits.SEMANTIC_YAML_BYTES_MAX,
            free=("nicknames",),
        )
    except InvalidInput as error:
        raise InvalidModel(str(error)) from error
    check_coherence(model)
    return model
