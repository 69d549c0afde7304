"""Measures filters in a real Envoy: one worker on core 0, wrk on core 1, all variants in turn, round after round.

Machines drift, so a ratio is taken within each round, between neighbours in time, and its spread is told. A second
number is less moved by others on the machine: the processor time that Envoy took for a request.
"""

import argparse
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import tempfile
import threading
import time

import bodies
import chart
import variants

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENVOY = ROOT / ".tools/bin/envoy"
MODULE = ROOT / "target/wasm32-wasip1/release/tenantgate.wasm"
EMPTY = ROOT / "target/wasm32-wasip1/release/examples/empty_filter.wasm"
TOKENS = ROOT / "target/bench-tokens"
RESULT, CHART = ROOT / "target/bench.json", ROOT / "docs/bench.svg"

MAX_MODULE_BYTES = 1_500_000
# What a worker's VM may have grown to after so many requests of every kind.
MAX_VM_BYTES, MIXED_REQUESTS = 16 * 1024 * 1024, 1_000_000
# (what, variant, reference, at least, the aim)
BARS = [
    ("API key, of an empty filter", "ours_key", "empty", 0.80, 0.92),
    ("new RS256, of jwt_authn", "ours_rs256", "jwt_authn_rs256", 1.0, 1.15),
    ("new ES256, of jwt_authn", "ours_es256", "jwt_authn_es256", 1.0, 1.15),
    ("one token, of jwt_authn", "ours_repeated", "jwt_authn_repeated", 1.5, 1.8),
    ("one token, of jwt_authn with its cache", "ours_repeated", "jwt_authn_cached", 0.85, 1.0),
    ("100,000 keys, of ten", "ours_100k_keys", "ours_key", 0.97, None),
    ("10,000 endpoints, of one", "ours_10k_endpoints", "ours_key", 0.97, None),
]
# Told beside the bars, without one.
ALSO = [
    ("API key, of Envoy's api_key_auth", "ours_key", "api_key_auth"),
    ("API key, of Lua", "ours_key", "lua"),
    ("API key and upstream_auth, of API key", "ours_key_lent", "ours_key"),
    ("an empty filter, of none", "empty", "none"),
    ("new PS256, of new RS256", "ours_ps256", "ours_rs256"),
    ("new EdDSA, of new RS256", "ours_eddsa", "ours_rs256"),
]


def main():
    arguments = read_arguments()
    busy = os.getloadavg()[0]
    if busy > 0.5:
        print(f"bench: this machine is not quiet (load {busy:.1f}): take what follows for a first look")
    tokens = {file.stem: file.read_text().split() for file in TOKENS.glob("*.txt")}
    key_set = (TOKENS / "jwks.json").read_text()
    chosen = variants.all_variants(tokens, key_set, str(EMPTY), str(arguments.module))
    if arguments.only:
        chosen = [variant for variant in chosen if variant.name in arguments.only]
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        issuer = stack.enter_context(serve_keys(key_set))
        running = [stack.enter_context(running_envoy(variant, folder, issuer)) for variant in chosen]
        for envoy in running:
            envoy.check()
        rounds = [measure(running, number, arguments) for number in range(arguments.rounds)]
    bodies_read = None if arguments.only else bodies.measure(str(arguments.module), arguments.rounds)
    vm_bytes = None if arguments.only else measure_memory(variants.mixed(tokens, str(arguments.module)), key_set)
    report(chosen, rounds, arguments, busy, vm_bytes, bodies_read)


def measure_memory(variant, key_set):
    """How large the memory of a worker's VM is after all those requests, by the filter's own word."""
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        envoy = stack.enter_context(running_envoy(variant, folder, stack.enter_context(serve_keys(key_set))))
        done = 0
        while done < MIXED_REQUESTS:
            done += envoy.load(10, 64, expect_refusals=True)["requests"]
        # The filter brings the gauge up to date every ten seconds.
        time.sleep(11)
        stats = envoy.admin("/stats?filter=tenantgate.vm_memory_bytes")
        return int(stats.rsplit(":", 1)[1])


def read_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Envoy with and without tenantgate.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="for each variant in each round")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="measure these; writes no chart")
    parser.add_argument("--module", type=pathlib.Path, default=MODULE, help="another build of the filter")
    return parser.parse_args()


