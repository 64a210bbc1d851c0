"""Runs Frama-C/WP on one unit and reads back every goal, property, function and warning."""
# SPDX-License-Identifier: Apache-2.0

import concurrent.futures
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from tree import ToolError

# As WP names them; CFG is WP's own answer for a function whose termination is obvious, which it counts with Qed.
PROVERS = {"alt-ergo": "Alt-Ergo", "z3": "Z3", "cvc4": "CVC4", "qed": ("Qed", "CFG"), "script": ("Script", "Tactical")}

# Rule 1 of the proof: every proof runs with these.
CHECKS = ["-wp-rte", "-warn-unsigned-overflow", "-warn-unsigned-downcast", "-warn-signed-overflow",
          "-warn-signed-downcast", "-warn-invalid-pointer", "-warn-pointer-downcast", "-warn-invalid-bool",
          "-warn-left-shift-negative", "-warn-right-shift-negative"]
# Every function must terminate; the C library's declarations (compiler builtins) do.
TERMINATION = ["-wp-definitions-terminate", "-wp-frama-c-stdlib-terminate"]

GOAL_LINE = re.compile(r"^\[wp\] \[(?P<state>[^\]]+)\] Goal (?P<goal>\S+)(?P<rest>.*)$")
SMOKE_LINE = re.compile(r"^\[wp\] \[(?P<state>[^\]]+)\] Smoke-test (?P<goal>\S+)(?P<rest>.*)$")
NOT_TRIED = re.compile(r"^\[wp\] Goal (?P<goal>\S+) : (?P<rest>.*)$")
SCHEDULED = re.compile(r"^\[wp\] (\d+) goals? scheduled")
SMOKE_PLACE = re.compile(r"^\[wp\] (\S+:\d+): Warning: Failed smoke-test")
SUMMARY = re.compile(r"^\[wp\] Proved goals:\s*\d+ / (\d+)", re.M)
ATTEMPT = "[wp] Running WP plugin"
# What WP says of a prover's answer with -wp-msg-key prover, just before the verdict on the goal.
ANSWER = re.compile(r"^\s+Why3 result for (?P<prover>\S+)[^:]*: Valid \((?P<seconds>\d+(?:\.\d+)?)s")
PREPARING = " preprocessing"
# Goal of a function NAME: typed_NAME_<kind>...; the kinds keep `f` apart from `f_call`.
KIND = re.compile(r"(?:check_|admit_)?(?:ensures|exits|assert|loop|call|assigns|requires|terminates|decreases|variant|"
                  r"complete|disjoint|breaks|continues|returns|check|invariant|ghost|stmt|wp_smoke|[A-Za-z]\w*?_(?:ensures|requires|assigns|exits))")


def environment(root):
    """The tools' environment: that of proofs/toolchain/env.sh when the tool-chain is installed."""
    env = dict(os.environ)
    script = os.path.join(root, "proofs", "toolchain", "env.sh")
    build = env.get("BUILD", "build")
    if os.path.exists(script) and os.path.isdir(os.path.join(root, build, "toolchain")):
        out = subprocess.run(["bash", "-c", f". {script} && env -0"], cwd=root, env=env, stdout=subprocess.PIPE,
                             stdin=subprocess.DEVNULL, check=False)
        if out.returncode != 0:
            raise ToolError("proofs/toolchain/env.sh failed")
        env = dict(e.split("=", 1) for e in out.stdout.decode().split("\0") if "=" in e)
    return env


def version_of(cmd, pattern, env):
    try:
        out = subprocess.run(cmd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, check=False).stdout.decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    m = re.search(pattern, out)
    return m.group(1) if m else None


def tool_versions(env, provers):
    found = {"frama-c": version_of(["frama-c", "-version"], r"^(\S+)", env),
             "why3": version_of(["why3", "--version"], r"version (\S+)", env)}
    probes = {"alt-ergo": (["alt-ergo", "-version"], r"(\d[\d.]+)"), "z3": (["z3", "--version"], r"version (\S+)"),
              "cvc4": (["cvc4", "--version"], r"version (\S+)")}
    for p in provers:
        if p not in probes:
            raise ToolError(f"unknown prover {p}; known: {', '.join(probes)}")
        found[p] = version_of(*probes[p], env)
    missing = [t for t, v in found.items() if v is None]
    if missing:
        raise ToolError(f"not found: {', '.join(missing)} (run proofs/toolchain/setup.sh prove)")
    return found


def parse_seconds(text):
    """All times of a goal line added up: Qed:18ms, 60ms, 1.2s, 1'02s."""
    total = 0.0
    for minutes, value, unit in re.findall(r"(?:(\d+)')?(\d+(?:\.\d+)?)(ms|µs|s)\b", text):
        total += float(value) * {"s": 1, "ms": 1e-3, "µs": 1e-6}[unit] + (60 * int(minutes) if minutes else 0)
    return round(total, 4)


