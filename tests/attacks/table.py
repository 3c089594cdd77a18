"""table.py - what an attack is: a row of the table that the rows_*.py fill.

A row has a name, the class of its end, and the code of a cell (or, for what comes from outside of
a jail, a function). Four classes:

  hidden    what it looks for is not there
  blocked   what it tries is refused
  limited   it gets its share and no more; the kernel lives on
  killed    the kernel ends, and nothing else

The code tells by attempt(), call() and their kin (inside.py) what it got and what it did not. That
it got nothing is believed only together with what is seen from outside (arena.py).
"""
import collections
import importlib
import sys

HIDDEN, BLOCKED, LIMITED, KILLED = CLASSES = ("hidden", "blocked", "limited", "killed")

REFUSED = {"EPERM", "EACCES", "EROFS", "ENOSYS", "EOPNOTSUPP", "ENOTSUP"}
ABSENT = {"ENOENT", "ENXIO", "nothing"}
FULL = {"ENOSPC", "EFBIG", "EMFILE", "EAGAIN", "ENOMEM"}

# How an attack of each class may fail, where a row does not say it better.
FAILURES = {HIDDEN: ABSENT, BLOCKED: REFUSED, LIMITED: FULL, KILLED: REFUSED | ABSENT}

FIELDS = ("theme", "name", "ends", "code", "failures", "status", "limit", "alone", "seconds",
          "outside", "prepare", "control", "needs", "inputs", "workdir")


class Attack(collections.namedtuple("Attack", FIELDS)):
    """One row.

    theme     of its file: "memory" in rows_memory.py
    failures  how its attempts may fail (names of errno or words of its own)
    status    the cell's status; a set when more than one is right
    limit     name of the limit in the result, None for none
    alone     gets a session of its own (what kills or fills it)
    seconds   the cell's wall time
    outside   function(scene): asserts what is seen from outside
    prepare   function(scene): made before the cell; for rows without code, all there is
    control   "unjailed": the same code, run by root without a jail, gets what it wants; else why
              that cannot be shown
    needs     what the machine must have for it ("root", "memory"), else it is skipped
    inputs    function(arena) -> the session's inputs
    workdir   "ro" or "rw": it starts in the arena's project folder
    """
    __slots__ = ()

    def __str__(self):
        return "%s-%s" % (self.theme, self.name)


ROWS = []

UNJAILED = "unjailed"


def attack(name, ends, code="", **more):
    """Adds a row."""
    row = {"failures": FAILURES[ends], "status": {"ok"}, "limit": None, "alone": ends == KILLED,
           "seconds": 100, "outside": None, "prepare": None, "control": UNJAILED, "needs": (),
           "inputs": None, "workdir": None, **more}
    assert ends in CLASSES and set(row) < set(FIELDS), name
    assert all(name != other.name for other in ROWS), name
    theme = sys._getframe(1).f_globals["__name__"][len("rows_"):]
    ROWS.append(Attack(theme=theme, name=name, ends=ends, code=code, **row))


THEMES = ("secrets", "files", "calls", "rights", "network", "memory", "floods", "time",
          "processes", "kernel", "artifacts", "shown", "clients", "workdir")


def rows():
    """All of them, in the order of the themes."""
    if not ROWS:
        for theme in THEMES:
            importlib.import_module("rows_" + theme)
    return ROWS
