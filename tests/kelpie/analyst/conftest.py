"""A store, an Analyst and small warehouses; and a driver that plays the agent's turn: model, tools, commit."""

import contextlib
import json
import os

import pytest
from kelpie_analyst_warehouses import build_coffee, build_flights

from kelpie.analyst.agent import analyst_agent
from kelpie.analyst.migrations import MIGRATIONS
from kelpie.analyst.planner.model import PlannerModel
from kelpie.analyst.service import Analyst
from kelpie.analyst.tools import analyst_tools
from kelpie.demo.warehouse import semantic_model_yaml
from kelpie.errors import CallerError
from kelpie.tools.tool import Outcome, ToolContext
from umi.dst import Host, Rng
from umi.storage import Changes, SqliteDatabase, View
from umi.wire.types import Message, Request, ToolSpec

REMEMBER = ToolSpec(
    name="core_memory_append",
    description="Append to a block.",
    parameters={"type": "object", "properties": {"label": {"type": "string"}, "content": {"type": "string"}}},
)
