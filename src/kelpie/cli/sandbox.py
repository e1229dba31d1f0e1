"""`kelpie sandbox`: what isolation needs beside packages of Python."""

import asyncio
import os
from typing import Annotated

import typer

from kelpie import config as configuration
from kelpie.console.show import Screen
from umi.dst import Host

sandbox_app = typer.Typer(help="What the isolation of tools needs.", no_args_is_help=True)


@sandbox_app.command("build-image")
def sandbox_build_image(
    data: Annotated[str | None, typer.Option(help="The server's data folder.")] = None,
) -> None:
    """Build the guest image that the level 'microvm' starts, out of Debian packages. Needs apt-get, no root."""
    from kelpie.sandbox.microvm import build_image, image_folder, microvm_folder

    screen = Screen()
    folder = image_folder(microvm_folder(configuration.load(data_folder=data).data_folder))
    with screen.waiting("building the guest image"):
        image = asyncio.run(build_image(folder, Host(), screen.note))
    screen.good(f"the image {image.key} is in {os.path.join(folder, image.key)}")
    screen.note("a running server finds it within a minute")