class Run:
    """What one Frama-C run said."""

    def __init__(self):
        self.goals = {}        # name -> {"prover", "seconds", "proved", "cached", "why"}
        self.smoke = {}        # name -> passed?
        self.smoke_at = {}     # name of a failed one -> "file:line"
        self.warnings = []     # one string each, "file:line: text"
        self.errors = []
        self.functions = {}    # name -> {"file", "line", "defined"}
        self.properties = []   # as the Frama-C server describes them, with a relative "file"
        self.open_titles = {}  # property title -> (file, line)
        self.log = ""
        self.said = 0          # goals that there are, by Frama-C's first summary
        self.stopped = None    # the open goal that was enough
        self.known = {}        # goal without its model -> [prover, seconds]: who proved it before
        self.answer = None     # (prover, seconds) of the line before, if it is a prover's answer


def merge(run, other):
    """One run from two of the same unit: the second answers for lemmas only."""
    if run is None:
        return other
    run.goals.update(other.goals)
    run.warnings += [w for w in other.warnings if w not in run.warnings]
    run.properties = [p for p in run.properties if p["kind"] != "lemma"] + [p for p in other.properties if p["kind"] == "lemma"]
    run.open_titles.update(other.open_titles)
    run.log += other.log
    run.said += other.said
    return run


def read_server_output(run, path, root):
    with open(path, encoding="utf-8") as f:
        replies = {r["id"]: r for r in json.load(f)}
    for ident in ("functions", "properties"):
        if "data" not in replies.get(ident, {}):
            raise ToolError(f"Frama-C did not answer the request for its {ident}: {replies.get(ident)}")
    for u in replies["functions"]["data"]["updated"]:
        run.functions[u["name"]] = {"file": os.path.relpath(u["sloc"]["file"], root), "line": u["sloc"]["line"],
                                    "defined": bool(u.get("defined"))}
    for u in replies["properties"]["data"]["updated"]:
        src = u["source"]
        u["file"] = os.path.relpath(src["file"], root) if src["file"] else ""
        u["line"] = src["line"]
        run.properties.append(u)


def read_open_titles(run, path):
    if not os.path.exists(path):
        return
    with open(path, encoding="utf-8") as f:
        for item in json.load(f):
            if "title" in item:
                run.open_titles[item["title"]] = (item.get("file"), item.get("line"))


def join_messages(lines):
    """Frama-C continues a message on indented lines: give one string a message."""
    message = None
    for line in lines:
        if line.startswith("[") or not line.startswith(" "):
            if message is not None:
                yield message
            message = line
        elif message is not None:
            message += " " + line.strip()
    if message is not None:
        yield message


def read_log(run):
    for msg in join_messages(run.log.splitlines()):
        if run.goals and msg == "[wp] Warning: No goal generated":  # nothing was left for a later attempt
            continue
        if re.match(r"^\[[^\]]+\].*\bWarning:", msg):
            text = re.sub(r"^\[([^\]]+)\]\s*", lambda m: f"[{m.group(1)}] ", msg).replace("Warning:", "").strip()
            run.warnings.append(re.sub(r"\s+", " ", text))
        elif re.search(r"\b(User Error|Failure|Unexpected error|syntax error|fatal error|error:)\b", msg) or "aborted" in msg:
            run.errors.append(re.sub(r"\s+", " ", msg))


def prover_named(shown):
    return next((p for p, names in PROVERS.items() if shown.startswith(names)), shown.lower())


def goal_line(run, line):
    """Take one log line; the goal's name when it tells a goal's verdict."""
    answer, run.answer = run.answer, None
    m = ANSWER.match(line)
    if m:
        run.answer = (prover_named(m.group("prover")), float(m.group("seconds")))
        return None
    m = SMOKE_LINE.match(line)
    if m:
        run.smoke[m.group("goal")] = m.group("state") in ("Passed", "Partial")
        return m.group("goal")
    m = GOAL_LINE.match(line)
    if m and m.group("rest") != PREPARING:
        rest, prover, seconds = m.group("rest"), prover_named(m.group("state")), parse_seconds(m.group("rest"))
        proved = ": Valid" in rest and "(Degenerated" not in rest
        if proved and prover == "script" and without_model(m.group("goal")) in run.known:
            # the script is one prover's name: its answer was told before, unless it came from the cache
            prover, seconds = answer or run.known[without_model(m.group("goal"))]
        run.goals[m.group("goal")] = {"prover": prover if proved else None, "seconds": seconds,
                                      "proved": proved, "cached": "(cached)" in rest, "why": [] if proved else [rest.strip()]}
        return m.group("goal")
    m = NOT_TRIED.match(line)
    if m:
        run.goals[m.group("goal")] = {"prover": None, "seconds": 0.0, "proved": False, "cached": False, "why": [m.group("rest")]}
        return m.group("goal")
    return None


