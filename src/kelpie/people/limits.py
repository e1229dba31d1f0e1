"""Bounds of people and teams."""

HANDLE_CHARS_MAX = 64
NAME_CHARS_MAX = 100  # of a person or a team
PEOPLE_PER_TENANT_MAX = 10_000
TEAMS_PER_TENANT_MAX = 1_000
TEAMS_PER_PERSON_MAX = 50
PEOPLE_YAML_BYTES_MAX = 2_000_000
NAMES_TOLD_MAX = 20  # of those one may speak for, in a refusal
