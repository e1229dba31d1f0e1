"""All rules, by the name the test reports them under."""

from collections.abc import Callable, Iterator

from tidy import calls, graph, shape
from tidy.tree import Finding, Tree

Rule = Callable[[Tree], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    graph.imports_point_down,
    graph.floors_cover_every_module,
    graph.no_import_cycles,
    graph.files_are_short,
    calls.banned_names_are_not_used,
    calls.every_limit_is_used,
    calls.exports_exist,
    shape.functions_are_short,
    shape.modules_have_docstrings,
    shape.packages_name_their_modules,
    shape.cited_files_exist,
    shape.decisions_have_their_own_numbers,
    shape.forbidden_words_are_absent,
    shape.names_say_what_things_are,
    shape.every_module_is_reached,
    shape.the_architecture_page_shows_the_floors,
)
