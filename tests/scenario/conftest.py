"""conftest.py - the fixtures of the scenario tests, the leak count and the logs on failure.

  house          a private cellblock (house.py) without a running daemon; closed after the test,
                 which fails when anything is left behind
  daemon         the same with a running daemon
  new_house      a function for more of them: new_house(user=None)
  client         a client of the control API of `daemon` (wireclient.py)
  cellblock      the command line in `daemon`: cellblock("run", "-c", "1") -> CompletedProcess
  serve          serve(answer, ...) starts an emulated model's server (fake_openai.py)
  ordinary_user  somebody without rights who can read the build tree (users.py)
  user_house     a house of that user, no daemon running

Marked `everyone`, a test with one of the first fixtures runs twice: as root and as that user.

The build tree is $top_builddir (make sets it), else $CELLBLOCK_BUILD, else build/ in the source.
Run with: /usr/bin/python3 -B -m pytest tests/scenario
"""
import faulthandler
import os
import signal
import sys
import tempfile
import threading

sys.dont_write_bytecode = True

import pytest  # noqa: E402

import leaks  # noqa: E402
import users  # noqa: E402
import wireclient  # noqa: E402
from fake_openai import FakeOpenAI  # noqa: E402
from house import House  # noqa: E402

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
SECONDS = 300 * wireclient.SLOW
# After its seconds a test is interrupted again and again, this far apart: its fixtures may hang as
# it did. When that is of no use either, the run ends, with the test's name and all stacks.
AGAIN = 30
HOPELESS = 120
LOG_LINES = 150

# What also runs against a build with sanitizers (-m sanitized): everything in these files that is
# not marked `plain`, and what is marked `sanitized` elsewhere.
SANITIZED = {"test_abuse", "test_attach", "test_attach_abuse", "test_door", "test_files",
             "test_life", "test_protocol", "test_transport"}

_leaked = []


def build_folder():
    for name in ("top_builddir", "CELLBLOCK_BUILD"):
        if os.environ.get(name):
            return os.path.abspath(os.environ[name])
    return os.path.join(SOURCE, "build")


def seconds_of(item):
    marker = item.get_closest_marker("limit")
    return marker.args[0] * wireclient.SLOW if marker else SECONDS


def pytest_configure(config):
    leaks.become_subreaper()
    # Not yet captured here: what is written there is read by whoever reads of a run that hangs.
    config.stash[STDERR] = os.fdopen(os.dup(2), "w", encoding="utf-8")
    faulthandler.dump_traceback_later(HOPELESS, exit=True, file=config.stash[STDERR])


def pytest_unconfigure(config):
    """Nor does the interpreter's own end hang (threads and contexts that somebody left)."""
    faulthandler.dump_traceback_later(HOPELESS, exit=True, file=config.stash[STDERR])


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """A hang that no signal ends (in C, in a thread, behind a swallowed exception) ends the run."""
    stderr, seconds = item.config.stash[STDERR], seconds_of(item) + HOPELESS

    def name():
        stderr.write("\n%s hangs for more than %d s: the run ends\n" % (item.nodeid, seconds))
        stderr.flush()
    named = threading.Timer(seconds, name)
    named.daemon = True
    named.start()
    faulthandler.dump_traceback_later(seconds + 2, exit=True, file=stderr)
    yield
    faulthandler.cancel_dump_traceback_later()
    named.cancel()


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("root") and os.getuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))
        for marker in item.iter_markers("needs"):
            if not os.path.exists(os.path.join(build_folder(), marker.args[0])):
                item.add_marker(pytest.mark.skip(reason=marker.args[0] + " is not built"))
        if item.module.__name__ in SANITIZED and not item.get_closest_marker("plain"):
            item.add_marker(pytest.mark.sanitized)


@pytest.fixture(autouse=True)
def _limit(request):
    """No test hangs: after its seconds the main thread gets a TimeoutError, and more of them as
    long as it does not end."""
    seconds = seconds_of(request.node)

    def on_alarm(*_):
        raise TimeoutError("the test took longer than %d s" % seconds)
    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def build():
    """The build tree's path."""
    path = build_folder()
    assert os.path.exists(os.path.join(path, "config.status")), "no build tree in " + path
    return path


@pytest.fixture
def new_house(request, build):
    houses = request.node.houses = []

    def make(user=None):
        houses.append(House(build, user))
        return houses[-1]
    yield make
    left = []
    for house in reversed(houses):
        log = house.log()
        left += house.close()
        house.last_log = log
    _leaked.extend("%s: %s" % (request.node.nodeid, what) for what in left)
    assert not left, "left behind: " + "; ".join(left)


def pytest_generate_tests(metafunc):
    if metafunc.definition.get_closest_marker("everyone") and os.getuid() == 0:
        metafunc.parametrize("house", ["root", "ordinary"], indirect=True)


@pytest.fixture
def house(request, new_house):
    ordinary = getattr(request, "param", "") == "ordinary"
    return new_house(request.getfixturevalue("ordinary_user") if ordinary else None)


@pytest.fixture
def daemon(house):
    return house.start()


@pytest.fixture
def client(daemon):
    return daemon.client()


@pytest.fixture
def serve():
    """serve(answer, ...) starts a server that gives these answers."""
    servers = []

    def make(*answers):
        servers.append(FakeOpenAI(answers))
        return servers[-1]
    yield make
    for server in servers:
        server.close()


@pytest.fixture
def cellblock(daemon):
    return daemon.cellblock


@pytest.fixture(scope="session")
def ordinary_user(build):
    if os.getuid() != 0:
        yield users.myself()
        return
    with tempfile.TemporaryDirectory(prefix="cb-user-", dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        user = users.add(folder, [SOURCE, build])
        try:
            yield user
        finally:
            users.remove(user)


@pytest.fixture
def user_house(new_house, ordinary_user):
    return new_house(ordinary_user)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """The end of every daemon's log goes with a failure."""
    report = (yield).get_result()
    if not report.failed:
        return
    for house in getattr(item, "houses", []):
        log = getattr(house, "last_log", None) or house.log()
        lines = log.splitlines()[-LOG_LINES:]
        report.sections.append(("log of " + house.folder, "\n".join(lines)))


def pytest_sessionfinish(session):
    """Whatever is still alive when all tests are done is a leak too."""
    strays = leaks.stray_processes(session.config.stash.get(BEFORE, {}))
    _leaked.extend("session: process %d %s" % stray for stray in strays.items())
    leaks.kill_all(strays)
    if _leaked and session.exitstatus == 0:
        session.exitstatus = 1


BEFORE = pytest.StashKey()
STDERR = pytest.StashKey()


def pytest_sessionstart(session):
    session.config.stash[BEFORE] = leaks.descendants()


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line("leak count: %d" % len(_leaked))
    for what in _leaked:
        terminalreporter.write_line("leaked: " + what)
