"""An ASGI application on a loopback port, on the test's own loop."""

import asyncio
import contextlib
import socket

import uvicorn


@contextlib.asynccontextmanager
async def serve(app=None, *, made_for=None):
    """The application's base URL, while the block runs. `made_for(url)` makes one that has to know its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    app = app or made_for(url)
    config = uvicorn.Config(app, lifespan="auto", log_config=None, timeout_graceful_shutdown=1)
    listener = uvicorn.Server(config)
    listener.capture_signals = contextlib.nullcontext
    serving = asyncio.ensure_future(listener.serve(sockets=[listening]))
    while not listener.started:
        assert not serving.done(), "the server ended before it listened"
        await asyncio.sleep(0.005)
    try:
        yield url
    finally:
        listener.should_exit = True
        await serving
        listening.close()
