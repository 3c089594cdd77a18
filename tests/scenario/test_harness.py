"""test_harness.py - the harness itself: it must see what is left behind, and the house rules must
be able to fail."""
import os
import shutil
import subprocess
import sys

import pytest

import leaks
from conftest import SOURCE

VIOLATIONS = {
    "check-layers": [
        ("src/jail/x.c", '/* x.c - x */\n#include "kernel/link.h"\n', "may not include"),
        ("src/wire/x.c", "/* x.c - x */\n#include <systemd/sd-event.h>\n", "belongs to"),
        ("src/kernel/x.c", "/* x.c - x */\n#include <zmq.h>\n", "belongs to"),
        ("src/wire/x.c", '/* x.c - x */\n#include "base/tap.h"\n', "only unit tests"),
        ("src/wire/test-x.c", '/* test-x.c - x */\n#include "base/tap.h"\n', "with a main"),
        ("src/session/x.c", "int f (void) { return json_loads (x, 0, NULL) != NULL; }\n",
         "JSON is parsed"),
        ("src/warden/x.c", '#include "base/jsonx.h"\n', "holds no JSON"),
        ("src/warden/Makemodule.am", "x_LDADD = libwire.la\n", "may not link"),
        ("src/attic/x.c", "/* x.c - x */\n", "no room"),
    ],
    "check-size": [
        ("src/base/x.c", "/* x.c - x */\n" + "\n" * 600, "at most 600"),
        ("src/base/x.c", "int\nf (void)\n{\n" + "    g ();\n" * 100 + "}\n", "has 10"),
        ("src/base/x.c", "int\nf (int a)\n{\n  if (a)\n    for (;;)\n      while (a) {\n"
         "        if (a)\n          g ();\n      }\n}\n", "nests 4"),
        ("src/base/x.c", "int\nf (int a)\n{\n  EACH (a) {\n    switch (a) {\n    case 1:\n"
         "      if (a) {\n        do g (); while (a);\n      }\n    }\n  }\n}\n", "nests 4"),
        ("src/base/x.c", "int\nf (int a, int b, int c, int d, int e, int f)\n{\n}\n", "takes 6"),
        ("tests/x.py", "def f(a, b, c, d, e, f):\n    pass\n", "takes 6"),
    ],
    "check-style": [
        ("src/base/x.c", "/* x.c - x */\nint  f (void);\n", "clang-format"),
        ("src/base/x.c", "/* x.c - x */\nint x = atoi (y);\n", "atoi"),
        ("src/base/x.c", "int\nf (void)\n{\n    cb_scoped (cb_buf) cb_buf x;\n\n"
         "    CB_TRY (g ());\n    cb_buf_init (&x, 1);\n}\n", "x may be undone"),
        ("src/base/x.c", "int x;\n", "does not begin"),
        ("src/base/x.h", "/* x.h - x */\n#ifndef X_H\n#define X_H\n#endif\n", "the guard is not"),
        ("tests/x.py", '"""x.py - x"""\nx = "' + "y" * 100 + '"\n', "columns"),
        ("tests/x.py", '"""x.py - x"""\nx = 1 \n', "blanks"),
        ("tests/x.py", '"""x.py - x"""\nif:\n', "x.py:2"),
        ("tests/x.sh", "#!/bin/sh\n# x.sh - x\nif\n", "x.sh"),
        ("doc/x.md", "see ../" + "shared/x\n", "points out"),
        ("src/base/x.c", "/* x.c - x */\n/* TO" + "DO */\n", "unfinished"),
    ],
}


def rule(name, *arguments):
    return subprocess.run([os.path.join(SOURCE, "scripts", name), *arguments], text=True,
                          capture_output=True, check=False)


@pytest.mark.parametrize("name, path, text, reason",
                         [(name, *row) for name, rows in VIOLATIONS.items() for row in rows])
def test_a_house_rule_sees_its_violation(tmp_path, name, path, text, reason):
    if name == "check-style" and reason == "clang-format" and not shutil.which("clang-format"):
        pytest.skip("clang-format is not installed")
    shutil.copy(os.path.join(SOURCE, ".clang-format"), tmp_path)
    good = tmp_path / "src" / "base" / "good.c"
    good.parent.mkdir(parents=True)
    good.write_text("/* good.c - nothing to object to. */\nint\ngood (void)\n{\n    return 0;\n}\n")
    assert rule(name, str(tmp_path)).returncode == 0
    bad = tmp_path / path
    bad.parent.mkdir(parents=True, exist_ok=True)
    bad.write_text(text)
    done = rule(name, str(tmp_path))
    assert done.returncode == 1
    assert "not ok" in done.stdout
    assert reason in done.stdout


