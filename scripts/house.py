"""house.py - what the house rules share: the project's files, C without comments, TAP."""
import os
import re
import sys

FOLDERS = ("src", "tests", "scripts", "kernelspec", "examples", "doc", ".ci")
TOP_FILES = ("Makefile.am", "configure.ac", "autogen.sh", "README.md", ".clang-format")
SKIPPED = {"__pycache__", ".deps", ".libs", ".pytest_cache"}


def root(argv):
    """The tree to look at: the argument, else the one this script lies in."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(argv[0])))
    return os.path.abspath(argv[1]) if len(argv) > 1 else here


def files(top):
    """Every source file below top, as sorted relative paths; build results are not looked at."""
    found = [name for name in TOP_FILES if os.path.isfile(os.path.join(top, name))]
    for folder in FOLDERS:
        for at, folders, names in os.walk(os.path.join(top, folder)):
            folders[:] = sorted(set(folders) - SKIPPED)
            found += [os.path.relpath(os.path.join(at, name), top) for name in names]
    return sorted(found)


def read(top, name):
    with open(os.path.join(top, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def is_binary(top, name):
    with open(os.path.join(top, name), "rb") as file:
        return b"\0" in file.read(65536)


def language(top, name):
    """'c', 'python', 'shell' or '' by the name, else by the first line."""
    for ending, kind in ((".c", "c"), (".h", "c"), (".py", "python"), (".sh", "shell")):
        if name.endswith(ending):
            return kind
    with open(os.path.join(top, name), "rb") as file:
        first = file.readline(128)
    if not first.startswith(b"#!"):
        return ""
    return "python" if b"python" in first else "shell" if b"sh" in first else ""


_WORDS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def bare_c(text):
    """C with comments and the insides of strings blanked, lines kept."""
    def blank(match):
        word = match.group(0)
        if word[0] in "\"'":
            return word[0] + word[0]
        return " " + "\n" * word.count("\n")
    return _WORDS.sub(blank, text)


def report(rules):
    """Prints TAP for [(rule, [violation])], each violation a line; the exit status."""
    print("1..%d" % len(rules))
    for number, (rule, violations) in enumerate(rules, 1):
        print("%sok %d - %s" % ("not " if violations else "", number, rule))
        for violation in violations:
            print("# " + violation)
    sys.stdout.flush()
    return 1 if any(violations for _, violations in rules) else 0
