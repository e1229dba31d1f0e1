"""MCP: a memory's operations as tools for any client of the Model Context Protocol, over stdio and streamable HTTP.

server  the tools, and the two ways to serve them; needs the extra `server`
"""
