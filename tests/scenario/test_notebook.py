"""test_notebook.py - a real notebook in a real browser looks at what cells show: under sandbox none
of them opens a terminal on the machine of the notebook's server, under full each does. And what
passes as plain HTML is what the browser takes it for."""
import importlib.util
import json
import os
import random

import pytest

import browser
import leaks
from attached import attach, connection_file, run
from browser import Browser
from notebook_server import NotebookServer

MISSING = [package for package, there in (
    ("chromium", browser.PROGRAM),
    ("python3-notebook", importlib.util.find_spec("notebook"))) if not there]

pytestmark = [pytest.mark.limit(500), pytest.mark.skipif(
    bool(MISSING), reason="not installed: %s; as root: scripts/install-packages browser"
    % " ".join(MISSING))]

# The texts are the same in every run; for others: CELLBLOCK_SEED=$RANDOM.
SEED = int(os.environ.get("CELLBLOCK_SEED", "20261120"))

# Opening a terminal is one request of a page with its user's cookies. NAME becomes the terminal's.
FETCH = "fetch('/terminals/new/NAME')"
POST = ("fetch('/api/terminals', {method: 'POST', headers: {'X-XSRFToken': "
        "document.cookie.match('_xsrf=([^;]*)')[1]}})")
SETUP = """from IPython.display import *
kernel = get_ipython().kernel
def send(kind, **content):
    kernel.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent("shell"),
                        ident=kind.encode())"""

# What cells try, by the terminal's name.
ATTACKS = {
    "javascript": 'Javascript("%s")' % FETCH,
    "script": 'HTML("<script>%s</script>")' % FETCH,
    "handler": 'HTML("<img src=x onerror=\\"%s\\">")' % FETCH,
    "picture": 'HTML("<img src=/terminals/new/NAME>")',
    "style": 'HTML("<p style=\\"background:url(/terminals/new/NAME)\\">x</p>")',
    "frame": 'HTML("<iframe src=/terminals/new/NAME></iframe>")',
    "inframe": 'HTML("<iframe srcdoc=\\"<script>parent.%s</script>\\"></iframe>")' % FETCH,
    "svgscript": 'SVG("<svg xmlns=\'http://www.w3.org/2000/svg\'><script>%s</script></svg>")'
                 % FETCH,
    "svghandler": 'SVG("<svg xmlns=\'http://www.w3.org/2000/svg\'><image href=\'x\' '
                  'onerror=\\"%s\\"/></svg>")' % FETCH,
    "markdown": 'Markdown("a <img src=x onerror=\\"%s\\">")' % FETCH,
    "mdpicture": 'Markdown("![a](/terminals/new/NAME)")',
    "widget": 'send("comm_open", comm_id="1", target_name="x", data={}, target_module='
              '"data:text/javascript,define({x: function () {%s}})//.js")' % FETCH,
    "count": 'send("execute_result", execution_count="<img src=x onerror=\\"%s\\">", '
             'data={"text/plain": "x"}, metadata={})' % FETCH,
    "update": 'h = display(1, display_id=True)\n'
              'h.update(HTML("<img src=x onerror=\\"%s\\">"))' % FETCH,
    "pager": 'get_ipython().payload_manager.write_payload({"source": "page", "start": 0, "data": '
             '{"text/html": "<img src=x onerror=\\"%s\\">", "text/plain": "x"}})' % FETCH,
}
# Those that ask this way get a number for a name.
POSTED = 'Javascript("%s")' % POST
WIDGET = 'display({"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, ' \
         '"text/plain": "IntSlider(value=0)"}, raw=True)'
TABLE = """import pandas as pd
pd.DataFrame({"name": ["<b>x</b>", "y & z"], "value": [1.5, -2]})"""
# Parts of Markdown: formulas are put back unread after all else was rendered.
MARKDOWN = ["<b>", "</b>", "<b title=\"", "\">", "<b title='", "'>", "<i style=\"color:red\">",
            "<br>", "$", "$$", "\\\\(", "\\\\)", "`", "```\n", "\"", "'", " onclick=x ",
            "\" onclick=x y=\"", "[x](", "](", "[x]: ", "[x]", "![", "![a](", "http://a",
            "javascript:x", "/x", ")", "<", "data:image/png;base64,AA==", ">", "<script>",
            "<img src=x onerror=x>", "\n", "\n\n", "> ", "|", "\n|-|\n", "@@0@@", "&lt;", "&quot;",
            "\\", "!", "x", "*", "<!--", "<javascript:x>", "\"t\"", "(", "]", ":",
            "<td title=\"x\n\nonclick=x \">", "http://$\" onclick=x \"$ ",
            "[x](http://a$b$ 'c $<i style=\"color:red\"> onclick=x $')"]
