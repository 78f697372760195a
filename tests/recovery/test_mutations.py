"""The mutations fit the code as it is. That each is caught is asked by hand: it takes minutes."""

import pytest

from tests.recovery.mutations import MUTATIONS, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_what_a_mutation_changes_is_there_once(mutation: Mutation) -> None:
    assert (ROOT / mutation.file).read_text().count(mutation.before) == 1
    assert [name for name in mutation.tests if not (ROOT / name).exists()] == []
