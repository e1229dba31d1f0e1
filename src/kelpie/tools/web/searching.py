"""Web search by one provider's documented API (Exa's `POST /search`), or by whatever speaks it at another address."""

from collections.abc import Mapping
from typing import Any

import msgspec

from kelpie.errors import ModelError, ToolFailed
from kelpie.tools.web import limits
from umi.dst import Host
from umi.wire.transport import Timeouts, Transport, origin_of

DEFAULT_URL = "https://api.exa.ai"


class _Result(msgspec.Struct, rename="camel"):
    url: str
    title: str | None = None
    published_date: str | None = None
    author: str | None = None
    text: str | None = None
    highlights: list[str] | None = None


class _Answer(msgspec.Struct):
    results: list[_Result]


class Search:
    """One account at a provider.

    key  sent as `x-api-key`; "" for a server of one's own that wants none
    url  where the API lies, without its path
    """

    def __init__(self, host: Host, transport: Transport, key: str, url: str = "") -> None:
        self._host = host
        self._transport = transport
        self._key = key
        self._url = (url or DEFAULT_URL).rstrip("/")

    async def results(self, wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
        """`wanted` as the tool web_search takes it, checked. Raises ToolFailed that says what the provider said."""
        body = msgspec.json.encode(_request(wanted))
        headers = {"content-type": "application/json"} | ({"x-api-key": self._key} if self._key else {})
        timeouts = Timeouts(limits.SEARCH_CONNECT_MS_MAX, limits.SEARCH_MS_MAX)
        where = origin_of(self._url)
        try:
            async with self._host.clock.timeout(limits.SEARCH_MS_MAX):
                response = await self._transport.send("POST", f"{self._url}/search", headers, body, timeouts)
                try:
                    said = await _read(response.chunks, where)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise ToolFailed(f"the search at {where} took longer than {limits.SEARCH_MS_MAX // 1000} s") from None
        except ModelError as error:
            raise ToolFailed(f"the search failed: {error}") from None
        if response.status != 200:
            raise ToolFailed(f"the search at {where} answered with status {response.status}")
        try:
            answer = msgspec.json.decode(said, type=_Answer)
        except msgspec.MsgspecError:
            raise ToolFailed(f"the search at {where} answered with something that is not its documented form") from None
        return [_shown(result) for result in answer.results[: wanted["num_results"]]]


def _request(wanted: Mapping[str, Any]) -> dict[str, Any]:
    chars = {"maxCharacters": limits.SEARCH_TEXT_CHARS_MAX}
    named = {
        "query": wanted["query"],
        "numResults": wanted["num_results"],
        "category": wanted.get("category"),
        "includeDomains": wanted.get("include_domains"),
        "excludeDomains": wanted.get("exclude_domains"),
        "startPublishedDate": wanted.get("start_published_date"),
        "endPublishedDate": wanted.get("end_published_date"),
        "userLocation": wanted.get("user_location"),
        "contents": {"text": chars} if wanted.get("include_text") else {"highlights": True},
    }
    return {name: value for name, value in named.items() if value is not None}


async def _read(chunks: Any, where: str) -> bytes:
    said = bytearray()
    async for chunk in chunks:
        said += chunk
        if len(said) > limits.SEARCH_ANSWER_BYTES_MAX:
            raise ToolFailed(f"the search at {where} answered with more than {limits.SEARCH_ANSWER_BYTES_MAX:,} bytes")
    return bytes(said)


def _shown(result: _Result) -> dict[str, Any]:
    highlights = [text[: limits.SEARCH_HIGHLIGHT_CHARS_MAX] for text in result.highlights or []]
    shown = {
        "title": result.title,
        "url": result.url,
        "published_date": result.published_date,
        "author": result.author,
        "text": (result.text or "")[: limits.SEARCH_TEXT_CHARS_MAX],
        "highlights": highlights,
    }
    return {name: value for name, value in shown.items() if value}