MARKDOWN_CELL = "for text in %r:\n    display({'text/markdown': text}, raw=True)"
ACTING = """Array.from(document.querySelectorAll('.output_markdown *')).filter(element =>
  !/^(http:|mailto:|data:image.png|$)/.test(element.getAttribute('href') || '') ||
  !/^(data:image.png|$)/.test(element.getAttribute('src') || '') || element.localName == 'script' ||
  Array.from(element.attributes).some(one => one.name.startsWith('on'))).map(it => it.outerHTML)"""
# Attacks of which Notebook 6.4 itself lets none happen.
HARMLESS = {"count"}


@pytest.fixture
def notebooks(house):
    house.start("--set", "profile.open.active_output=full")
    for session, profile in (("closed", "default"), ("open", "open")):
        house.client().call("new", name=session, profile=profile, wait=True)
    folder = os.path.join(house.folder, "notebook")
    os.mkdir(folder, 0o700)
    with NotebookServer(folder, {name: connection_file(house, name)
                                 for name in ("closed", "open")}) as server:
        with Browser(folder) as chromium:
            yield server, chromium


def run_all(page):
    page.wait("Jupyter.notebook._fully_loaded && Jupyter.notebook.kernel.is_connected()")
    page.evaluate("Jupyter.notebook.execute_all_cells()")
    page.wait("Jupyter.notebook.get_cells().every(cell => Number.isInteger("
              "cell.input_prompt_number)) && Jupyter.notebook.get_cells().slice(-1)[0]"
              ".output_area.outputs.length == 1")


def open_notebook(server, chromium, kernel, *more):
    cells = [SETUP] + [code.replace("NAME", kernel + name) for name, code in ATTACKS.items()]
    cells += [*more, POSTED, WIDGET, TABLE, "print('done')"]
    page = chromium.open(server.notebook(kernel, kernel, cells))
    run_all(page)
    return page


def output(page, cell, what):
    """Of the first output of a cell, counted from the end."""
    return page.evaluate("Jupyter.notebook.get_cells().slice(%d)[0].element.find("
                         "'.output_subarea')[0].%s" % (cell, what))


def test_what_cells_show_opens_no_terminal(notebooks):
    server, chromium = notebooks
    dice = random.Random(SEED)
    made = ["".join(dice.choice(MARKDOWN) for _ in range(dice.randint(2, 14))) for _ in range(300)]
    closed = open_notebook(server, chromium, "closed", MARKDOWN_CELL % (made + MARKDOWN,))
    assert closed.evaluate(ACTING) == []
    assert closed.evaluate("document.querySelectorAll('.output_markdown b').length") > 10
    opened = open_notebook(server, chromium, "open")
    wanted = {"open" + name for name in ATTACKS if name not in HARMLESS}
    leaks.wait_for(lambda: wanted | {"1"} <= server.terminals(), 100)
    # What a browser can do it does under full, in the same time.
    assert wanted - server.terminals() == set(), server.log()
    assert {name for name in server.terminals() if name.isdigit()} == {"1"}
    assert {name for name in server.terminals() if name.startswith("closed")} == set()

    sentence = output(closed, -3, "textContent")
    assert sentence.startswith("cellblock: a widget is not shown") and "IntSlider" in sentence
    table, same = (output(page, -2, "innerHTML") for page in (closed, opened))
    assert table == same and table.count("<tr") == 3 and "iframe" not in table
    folder = os.environ.get("CELLBLOCK_SCREENSHOTS")
    for name, page in (("closed", closed), ("open", opened)):
        if folder:
            page.screenshot(os.path.join(folder, name + ".png"))


# -- plain HTML --------------------------------------------------------------------------------

NAMES = """b i p table tr td th ul li pre style details summary br hr col img a font span div q
script svg math textarea select template noscript iframe button""".split()
PIECES = ["<!--", "-->", "&lt;img&gt;", "&#60;", "<", ">", "\"", "'", "`", "x", " ", "\n", "/>",
          "</", ".dataframe{color:red}", "body{color:red}", "<b title=\"", "<b title='", "\">",
          "'>"]
