"""Signatures are the venue's; secrets stay inside."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from krakked.adapters.kraken.auth import Credentials, SessionToken
from krakked.domain.errors import BadInput

NONCE = 1616492376594
BODY = "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
SIGNATURE = (
    "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
)


def test_signature_of_the_documented_example_is_the_documented_one(kit: Any) -> None:
    credentials = Credentials("key", kit.SECRET)
    assert credentials.sign("/0/private/AddOrder", NONCE, BODY) == SIGNATURE


@pytest.mark.parametrize(
    ("path", "nonce", "body"),
    [
        ("/0/private/CancelOrder", NONCE, BODY),
        ("/0/private/AddOrder", NONCE + 1, BODY),
        ("/0/private/AddOrder", NONCE, BODY + "0"),
    ],
)
def test_signature_depends_on_path_nonce_and_body(
    kit: Any, path: str, nonce: int, body: str
) -> None:
    assert Credentials("key", kit.SECRET).sign(path, nonce, body) != SIGNATURE


def test_texts_of_credentials_show_four_characters_of_the_key_and_no_secret(kit: Any) -> None:
    credentials = Credentials("ABCDEFGHIJ", kit.SECRET)
    assert repr(credentials) == "<Credentials ABCD…>"
    assert str(credentials) == "ABCD…"
    assert f"{credentials}" == "ABCD…"


def test_credentials_have_no_dictionary_that_could_be_printed(kit: Any) -> None:
    assert not hasattr(Credentials("key", kit.SECRET), "__dict__")


@pytest.mark.parametrize("secret", ["", "  ", "not base64!", "kQH5HW/8p1uG*"])
def test_secret_that_is_no_base64_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(BadInput) as caught:
        Credentials("ABCDEFGHIJ", secret)
    assert "base64" in str(caught.value)
    assert not secret.strip() or secret not in str(caught.value)


def test_traceback_of_a_bad_secret_holds_it_in_no_local_of_ours() -> None:
    secret = "this-is-my-secret!"
    with pytest.raises(BadInput) as caught:
        Credentials("ABCDEFGHIJ", secret)
    frames = [
        frame.f_locals
        for frame, _ in traceback.walk_tb(caught.value.__traceback__)
        if frame.f_code.co_filename.endswith("/auth.py")
    ]
    assert frames
    assert all(secret not in str(local) for local in frames)


def test_empty_key_is_refused(kit: Any) -> None:
    with pytest.raises(BadInput, match="API key is empty"):
        Credentials("  ", kit.SECRET)


def test_surrounding_blanks_of_pasted_credentials_do_not_matter(kit: Any) -> None:
    pasted = Credentials(" key\n", f"\n{kit.SECRET} ")
    assert pasted.key == "key"
    assert pasted.sign("/0/private/AddOrder", NONCE, BODY) == SIGNATURE


def test_session_token_is_shown_nowhere_and_taken_out_of_texts() -> None:
    token = SessionToken("G38a1tGFzqGiUCmn")
    assert "G38a" not in repr(token)
    assert token.reveal() == "G38a1tGFzqGiUCmn"
    assert token.redact("token G38a1tGFzqGiUCmn refused") == "token *** refused"
