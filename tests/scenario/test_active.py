"""test_active.py - active_output: what of a cell's output an attached client gets, under sandbox
(the default) and full."""
import json

import nbformat
import pytest
from nbformat import validate

from attached import ask_control, attach, is_idle_of, iopub_until, reply_to, run

SENTENCE = "is not shown under active_output = sandbox"
FULL = ("--set", "profile.open.active_output=full")

SHOW = """
from IPython.display import display
def show(**data):
    display({name.replace("_", "/", 1).replace("__", "+"): value for name, value in data.items()},
            raw=True)
"""
COMMS = """
from ipykernel.comm import Comm
comm = Comm(target_name="jupyter.widget", data={"state": {}})
comm.send({"method": "update"})
comm.close()
"""
LINKS = """
kernel = get_ipython().kernel
def info(*_, **__):
    return {"help_links": [{"text": "x", "url": "javascript:alert(1)"}], "banner": "x",
            "language_info": {"name": "python", "codemirror_mode": "../../../files/evil"},
            "status": "ok", "html": "<script>"}
type(kernel).kernel_info = property(info)
"""


@pytest.fixture
def sandbox(daemon, client):
    client.call("new", name="amber", wait=True)
    yield from attached(daemon)


@pytest.fixture
def full(house):
    house.start(*FULL)
    house.client().call("new", name="amber", profile="open", wait=True)
    yield from attached(house)


def attached(house):
    one = attach(house)
    run(one, SHOW)
    yield one
    one.stop_channels()


def shown(client, code):
    """The data of the first output of this cell."""
    reply, messages = run(client, code)
    assert reply["status"] == "ok", reply
    return [content["data"] for _, content in messages if "data" in content][0]


def test_javascript_is_a_sentence(sandbox):
    data = shown(sandbox, "from IPython.display import Javascript\nJavascript('alert(1)')")
    assert list(data) == ["text/plain"] and SENTENCE in data["text/plain"]
    assert "JavaScript" in data["text/plain"] and "alert" not in data["text/plain"]


def test_a_table_of_pandas_is_untouched(sandbox, daemon):
    data = shown(sandbox, "import pandas as pd\n"
                          "frame = pd.DataFrame({'a': [1, 2], 'b<': ['x', '<script>']})\nframe")
    made = daemon.json("run", "-s", "amber", "-c", "frame")["outputs"][0]["data"]
    assert data == made and data["text/html"].count("<tr") == 3
    assert "<style scoped>" in data["text/html"] and "iframe" not in data["text/html"]


def test_a_styled_table_is_untouched(sandbox):
    if run(sandbox, "import jinja2")[0]["status"] != "ok":
        pytest.skip("pandas styles with jinja2: apt install python3-jinja2")
    data = shown(sandbox, "import pandas as pd\npd.DataFrame({'a': [1, 2]}).style.bar()")
    assert "iframe" not in data["text/html"] and "linear-gradient" in data["text/html"]


@pytest.mark.parametrize("html", [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<b onclick='alert(1)'>x</b>",
    "<img src='/terminals/new'>", "<iframe src='/terminals/new'></iframe>",
    "<a href='javascript:alert(1)'>x</a>", "</div></div><b>x", "<svg onload=alert(1)></svg>",
    "\"></iframe><script>alert(1)</script>"])
def test_other_html_is_framed(sandbox, html):
    text = shown(sandbox, "show(text_html=%r, text_plain='x')" % html)["text/html"]
    assert text.startswith('<iframe sandbox="" ') and text.endswith('"></iframe>')
    inside = text[len("<iframe "):-len("></iframe>")]
    assert "<" not in inside and ">" not in inside and "allow" not in inside.split("srcdoc")[0]


def test_svg_is_framed(sandbox):
    data = shown(sandbox, "from IPython.display import SVG\nSVG('<svg xmlns=\"http://www.w3.org/"
                          "2000/svg\" width=\"40\" height=\"20\"><script>x</script></svg>')")
    assert "image/svg+xml" not in data and "width:42px" in data["text/html"]
    assert data["text/html"].startswith("<iframe sandbox") and "<svg" not in data["text/html"]


def test_widgets_and_figures_are_sentences(sandbox):
    for name, what in (("application_vnd.jupyter.widget-view__json", "a widget"),
                       ("application_vnd.plotly.v1__json", "a Plotly figure"),
                       ("application_vnd.vegalite.v5__json", "a Vega chart")):
        data = shown(sandbox, "show(**{%r: {}, 'text_plain': 'Thing()'})" % name)
        assert list(data) == ["text/plain"]
        assert data["text/plain"].startswith("cellblock: %s %s" % (what, SENTENCE))
        assert data["text/plain"].endswith("\nThing()")


def test_a_picture_and_an_update(sandbox):
    data = shown(sandbox, "import matplotlib.pyplot as plt\n%matplotlib inline\nplt.plot([1]);")
    assert set(data) == {"image/png", "text/plain"}
    _, messages = run(sandbox, "h = display('x', display_id='a')\n"
                               "h.update({'text/html': '<script>'}, raw=True)")
    kinds = {kind: content for kind, content in messages if "data" in content}
    assert kinds["update_display_data"]["data"]["text/html"].startswith("<iframe sandbox")
    assert kinds["update_display_data"]["transient"] == {"display_id": "a"}


