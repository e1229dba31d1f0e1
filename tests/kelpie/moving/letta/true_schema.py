"""Run in an environment that has letta==0.16.7: prints what makes its tables, without their constraints."""

import os
import sys

os.environ["LETTA_PG_URI"] = "postgresql://nobody@127.0.0.1/none"  # or its columns are those of SQLite

import letta.orm  # noqa: F401 - it registers the tables
from letta.orm.base import Base
from sqlalchemy import Enum
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateColumn

dialect = postgresql.dialect()
tables = Base.metadata.sorted_tables
types = [column.type for table in tables for column in table.columns]
kinds = {one.name: one.enums for one in types if isinstance(one, Enum)}
for name, values in kinds.items():
    shown = ", ".join(f"'{value}'" for value in values)
    sys.stdout.write(f"CREATE TYPE {name} AS ENUM ({shown});\n")
for table in tables:
    columns = [str(CreateColumn(column).compile(dialect=dialect)) for column in table.columns]
    body = ", ".join(column.replace(" NOT NULL", "").replace(" PRIMARY KEY", "") for column in columns)
    sys.stdout.write(f'CREATE TABLE "{table.name}" ({body});\n')
