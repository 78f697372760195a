"""People's words lie in bodies, beside the event, never in it."""

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from events.event import DIGEST_BYTES, SALT_BYTES, Body

SECRET = "the words of somebody"
ANY_TEXT = st.text(st.characters())  # lone surrogates too: a sender may put them there


def test_the_digest_is_sha_256_of_salt_and_text() -> None:
    body = Body("home/alice", "grüezi", b"salt" * 4)
    assert body.digest == sha256(b"salt" * 4 + "grüezi".encode()).digest()
    assert len(body.digest) == DIGEST_BYTES


@given(ANY_TEXT, ANY_TEXT, st.binary(min_size=SALT_BYTES, max_size=SALT_BYTES))
def test_other_words_have_another_digest(one: str, other: str, salt: bytes) -> None:
    same = Body("p", one, salt).digest == Body("p", other, salt).digest
    assert same == (one == other)


def test_the_same_words_under_another_salt_have_another_digest() -> None:
    salts = [bytes([number]) * SALT_BYTES for number in range(10)]
    assert len({Body("home/alice", SECRET, salt).digest for salt in salts}) == len(salts)


def test_a_lone_surrogate_has_a_digest_too() -> None:
    assert len(Body("home/alice", "\ud800", b"s" * SALT_BYTES).digest) == DIGEST_BYTES


def test_a_body_never_shows_its_words_or_its_salt() -> None:
    shown = repr(Body("home/alice", SECRET, b"salt" * 4))
    assert shown == f"Body(person='home/alice', {len(SECRET)} characters)"
    assert SECRET not in f"{Body('home/alice', SECRET, b'salt' * 4)}"


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**32 - 1))
def test_a_derived_salt_is_the_same_for_the_same_entropy(entropy: bytes, part: int) -> None:
    body = Body.derived("home/alice", SECRET, entropy, part)
    assert body == Body.derived("home/alice", SECRET, entropy, part)
    assert len(body.salt) == SALT_BYTES
    assert body.salt not in entropy


@given(st.binary(min_size=32, max_size=32), st.sets(st.integers(0, 1000), min_size=2, max_size=2))
def test_each_part_has_a_salt_of_its_own(entropy: bytes, parts: set[int]) -> None:
    assert len({Body.derived("home/alice", SECRET, entropy, part).salt for part in parts}) == 2
