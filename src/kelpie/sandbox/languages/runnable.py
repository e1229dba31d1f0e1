"""The module that node is given: plain JavaScript, and a last line that calls the tool's function by name."""

import functools
import json
from typing import Literal

from kelpie.sandbox import limits
from kelpie.sandbox.languages.function import find_function, parameters_of
from kelpie.sandbox.languages.parsing import parse
from kelpie.sandbox.languages.stripping import strip_types

CALL = "__kelpie_call"  # what the driver looks for


@functools.lru_cache(maxsize=limits.RUNNABLE_KEPT_MAX)  # a tool is called more often than it is changed
def runnable(source: str, function: str, language: Literal["javascript", "typescript"]) -> str:
    """The source as an ES module. With a `function` it exports one that takes the arguments by their names.

    Raises InvalidSource with the line, and MissingExtra without the parser. JavaScript that is a program is not looked
    at: node says what is wrong with it.
    """
    plain = strip_types(source) if language == "typescript" else source
    if not function:
        return plain
    found = find_function(parse(plain, typescript=False), function)
    # An object that is taken apart is the arguments themselves; what is not given is undefined, hence its default.
    places = (f"given[{json.dumps(one.name)}]" if one.name else "given" for one in parameters_of(found))
    return f"{plain}\nexport const {CALL} = (given) => {found.name}({', '.join(places)});\n"
