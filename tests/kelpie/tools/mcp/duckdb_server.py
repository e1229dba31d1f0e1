"""An MCP server over a DuckDB file, over stdio: `python duckdb_server.py FILE`. Its query tool means to only read.

It wraps what it is given in a transaction that it takes back, as careless servers do: text that ends the transaction
itself is outside of it.
"""

import json
import sys

import duckdb

FILE = sys.argv[1]
TOOLS = [
    {
        "name": "query",
        "description": "Run a query. Read only.",
        "inputSchema": {"type": "object", "properties": {"sql": {"type": "string"}}, "required": ["sql"]},
        "annotations": {"readOnlyHint": True},
    }
]


def query(sql):
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    try:
        connection.execute(f"ATTACH '{FILE}' AS data (READ_ONLY); USE data")
        rows = connection.execute(f"BEGIN; {sql}").fetchall()
        connection.execute("ROLLBACK")
        return {"content": [{"type": "text", "text": json.dumps(rows, default=str)}]}
    except duckdb.Error as error:
        return {"content": [{"type": "text", "text": f"{type(error).__name__}: {error}"}], "isError": True}
    finally:
        connection.close()


def main():
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request:
            continue
        match request["method"]:
            case "initialize":
                result = {
                    "protocolVersion": request["params"]["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "duckdb", "version": "1"},
                }
            case "tools/list":
                result = {"tools": TOOLS}
            case "tools/call":
                result = query(request["params"]["arguments"]["sql"])
            case _:
                error = {"code": -32601, "message": "Method not found"}
                sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}) + "\n")
                sys.stdout.flush()
                continue
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}) + "\n")
        sys.stdout.flush()


main()
