"""Whatever a file holds: it loads, or `ConfigurationInvalid` says why."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from actors.configuration import Configuration, ConfigurationInvalid, load
from actors.configuration.options import AccountOptions, ChannelOptions, GroupOptions
from actors.configuration.wording import option_names

GOOD: dict[str, Any] = {
    "agentUrl": "http://localhost:7777",
    "permitSource": "file",
    "permitFilePath": "permit.json",
    "meshName": "mesh",
    "username": "my-bot",
}
OPTIONS = sorted({*option_names(ChannelOptions), *option_names(GroupOptions), "kind", "allow"})
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.dates()
    | st.sampled_from(["http://x", "1h", "*", "a/b", "echo", "command", "file", "open", "deny"])
)
keys = st.sampled_from(OPTIONS) | st.text(max_size=10) | st.integers() | st.booleans()
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=25,
)


def attempt(content: bytes) -> Configuration | ConfigurationInvalid:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "openclaw.yaml"
        path.write_bytes(content)
        try:
            return load(path, {"HOME": folder})
        except ConfigurationInvalid as error:
            invalid = error
    assert invalid.problems
    assert all(str(problem).isprintable() for problem in invalid.problems)
    return invalid


def dumped(section: object) -> bytes:
    return yaml.safe_dump({"channels": {"ztm-chat": section}}, allow_unicode=True).encode()


@given(trees)
def test_any_tree_in_our_section_loads_or_is_refused(tree: object) -> None:
    attempt(dumped(tree))


@given(st.dictionaries(st.sampled_from(OPTIONS), trees, max_size=8))
def test_any_options_over_a_good_account_load_or_are_refused(options: dict[str, object]) -> None:
    attempt(dumped(GOOD | options))


@given(st.text(max_size=200) | st.text("[]{}:,-?&*!|>'\"%@` \n\tab<#", max_size=80))
def test_any_text_loads_or_is_refused(text: str) -> None:
    attempt(text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=100))
def test_any_bytes_load_or_are_refused(content: bytes) -> None:
    attempt(content)


@given(st.sampled_from(sorted(option_names(AccountOptions))), trees)
def test_an_error_in_one_option_never_hides_one_in_another(option: str, tree: object) -> None:
    alone = attempt(dumped(GOOD | {option: tree}))
    both = attempt(dumped(GOOD | {option: tree, "zzz": 1}))

    assert isinstance(both, ConfigurationInvalid)
    found = {(problem.option, problem.found) for problem in both.problems}
    assert ("channels.ztm-chat.zzz", "an unknown option") in found
    if isinstance(alone, ConfigurationInvalid):
        assert {(problem.option, problem.found) for problem in alone.problems} < found


@given(st.dictionaries(st.sampled_from(option_names(AccountOptions)), st.none()))
def test_null_options_are_absent_ones(nulls: dict[str, None]) -> None:
    written = {name: value for name, value in GOOD.items() if name not in nulls}
    with_nulls, without = attempt(dumped(GOOD | nulls)), attempt(dumped(written))

    if isinstance(with_nulls, Configuration):
        assert isinstance(without, Configuration)
        assert with_nulls.accounts[0].policy == without.accounts[0].policy
    else:
        assert isinstance(without, ConfigurationInvalid)
        assert {problem.option for problem in with_nulls.problems} == {
            problem.option for problem in without.problems
        }
