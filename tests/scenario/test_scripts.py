"""test_scripts.py - the scripts around the build: packages, and the counting of scripts/check."""
import importlib.machinery
import importlib.util
import os
import subprocess

import pytest

from conftest import SOURCE

SUMMARY = """PASS: a 1
============================================================================
Testsuite summary for cellblock 0.1.0
============================================================================
# TOTAL: 10
# PASS:  5
# SKIP:  2
# XFAIL: 0
# FAIL:  2
# XPASS: 0
# ERROR: 1
"""
JUNIT = ('<testsuites><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="10"/>'
         "</testsuites>")


@pytest.fixture
def check(tmp_path, monkeypatch):
    """scripts/check-all as a module that logs into a folder of the test."""
    path = os.path.join(SOURCE, "scripts", "check-all")
    loader = importlib.machinery.SourceFileLoader("check_all", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_all", loader))
    loader.exec_module(module)
    monkeypatch.setattr(module, "LOGS", str(tmp_path))
    monkeypatch.setattr(module, "BUILD", str(tmp_path))
    return module


def run_script(name, *arguments, **more):
    return subprocess.run([os.path.join(SOURCE, "scripts", name), *arguments], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False, **more)


def test_units_are_counted_one_by_one(check):
    assert check.count_automake("Testsuite summary\n# TOTAL: 1\n" + SUMMARY) == (5, 3, 2)


def test_repeated_units_are_counted_by_program(check):
    lines = "PASS: a 1\nPASS: b 1 - x\nERROR: b - exited\nSKIP: c\nPASS: d 1\nSKIP: d 2\n"
    assert check.count_programs(lines + SUMMARY) == (2, 1, 1)
    assert check.count_programs(lines) is None


def test_a_summary_that_is_missing_is_no_success(check, tmp_path):
    assert check.count_automake("make: *** No rule to make target 'check'.\n") is None
    (tmp_path / "x").mkdir()
    assert check.make_check("log", "x") == (0, 1, 0)


def test_scenarios_are_counted_one_by_one(check, tmp_path):
    (tmp_path / "x.xml").write_text(JUNIT)
    assert check.count_junit(str(tmp_path / "x.xml")) == (4, 3, 3)
    assert check.count_junit(str(tmp_path / "none.xml")) is None


def test_leaks_without_a_failed_test_are_a_failure(check, tmp_path, monkeypatch):
    """pytest's exit status counts, not only its table."""
    def fake_step(name, *_, **__):
        (tmp_path / (name + ".xml")).write_text(JUNIT.replace('errors="1" failures="2"',
                                                              'errors="0" failures="0"'))
        (tmp_path / (name + ".log")).write_text("leak count: 1")
        return False
    monkeypatch.setattr(check, "step", fake_step)
    assert check.pytest_file("x", "tests/test_y.py", "build", (), {}) == (7, 1, 3)


def test_files_without_a_test_are_a_failure_unless_left_out(check, tmp_path, monkeypatch):
    def fake_step(name, *_, **__):
        (tmp_path / (name + ".xml")).write_text(
            '<testsuite errors="0" failures="0" skipped="0" tests="0"/>')
        (tmp_path / (name + ".log")).write_text(words)
        return False
    monkeypatch.setattr(check, "step", fake_step)
    words = "no tests ran"
    assert check.pytest_file("x", "tests/test_y.py", "build", (), {}) == (0, 1, 0)
    words = "3 deselected"
    assert check.pytest_file("x", "tests/test_y.py", "build", (), {}) == (0, 0, 0)


def scenarios(check, tmp_path, monkeypatch, results, words="leak count: 0"):
    """The count of a stage with two files of two tests each; results: {test: how it ends, run for
    run}, "ok" where nothing is said. And the tests that were run a second time."""
    again = []
    results = {test: iter(ends) for test, ends in results.items()}

    def fake_step(name, command, *_, **__):
        path, _, test = command[-1].partition("::")
        if test:
            again.append(test)
        stem = os.path.basename(path)[len("test_"):-len(".py")]
        tests = [test] if test else [stem + "1", stem + "2"]
        ends = {test: next(results.get(test, iter(())), "ok") for test in tests}
        (tmp_path / (name + ".xml")).write_text(
            '<testsuite tests="%d" errors="%d" failures="%d" skipped="0">%s</testsuite>' % (
                len(tests), list(ends.values()).count("error"),
                list(ends.values()).count("failure"), "".join(
                    '<testcase name="%s"><%s/></testcase>' % (test, end)
                    for test, end in ends.items())))
        (tmp_path / (name + ".log")).write_text(words)
        return set(ends.values()) == {"ok"}
    folder = tmp_path / "tests" / "scenario"
    folder.mkdir(parents=True)
    for stem in "ab":
        (folder / ("test_%s.py" % stem)).write_text("")
    monkeypatch.setattr(check, "step", fake_step)
    monkeypatch.setattr(check, "TOP", str(tmp_path))
    return check.pytest("x", "build"), sorted(again)


def test_a_scenario_that_fails_once_is_named_and_run_alone(check, tmp_path, monkeypatch, capsys):
    results = {"a2": ["failure", "ok"], "b1": ["failure", "failure"]}
    assert scenarios(check, tmp_path, monkeypatch, results) == ((3, 1, 0), ["a2", "b1"])
    said = capsys.readouterr().out
    assert "UNSTEADY (it passed the second time): test_a.py::a2" in said
    assert "FAILED twice: test_b.py::b1" in said


@pytest.mark.parametrize("end,words", [
    ("error", ""), ("failure", "AddressSanitizer: heap-use-after-free"),
    ("failure", "leak count: 2")])
def test_what_no_busy_machine_causes_is_not_run_again(check, tmp_path, monkeypatch, end, words):
    assert scenarios(check, tmp_path, monkeypatch, {"a1": [end]}, words) == ((3, 1, 0), [])


def test_many_failures_are_not_run_again(check, tmp_path, monkeypatch):
    results = {test: ["failure"] for test in ("a1", "a2", "b1", "b2")}
    assert scenarios(check, tmp_path, monkeypatch, results) == ((0, 4, 0), [])


def test_a_build_that_fails_ends_with_one_failure(check, monkeypatch, capsys):
    monkeypatch.setitem(check.STAGES, "build", lambda: check.FAILED)
    check.STAGES["build"].__doc__ = ""
    assert check.main([]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"


def test_no_test_at_all_is_no_success(check, monkeypatch):
    monkeypatch.setitem(check.STAGES, "units", lambda: check.Count(0, 0, 3))
    assert check.main(["units"]) == 1


def test_a_stage_that_is_not_there_is_named(check, capsys):
    assert check.main(["unit"]) == 2
    assert "no stage 'unit'" in capsys.readouterr().err


def test_packages_that_are_there_touch_nothing():
    """No apt, no sudo, no network: it only asks dpkg."""
    done = run_script("install-packages", "run", env={"PATH": "/usr/bin:/bin"})
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_purpose_that_is_not_there_is_named():
    done = run_script("install-packages", "fun")
    assert done.returncode == 2
    assert "no purpose 'fun'" in done.stderr


def test_missing_packages_are_named_to_those_who_cannot_install(ordinary_user, tmp_path):
    """Without root and sudo: the list, the command to run, no question, exit 1."""
    done = ordinary_user.run("sh", "-c", r"""
        d=$(mktemp -d /tmp/cb-pkg-XXXXXX) && trap 'rm -r $d' EXIT
        cp %s/scripts/install-packages $d && printf 'run no-such-package\n' > $d/packages
        printf '#!/bin/sh\nexit 1\n' > $d/sudo && chmod +x $d/sudo
        PATH=$d:$PATH $d/install-packages run""" % SOURCE)
    assert done.returncode == 1
    assert "no-such-package" in done.stderr
    assert "as root, run:" in done.stderr