def test_replies_go_the_same_way(sandbox):
    run(sandbox, "class Evil:\n    def _repr_mimebundle_(self, **_):\n"
                 "        return {'text/html': '<script>alert(1)</script>', 'text/plain': 'evil'}\n"
                 "    def _repr_html_(self): return '<script>alert(1)</script>'\nevil = Evil()")
    reply, _ = run(sandbox, "1", user_expressions={"e": "evil"})
    assert reply["user_expressions"]["e"]["data"]["text/html"].startswith("<iframe sandbox")
    reply, _ = run(sandbox, "payloads = get_ipython().payload_manager\n"
                            "payloads.write_payload({'source': 'page', 'start': 0, 'data': "
                            "{'text/html': '<script>', 'text/plain': 'x'}})\n"
                            "payloads.write_payload({'source': 'edit_magic', 'filename': '/x'})\n"
                            "get_ipython().set_next_input('y')")
    assert [payload["source"] for payload in reply["payload"]] == ["page", "set_next_input"]
    assert "<script" not in json.dumps(reply)
    reply, messages = run(sandbox, "1 / 0")
    assert reply["status"] == "error" and reply["ename"] == "ZeroDivisionError"
    assert [kind for kind, _ in messages if kind == "error"] == ["error"]


def test_what_a_kernel_says_of_itself(sandbox):
    before = sandbox.kernel_info(reply=True, timeout=120)["content"]
    jailed = ("cellblock: this Python is jailed (session amber, profile default): no network, "
              "memory 512 MiB; a cell may run as long as it takes.")
    assert before["banner"].startswith("Python 3") and before["banner"].endswith("\n" + jailed)
    assert before["language_info"]["jail"] == {
        "by": "cellblock", "profile": "default", "network": "none", "wall_s": None,
        "active_output": "sandbox"}
    assert before["help_links"][-1]["text"] == "Jailed: session amber, profile default"
    assert len(before["help_links"]) > 1
    validate(nbformat.v4.new_notebook(metadata={"language_info": before["language_info"]}))
    assert before["language_info"]["codemirror_mode"] == {"name": "ipython", "version": 3}
    reply, _ = run(sandbox, LINKS)
    assert reply["status"] == "ok", reply
    reply = reply_to(sandbox, sandbox.kernel_info())
    assert "javascript" not in json.dumps(reply) and "../" not in json.dumps(reply)
    assert "html" not in reply and reply["banner"] == "x\n" + jailed


def test_comms_are_refused(sandbox):
    reply, messages = run(sandbox, COMMS)
    assert reply["status"] == "ok", reply
    assert not [kind for kind, _ in messages if kind.startswith("comm")]
    run(sandbox, "comm = Comm(target_name='x')")
    assert sandbox.comm_info(reply=True, timeout=120)["content"]["comms"] == {}
    opened = sandbox.session.msg("comm_open", {"comm_id": "c1", "target_name": "x", "data": {}})
    sandbox.shell_channel.send(opened)
    kinds = []
    while kinds[-2:] != ["comm_close", "status"]:
        message = sandbox.get_iopub_msg(timeout=120)
        if message["parent_header"].get("msg_id") == opened["header"]["msg_id"]:
            kinds.append(message["msg_type"])
    assert kinds == ["status", "comm_close", "status"]
    assert run(sandbox, "1")[0]["status"] == "ok"


def test_a_restart_says_nothing_of_comms_that_are_done(full):
    opened = full.session.msg("comm_open", {"comm_id": "c1", "target_name": "x", "data": {}})
    full.shell_channel.send(opened)
    iopub_until(full, is_idle_of(opened["header"]["msg_id"]))
    assert ask_control(full, "shutdown_request", {"restart": True})["status"] == "ok"
    told = iopub_until(full, is_idle_of(full.execute("pass")))
    assert not [message for message in told
                if message["parent_header"].get("msg_id") == opened["header"]["msg_id"]]


def test_full_passes_everything(full):
    assert shown(full, "show(application_javascript='x', text_html='<script>')") == {
        "application/javascript": "x", "text/html": "<script>"}
    reply, messages = run(full, COMMS)
    assert reply["status"] == "ok", reply
    assert [kind for kind, _ in messages if kind.startswith("comm")] == [
        "comm_open", "comm_msg", "comm_close"]
    info = full.kernel_info(reply=True, timeout=120)["content"]
    assert "(session amber, profile open)" in info["banner"]
    assert "cellblock: this session has active_output = full" in info["banner"]
    assert info["language_info"]["jail"]["active_output"] == "full"


def test_how_long_a_cell_may_run_is_told(house):
    """The profile of a stranger fixes it for everybody."""
    house.start("--set", "profile.safe_eval.wall=60")
    house.client().call("new", name="amber", profile="safe_eval", wait=True)
    client = attach(house)
    info = client.kernel_info(reply=True, timeout=120)["content"]
    client.stop_channels()
    assert ", no other programs, memory " in info["banner"]
    assert info["banner"].endswith("; a cell may run 1 min.")
    assert info["language_info"]["jail"]["wall_s"] == 60


def test_full_by_the_person_who_asks(daemon):
    assert daemon.cellblock("new", "mine", "-l", "active_output=full").returncode == 0
    assert daemon.json("show", "mine")["active_output"] == "full"
    refused = daemon.cellblock("new", "other", "-P", "safe_eval", "-l", "active_output=full")
    assert refused.returncode == 3 and "fixes active_output at sandbox" in refused.stderr


def test_programs_get_it_as_it_is(sandbox, daemon):
    made = daemon.json("run", "-s", "amber", "-c", "show(text_html='<script>', image_svg__xml='x')")
    assert made["outputs"][0]["data"] == {"text/html": "<script>", "image/svg+xml": "x"}
    assert daemon.json("show", "amber")["active_output"] == "sandbox"
