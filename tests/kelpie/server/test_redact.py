"""No secret in any line: configured ones anywhere, key-shaped ones by their shape, tracebacks included."""

import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.config import Config
from kelpie.server import logs
from kelpie.server.redact import HIDDEN, Redactor
from kelpie.tenants import KEY_PREFIX

SECRET = "correct-horse-battery-staple"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("key sk-proj-abcdefgh12345678", "abcdefgh12345678"),
        ("key sk-ant-api03-AbCdEf_012345678", "AbCdEf_012345678"),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("authorization: basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("headers {'x-api-key': 'aVeryPrivateKey'}", "aVeryPrivateKey"),
        ("https://host/path?api_key=0123456789&x=1", "0123456789"),
        ("postgres://kelpie:hunter2222@db:5432/x", "hunter2222"),
        ('{"password": "hunter2222"}', "hunter2222"),
        ("ghp_0123456789abcdefghij", "0123456789abcdefghij"),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE"),
        (f"the key {KEY_PREFIX}{'aB3_-' * 8}xyz", "aB3_-"),
        ("token eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl", "eyJzdWIiOiIx"),
    ],
)
def test_what_looks_like_a_key_is_hidden_and_its_kind_stays(text, hidden):
    shown = Redactor()(text)
    assert hidden not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize(
    "text",
    [
        "a task and a risk-free desk",
        "prompt_tokens=12 completion_tokens=40",
        "GET /v1/agents/agent-123e4567-e89b-42d3-8456-426614174000 200",
        "http://127.0.0.1:8283/v1",
        "the key is not known to this server",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text):
    assert Redactor()(text) == text


def test_configured_secrets_are_hidden_wherever_they_stand():
    redact = Redactor([SECRET, f"{SECRET}-longer", "abc"])
    assert redact(f"x{SECRET}y {SECRET}-longer abc") == f"x{HIDDEN}y {HIDDEN} abc"


@given(st.text(), st.text())
def test_a_secret_is_hidden_in_any_text(before, after):
    assert SECRET not in Redactor([SECRET])(f"{before}{SECRET}{after}")


@pytest.fixture
def logged():
    """What a process configured like this would have written."""
    root, before, level = logging.getLogger(), logging.getLogger().handlers[:], logging.getLogger().level
    stream = io.StringIO()

    def configure(**settings):
        config = Config(openai_api_key=SECRET, **settings)
        logs.configure(config, Redactor(config.secrets), stream)
        return stream

    yield configure
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_secret_in_a_message_its_arguments_or_a_traceback_is_hidden(logged, log_format):
    stream = logged(log_format=log_format)
    log = logging.getLogger("kelpie.test")
    log.warning("failed with %s", SECRET)
    try:
        int(f"the provider said {SECRET} and sk-abcdefgh12345678")
    except ValueError:
        log.exception("it broke")
    text = stream.getvalue()
    assert "it broke" in text
    assert "the provider said" in text
    assert SECRET not in text
    assert "abcdefgh12345678" not in text
    assert text.count(HIDDEN) >= 3