VALUES = ["x", "dataframe", "T_1", "3", "color:red", "background:url(/x)", "https://x/", "/x",
          "javascript:x", "data:image/png;base64,AA==", "data:text/html,x", "&quot;", "<b>", "a b",
          "text/css", "_blank", "left"]
TAGS = """a abbr b big blockquote br caption center cite code col colgroup dd del details div dl dt
em figcaption figure font h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark meter ol p pre progress q s
samp small span strike strong style sub summary sup table tbody td tfoot th thead tr tt u ul
var""".split()
ATTRIBUTES = """align alt bgcolor border cellpadding cellspacing class color colspan dir halign
height href id lang max min nowrap open rel rowspan scope scoped size span src start style target
title type valign value width""".split()
# What the browser finds that is in neither list, or leads elsewhere, in each of the texts: as part
# of an element, as old versions of jQuery hand it over, and in the middle of a document.
LOOK = """((texts, tags, attributes) => {
  const found = [];
  const look = (root, text) => {
    for (const element of root.querySelectorAll('*')) {
      if (!tags.includes(element.localName) || !element.namespaceURI.endsWith('/xhtml'))
        found.push([text, element.localName]);
      for (const {name, value} of element.attributes)
        if (!attributes.includes(name) || (name == 'href' && !/^(https?:|mailto:)/i.test(value)) ||
            (name == 'src' && !value.startsWith('data:image/')) ||
            (name == 'style' && /url|expression/i.test(element.style.cssText + value)))
          found.push([text, name]);
    }
  };
  for (const text of texts) {
    const one = document.createElement('div');
    one.innerHTML = text;
    look(one, text);
    one.innerHTML = text.replace(
        /<(?!area|br|col|hr|img)(([a-z][^\\/\\0> \\t\\r\\n]+)[^>]*)\\/>/gi, '<$1></$2>');
    look(one, text);
    const whole = new DOMParser().parseFromString('<body><div>' + text + '</div>', 'text/html');
    look(whole.body, text);
    if (whole.body.children.length != 1)
      found.push([text, 'left its place']);
  }
  return found;
})"""
SHOW_ALL = "for text in %r:\n    display({'text/html': text}, raw=True)"


def attribute(dice):
    name = dice.choice(ATTRIBUTES + ["onclick", "onerror", "srcset", "data-x", "background"])
    quote = dice.choice(["", "\"", "\"", "'"])
    return " %s=%s%s%s" % (name, quote, dice.choice(VALUES), quote)


def element(dice, depth):
    name = dice.choice(NAMES)
    begin = "<%s%s>" % (name, "".join(attribute(dice) for _ in range(dice.choice([0, 0, 1, 2]))))
    inside = "".join(element(dice, depth + 1) if dice.random() < 0.5 else dice.choice(PIECES)
                     for _ in range(dice.randint(0, 2 if depth < 3 else 0)))
    end = "" if name in ("br", "hr", "col", "img") or dice.random() < 0.05 else "</%s>" % name
    return begin + inside + end


def texts(dice):
    for _ in range(4000):
        yield element(dice, 0)


def test_a_browser_finds_nothing_more_in_what_passes(daemon, client):
    client.call("new", name="amber", wait=True)
    attached = attach(daemon)
    made = sorted(set(texts(random.Random(SEED))))
    _, messages = run(attached, SHOW_ALL % (made,))
    attached.stop_channels()
    shown = [content["data"]["text/html"] for _, content in messages if "data" in content]
    assert len(shown) == len(made)
    plain = [text for text, here in zip(made, shown) if text == here]
    assert len(plain) > 50 and all(text.startswith("<iframe sandbox") or text in plain
                                   for text in shown)
    folder = os.path.join(daemon.folder, "browser")
    os.mkdir(folder, 0o700)
    with Browser(folder) as chromium:
        page = chromium.open("about:blank")
        look = "%s(%%s, %s, %s)" % (LOOK, json.dumps(TAGS), json.dumps(ATTRIBUTES))
        assert page.evaluate(look % json.dumps(plain)) == []
        assert page.evaluate(look % json.dumps(["<script>"])), "nothing is ever found"
