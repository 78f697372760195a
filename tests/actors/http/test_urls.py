"""Which addresses lead to this machine, and how addresses are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.http.urls import is_loopback, public_url


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost", "localhost.", "127.0.0.1", "127.255.0.3", "[::1]"],
)
def test_this_machine_is_known_by_its_name_and_its_addresses(host: str) -> None:
    assert is_loopback(f"http://{host}:7777/path")


@pytest.mark.parametrize(
    "host",
    [
        "model.localhost",  # many resolvers ask the network for it
        "localhost.example",
        "notlocalhost",
        "127.0.0.1.example",
        "128.0.0.1",
        "10.0.0.1",
        "[::]",
        "192.168.1.1",
        "",
    ],
)
def test_any_other_address_may_be_another_machine(host: str) -> None:
    assert not is_loopback(f"http://{host}:7777/path")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://bob:secret@host:7777/path?token=secret#secret", "https://host:7777/path"),
        ("http://u:p@[::1]:80/a?b#c", "http://[::1]:80/a"),
        ("http://host:port", "<unreadable address>"),
        ("http://host/\x1b[31m", "http://host/?[31m"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert public_url(url) == shown


@given(st.text())
def test_any_text_has_a_public_form_that_is_printable(text: str) -> None:
    assert public_url(text).isprintable()
    assert public_url("http://u:p@[::1]:80/a?b#c") == "http://[::1]:80/a"
