"""Sharing: what of the data a language model may read, by the level of the connection.

levels.py      the levels, held to for catalogs, results and errors
aggregates.py  which columns of somebody's SQL are aggregates of rows
"""

from kelpie.analyst.sharing.levels import (
    PLANNER_HANDLE,
    Shared,
    level_for,
    shared_catalog,
    shared_error,
    shared_result,
)

__all__ = ["PLANNER_HANDLE", "Shared", "level_for", "shared_catalog", "shared_error", "shared_result"]
