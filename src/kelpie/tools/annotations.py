"""Type hints as JSON schemas, read from the syntax tree: nothing of the source is executed."""

import ast
from typing import Any

from kelpie.errors import InvalidSource
from kelpie.tools import limits

_SIMPLE: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "Any": {},
    "object": {},
}
_LISTS = frozenset({"list", "List", "Sequence"})
_DICTS = frozenset({"dict", "Dict", "Mapping", "MutableMapping"})
_JSON_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number"}
SUPPORTED = "str, int, float, bool, list[...], dict[str, ...], Optional, Union, Literal, Annotated, Any, a BaseModel"
_MISSING = object()


class Annotations:
    """The hints of one source. `BaseModel` classes defined in it become object schemas."""

    def __init__(self, module: ast.Module) -> None:
        self._classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
        self._parts = 0

    def _count(self, node: ast.expr | ast.stmt, where: str) -> None:
        """A few classes that hold each other twice make a schema of any size: every part of it is counted."""
        self._parts += 1
        if self._parts > limits.TOOL_SCHEMA_PARTS_MAX:
            raise _refused(node, where, f"the schema has more than {limits.TOOL_SCHEMA_PARTS_MAX:,} parts")

    def parameter(self, hint: ast.expr, where: str) -> tuple[dict[str, Any], bool]:
        """(the schema, whether None is allowed). `None` itself is left out of the schema: providers differ in how
        they want it, and a model leaves an optional argument out. Raises InvalidSource naming `where` and the line."""
        hint = _unquoted(hint, where)
        if _last_name(hint) == "Annotated" and _arguments(hint):
            inner, *notes = _arguments(hint)
            schema, nullable = self.parameter(inner, where)
            return {**schema, **_note(notes)}, nullable
        variants = _variants(hint)
        real = [variant for variant in variants if not _is_none(variant)]
        if len(real) == len(variants) or not real:
            return self._schema(hint, where, ()), False
        return self._union(real, where, ()), True

    def _schema(self, hint: ast.expr, where: str, inside: tuple[str, ...]) -> dict[str, Any]:
        self._count(hint, where)
        hint = _unquoted(hint, where)
        variants = _variants(hint)
        if len(variants) > 1:
            return self._union(variants, where, inside)
        name, arguments = _last_name(hint), _arguments(hint)
        if name == "Literal" and arguments:
            return _literal(hint, arguments, where)
        if name == "Annotated" and arguments:
            return {**self._schema(arguments[0], where, inside), **_note(arguments[1:])}
        if name in _LISTS and len(arguments) <= 1:
            return {"type": "array", "items": self._schema(arguments[0], where, inside) if arguments else {}}
        if name in _DICTS and len(arguments) in (0, 2):
            return self._mapping(arguments, where, inside)
        if _is_none(hint):
            return {"type": "null"}
        if name in self._classes and not arguments:
            return self._model(self._classes[name], where, inside)
        if name in _SIMPLE and not arguments:
            return dict(_SIMPLE[name])
        raise _refused(hint, where, f"the type hint '{ast.unparse(hint)}' can't be turned into a JSON schema")

    def _union(self, variants: list[ast.expr], where: str, inside: tuple[str, ...]) -> dict[str, Any]:
        schemas = [self._schema(variant, where, inside) for variant in variants]
        return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def _mapping(self, arguments: list[ast.expr], where: str, inside: tuple[str, ...]) -> dict[str, Any]:
        if not arguments:
            return {"type": "object"}
        if _last_name(arguments[0]) not in ("str", "Any"):
            raise _refused(arguments[0], where, "the keys of a JSON object are strings: use dict[str, ...]")
        value = self._schema(arguments[1], where, inside)
        return {"type": "object", "additionalProperties": value} if value else {"type": "object"}

    def _model(self, node: ast.ClassDef, where: str, inside: tuple[str, ...]) -> dict[str, Any]:
        if node.name in inside:
            raise _refused(node, where, f"class {node.name} refers to itself, which a tool's schema can't say")
        if not self._is_model(node, where, ()):
            raise _refused(node, where, f"class {node.name} is not a pydantic BaseModel")
        properties, required = self._fields(node, where, (*inside, node.name))
        schema: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
        text = ast.get_docstring(node)
        return {**schema, "description": text} if text else schema

    def _is_model(self, node: ast.ClassDef, where: str, seen: tuple[str, ...]) -> bool:
        self._count(node, where)
        names = [_last_name(base) for base in node.bases]
        known = [self._classes[name] for name in names if name in self._classes and name not in seen]
        return "BaseModel" in names or any(self._is_model(base, where, (*seen, node.name)) for base in known)

    def _fields(self, node: ast.ClassDef, where: str, inside: tuple[str, ...]) -> tuple[dict[str, Any], list[str]]:
        """The fields of the class and of the bases it inherits from, in pydantic's order: bases first."""
        self._count(node, where)
        properties: dict[str, Any] = {}
        required: dict[str, None] = {}
        for base in (_last_name(base) for base in node.bases):
            if base in self._classes and base not in inside:
                inherited, needed = self._fields(self._classes[base], where, (*inside, base))
                properties.update(inherited)
                required.update(dict.fromkeys(needed))
        for field in node.body:
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            name = field.target.id
            if name.startswith("_") or name == "model_config" or _last_name(field.annotation) == "ClassVar":
                continue
            default, description = _field_call(field.value)
            schema = {**self._schema(field.annotation, f"{where}, field '{name}'", inside), **description}
            required.pop(name, None)
            if default is _MISSING:
                required[name] = None
            elif default is not None:
                schema.update(default_of(default))
            properties[name] = schema
        return properties, list(required)


