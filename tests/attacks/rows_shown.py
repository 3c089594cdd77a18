"""rows_shown.py - attacks on who looks: what a notebook would run with its owner's rights.

What comes to an attached Jupyter client is looked at here, message by message; a real browser does
it in tests/scenario/test_notebook.py.
"""
import re

from attached import Raw
from table import BLOCKED, attack

ACTIVE = re.compile(r"<script|<svg|<object|<embed|<form|<style|<link|\bon\w+\s*=|javascript:", re.I)
MARKED = re.compile(r"<[a-z/!?]|\]\(|\]:", re.I)  # with a space between, neither tag nor link
PASSIVE = {"text/plain", "text/html", "image/png", "image/jpeg", "text/markdown", "text/latex"}


def listen(scene):
    """A Jupyter client attaches and reads iopub."""
    scene.guest = Raw(scene.connection_file())
    heard = None
    while heard is None:
        scene.guest.send("shell", "kernel_info_request")
        heard = scene.guest.receive("iopub", 1)


def nothing_active(scene):
    messages = []
    try:
        while (message := scene.guest.receive("iopub", 2)) is not None:
            messages.append(message)
    finally:
        scene.guest.close()
    kinds = [message["msg_type"] for message in messages]
    assert "execute_result" in kinds or "display_data" in kinds, "nothing came at all: %s" % kinds
    assert not {"comm_open", "comm_msg", "comm_close"} & set(kinds), "a comm came through"
    for message in messages:
        for kind, value in message["content"].get("data", {}).items():
            assert kind in PASSIVE, "%s came through" % kind
            if kind == "text/html" and not value.startswith("<iframe sandbox="):
                assert not ACTIVE.search(value), value[:200]
            if kind == "text/markdown":
                assert not MARKED.search(value), value[:200]


SHOW = """
def show(kind, value):
    display({kind: value, "text/plain": "plain"}, raw=True)
evil = "fetch('/api/terminals', {method: 'POST'})"
"""
SHOWN = {"alone": True, "failures": {"nothing"}, "prepare": listen, "outside": nothing_active,
         "control": "a jail cannot be blamed for what a browser does"}

for title, code in (
        ("JavaScript", 'show("application/javascript", evil)\nshow("text/javascript", evil)\n'
                       'show("application/ecmascript", evil)\nshow("module", evil)'),
        ("handlers and scripts in HTML", """
for text in ("<script>%s</script>", '<img src=x onerror="%s">', '<a href="javascript:%s">x</a>',
             '<iframe srcdoc="<script>parent.%s</script>"></iframe>', "<svg onload=%s>",
             '<form action="javascript:%s"><input autofocus onfocus=submit()></form>',
             "<ScRiPt>%s</sCrIpT>", '<table><tr><td><img src="x"onerror="%s"></td></tr></table>',
             "<style>@import 'javascript:%s'</style>", '<object data="data:text/html,%s"></object>',
             "<!--><script>%s</script>-->", "<div\\n\\x0conclick=%s>x</div>", "<math><a xlink:href="
             "'javascript:%s'>x</a></math>"):
    show("text/html", text % evil)"""),
        ("scripts in SVG and Markdown", """
show("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'><script>%s</script></svg>" % evil)
show("image/svg+xml", "<svg onload=\\"%s\\"/>" % evil)
show("text/markdown", "<img src=x onerror=\\"%s\\">" % evil)
show("text/markdown", "[x](javascript:%s)" % evil)
show("text/markdown", "[x]\\n\\n[x]: javascript:%s" % evil)
show("text/markdown", "<javascript:%s>" % evil)"""),
        ("widgets and comms", """
show("application/vnd.jupyter.widget-view+json", {"model_id": "x", "version_major": 2})
show("application/vnd.plotly.v1+json", {"data": []})
show("application/vnd.bokehjs_exec.v0+json", "")
session, kernel = get_ipython().kernel.session, get_ipython().kernel
for kind in ("comm_open", "comm_msg", "comm_close"):
    session.send(kernel.iopub_socket, kind, {"comm_id": "x", "target_name": "jupyter.widget",
                                             "data": {}}, parent=kernel.get_parent())""")):
    attack("shows " + title, BLOCKED, SHOW + code + '\nLOST["shown"] = "nothing"\n', **SHOWN)
