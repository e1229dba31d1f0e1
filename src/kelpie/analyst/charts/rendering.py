"""A chart as a picture, by vl-convert's own bundle: nothing is fetched."""

from collections.abc import Callable
from typing import Any, TypeVar

from kelpie.analyst.workers import Workers
from kelpie.errors import InvalidInput, MissingExtra

_VEGALITE_VERSION = "6.4"
_SCALE = 2.0
T = TypeVar("T")


async def render_png(spec: dict[str, Any], workers: Workers) -> bytes:
    """The chart as a PNG. A spec that names a URL fails. Raises MissingExtra, InvalidInput."""
    import_vl_convert = _vl_convert()
    return await _rendered(
        workers,
        lambda: import_vl_convert.vegalite_to_png(
            spec, vl_version=_VEGALITE_VERSION, scale=_SCALE, allowed_base_urls=[]
        ),
    )


async def render_svg(spec: dict[str, Any], workers: Workers) -> str:
    """The chart as SVG, every text in it escaped. As render_png."""
    vl_convert = _vl_convert()
    return await _rendered(
        workers, lambda: vl_convert.vegalite_to_svg(spec, vl_version=_VEGALITE_VERSION, allowed_base_urls=[])
    )


def _vl_convert() -> Any:
    try:
        import vl_convert
    except ImportError as error:
        raise MissingExtra("rendering a chart", "analyst") from error
    return vl_convert


async def _rendered(workers: Workers, render: Callable[[], T]) -> T:
    try:
        return await workers.run(render)
    except ValueError as error:
        raise InvalidInput(f"the chart can't be rendered: {str(error).splitlines()[0]}") from error