@pytest.mark.parametrize("name", sorted(VIOLATIONS))
def test_a_house_rule_wants_something_to_look_at(tmp_path, name):
    assert rule(name, str(tmp_path)).returncode == 1


def test_a_process_that_hides_is_found():
    """A double-forked child in a session of its own is still ours."""
    before = leaks.descendants()
    code = ("import os, time\n"
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "    if os.fork() == 0:\n"
            "        time.sleep(600)\n"
            "    os._exit(0)\n"
            "os.wait()\n")  # so that only the one that hides is left
    subprocess.run([sys.executable, "-c", code], check=True)
    strays = leaks.stray_processes(before, timeout=0.3)
    assert len(strays) == 1
    leaks.kill_all(strays)
    assert leaks.stray_processes(before) == {}
    leaks.reap()


@pytest.mark.root
def test_a_cgroup_and_a_file_are_found(tmp_path):
    folder = next((os.path.join(leaks.CGROUPS, name) for name in ("pids", ".")
                   if os.access(os.path.join(leaks.CGROUPS, name, "cgroup.procs"), os.W_OK)), None)
    if folder is None:
        pytest.skip("no writable control group")
    path, found = os.path.join(folder, "cellblock-%d" % os.getpid()), []
    for _ in range(20):
        os.mkdir(path)
        found.append(leaks.stray_cgroups([os.getpid()]))
        try:
            os.rmdir(path)
            break
        except FileNotFoundError:  # a daemon that starts just now takes it for a dead one's
            pass
    assert found[-1] == [os.path.normpath(path)]
    (tmp_path / "lock").write_text("")
    (tmp_path / "c-1").write_text("")
    assert leaks.stray_files(str(tmp_path), ["lock"]) == [str(tmp_path / "c-1")]


HANGS = """
import time
import pytest

@pytest.fixture
def hangs():
    yield
    while True:
        try:
            time.sleep(100)
        except TimeoutError:
            pass

@pytest.mark.limit(1)
def test_one():
    time.sleep(100)

@pytest.mark.limit(1)
def test_two(hangs):
    pass
"""


def test_a_hang_ends_and_has_a_name(tmp_path):
    """One that a signal ends is a failed test; one that nothing ends is the end of the run."""
    folder = os.path.join(SOURCE, "tests", "scenario")
    (tmp_path / "conftest.py").write_text(
        "import sys\nsys.path.insert(0, %r)\nexec(open(%r).read())\nHOPELESS, AGAIN = 8, 1\n"
        % (folder, os.path.join(folder, "conftest.py")))
    (tmp_path / "test_it.py").write_text(HANGS)
    command = [sys.executable, "-B", "-m", "pytest", "-c", os.path.join(folder, "pytest.ini"),
               "--rootdir", str(tmp_path), str(tmp_path / "test_it.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "test_it.py::test_two hangs for more than 9 s" in done.stderr
    assert "test_one" not in done.stderr and " in hangs" in done.stderr
    assert "test_it.py F." in done.stdout


def test_a_house_that_is_left_untidy_says_so(house):
    """Files in the runtime folder, processes, sanitizer words: each is named."""
    os.mkdir(house.runtime_dir)
    with open(os.path.join(house.runtime_dir, "broker.json.old"), "w", encoding="utf-8"):
        pass
    with open(house.log_path, "w", encoding="utf-8") as log:
        log.write("==1==ERROR: AddressSanitizer: heap-use-after-free\n")
    house.patience = 0.3
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        left = house.close()
    words = " ".join(left)
    assert "process %d sleep" % sleeper.pid in words
    assert "broker.json.old" in words
    assert "AddressSanitizer" in words
    house.wardens.clear()


def test_the_ordinary_user_reads_the_tree_and_nothing_else(ordinary_user, build):
    assert ordinary_user.uid != 0
    done = ordinary_user.run("sh", "-c", "id -u; cat %s/README.md %s/Makefile >/dev/null"
                             % (SOURCE, build))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(ordinary_user.uid)]
    assert ordinary_user.run("cat", "/etc/shadow").returncode != 0
