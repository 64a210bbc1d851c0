# SPDX-License-Identifier: Apache-2.0
"""What the test runners share: running a program under a time limit, and writing down how each
case went. A group writes build/results/tests/<group>.json; summary.py adds the groups up."""

import json
import os
import re
import resource
import signal
import subprocess
import time

PRELOAD_ERROR = "from LD_PRELOAD cannot be preloaded"


def limit_children_cores():
    """Misuse ends in abort(); its core files are of no use here."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Outcome:
    """How a program ended: its exit status (negative: a signal), output, seconds, over time."""

    def __init__(self, status, out, err, seconds, timed_out):
        self.status, self.out, self.err = status, out, err
        self.seconds, self.timed_out = seconds, timed_out

    def ended(self):
        if self.timed_out:
            return f"time limit after {self.seconds:.0f} s"
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name}"
        return f"exit status {self.status}"

    def tail(self, lines=12):
        text = (self.out + self.err).decode(errors="replace").strip().splitlines()
        return "\n".join(text[-lines:])


def run(command, timeout, env=None, cwd=None, preload=None, stdin=None):
    """Runs a program in a session of its own, so that a time limit ends its children too."""
    full = dict(os.environ, **(env or {}))
    full.pop("LD_PRELOAD", None)
    if preload:
        full["LD_PRELOAD"] = os.path.abspath(preload)
    start = time.monotonic()
    process = subprocess.Popen(
        command, env=full, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        start_new_session=True, preexec_fn=limit_children_cores)
    timed_out = False
    try:
        out, err = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
    seconds = time.monotonic() - start
    if preload and PRELOAD_ERROR.encode() in err:
        raise SystemExit(f"the dynamic linker refused {preload}:\n{err.decode(errors='replace')}")
    return Outcome(process.returncode, out, err, seconds, timed_out)


class Group:
    """The cases of one group; `done` writes them down and gives the exit status."""

    def __init__(self, name, results_dir):
        self.name, self.dir, self.cases = name, results_dir, []
        self.start = time.monotonic()
        os.makedirs(results_dir, exist_ok=True)
        path = self.path()
        if os.path.exists(path):
            os.remove(path)
        print(f"[{self.name}]", flush=True)

    def path(self):
        return os.path.join(self.dir, self.name + ".json")

    def case(self, name, ok, seconds, detail=""):
        self.cases.append({"name": name, "verdict": "passed" if ok else "failed",
                           "seconds": round(seconds, 2), "detail": detail})
        if not ok:
            print(f"  FAILED {name}", flush=True)
            for line in detail.splitlines():
                print(f"    {line}", flush=True)

    def progress(self, text):
        print(f"  {text}", flush=True)

    def tap(self, prefix, outcome):
        """The cases that a program reported as `ok N - name`, and those it did not live to report."""
        text = outcome.out.decode(errors="replace")
        plan = re.search(r"^1\.\.(\d+)", text, re.M)
        seen, notes, number = {}, {}, 0
        for line in text.splitlines():
            m = re.match(r"(not )?ok (\d+) (?:- (\S+)|# SKIP (\S+))", line)
            if m:
                number = int(m[2])
                seen[number] = (m[3] or m[4], not m[1], m[4] is not None)
            elif line.startswith("#"):
                notes.setdefault(number, []).append(line)
        share = outcome.seconds / max(1, len(seen))
        for number, (name, ok, skipped) in sorted(seen.items()):
            detail = "" if ok else ("skipped" if skipped else "\n".join(notes.get(number, [])))
            self.case(f"{prefix}{name}", ok, share, detail)
        missing = (int(plan[1]) if plan else len(seen) + 1) - len(seen)
        for k in range(missing):
            self.case(f"{prefix}not reported {k + 1}", False, 0,
                      f"{outcome.ended()}\n{outcome.tail()}")
        if missing == 0 and outcome.status != 0 and all(ok for _, ok, _ in seen.values()):
            self.case(f"{prefix}exit", False, 0, f"{outcome.ended()}\n{outcome.tail()}")

    def done(self):
        failed = sum(c["verdict"] == "failed" for c in self.cases)
        seconds = time.monotonic() - self.start
        with open(self.path(), "w") as f:
            json.dump({"group": self.name, "seconds": round(seconds, 1), "cases": self.cases}, f,
                      indent=1)
            f.write("\n")
        print(f"  {self.name}: {len(self.cases) - failed} passed, {failed} failed, "
              f"{seconds:.0f} s", flush=True)
        return 1 if failed or not self.cases else 0
