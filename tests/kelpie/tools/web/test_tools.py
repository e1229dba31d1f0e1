"""The web tools as an agent calls them."""

import json

import msgspec
import pytest

from kelpie.errors import InvalidInput, LimitExceeded, ModelError, ToolFailed, ToolUnavailable
from kelpie.tools.web import Page, Search, limits, web_tools
from umi.wire.transport import Response


class Provider:
    """A transport to a search provider that says what a test wants."""

    def __init__(self, body, status=200):
        self.body, self.status, self.requests = body, status, []

    async def send(self, method, url, headers, body, timeouts):
        self.requests.append((method, url, dict(headers), json.loads(body)))
        if isinstance(self.body, Exception):
            raise self.body

        async def chunks():
            yield self.body

        return Response(self.status, {}, chunks())


RESULTS = msgspec.json.encode(
    {
        "requestId": "1",
        "results": [
            {
                "title": "Umi",
                "url": "https://umi.example/",
                "publishedDate": "2026-01-01",
                "author": None,
                "highlights": ["h" * 1_000],
                "score": 0.5,
            },
            {"url": "https://b.example/", "title": None, "text": "t" * 10_000},
        ],
    }
)


def tools(fetcher=None, search=None):
    return {tool.name: tool for tool in web_tools(fetcher, search)}


async def call(name, arguments, **more):
    return (await tools(**more)[name].run(None, arguments)).text


async def test_a_search_asks_the_provider_and_shows_what_it_found(host):
    provider = Provider(RESULTS)
    arguments = {"query": "umi", "num_results": 3, "include_domains": ["umi.example"], "category": "news"}
    said = json.loads(await call("web_search", arguments, search=Search(host, provider, "key-1")))
    assert provider.requests == [
        (
            "POST",
            "https://api.exa.ai/search",
            {"content-type": "application/json", "x-api-key": "key-1"},
            {
                "query": "umi",
                "numResults": 3,
                "category": "news",
                "includeDomains": ["umi.example"],
                "contents": {"highlights": True},
            },
        )
    ]
    assert said["results"] == [
        {
            "title": "Umi",
            "url": "https://umi.example/",
            "published_date": "2026-01-01",
            "highlights": ["h" * limits.SEARCH_HIGHLIGHT_CHARS_MAX],
        },
        {"url": "https://b.example/", "text": "t" * limits.SEARCH_TEXT_CHARS_MAX},
    ]


async def test_another_server_may_speak_the_same_and_want_no_key(host):
    provider = Provider(RESULTS)
    search = Search(host, provider, "", "http://search.internal:8080/")
    said = json.loads(await call("web_search", {"query": "umi", "num_results": 1, "include_text": True}, search=search))
    assert len(said["results"]) == 1
    _, url, headers, body = provider.requests[0]
    assert (url, headers) == ("http://search.internal:8080/search", {"content-type": "application/json"})
    assert body["contents"] == {"text": {"maxCharacters": limits.SEARCH_TEXT_CHARS_MAX}}


@pytest.mark.parametrize(
    ("provider", "reason"),
    [
        (Provider(b"no", 401), "status 401"),
        (Provider(b"<html>"), "documented form"),
        (Provider(b'{"results": [{"title": "no url"}]}'), "documented form"),
        (Provider(b" " * (limits.SEARCH_ANSWER_BYTES_MAX + 1)), "more than"),
        (Provider(ModelError("connection", "search.example can't be reached")), "can't be reached"),
        (Provider(TimeoutError()), "longer than"),
    ],
)
async def test_what_goes_wrong_is_said_without_the_key(host, provider, reason):
    with pytest.raises(ToolFailed, match=reason) as failure:
        await call("web_search", {"query": "umi"}, search=Search(host, provider, "key-1"))
    assert "key-1" not in str(failure.value)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, ToolFailed),
        ({"query": 1}, ToolFailed),
        ({"query": "x", "category": "spells"}, ToolFailed),
        ({"query": "x", "num_results": 0}, InvalidInput),
        ({"query": "x", "num_results": limits.SEARCH_RESULTS_MAX + 1}, InvalidInput),
        ({"query": "x" * (limits.SEARCH_QUERY_CHARS_MAX + 1)}, LimitExceeded),
        ({"query": "x", "include_domains": ["a"] * (limits.SEARCH_DOMAINS_MAX + 1)}, LimitExceeded),
        ({"query": "x", "exclude_domains": ["a" * (limits.SEARCH_QUERY_CHARS_MAX + 1)]}, LimitExceeded),
    ],
)
async def test_arguments_are_checked_before_anything_is_sent(host, arguments, error):
    provider = Provider(RESULTS)
    with pytest.raises(error):
        await call("web_search", arguments, search=Search(host, provider, "key-1"))
    assert provider.requests == []


async def test_without_settings_both_say_that_they_are_not_configured():
    for name, arguments, setting in (
        ("web_search", {"query": "x"}, "KELPIE_WEB_SEARCH_KEY"),
        ("fetch_webpage", {"url": "https://x.example"}, "KELPIE_WEB_HOSTS"),
    ):
        with pytest.raises(ToolUnavailable, match=f"not configured: set {setting}"):
            await call(name, arguments)


async def test_a_page_is_shown_with_its_title_and_address():
    class Fetcher:
        async def page(self, url):
            return Page(f"{url}/", "Title" if "titled" in url else "", "" if "empty" in url else "Text")

    assert await call("fetch_webpage", {"url": "titled"}, fetcher=Fetcher()) == "# Title\ntitled/\n\nText"
    assert await call("fetch_webpage", {"url": "empty"}, fetcher=Fetcher()) == "empty/\n\n(the page has no text)"


def test_both_reach_outside():
    assert {name: tool.reach for name, tool in tools().items()} == {"fetch_webpage": "outside", "web_search": "outside"}
