"""Values that the store holds encrypted."""

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie import sealing
from kelpie.errors import InvalidInput
from kelpie.sealing import PREFIX, UNSEALED, CannotUnseal
from umi.dst import Rng

KEY = "a key of thirty-two characters, or more"
ABOUT = ("t", "provider.key", "provider-1")


def seal(key=KEY, seed=1):
    return sealing.of_text(key, Rng(seed))


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=200))
def test_what_is_sealed_opens_again(text):
    kept = seal().sealed(text, *ABOUT)
    assert seal(seed=2).opened(kept, *ABOUT) == text
    assert kept.startswith(PREFIX) == bool(text)


def test_nothing_of_a_secret_shows_and_no_two_are_alike():
    one = seal()
    first, second = one.sealed("sk-secret", *ABOUT), one.sealed("sk-secret", *ABOUT)
    assert first != second
    assert "secret" not in first + repr(one)


@pytest.mark.parametrize("elsewhere", [("u", *ABOUT[1:]), (*ABOUT[:2], "provider-2"), ABOUT[:2], (*ABOUT, "")])
def test_a_value_that_was_moved_opens_nothing(elsewhere):
    with pytest.raises(CannotUnseal, match="does not open"):
        seal().opened(seal().sealed("x", *ABOUT), *elsewhere)


@pytest.mark.parametrize("spoil", [lambda kept: kept[:-4] + "AAAA", lambda kept: kept[:20], lambda _: PREFIX + "ä"])
def test_a_value_that_was_changed_opens_nothing(spoil):
    with pytest.raises(CannotUnseal):
        seal().opened(spoil(seal().sealed("some text", *ABOUT)), *ABOUT)


def test_another_key_opens_nothing():
    with pytest.raises(CannotUnseal, match="KELPIE_ENCRYPTION_KEY"):
        seal("another key of thirty-two characters").opened(seal().sealed("x", *ABOUT), *ABOUT)


def test_what_was_never_sealed_is_read_as_it_is():
    assert seal().opened("plain", *ABOUT) == UNSEALED.opened("plain", *ABOUT) == "plain"
    assert UNSEALED.sealed("plain", *ABOUT) == "plain"
    with pytest.raises(CannotUnseal, match="no encryption key"):
        UNSEALED.opened(seal().sealed("x", *ABOUT), *ABOUT)
    with pytest.raises(InvalidInput):
        seal().sealed("\ud800", *ABOUT)


def test_a_key_file_is_made_once_for_its_owner_alone(tmp_path):
    path = str(tmp_path / "data" / "encryption.key")
    first = sealing.of_file(path, Rng(1))
    assert not os.path.exists(path)  # not before it is needed
    first.make_ready()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    kept = first.sealed("x", *ABOUT)
    assert sealing.of_file(path, Rng(2)).opened(kept, *ABOUT) == "x"
    assert os.listdir(tmp_path / "data") == ["encryption.key"]


def test_a_key_file_is_there_after_a_loss_of_power(tmp_path, monkeypatch):
    """What was sealed is: so its bytes and then its name are written down before anything is."""
    kept, fsync = [], os.fsync

    def noted(handle):
        kept.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    sealing.of_file(str(tmp_path / "encryption.key"), Rng(1)).make_ready()
    assert kept[0].startswith(f"{tmp_path}/encryption.key.")
    assert kept[1:] == [str(tmp_path)]


def test_a_key_file_that_is_none_is_refused(tmp_path):
    short = tmp_path / "short.key"
    short.write_bytes(b"abc\n")
    with pytest.raises(CannotUnseal, match="fewer than 32 bytes"):
        sealing.of_file(str(short), Rng(1)).make_ready()
    with pytest.raises(CannotUnseal, match="can't be read or made"):
        sealing.of_file(str(tmp_path), Rng(1)).make_ready()


def test_of_two_who_make_a_key_file_one_wins(tmp_path, monkeypatch):
    path = str(tmp_path / "encryption.key")
    link, fired = os.link, []

    def second(source, target):
        fired.append(target)
        monkeypatch.setattr(os, "link", link)
        sealing.of_file(path, Rng(2)).make_ready()
        link(source, target)

    monkeypatch.setattr(os, "link", second)
    kept = sealing.of_file(path, Rng(1)).sealed("x", *ABOUT)
    assert fired
    assert sealing.of_file(path, Rng(3)).opened(kept, *ABOUT) == "x"
