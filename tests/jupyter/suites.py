"""suites.py - the test suites of others that a kernel of ours has to pass, a row each.

They are Debian's packages as they are; jupyter_kernel_test is a class that wants samples of code,
which are in kernel_samples.py.
"""
import collections
import os

HERE = os.path.dirname(os.path.abspath(__file__))

# name; what pytest is given; how many passed with the plain kernel when this was written (fewer
# than that, and the baseline itself is not to be believed); how many seconds a run may take.
Suite = collections.namedtuple("Suite", "name arguments known seconds")


def modules(package, names):
    return ["--pyargs"] + ["%s.tests.test_%s" % (package, name) for name in names.split()]


SUITES = [
    Suite("jupyter_kernel_test", [os.path.join(HERE, "kernel_samples.py")], 11, 300),
    Suite("ipykernel", modules("ipykernel", "message_spec kernel connect async debugger"), 55,
          1200),
    Suite("nbclient", ["--pyargs", "nbclient"], 88, 1200),
    Suite("jupyter_client",
          modules("jupyter_client", "client multikernelmanager kernelapp manager"), 40, 1200),
]


def exceptions(path=os.path.join(HERE, "exceptions")):
    """{suite: {test: reason}} of the tests that need what the jail forbids."""
    found = collections.defaultdict(dict)
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip() or line.startswith("#"):
                continue
            fields = line.strip().split(": ", 2)
            if len(fields) != 3:
                raise ValueError("%s:%d: not SUITE: TEST: REASON" % (path, number))
            suite, test, reason = fields
            found[suite][test] = reason
    return found
