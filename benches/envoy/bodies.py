"""What it costs to read what a call used: large answers through Envoy without a filter, with usage off, and with it on.

An answer of 10 MB in JSON with its counts at the end, and a stream of 10,000 events. The model server answers from memory;
what is measured is the processor time of Envoy.
"""

import contextlib
import http.client
import http.server
import json
import pathlib
import statistics
import tempfile
import threading

import bench
import variants

PATH, KEY = "/v1/chat/completions", "sk-bodies"
MAX_MS_PER_MB = 5
# The kernel counts processor time in hundredths of a second.
ANSWERS_A_ROUND = 40
COUNTS = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


def whole_answer():
    text = r"Lorem ipsum dolor sit amet, \"usage\" consectetur adipiscing elit.\n" * 150_000
    head = '{"id":"c1","object":"chat.completion","model":"m1","choices":[{"index":0,"message":{"role":"assistant","content":"'
    return "application/json", (head + text + '"}}],"usage":' + json.dumps(COUNTS) + "}").encode()


def streamed_answer():
    def event(choices, usage):
        chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m1", "choices": choices, "usage": usage}
        return f"data: {json.dumps(chunk)}\n\n"

    word = [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]
    return "text/event-stream", (event(word, None) * 10_000 + event([], COUNTS) + "data: [DONE]\n\n").encode()


ANSWERS = {"10 MB of JSON": whole_answer, "10,000 events": streamed_answer}


def all_variants(module):
    endpoint = variants.api_key_endpoint("chat", PATH, [KEY])
    return {
        "no filter": None,
        "usage off": variants.tenantgate(module, [endpoint | {"usage": "off"}]),
        "usage on": variants.tenantgate(module, [endpoint]),
    }


def measure(module, rounds):
    """Milliseconds of Envoy's processor for a megabyte, by answer and variant: medians of the rounds."""
    measured = {}
    for answer, make in ANSWERS.items():
        content_type, body = make()
        with contextlib.ExitStack() as stack:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            upstream = stack.enter_context(serve(content_type, body))
            envoys = {}
            for name, a_filter in all_variants(module).items():
                variant = variants.Variant(name.replace(" ", "_"), name, a_filter, [])
                envoys[name] = stack.enter_context(bench.running_envoy(variant, folder, 0, upstream))
                fetch(envoys[name], body)
            spent = {name: [] for name in envoys}
            for _ in range(rounds):
                for name, envoy in envoys.items():
                    before = envoy.processor_seconds()
                    for _ in range(ANSWERS_A_ROUND):
                        fetch(envoy, body)
                    seconds = envoy.processor_seconds() - before
                    spent[name].append(seconds * 1e3 / (ANSWERS_A_ROUND * len(body) / 1e6))
            read = envoys["usage on"].admin("/stats?filter=tokens_total")
            answers = 1 + rounds * ANSWERS_A_ROUND
            if f": {answers * COUNTS['prompt_tokens']}" not in read:
                raise SystemExit(f"bench: the counts of {answer} were not read: {read}")
            measured[answer] = {name: statistics.median(times) for name, times in spent.items()}
    return measured


def show(measured):
    print(f"\n{'ms of Envoy processor for a MB':38} {'no filter':>10} {'usage off':>10} {'usage on':>10} {'on - none':>10}   bar {MAX_MS_PER_MB}")
    for answer, times in measured.items():
        more = times["usage on"] - times["no filter"]
        verdict = "met" if more < MAX_MS_PER_MB else f"missed by {more - MAX_MS_PER_MB:.2f}"
        print(f"{answer:38} {times['no filter']:10.2f} {times['usage off']:10.2f} {times['usage on']:10.2f} {more:10.2f}   {verdict}")


def fetch(envoy, body):
    connection = http.client.HTTPConnection("127.0.0.1", envoy.port, timeout=60)
    connection.request("POST", PATH, body=b'{"model":"m1"}', headers={"x-api-key": KEY, "content-type": "application/json"})
    response = connection.getresponse()
    received = response.read()
    connection.close()
    if response.status != 200 or received != body:
        raise SystemExit(f"bench: {envoy.variant.name} answered {response.status} with {len(received)} bytes")


@contextlib.contextmanager
def serve(content_type, body):
    class ModelServer(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ModelServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
