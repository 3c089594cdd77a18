"""fake_openai.py - a server of Chat Completions on loopback that does what the test says, also what
no server should do.

  server = FakeOpenAI([answer, ...])     one answer a request, in their order; the last one repeats
  server.url                             for OPENAI_BASE_URL
  server.requests                        what came: [{"path", "headers", "body"}]

An answer is made by: words("..."), calls("code", ...), raw(status, headers, pieces). A piece is
bytes to send, a number of seconds to wait, an Event to wait for, or CLOSE. Nothing here is a model:
what the client understands of this is what the vendors' documents and recordings say, not a proof
against a vendor.
"""
import http.server
import json
import threading
import time

CLOSE = object()
SSE = {"Content-Type": "text/event-stream"}


def event(chunk):
    return b"data: " + (chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()) + b"\n\n"


def delta(finish=None, **members):
    return event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "fake",
                  "choices": [{"index": 0, "delta": members, "finish_reason": finish}]})


def usage(prompt=10, completion=5):
    return event({"choices": [], "usage": {"prompt_tokens": prompt,
                                           "completion_tokens": completion,
                                           "total_tokens": prompt + completion}})


DONE = event(b"[DONE]")


def raw(pieces, status=200, headers=None):
    return {"status": status, "headers": SSE if headers is None else headers, "pieces": pieces}


def words(*texts, finish="stop"):
    return raw([delta(role="assistant", content="")] + [delta(content=text) for text in texts]
               + [delta(finish=finish), usage(), DONE])


def call_deltas(code, number=0, name="run_python"):
    """By the book: id and name first, then the arguments in pieces."""
    arguments = json.dumps({"code": code})
    half = len(arguments) // 2
    yield delta(tool_calls=[{"index": number, "id": "call_%d" % (number + 1), "type": "function",
                             "function": {"name": name, "arguments": ""}}])
    for part in (arguments[:half], arguments[half:]):
        yield delta(tool_calls=[{"index": number, "function": {"arguments": part}}])


def calls(*codes, text="", name="run_python"):
    pieces = [delta(role="assistant", content=text or None)]
    for number, code in enumerate(codes):
        pieces += call_deltas(code, number, name)
    return raw(pieces + [delta(finish="tool_calls"), usage(), DONE])


def arguments(text, finish="tool_calls"):
    """One call with exactly these arguments."""
    return raw([delta(tool_calls=[{"index": 0, "id": "call_1", "type": "function",
                                   "function": {"name": "run_python", "arguments": text}}]),
                delta(finish=finish), usage(), DONE])


def refusal(status, message="no", headers=None, **more):
    body = json.dumps({"error": {"message": message, **more}}).encode()
    return raw([body], status, {"Content-Type": "application/json", **(headers or {})})


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        size = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(size)
        self.server.owner.requests.append({
            "path": self.path, "headers": dict(self.headers.items()),
            "body": json.loads(body) if body else None})
        self.answer(self.server.owner.next_answer())

    def answer(self, answer):
        self.close_connection = True
        self.send_response(answer["status"])
        for name, value in answer["headers"].items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for piece in answer["pieces"]:
                if piece is CLOSE:
                    return
                if isinstance(piece, threading.Event):
                    piece.wait(200)
                    continue
                if isinstance(piece, (int, float)):
                    self.server.owner.stopping.wait(piece)
                    continue
                self.wfile.write(piece)
                self.wfile.flush()
        except OSError:
            self.server.owner.broken += 1


class FakeOpenAI:
    def __init__(self, answers):
        self.answers = list(answers)
        self.requests = []
        self.broken = 0  # answers whose reader went away
        self.stopping = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.owner = self
        self.url = "http://127.0.0.1:%d/v1" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def next_answer(self):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def messages(self, number=-1):
        """The conversation of a request, as it was sent."""
        return self.requests[number]["body"]["messages"]

    def results(self, number=-1):
        """What the tools gave back in it."""
        return [m["content"] for m in self.messages(number) if m["role"] == "tool"]

    def wait_for(self, count, seconds=120):
        until = time.monotonic() + seconds
        while len(self.requests) < count:
            assert time.monotonic() < until, "%d requests came" % len(self.requests)
            time.sleep(0.02)

    def close(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