class Envoy:
    """A running Envoy with one variant in it."""

    def __init__(self, variant, process, admin_address, port, requests):
        self.variant, self.process, self.requests = variant, process, requests
        self.admin_address, self.port = admin_address, port

    def get(self, path, header=None, value=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"host": "models.example.com"} | ({header: value} if header else {})
        connection.request("GET", path, headers=headers)
        status = connection.getresponse().status
        connection.close()
        return status

    def check(self):
        """Good requests pass; one without a credential does not, where anybody looks."""
        deadline = time.monotonic() + 30
        while any(self.get(*request) != 200 for request in self.variant.requests[:20]):
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: {self.variant.name} does not let good requests in")
            time.sleep(0.1)
        expected = 200 if self.variant.name in ("none", "empty") else 401
        path, header, value = self.variant.requests[0]
        for broken in [(path,), (path, header, value[:-6] + "AAAAAA")]:
            if (status := self.get(*broken)) != expected:
                raise SystemExit(f"bench: {self.variant.name} answered {status} where {expected} was due")

    def admin(self, path):
        host, port = self.admin_address
        connection = http.client.HTTPConnection(host, port, timeout=5)
        connection.request("GET", path)
        return connection.getresponse().read().decode()

    def load(self, seconds, connections, expect_refusals=False):
        """Puts load on it, and takes nothing but good answers, or any answers."""
        before = self.processor_seconds()
        wrk = ["taskset", "-c", "1", "wrk", "--threads", "1", "--connections", str(connections)]
        wrk += ["--duration", f"{seconds}s", "--script", str(ROOT / "benches/envoy/requests.lua")]
        wrk += [f"http://127.0.0.1:{self.port}/", "--", str(self.requests)]
        said = subprocess.run(wrk, check=True, capture_output=True, text=True, timeout=seconds + 60).stdout
        result = json.loads(said.splitlines()[-1])
        if (result["refused"] and not expect_refusals) or result["broken"] or not result["requests"]:
            raise SystemExit(f"bench: {self.variant.name}: not all answers were good: {result}")
        result["per_second"] = result["requests"] / result["seconds"]
        result["envoy_us"] = (self.processor_seconds() - before) * 1e6 / result["requests"]
        return result

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running_envoy(variant, folder, issuer, upstream=None):
    home = folder / variant.name
    home.mkdir()
    requests = home / "requests"
    requests.write_text("".join("\t".join(request) + "\n" for request in variant.requests))
    (home / "envoy.json").write_text(json.dumps(bootstrap(variant, issuer, upstream)))
    command = ["taskset", "-c", "0", str(ENVOY), "-c", str(home / "envoy.json"), "--concurrency", "1"]
    command += ["--disable-hot-restart", "--log-level", "warning", "--admin-address-path", str(home / "admin")]
    with open(home / "log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield Envoy(variant, process, *wait_for_ports(process, home, variant), requests)
    finally:
        process.terminate()
        process.wait()


def wait_for_ports(process, home, variant):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
        with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
            host, port = (home / "admin").read_text().strip().split(":")
            connection = http.client.HTTPConnection(host, int(port), timeout=5)
            connection.request("GET", "/listeners?format=json")
            listeners = json.load(connection.getresponse())
            port = listeners["listener_statuses"][0]["local_address"]["socket_address"]["port_value"]
            return (host, int(connection.port)), port
    raise SystemExit(f"bench: Envoy with {variant.name} does not come up:\n{(home / 'log').read_text()[-3000:]}")


def bootstrap(variant, issuer, upstream=None):
    # Unless there is an upstream, Envoy answers by itself, so that the filter is most of the work.
    by_itself = {"direct_response": {"status": 200, "body": {"inline_string": "ok"}}}
    route = {"match": {"prefix": "/"}} | ({"route": {"cluster": "upstream"}} if upstream else by_itself)
    router = {
        "name": "router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gate",
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        "use_remote_address": True,
        "strip_trailing_host_dot": True,
        "http_filters": [variant.filter, router] if variant.filter else [router],
        "route_config": {
            "ignore_port_in_host_matching": True,
            "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [route],
            }]
        },
    }
    clusters = [("issuer", issuer)] if variant.needs_issuer else []
    clusters += [("upstream", upstream)] if upstream else []
    return {
        "node": {"id": "bench", "cluster": "bench"},
        "admin": {"address": address(0)},
        "static_resources": {
            "listeners": [{
                "name": "gate",
                "address": address(0),
                "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.http_connection_manager", "typed_config": manager,
                }]}],
            }],
            "clusters": [cluster(name, port) for name, port in clusters],
        },
    }


