#!/usr/bin/env python3
"""A worker that speaks nothing but HTTP: registers, beats, takes work, runs it, hands in what it printed.

MUSTER_URL, MUSTER_HOST_API_KEY (msh_…); optional NODE_NAME, CPU_CORES, MEMORY_MB, POLL_S, MAX_RUNS (stop after so many).
RUNNER: how to run a command, e.g. "docker run --rm --network none -v {input}:/input:ro {image}". Without one the command
runs as a child of this program, with its rights: only for people you trust, or inside a container of its own."""
import base64, hashlib, json, os, shlex, subprocess, sys, tempfile, threading, time, urllib.request

URL, KEY = os.environ["MUSTER_URL"].rstrip("/"), os.environ["MUSTER_HOST_API_KEY"]
RUNNER = os.environ.get("RUNNER", "")
MAX_OUTPUT, MAX_LOGS = 262_144, 60_000
IN_HAND = []  # a heartbeat that names an execution makes its lease longer


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{URL}/api/v1{path}", data, {"authorization": f"Bearer {KEY}", "content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def beat(node):
    while True:
        try:
            metrics = {"cpu_temp": None, "gpu_temp": [], "gpu_utilization": [], "ram_usage_mb": 0, "disk_usage_gb": 0}
            call("POST", f"/nodes/{node['node_id']}/heartbeat", {"node_id": node["node_id"], "status": "online", "metrics": metrics, "executions": IN_HAND})
        except OSError as error:
            print(f"no heartbeat: {error}", file=sys.stderr)
        time.sleep(node["heartbeat_interval_s"])


def place(entry, folder):
    """Puts one input where the program finds it."""
    if entry["kind"] == "inline":
        data = base64.b64decode(entry["data"]) if entry["encoding"] == "base64" else entry["data"].encode()
    else:
        with urllib.request.urlopen(entry["url"], timeout=300) as answer:
            data = answer.read()
        if hashlib.sha256(data).hexdigest() != entry["sha256"]:
            raise ValueError(f"{entry['path']} has another SHA-256")
    path = os.path.join(folder, entry["path"])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def command_of(work, folder):
    if RUNNER:
        return shlex.split(RUNNER.format(input=folder, image=work["docker_image"])) + work["command"]
    return [word.replace("/input", folder) for word in work["command"]]


def run(work):
    """What this execution came to, as the market wants it reported."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            for entry in work["inputs"]:
                place(entry, folder)
        except (OSError, ValueError) as error:
            return {"error": {"code": "input_failed", "blame": "node", "message": str(error)[:2000]}}
        started = time.monotonic()
        try:
            done = subprocess.run(command_of(work, folder), capture_output=True, timeout=work["timeout_s"], cwd=folder,
                                  stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "HOME": folder, **work["environment"]})
        except subprocess.TimeoutExpired:
            return {"error": {"code": "timeout", "blame": "job", "message": f"still running after {work['timeout_s']} s"}}
        except OSError as error:
            return {"error": {"code": "exit_code", "blame": "job", "message": str(error)[:2000]}}
        report = {"exit_code": done.returncode, "duration_ms": int((time.monotonic() - started) * 1000),
                  "logs": done.stderr.decode(errors="replace")[-MAX_LOGS:].replace("\0", "")}
    if done.returncode != 0:
        return {**report, "error": {"code": "exit_code", "blame": "job", "message": f"the command ended with {done.returncode}"}}
    if len(done.stdout) > MAX_OUTPUT:
        return {**report, "error": {"code": "output_too_large", "blame": "job", "message": "more than 256 KiB on standard output"}}
    return {**report, "result": base64.b64encode(done.stdout).decode(), "result_encoding": "base64", "result_hash": hashlib.sha256(done.stdout).hexdigest()}


def main():
    runs, left = 0, int(os.environ.get("MAX_RUNS", "0"))
    node = call("POST", "/nodes/register", {
        "name": os.environ.get("NODE_NAME", "http-worker"), "cpu_cores": int(os.environ.get("CPU_CORES", os.cpu_count() or 1)),
        "memory_mb": int(os.environ.get("MEMORY_MB", "1024"))})
    print(f"registered as {node['node_id']}", flush=True)
    threading.Thread(target=beat, args=(node,), daemon=True).start()
    while not left or runs < left:
        try:
            for work in call("GET", f"/nodes/{node['node_id']}/pending-jobs")["items"]:
                own = {"execution_id": work["execution_id"], "attempt": work["attempt"]}
                IN_HAND[:] = [own]
                report = {**own, "node_id": node["node_id"], "result": None, "result_hash": None, **run(work)}
                print(f"{work['execution_id']}: {call('POST', '/worker/result', report)['outcome']}", flush=True)
                IN_HAND.clear()
                runs += 1
        except OSError as error:  # also every answer that is not 2xx
            print(f"the market: {error}", file=sys.stderr, flush=True)
        if not left or runs < left:
            time.sleep(float(os.environ.get("POLL_S", node["poll_interval_s"])))


main()
