"""The model of agents whose own nobody serves."""

import pytest

from kelpie.errors import ModelError
from kelpie.models import ModelCard, Models, ScriptedModel


@pytest.fixture
def models_with(host):
    def make(fallback):
        models = Models(host, None, fallback=fallback)
        card = ModelCard(handle="own/one", provider="own", name="one", provider_type="own")
        models.register(card, ScriptedModel(host))
        return models

    return make


def test_it_answers_and_says_for_which(models_with):
    card, model = models_with("own/one").resolve_or_fall_back("letta/letta-free")
    assert (card.handle, card.instead_of) == ("own/one", "letta/letta-free")
    assert isinstance(model, ScriptedModel)


def test_a_handle_that_is_served_is_left_alone(models_with):
    card, _ = models_with("own/one").resolve_or_fall_back("own/one")
    assert card.instead_of is None


def test_without_one_the_handle_is_refused(models_with):
    with pytest.raises(ModelError, match="'letta/letta-free'"):
        models_with(None).resolve_or_fall_back("letta/letta-free")


def test_one_that_nobody_serves_either_is_named_too(models_with):
    with pytest.raises(ModelError, match=r"'letta/x'.*the fallback.*'gone/y'"):
        models_with("gone/y").resolve_or_fall_back("letta/x")


def test_what_is_named_on_purpose_never_falls_back(models_with):
    with pytest.raises(ModelError):
        models_with("own/one").resolve("letta/letta-free")
