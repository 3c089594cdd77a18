"""notebooks.py - runs the notebooks beside this file with nbconvert and compares what came of them.

Two runs of one notebook differ in times, addresses, process numbers and the names that widgets
get; plain() takes those out, and two runs of the plain kernel are then equal. A jailed kernel adds
two things on purpose, which go too: the member "jail" of language_info, and a sentence of its own
behind an error that the jail may have caused.
"""
import concurrent.futures
import difflib
import glob
import json
import os
import re
import shutil

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "notebooks")
# Enough for a busy machine, and not long to wait where nbclient does for ever: with either kernel
# it sometimes misses a reply while it sends what the notebook of widgets makes it send.
SECONDS = 120
SHOWN_LINES = 30

NUMBER = r"\d+(?:[.,]\d+)?(?:e[+-]?\d+)?"
# What differs from run to run -> what stands in its place.
VARYING = [
    (re.compile(r"0x[0-9a-f]{6,16}\b"), "0xADDRESS"),
    (re.compile(r"(?:/[\w.-]+)*/ipykernel_\d+/\d+\.py"), "CELL.py"),
    (re.compile(r"(?:/[\w.-]+)*/tmp\w{8}\b"), "FOLDER"),
    (re.compile(NUMBER + r" ?(?:ns|µs|us|ms|s|min)\b"), "TIME"),
    (re.compile(r"\d\d:\d\d<(?:\d\d:\d\d|\?)"), "TIME"),
    (re.compile(r"(?:" + NUMBER + r"|\?)it/s"), "RATE"),
    (re.compile(r"\|[█▏▎▍▌▋▊▉ ]*\|"), "|BAR|"),
    (re.compile(r"\(\d+ times\)"), "(SO MANY times)"),
    (re.compile(r"<dc:date>[^<]*"), "<dc:date>TIME"),
]
# How a sentence of the jail begins, a line of its own behind an error.
SENTENCE = "cellblock: "
WIDGET = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


def names():
    return sorted(os.path.basename(path).removesuffix(".ipynb")
                  for path in glob.glob(os.path.join(FOLDER, "*.ipynb")))


def execute(where, logs):
    """Runs all of them on one side; {name: the notebook as nbconvert wrote it}; what fails is
    tried once more, alone."""
    work = os.path.join(where.work, "notebooks")
    shutil.copytree(FOLDER, work)
    out = os.path.join(logs, "notebooks-" + where.name)
    os.mkdir(out)

    def execute_one(name):
        where.run(["/usr/bin/jupyter", "nbconvert", "--to", "notebook", "--execute",
                   "--output-dir", out, os.path.join(work, name + ".ipynb")],
                  "%s-%s.log" % (out, name), SECONDS)
        return _read(os.path.join(out, name + ".ipynb"))
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = dict(zip(names(), pool.map(execute_one, names())))
    for name in names():
        if found[name] is None:
            print("   %s: the second try of %s" % (where.name, name), flush=True)
            found[name] = execute_one(name)
    return found


def _read(path):
    """A notebook; None when it was not written."""
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def _joined(value):
    """nbformat writes texts as lists of lines."""
    if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value


def _streams(outputs):
    """Streams that follow each other are one: where they are cut depends on time."""
    made = []
    for output in outputs:
        before = made[-1] if made else {}
        if output["output_type"] == "stream" and before.get("name") == output["name"]:
            before["text"] += _joined(output["text"])
            continue
        if output["output_type"] == "error":
            lines = [line for line in output["traceback"] if not line.startswith(SENTENCE)]
            output = {**output, "traceback": lines}
        made.append({key: _joined(value) for key, value in output.items()})
    return made


class _Names:
    """Widgets' names are random: the n-th that is met is called n."""

    def __init__(self):
        self.known = {}

    def text(self, text):
        for pattern, word in VARYING:
            text = pattern.sub(word, text)
        return WIDGET.sub(
            lambda found: self.known.setdefault(found[0], "NAME-%d" % len(self.known)), text)

    def value(self, value):
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if isinstance(value, dict):
            return {self.text(key): self.value(one) for key, one in value.items()}
        return value


def _by_content(widgets):
    """A notebook has them in the order of their names; here what they are decides."""
    def nameless(item):
        return WIDGET.sub("NAME", json.dumps(item, sort_keys=True))
    return {mime: {**bundle, "state": dict(sorted(bundle.get("state", {}).items(), key=nameless))}
            for mime, bundle in widgets.items()}


def plain(notebook):
    """What has to be equal: the outputs of every cell, the numbers of the cells, the language and
    the widgets' state."""
    named = _Names()
    cells = [[cell.get("execution_count"),
              named.value([{key: _joined(value) if key != "data" else
                            {mime: _joined(data) for mime, data in value.items()}
                            for key, value in output.items()}
                           for output in _streams(cell["outputs"])])]
             for cell in notebook["cells"] if cell["cell_type"] == "code"]
    metadata = notebook["metadata"]
    language = {key: value for key, value in metadata.get("language_info", {}).items()
                if key != "jail"}
    widgets = named.value(_by_content(metadata.get("widgets", {})))
    return {"cells": cells, "language_info": language, "widgets": widgets}


def _lines(value):
    return json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True).splitlines()


def differences(left, right):
    """What differs between two runs of a notebook, in words; None is one that was not executed."""
    if left is None or right is None:
        return ["not executed by the %s kernel" % ("plain" if left is None else "jailed")]
    left, right = plain(left), plain(right)
    sources = range(max(len(left["cells"]), len(right["cells"])))
    found = []
    pairs = [("cell %d" % at, left["cells"][at:at + 1], right["cells"][at:at + 1])
             for at in sources]
    pairs += [(key, left[key], right[key]) for key in ("language_info", "widgets")]
    for what, one, other in pairs:
        if one != other:
            lines = list(difflib.unified_diff(_lines(one), _lines(other), "plain", "jailed",
                                              lineterm="", n=2))
            found.append("%s differs:\n      %s" % (what, "\n      ".join(
                line[:300] for line in lines[:SHOWN_LINES])))
    return found