class Progress:
    """Goals done of how many, on a terminal in place, elsewhere a line every ten seconds. Of all runs at a time, in one line."""

    running, last = {}, 0.0  # label -> its text; when the line was last shown

    def __init__(self, label, quiet=False):
        self.label, self.quiet, self.begin = label, quiet, time.monotonic()
        self.tty, self.done, self.open = sys.stderr.isatty(), 0, 0
        self.total = None

    def count(self, goal, proved):
        self.done += 1
        if not proved:
            self.open += 1
            if not self.quiet:
                print(("\r\033[K" if self.tty else "") + f"{self.label}: open: {goal}", file=sys.stderr)

    def show(self):
        now = time.monotonic()
        total = "?" if self.total is None else max(self.total, self.done)
        Progress.running[self.label] = f"{self.label}: {self.done}/{total} goals, {self.open} open, {now - self.begin:.0f} s"
        if self.quiet or now - Progress.last < (0.2 if self.tty else 10.0):
            return
        Progress.last = now
        text = " | ".join(list(Progress.running.values()))
        print(("\r\033[K" if self.tty else "") + text, end="" if self.tty else "\n", file=sys.stderr, flush=True)

    def close(self):
        Progress.running.pop(self.label, None)
        if not self.quiet and self.tty:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


# Set to end the runs of all threads as an interrupt ends that of the main one.
stopping = threading.Event()


def lines_of(stream, idle):
    """The lines of a stream of bytes; None each time that nothing has come for idle seconds."""
    rest = b""
    while True:
        if not select.select([stream], [], [], idle)[0]:
            yield None
            continue
        data = os.read(stream.fileno(), 65536)
        if not data:
            break
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace") + "\n"
    if rest:
        yield rest.decode("utf-8", "replace")


def new_log(tree, name):
    """An empty file for what Frama-C says."""
    path = tree.build("prove", f"{name}.log")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w", encoding="utf-8").close()
    return path


def write_sessions(folder, scripts, known, versions):
    """WP's sessions for the first attempt and for later ones: the scripts, and at first for any other known goal a script
    that names its prover."""
    for name in ("first", "later"):
        to = os.path.join(folder, name, "script")
        shutil.copytree(scripts, to) if scripts else os.makedirs(to)
    for goal, (prover, seconds) in known.items():
        path = os.path.join(folder, "first", "script", goal + ".json")
        if not os.path.exists(path):
            with open(path, "w", encoding="utf-8") as f:
                json.dump([{"prover": f"{PROVERS[prover]}:{versions[prover]}", "verdict": "valid", "time": seconds}], f)


