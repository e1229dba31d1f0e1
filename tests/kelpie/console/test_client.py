"""Errors of the server and the network become sentences."""

import pytest

from kelpie.console.client import error_text


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (404, '{"detail": "no agent has the id x"}', "no agent has the id x"),
        (
            502,
            '{"error": {"type": "llm_error", "message": "m", "detail": "the provider said no"}}',
            "the provider said no",
        ),
        (502, '{"error": {"type": "llm_error", "message": "only this"}}', "only this"),
        (500, "<html>oops</html>", "the server answered 500: <html>oops</html>"),
        (422, '["odd"]', "['odd']"),
    ],
)
def test_an_error_of_any_shape_is_one_sentence(status, body, sentence):
    assert error_text(status, body) == sentence
