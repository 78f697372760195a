"""What holds for every test: how hypothesis searches, and the seed that repeats a run."""

import os
import secrets

import pytest
from hypothesis import HealthCheck, settings

from tests.child_signals import give_children_default_signals

# Both search at random, so that every run looks at something new, and both print what it takes to
# look again. Deadlines would measure the machine, which other work may slow down.
settings.register_profile("dev", deadline=None, print_blob=True)
settings.register_profile(
    "ci",
    deadline=None,
    print_blob=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
IN_CI = bool(os.environ.get("CI"))
settings.load_profile("ci" if IN_CI else "dev")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Fix the seed where no example database remembers failures; before hypothesis looks for it."""
    give_children_default_signals()
    if IN_CI and config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(secrets.randbits(32))


def pytest_report_header(config: pytest.Config) -> str:
    """Say how to repeat this run."""
    profile, seed = settings.get_current_profile_name(), config.option.hypothesis_seed
    return f"hypothesis: profile {profile}" + (f", --hypothesis-seed={seed}" if seed else "")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have recorded, such as their seeds; whichever process they ran in."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            if recorded := ", ".join(f"{name} {value}" for name, value in report.user_properties):
                terminalreporter.write_line(f"{report.nodeid}: {recorded}")
