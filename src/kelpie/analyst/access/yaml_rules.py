"""YAML text -> access rules, all of one semantic model.

    semantic_model: saas
    rules:
      - name: sales see Europe
        table: customers
        who: team Sales
        unless: [person anna]
        rows: region = 'EMEA'
        says: only customers in Europe
      - name: no addresses
        table: customers
        who: everyone
        unless: [team Support]
        mask: [email, phone]
      - name: pay is private
        table: salaries
        who: everyone
        deny: true

A mistake is refused with its line, and nothing of the file is taken.
"""

import msgspec

from kelpie import yaml_lines
from kelpie.analyst import limits
from kelpie.analyst.access.rules import AccessRule, new_rule
from kelpie.errors import CallerError, InvalidInput
from umi.dst import Host


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    line: int = 0


class _Rule(_Part, frozen=True, kw_only=True):
    name: str
    table: str
    who: str
    unless: list[str] = []
    rows: str | None = None
    mask: list[str] = []
    deny: bool = False
    says: str = ""


class _File(_Part, frozen=True, kw_only=True):
    semantic_model: str
    rules: list[_Rule]


def read_rules(host: Host, tenant: str, text: str) -> list[AccessRule]:
    """The rules of the file, not yet registered. Raises InvalidInput ("line 12: …"), LimitExceeded, MissingExtra."""
    file = yaml_lines.read(text, _File, what="the file of access rules", bytes_max=limits.ACCESS_YAML_BYTES_MAX)
    rules: list[AccessRule] = []
    for written in file.rules:
        fields = msgspec.structs.asdict(written)
        line = fields.pop("line")
        try:
            rules.append(new_rule(host, tenant, semantic_model=file.semantic_model, **fields))
        except CallerError as error:
            raise InvalidInput(f"line {line}: {error}") from error
    return rules
