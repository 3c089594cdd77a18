"""conftest.py - the scenario tests' fixtures and leak count for the attacks, and their arenas.

  arena   an Arena in each combination: root's daemon and an ordinary user's; one for all attacks
"""
import collections
import importlib.util
import json
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
SCENARIO = os.path.join(os.path.dirname(HERE), "scenario")
sys.path[:0] = [HERE, SCENARIO]

import pytest  # noqa: E402

_spec = importlib.util.spec_from_file_location("scenario_fixtures",
                                               os.path.join(SCENARIO, "conftest.py"))
scenario_fixtures = importlib.util.module_from_spec(_spec)
sys.modules["scenario_fixtures"] = scenario_fixtures
_spec.loader.exec_module(scenario_fixtures)
from scenario_fixtures import *  # noqa: E402,F401,F403  fixtures and hooks are found by name
from scenario_fixtures import _leaked, _limit  # noqa: E402,F401

from arena import open_arena  # noqa: E402
from table import CLASSES  # noqa: E402

WHO = ("root", "user") if os.getuid() == 0 else ("user",)


def pytest_addoption(parser):
    parser.addoption("--who", choices=WHO, help="only this one's daemon (default: all that go)")


def pytest_generate_tests(metafunc):
    if "arena" in metafunc.fixturenames:
        one = metafunc.config.getoption("--who")
        metafunc.parametrize("arena", [one] if one else WHO, indirect=True, scope="module")


def close_arena(arena, name):
    left = arena.close()
    _leaked.extend("%s: %s" % (name, what) for what in left)
    assert not left, "left behind: " + "; ".join(left)


@pytest.fixture(scope="module")
def arena(request, build):
    user = request.getfixturevalue("ordinary_user") if request.param == "user" else None
    made = open_arena(build, user)
    yield made
    close_arena(made, "arena of " + request.param)


@pytest.fixture(scope="module")
def control_arena(build):
    """Root's, for attacks that are carried out without a jail."""
    made = open_arena(build)
    yield made
    close_arena(made, "arena of controls")


def _ends(report):
    return dict(getattr(report, "user_properties", ())).get("ends")


def _facts(report):
    return dict(getattr(report, "user_properties", ())).get("facts")


def pytest_terminal_summary(terminalreporter):
    """The count by class under each combination, also as JSON for write-table; then the scenario
    tests' leak count."""
    counts = collections.Counter()
    for outcome in ("passed", "failed", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            if _ends(report) and (report.when == "call" or outcome != "passed"):
                counts[_facts(report), _ends(report), outcome] += 1
    for facts in sorted({facts for facts, _, _ in counts}):
        rows = {ends: [counts[facts, ends, outcome] for outcome in ("passed", "failed", "skipped")]
                for ends in CLASSES}
        for ends, row in rows.items():
            terminalreporter.write_line(
                "attacks %-7s: %d passed, %d failed, %d skipped" % (ends, *row))
        terminalreporter.write_line("attacks record: " + json.dumps({**json.loads(facts),
                                                                    "counts": rows}))
    scenario_fixtures.pytest_terminal_summary(terminalreporter)