def cluster(name, port):
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]
    return {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@contextlib.contextmanager
def serve_keys(key_set):
    class Issuer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-length", str(len(key_set)))
            self.end_headers()
            self.wfile.write(key_set.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


def measure(running, number, arguments):
    """One round. Every other one goes backwards, so that nobody always comes after the same neighbour."""
    results = {}
    for envoy in running if number % 2 == 0 else reversed(running):
        envoy.load(1, arguments.connections) if number == 0 else None
        results[envoy.variant.name] = envoy.load(arguments.seconds, arguments.connections)
    print(f"bench: round {number + 1} of {arguments.rounds}", flush=True)
    return results


def report(chosen, rounds, arguments, busy, vm_bytes, bodies_read):
    def median(name, what):
        return statistics.median(round[name][what] for round in rounds)

    def ratio(name, reference, what):
        ratios = sorted(round[name][what] / round[reference][what] for round in rounds)
        return ratios[0], statistics.median(ratios), ratios[-1]

    print(f"\n{'':38} {'req/s':>8} {'us/req':>8} {'p50 us':>8} {'p99 us':>8}   (medians of {len(rounds)} rounds)")
    medians = {}
    for variant in chosen:
        medians[variant.name] = {what: median(variant.name, what) for what in ("per_second", "envoy_us", "p50_us", "p99_us")}
        print("{:38} {:8.0f} {:8.1f} {:8.0f} {:8.0f}".format(variant.title, *medians[variant.name].values()))

    print(f"\n{'requests a second':38} {'min':>6} {'median':>6} {'max':>6}   {'bar':>5} {'aim':>5}   {'by Envoy processor time':>24}")
    bars = []
    for what, name, reference, bar, aim in BARS + [also + (None, None) for also in ALSO]:
        if not {name, reference} <= medians.keys():
            continue
        low, middle, high = ratio(name, reference, "per_second")
        by_time = 1 / ratio(name, reference, "envoy_us")[1]
        verdict = ""
        if bar:
            verdict = "met" if middle >= bar else f"missed by {bar - middle:.3f}"
        bars.append({
            "what": what, "variant": name, "reference": reference, "min": low, "median": middle, "max": high,
            "by_processor_time": by_time, "bar": bar, "aim": aim, "verdict": verdict,
        })
        shown = [f"{number:.2f}" if number else "" for number in (bar, aim)]
        print(f"{what:38} {low:6.3f} {middle:6.3f} {high:6.3f}   {shown[0]:>5} {shown[1]:>5}   {by_time:6.3f} {verdict:>24}")
    size = os.path.getsize(arguments.module)
    fits = "met" if size < MAX_MODULE_BYTES else f"missed by {size - MAX_MODULE_BYTES:,}"
    print(f"\nthe module has {size:,} bytes; bar {MAX_MODULE_BYTES:,}: {fits}")
    if vm_bytes is not None:
        fits = "met" if vm_bytes < MAX_VM_BYTES else f"missed by {vm_bytes - MAX_VM_BYTES:,}"
        print(f"the VM has {vm_bytes:,} bytes after a million mixed requests; bar {MAX_VM_BYTES:,}: {fits}")
    if bodies_read is not None:
        bodies.show(bodies_read)

    machine = describe_machine()
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({
        "machine": machine, "load_before": busy, "seconds": arguments.seconds, "connections": arguments.connections,
        "module_bytes": size, "vm_bytes": vm_bytes, "bodies": bodies_read, "medians": medians, "ratios": bars, "rounds": rounds,
    }, indent=1))
    if not arguments.only:
        CHART.parent.mkdir(exist_ok=True)
        titles = [(variant.title, medians[variant.name]["per_second"]) for variant in chosen]
        CHART.write_text(chart.draw(titles, f"{machine}; medians of {len(rounds)} rounds"))


def describe_machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"


if __name__ == "__main__":
    main()