def default_of(value: Any) -> dict[str, Any]:
    """`{"default": …}` for a default that is plain JSON, else nothing: other defaults are the function's secret."""
    try:
        plain = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return {}
    return {"default": plain} if _is_json(plain) else {}


def _is_json(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_json(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    return value is None or isinstance(value, (str, bool, int, float))


def _field_call(value: ast.expr | None) -> tuple[Any, dict[str, Any]]:
    """(the default: _MISSING if there is none, None if it is computed; the description) of a model's field."""
    if value is None:
        return _MISSING, {}
    if not (isinstance(value, ast.Call) and _last_name(value.func) == "Field"):
        return value, {}
    keywords = {keyword.arg: keyword.value for keyword in value.keywords}
    default: Any = value.args[0] if value.args else keywords.get("default", _MISSING)
    if isinstance(default, ast.Constant) and default.value is ...:
        default = _MISSING
    if default is _MISSING and "default_factory" in keywords:
        default = None
    return default, _note([value])


def _note(notes: list[ast.expr]) -> dict[str, Any]:
    """The description among the notes of Annotated[...]: a text, or Field(description=...)."""
    for note in notes:
        texts = [note]
        if isinstance(note, ast.Call) and _last_name(note.func) == "Field":
            texts = [keyword.value for keyword in note.keywords if keyword.arg == "description"]
        for text in texts:
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                return {"description": text.value}
    return {}


def _literal(hint: ast.expr, arguments: list[ast.expr], where: str) -> dict[str, Any]:
    try:
        values = [ast.literal_eval(argument) for argument in arguments]
    except ValueError:
        values = [_MISSING]
    if any(value is not None and type(value) not in _JSON_TYPES for value in values):
        raise _refused(hint, where, "Literal[...] may hold texts, numbers, booleans and None")
    kinds = {_JSON_TYPES.get(type(value)) for value in values}
    return {"type": kinds.pop(), "enum": values} if len(kinds) == 1 and None not in kinds else {"enum": values}


def _unquoted(hint: ast.expr, where: str) -> ast.expr:
    """A hint written as text, parsed."""
    if not (isinstance(hint, ast.Constant) and isinstance(hint.value, str)):
        return hint
    try:
        inner = ast.parse(hint.value, mode="eval").body
    except SyntaxError:
        raise _refused(hint, where, f"the type hint '{hint.value}' is not Python") from None
    for node in ast.walk(inner):
        ast.copy_location(node, hint)
    return inner


def _variants(hint: ast.expr) -> list[ast.expr]:
    """The members of a union, or the hint alone."""
    if isinstance(hint, ast.BinOp) and isinstance(hint.op, ast.BitOr):
        return [*_variants(hint.left), *_variants(hint.right)]
    if _last_name(hint) == "Optional" and len(_arguments(hint)) == 1:
        return [*_variants(_arguments(hint)[0]), ast.copy_location(ast.Constant(None), hint)]
    if _last_name(hint) == "Union" and _arguments(hint):
        return [variant for argument in _arguments(hint) for variant in _variants(argument)]
    return [hint]


def _arguments(hint: ast.expr) -> list[ast.expr]:
    if not isinstance(hint, ast.Subscript):
        return []
    return list(hint.slice.elts) if isinstance(hint.slice, ast.Tuple) else [hint.slice]


def _last_name(hint: ast.expr) -> str:
    """`Optional` for Optional, typing.Optional and Optional[...]; empty for anything that has no name."""
    if isinstance(hint, ast.Subscript):
        return _last_name(hint.value)
    if isinstance(hint, ast.Attribute):
        return hint.attr
    return hint.id if isinstance(hint, ast.Name) else ""


def _is_none(hint: ast.expr) -> bool:
    return (isinstance(hint, ast.Constant) and hint.value is None) or _last_name(hint) == "NoneType"


def _refused(node: ast.expr | ast.stmt, where: str, reason: str) -> InvalidSource:
    return InvalidSource(f"line {node.lineno}: {where}: {reason}; supported are {SUPPORTED}")
