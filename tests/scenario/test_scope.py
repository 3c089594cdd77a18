"""test_scope.py - the daemon that an ordinary user starts gets control groups from systemd.

Only where there is all of it: version 2, a user manager with a bus, a login whose own group cannot
be written. In the guest of scripts/check-guest there is.
"""
import os
import re

import pytest

import leaks


def own_group():
    with open("/proc/self/cgroup", encoding="ascii") as file:
        return re.search(r"^0::(/.*)$", file.read(), re.M)


def possible():
    group = own_group()
    return (os.getuid() != 0 and group is not None
            and os.path.exists("/sys/fs/cgroup/cgroup.controllers")
            and os.path.exists("/run/user/%d/bus" % os.getuid())
            and not os.access("/sys/fs/cgroup%s/cgroup.subtree_control" % group.group(1), os.W_OK))


pytestmark = pytest.mark.skipif(not possible(), reason="needs a user's systemd with a bus, "
                                "cgroup v2, and a group that is not ours")


def test_limits_hold_in_a_scope_of_its_own(house):
    name = house.cellblock("new", "held").stdout.strip()
    assert name == "held"
    assert house.json("show", "held")["layers"]["cgroup"] == "v2"
    status = house.json("daemon", "status")
    with open("/proc/%d/cgroup" % status["warden_pid"], encoding="ascii") as file:
        scope = re.search(r"0::(/.*/cellblockd-\d+\.scope)", file.read())
    assert scope, "the daemon is not in its scope"
    run = house.json("run", "-s", "held", "-t", "60", "-c",
                     "hog = []\nwhile True:\n    hog.append(bytearray(16 << 20))")
    assert (run["status"], run["limit"]["name"]) == ("limit", "memory"), run
    assert house.cellblock("daemon", "stop").returncode == 0
    assert leaks.wait_for(lambda: not os.path.exists("/sys/fs/cgroup" + scope.group(1)))


def test_doctor_says_so(house):
    report = house.json("doctor")
    cgroups = next(probe for probe in report["probes"] if probe["name"] == "cgroups")
    assert cgroups["state"] == "ok", cgroups
    assert "scope" in cgroups["found"]
