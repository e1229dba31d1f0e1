"""JavaScript and TypeScript: read here without being run, and run inside by node.

parsing.py    a source as a syntax tree
function.py   the function that is the tool, and its parameters
jsdoc.py      what a comment says of a function
types.py      TypeScript's and JSDoc's types as JSON schemas
reading.py    parse_javascript: a tool's name, description and schema
stripping.py  TypeScript without its types
runnable.py   runnable: the module that node is given
node.py       node_program: node on this machine, and its driver (driver.cjs)
"""

from kelpie.sandbox.languages.node import NodeProgram, node_program
from kelpie.sandbox.languages.reading import JavaScriptTool, parse_javascript
from kelpie.sandbox.languages.runnable import runnable

__all__ = ["JavaScriptTool", "NodeProgram", "node_program", "parse_javascript", "runnable"]
