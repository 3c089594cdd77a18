"""ctext.py - just enough of C's grammar to measure functions: length, nesting, parameters."""
import collections
import re

# A definition: its name, first and last line, deepest nesting, number of parameters.
Function = collections.namedtuple("Function", "name first last nesting parameters")

_TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w.]*|\"\"|''|\S")
_LOOPS = {"for", "while", "switch"}


class _Tokens:
    """The tokens of a text in which comments and strings are blanked, with their lines."""

    def __init__(self, text):
        self.items = []
        for number, line in enumerate(_without_directives(text).splitlines(), 1):
            self.items += [(match.group(0), number) for match in _TOKEN.finditer(line)]
        self.at = 0

    def peek(self, ahead=0):
        where = self.at + ahead
        return self.items[where][0] if where < len(self.items) else ""

    def skip_group(self):
        """Passes a bracketed group whose opening bracket is next."""
        depth = 0
        while self.peek():
            depth += (self.peek() in "([{") - (self.peek() in ")]}")
            self.at += 1
            if depth == 0:
                return


def _without_directives(text):
    """Preprocessor lines blanked; of #if/#else both branches stay unless braces repeat."""
    def blank(match):
        return "\n" * match.group(0).count("\n")
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", blank, text, flags=re.M)


def _statement(tokens):
    """Passes one statement and returns how deep control structures nest in it."""
    word = tokens.peek()
    if word == "{":
        return _block(tokens)
    if word == "if":
        return _if(tokens)
    if word in _LOOPS:
        tokens.at += 1
        tokens.skip_group()
        return 1 + _statement(tokens)
    if word == "do":
        tokens.at += 1
        deep = 1 + _statement(tokens)
        _simple(tokens)
        return deep
    return _label_or_simple(tokens)


def _if(tokens):
    tokens.at += 1
    tokens.skip_group()
    deep = 1 + _statement(tokens)
    if tokens.peek() == "else":
        tokens.at += 1
        chained = tokens.peek() == "if"
        deep = max(deep, _statement(tokens) + (0 if chained else 1))
    return deep


def _block(tokens):
    deep = 0
    tokens.at += 1
    while tokens.peek() not in ("}", ""):
        deep = max(deep, _statement(tokens))
    tokens.at += 1
    return deep


def _label_or_simple(tokens):
    """case labels end at their colon; a macro with a body in braces is a loop."""
    if tokens.peek() in ("case", "default"):
        while tokens.peek() not in (":", ""):
            tokens.at += 1
        tokens.at += 1
        return 0
    if tokens.peek(1) == "(" and re.match(r"[A-Za-z_]", tokens.peek()):
        start = tokens.at
        tokens.at += 1
        tokens.skip_group()
        if tokens.peek() == "{":
            return 1 + _block(tokens)
        tokens.at = start
    _simple(tokens)
    return 0


def _simple(tokens):
    """Passes everything up to the semicolon."""
    while tokens.peek() not in (";", "}", ""):
        if tokens.peek() in ("(", "[", "{"):
            tokens.skip_group()
        else:
            tokens.at += 1
    if tokens.peek() == ";":
        tokens.at += 1


def count_parameters(inner):
    """Parameters in the text between a declaration's brackets; the error pointer that every
    fallible function ends with is not counted."""
    if inner.strip() in ("", "void", "cb_err *err"):
        return 0
    inner = re.sub(r",\s*cb_err \*err\s*$", "", inner)
    depth, commas = 0, 0
    for sign in inner:
        depth += (sign in "([{") - (sign in ")]}")
        commas += sign == "," and depth == 0
    return commas + 1


_HEAD = re.compile(r"^([A-Za-z_]\w*) ?\(([^{};]*)\)[^{};()]*\n\{\n", re.M)


def functions(text):
    """The functions of a file in the project's layout: name and opening brace in column one."""
    found = []
    for match in _HEAD.finditer(text):
        start = match.end() - 2
        end = text.find("\n}", start)
        if end < 0:
            continue
        nesting = _block(_Tokens(text[start:end + 2]))
        found.append(Function(match.group(1), text.count("\n", 0, match.start()) + 1,
                              text.count("\n", 0, end + 1) + 1, nesting,
                              count_parameters(match.group(2))))
    return found
