"""Probes on a pool that ends with the test."""

from collections.abc import Iterator

import pytest

from actors.runtime.dispatcher import PooledDispatcher


@pytest.fixture
def pool() -> Iterator[PooledDispatcher]:
    dispatcher = PooledDispatcher(workers=2)
    yield dispatcher
    dispatcher.stop()