def frama_c(tree, unit, attempts, env, progress=None, log_name=None, enough=None, scripts=None, known=None, versions=None):
    """Run Frama-C on a unit (path below tree.root). attempts: WP's arguments for all goals, then for those still open, and
    so on; without any, the unit is only parsed. scripts: folder of proof scripts. known: {goal: [prover, seconds]}, who has
    the first attempt alone, with the versions of the provers. What Frama-C says is added to the file log_name.

    enough(goal, run): asked for each open goal once the log has told why; true ends the run (run.stopped).
    """
    root = tree.root
    scratch = tempfile.mkdtemp(prefix="frama-c-")
    env = {**env, "PWD": root}  # Frama-C takes the working directory from there
    run = Run()
    run.known = known or {}
    try:
        request = os.path.join(scratch, "request.json")
        with open(request, "w", encoding="utf-8") as f:
            json.dump([{"request": "kernel.ast.fetchFunctions", "id": "functions", "data": 1000000},
                       {"request": "kernel.properties.fetchStatus", "id": "properties", "data": 1000000}], f)
        classified = os.path.join(scratch, "open.json")
        cpp = " ".join(f"-I{d}" for d in ("src", "spec"))
        cmd = ["frama-c", "-machdep", "gcc_x86_64", "-c11", f"-cpp-extra-args={cpp}", unit]
        if attempts:
            write_sessions(scratch, scripts, run.known, versions)
        for i, args in enumerate(attempts):
            cmd += ["-wp", "-wp-session", os.path.join(scratch, "later" if i else "first"), *args, "-then"]
        if attempts:
            cmd += ["-report-no-exit", "-report-classify", "-report-output", classified]
        else:
            cmd += ["-then"]
        cmd += ["-server-batch", request]
        try:
            proc = subprocess.Popen(cmd, cwd=root, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, start_new_session=True, bufsize=0)
        except FileNotFoundError:
            raise ToolError("frama-c not found (run proofs/toolchain/setup.sh prove)")
        lines, goal, later = [], None, len(attempts)
        try:
            for line in lines_of(proc.stdout, 0.5):
                if enough and goal in run.goals and not (line or "").startswith(" ") and enough(goal, run):
                    run.stopped = goal
                    break
                if stopping.is_set():
                    raise KeyboardInterrupt
                if line is None:
                    continue
                lines.append(line)
                later -= line.startswith(ATTEMPT)
                m = SCHEDULED.match(line)
                if m:
                    if progress:
                        progress.total = (progress.total or 0) + int(m.group(1))
                name = goal_line(run, line.rstrip("\n"))
                if name:
                    goal = name
                    if progress:
                        progress.count(name, later or run.goals.get(name, {"proved": True})["proved"])
                elif line.startswith("  ") and goal in run.goals and not run.goals[goal]["proved"]:
                    run.goals[goal]["why"].append(line.strip())
                elif line.startswith("["):
                    at = SMOKE_PLACE.match(line)
                    if at and goal in run.smoke:
                        run.smoke_at[goal] = at.group(1)
                    goal = None
                if progress:
                    progress.show()
            if not run.stopped:
                status = proc.wait()
        except KeyboardInterrupt:
            run.log = "".join(lines)
            raise Interrupted(run)
        finally:
            if proc.poll() is None:
                os.killpg(proc.pid, signal.SIGTERM)
                proc.wait()
            if progress:
                progress.close()
        run.log = "".join(lines)
        if log_name:
            with open(log_name, "a", encoding="utf-8") as f:
                f.write(" ".join(cmd) + "\n" + run.log)
        read_log(run)
        said = SUMMARY.search(run.log)
        run.said = int(said.group(1)) if said else 0
        if run.stopped:
            return run
        answer = os.path.join(scratch, "request.out.json")
        if status != 0 or not os.path.exists(answer):
            said = [w for w in run.warnings if "error" in w] + run.errors or [l.strip() for l in lines[-4:]]
            raise ToolError(f"Frama-C failed on {unit} (status {status}):\n  " + "\n  ".join(said))
        read_server_output(run, answer, root)
        read_open_titles(run, classified)
        return run
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


class Interrupted(Exception):
    def __init__(self, run):
        super().__init__("interrupted")
        self.run = run


def without_model(goal):
    return re.sub(r"^typed(?:_ref|_cast|_raw|_nocast)*_", "", goal)


def goal_function(goal, functions):
    """The function a goal belongs to: the longest known name after the model's prefix; lemmas are 'lemma NAME'."""
    rest = without_model(goal)
    m = re.match(r"(?:check_)?lemma_(\w+)$", rest)
    if m:
        return "lemma " + re.sub(r"_part\d+$", "", m.group(1))
    for name in sorted((f for f in functions if rest.startswith(f + "_")), key=len, reverse=True):
        if KIND.match(rest[len(name) + 1:]):
            return name
    return None


def goal_place(goal, function, run):
    """(file, line, label) of an open goal, from Frama-C's own classification of open properties."""
    rest = without_model(goal)
    if function and function.startswith("lemma "):
        name = function[6:]
        for p in run.properties:
            if p["kind"] in ("lemma", "check_lemma") and name in p["names"]:
                return p["file"], p["line"], "lemma"
        return None, None, "lemma"
    best = max((t for t in run.open_titles if rest.startswith(t)), key=len, default=None)
    file, line = run.open_titles.get(best, (None, None)) if best else (None, None)
    label = rest[len(function) + 1:] if function else rest
    if file is None and function in run.functions:
        file, line = run.functions[function]["file"], run.functions[function]["line"]
    return file, line, re.sub(r"_part\d+$", "", label).replace("assert_rte_", "rte ").replace("_", " ")


def each_module(names, work, parallel, weight):
    """work(name) of each module, or other task, in threads, the heavy ones first. The results in the order of names, without
    those that an interrupt kept from being begun."""
    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        jobs = {name: pool.submit(work, name) for name in sorted(names, key=weight, reverse=True)}
        try:
            concurrent.futures.wait(jobs.values(), return_when=concurrent.futures.FIRST_EXCEPTION)
            failed = any(job.done() and job.exception() for job in jobs.values())
        except KeyboardInterrupt:
            failed = True
        if failed:
            stopping.set()
            pool.shutdown(cancel_futures=True)
    done = [jobs[name] for name in names if not jobs[name].cancelled()]
    errors = [job.exception() for job in done if job.exception() and not isinstance(job.exception(), Interrupted)]
    if errors:
        raise errors[0]
    return [job.result() for job in done if not job.exception()]
