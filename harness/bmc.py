#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the model-checking harnesses: harness/cbmc/*/ with CBMC, harness/sched/*/ with the scheduler.

  harness/bmc.py [--list] [--jobs N] [NAME...]

Each harness folder holds harness.c and harness.json (harness/README.md describes its fields). A harness
passes when all of this holds:
  verify   every run finds all properties true;
  reach    no assumption has emptied it: with the checks out, the end and every named point are reached
           (a scheduler harness counts how often, in the verifying run itself);
  cover    (CBMC without threads) the blocks of the code that are never reached are those on its list;
  bug      every seeded bug makes the property fail that its entry names.
A full run writes build/results/bmc.json. Exit status: 0 all passed, 1 a harness missed, 2 wrong use.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "proofs"))
from tree import Tree  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD
WORK = BUILD / "bmc"
CBMC_VERSION = "6.6.0"
CBMC_FLAGS = ["--unsigned-overflow-check", "--conversion-check", "--no-malloc-may-fail"]
WARNINGS = ["-Wall", "-Wextra", "-Wundef", "-Wconversion", "-Wshadow", "-Werror"]
ENGINE = ["sched.c", "sched_race.c", "sched_tsan.c"]
FIELDS = {"tool", "title", "properties", "bound", "why_enough", "sources", "defines", "runs", "flags",
          "unwind", "unwindset", "solver", "reach", "cover", "no_cover", "bugs", "timeout", "overflow_ok",
          "race_detector", "split", "edits"}


class Miss(Exception):
    """A harness or its description is wrong; the message says how."""


def fail_usage(text):
    print(f"bmc: error: {text}", file=sys.stderr)
    sys.exit(2)


# ---- harness folders --------------------------------------------------------------------------------


class Harness:
    def __init__(self, folder):
        self.folder = folder
        self.name = folder.name
        try:
            self.data = json.loads((folder / "harness.json").read_text())
        except (OSError, ValueError) as error:
            fail_usage(f"{folder.relative_to(ROOT)}/harness.json: {error}")
        unknown = set(self.data) - FIELDS
        if unknown:
            fail_usage(f"{self.name}/harness.json: unknown fields {', '.join(sorted(unknown))}")
        if self.data.get("reach") == []:
            fail_usage(f"{self.name}/harness.json: 'reach' must name at least the end")
        for field in ("tool", "title", "properties", "bound", "why_enough", "bugs", "reach"):
            if field not in self.data:
                fail_usage(f"{self.name}/harness.json: field '{field}' is missing")
        self.tool = self.data["tool"]
        if self.tool not in ("cbmc", "sched"):
            fail_usage(f"{self.name}/harness.json: tool '{self.tool}' is not cbmc or sched")
        self.runs = self.data.get("runs", [{"name": "all"}])
        self.bugs = self.data["bugs"]
        for bug in self.bugs:
            if bug["property"] not in self.data["properties"]:
                fail_usage(f"{self.name}/harness.json: bug '{bug['name']}': no property '{bug['property']}'")

    def run_named(self, name):
        for run in self.runs:
            if run["name"] == name:
                return run
        raise Miss(f"no run '{name}'")


def load_harnesses():
    folders = sorted((ROOT / "harness" / "cbmc").glob("*/harness.json"))
    folders += sorted((ROOT / "harness" / "sched").glob("*/harness.json"))
    harnesses = [Harness(path.parent) for path in folders]
    names = [h.name for h in harnesses]
    for name in names:
        if names.count(name) > 1:
            fail_usage(f"two harnesses are called {name}")
    return harnesses


# ---- processes --------------------------------------------------------------------------------------


def run_tool(command, cwd, timeout):
    """Runs a command in its own process group; returns (status, output), output with stderr."""
    process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise Miss(f"no answer after {timeout} s") from None
    return process.returncode, output


def check_cbmc():
    for program in ("cbmc", "goto-cc", "cadical"):
        if shutil.which(program) is None:
            fail_usage(f"{program} is missing: proofs/toolchain/setup.sh bmc installs it, "
                       ". proofs/toolchain/env.sh puts it in PATH")
    version = subprocess.run(["cbmc", "--version"], capture_output=True, text=True, check=True).stdout
    if not version.startswith(CBMC_VERSION):
        fail_usage(f"cbmc is version {version.split()[0]}, this project needs {CBMC_VERSION}")


# ---- a copy of the sources, with a seeded bug ---------------------------------------------------------


def apply_edit(tree, edit, name):
    path = tree / edit["file"]
    before, mark, text = "", "", path.read_text()
    if "after" in edit:
        before, mark, text = text.rpartition(edit["after"])
    count = text.count(edit["replace"]) if mark or "after" not in edit else 0
    several = mark or edit.get("all")
    if count == 0 or (count > 1 and not several):
        raise Miss(f"{name}: its text occurs {count} times in {edit['file']}, not once: the code has changed, "
                   "bring harness.json up to date")
    path.write_text(before + mark + text.replace(edit["replace"], edit["by"], -1 if edit.get("all") else 1))


def source_tree(harness, bug, tag):
    """The folder that holds src/ for this task: the repository, or a copy with the harness's and the bug's edits."""
    edits = [(bug, f"bug '{bug['name']}'")] if bug is not None and "file" in bug else []
    edits += [(e, f"edit {i + 1}") for i, e in enumerate(harness.data.get("edits", []))]
    if not edits:
        return ROOT
    copy = WORK / harness.name / f"tree-{tag}"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT / "src", copy / "src")
    shutil.copytree(ROOT / "spec", copy / "spec")
    for edit, name in edits:
        apply_edit(copy, edit, name)
    return copy


def sources(harness, tree):
    return [str(harness.folder / "harness.c")] + [str(tree / s) for s in harness.data.get("sources", [])]


def defines(harness, run, extra):
    chosen = harness.data.get("defines", []) + run.get("defines", []) + extra
    split = harness.data.get("split")
    if split and not any(d.startswith(split["define"] + "=") for d in chosen):
        chosen.append(f"{split['define']}={split['probe']}")
    return [f"-D{d}" for d in chosen]


# ---- CBMC -----------------------------------------------------------------------------------------------


CBMC_LINE = re.compile(r"^\[(?P<id>[^\]]+)\] (?:file \S+ )?(?:line \d+ )?(?P<text>.*): "
                       r"(?P<verdict>SUCCESS|FAILURE|UNKNOWN|ERROR|SATISFIED|FAILED)$", re.M)
CBMC_PLACE = re.compile(r"^\[(?P<id>[^\]]+)\] file (?P<file>\S+) line (?P<line>\d+) function (?P<function>\S+) "
                        r"block \d+.*: (?P<verdict>SATISFIED|FAILED)$", re.M)


def cbmc_compile(harness, run, bug, extra, tag):
    tree = source_tree(harness, bug, tag)
    folder = WORK / harness.name
    folder.mkdir(parents=True, exist_ok=True)
    binary = folder / f"{tag}.goto"
    command = ["goto-cc", "-std=gnu11", "-DVS_CBMC", f"-I{ROOT}/harness/cbmc", f"-I{tree}/src"]
    command += defines(harness, run, extra) + sources(harness, tree) + ["-o", str(binary)]
    status, output = run_tool(command, folder, 120)
    if status != 0:
        raise Miss(f"goto-cc: {output.strip()[-400:]}")
    return binary


def cbmc_options(harness, run, solver=True):
    data = {**harness.data, **run}
    options = [] if data.get("overflow_ok") else list(CBMC_FLAGS)
    options += harness.data.get("flags", []) + run.get("flags", [])
    if "unwind" in data:
        options += ["--unwind", str(data["unwind"])]
    if "unwindset" in data:
        options += ["--unwindset", ",".join(data["unwindset"])]
    if solver and data.get("solver") == "cadical":
        options += ["--external-sat-solver", "cadical"]
    return options


def cbmc_answer(binary, options, timeout):
    status, output = run_tool(["cbmc", str(binary)] + options, binary.parent, timeout)
    if status not in (0, 10) or not re.search(r"^VERIFICATION (SUCCESSFUL|FAILED)$", output, re.M):
        raise Miss(f"cbmc ended with status {status}: {output.strip()[-300:]}")
    if "no body for function" in output:
        raise Miss("cbmc: " + re.search(r".*no body for function.*", output).group(0))
    return [(m["id"], m["text"], m["verdict"]) for m in CBMC_LINE.finditer(output)]


def cbmc_verify(harness, run):
    """One run of CBMC, or one for each value of the define that the harness is split by."""
    split = harness.data.get("split")
    if split is None:
        return cbmc_verify_one(harness, run, [])
    values = split.get("values") or list(range(split["first"], split["last"] + 1))
    notes = [cbmc_verify_one(harness, run, [f"{split['define']}={value}"]) for value in values]
    return f"{len(values)} times {notes[0]}"


def cbmc_verify_one(harness, run, extra):
    binary = cbmc_compile(harness, run, None, extra, f"verify-{run['name']}")
    answer = cbmc_answer(binary, cbmc_options(harness, run), harness.data.get("timeout", 300))
    wrong = [f"{text} ({verdict})" for _, text, verdict in answer if verdict != "SUCCESS"]
    if wrong:
        raise Miss("fails: " + "; ".join(wrong[:3]))
    stated = {text for _, text, _ in answer}
    absent = [p for p in harness.data["properties"] if p not in stated]
    if absent:
        raise Miss(f"properties without a CHECK: {', '.join(absent)}")
    return f"{len(answer)} properties"


def cbmc_reach(harness, run):
    binary = cbmc_compile(harness, run, None, ["VACUITY"], f"reach-{run['name']}")
    options = cbmc_options(harness, run) + ["--no-standard-checks"]
    options = [o for o in options if o not in CBMC_FLAGS]
    answer = cbmc_answer(binary, options, harness.data.get("timeout", 300))
    points = {text.removeprefix("reached "): verdict for _, text, verdict in answer
              if text.startswith("reached ")}
    if set(points) != set(harness.data["reach"]):
        raise Miss(f"REACHED points are {sorted(points)}, harness.json lists {sorted(harness.data['reach'])}")
    never = [p for p in points if points[p] != "FAILURE"]
    if never:
        raise Miss(f"never reached: {', '.join(never)}")
    return f"{len(points)} points"


def cbmc_cover(harness, run):
    whole = cbmc_compile(harness, run, None, [], f"cover-{run['name']}")
    binary = whole.with_suffix(".used.goto")
    status, output = run_tool(["goto-instrument", "--drop-unused-functions", str(whole), str(binary)],
                              whole.parent, 60)
    if status != 0:
        raise Miss(f"goto-instrument: {output.strip()[-300:]}")
    options = [o for o in cbmc_options(harness, run, solver=False) if o not in CBMC_FLAGS]
    options += ["--no-standard-checks", "--cover", "location"]
    status, output = run_tool(["cbmc", str(binary)] + options, binary.parent, harness.data.get("timeout", 300))
    places = list(CBMC_PLACE.finditer(output))
    if status != 0 or not places:
        raise Miss(f"cbmc --cover ended with status {status}: {output.strip()[-300:]}")
    unreached = set()
    for place in places:
        if place["verdict"] == "FAILED" and "/src/" in place["file"]:
            line = pathlib.Path(place["file"]).read_text().splitlines()[int(place["line"]) - 1].strip()
            unreached.add(f"{place['function']}: {line}")
    reviewed = {entry["block"] for entry in harness.data["cover"]}
    if unreached - reviewed:
        raise Miss("unreached and not reviewed: " + "; ".join(sorted(unreached - reviewed)))
    if reviewed - unreached:
        raise Miss("on the list, but reached: " + "; ".join(sorted(reviewed - unreached)))
    return f"{len(places)} blocks, {len(unreached)} unreached and reviewed"


def cbmc_bug(harness, run, bug):
    binary = cbmc_compile(harness, run, bug, bug.get("defines", []), f"bug-{bug['name']}-{run['name']}")
    _, listing = run_tool(["cbmc", str(binary), "--show-properties", "--json-ui"]
                          + cbmc_options(harness, run, solver=False), binary.parent, 60)
    properties = [p for part in json.loads(listing) for p in part.get("properties", [])]
    names = [p["name"] for p in properties if p["description"] == bug["property"]]
    if not names:
        raise Miss(f"no CHECK named '{bug['property']}'")
    options = cbmc_options(harness, run)
    for name in names:
        options += ["--property", name]
    answer = cbmc_answer(binary, options, harness.data.get("timeout", 300))
    failing = [text for _, text, verdict in answer if verdict == "FAILURE"]
    if bug["property"] not in failing:
        raise Miss(f"NOT FOUND: '{bug['property']}' holds with the bug in")
    return f"breaks {bug['property']}"


# ---- the scheduler ----------------------------------------------------------------------------------------


def sched_run(harness, run, bug, extra, tag):
    """Compiles and runs; returns (status, output)."""
    tree = source_tree(harness, bug, tag)
    folder = WORK / harness.name
    folder.mkdir(parents=True, exist_ok=True)
    objects = []
    flags = ["gcc", "-std=gnu11", "-O2", "-g"] + WARNINGS + ["-DVS_SCHED", f"-I{ROOT}/harness/sched", f"-I{tree}/src"]
    units = [(s, True) for s in sources(harness, tree)]
    units += [(str(ROOT / "harness" / "sched" / s), False) for s in ENGINE]
    for number, (source, instrumented) in enumerate(units):
        target = folder / f"{tag}-{number}.o"
        command = flags + defines(harness, run, extra) + ["-c", source, "-o", str(target)]
        if instrumented and {**harness.data, **run}.get("race_detector", True):
            command += ["-fsanitize=thread", "-fno-store-merging"]
        status, output = run_tool(command, folder, 120)
        if status != 0:
            raise Miss(f"gcc: {output.strip()[-400:]}")
        objects.append(str(target))
    program = folder / tag
    status, output = run_tool(["gcc", *objects, "-o", str(program)], folder, 120)
    if status != 0:
        raise Miss(f"gcc: {output.strip()[-400:]}")
    return run_tool([str(program)], folder, harness.data.get("timeout", 300))


def sched_verify(harness, run):
    status, output = sched_run(harness, run, None, [], f"verify-{run['name']}")
    if status != 0:
        raise Miss(f"status {status}:\n{output.strip()[-3000:]}")
    reached = set(re.findall(r"^reached (\S+) [1-9]\d*$", output, re.M))
    never = [p for p in harness.data["reach"] if p not in reached]
    if never:
        raise Miss(f"never reached: {', '.join(never)}")
    summary = re.search(r"^OK (.*)$", output, re.M)
    if summary is None:
        raise Miss(f"no line 'OK ...' in: {output.strip()[-300:]}")
    return summary.group(1)


def sched_bug(harness, run, bug):
    status, output = sched_run(harness, run, bug, bug.get("defines", []),
                               f"bug-{bug['name']}-{run['name']}")
    found = re.search(r"^FAILED ([^\s:]+)", output, re.M)
    if status != 1 or found is None:
        raise Miss(f"NOT FOUND: status {status}: {output.strip()[-300:]}")
    if found.group(1) != bug["property"]:
        raise Miss(f"fails on '{found.group(1)}', not on '{bug['property']}'")
    return f"breaks {bug['property']}"


# ---- tasks ------------------------------------------------------------------------------------------------


class Task:
    def __init__(self, harness, kind, label, action):
        self.harness, self.kind, self.label, self.action = harness, kind, label, action
        self.ok, self.note, self.seconds = False, "", 0.0

    def run(self):
        start = time.monotonic()
        try:
            self.note = self.action()
            self.ok = True
        except Miss as miss:
            self.note = str(miss)
        self.seconds = time.monotonic() - start
        return self


def tasks_of(harness):
    cbmc = harness.tool == "cbmc"
    verify, bug_run = (cbmc_verify, cbmc_bug) if cbmc else (sched_verify, sched_bug)
    for run in harness.runs:
        yield Task(harness, "verify", run["name"], lambda run=run: verify(harness, run))
        if cbmc:
            yield Task(harness, "reach", run["name"], lambda run=run: cbmc_reach(harness, run))
    if cbmc and "cover" in harness.data:
        run = harness.runs[0]
        yield Task(harness, "cover", run["name"], lambda: cbmc_cover(harness, run))
    elif cbmc and "no_cover" not in harness.data:
        raise Miss(f"{harness.name}/harness.json: neither 'cover' nor the reason in 'no_cover'")
    for bug in harness.bugs:
        run = harness.run_named(bug["run"]) if "run" in bug else harness.runs[0]
        yield Task(harness, "bug", bug["name"], lambda bug=bug, run=run: bug_run(harness, run, bug))


def run_all(tasks, jobs):
    done = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = [pool.submit(task.run) for task in tasks]
        for future in concurrent.futures.as_completed(futures):
            task = future.result()
            done += 1
            mark = "ok  " if task.ok else "MISS"
            print(f"[{done:3}/{len(tasks)}] {mark} {task.seconds:6.1f}s  {task.harness.name:18} "
                  f"{task.kind:6} {task.label}: {task.note}", flush=True)


def summary_of(harness, tasks):
    own = [t for t in tasks if t.harness is harness]
    return {
        "name": harness.name,
        "tool": {"cbmc": f"CBMC {CBMC_VERSION}", "sched": "exhaustive scheduler"}[harness.tool],
        "property": harness.data["title"],
        "properties": harness.data["properties"],
        "bound": harness.data["bound"],
        "verdict": "pass" if all(t.ok for t in own) else "fail",
        "seconds": round(sum(t.seconds for t in own), 1),
        "runs": [{"name": t.label, "verdict": "pass" if t.ok else "fail", "seconds": round(t.seconds, 1),
                  "note": t.note.splitlines()[0][:200] if t.note else ""} for t in own if t.kind == "verify"],
        "not_vacuous": all(t.ok for t in own if t.kind in ("reach", "cover") or t.harness.tool == "sched"),
        "seeded_bugs": [{"name": t.label, "found": t.ok} for t in own if t.kind == "bug"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print the harnesses and what each shows")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default 2)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="harnesses to run (default: all)")
    arguments = parser.parse_args()
    if arguments.jobs < 1:
        fail_usage("--jobs must be at least 1")
    harnesses = load_harnesses()
    unknown = set(arguments.names) - {h.name for h in harnesses}
    if unknown:
        fail_usage(f"no harness {', '.join(sorted(unknown))}; --list prints them")
    chosen = [h for h in harnesses if not arguments.names or h.name in arguments.names]
    if arguments.list:
        for h in chosen:
            print(f"{h.name:18} {h.tool:6} {h.data['title']}\n{'':26}bound: {h.data['bound']}")
        return 0
    if any(h.tool == "cbmc" for h in chosen):
        check_cbmc()
    start = time.monotonic()
    sources_before = Tree(str(ROOT)).source_hash()
    os.nice(10)
    try:
        tasks = [task for h in chosen for task in tasks_of(h)]
    except Miss as miss:
        fail_usage(str(miss))
    run_all(sorted(tasks, key=lambda task: task.kind != "verify"), arguments.jobs)  # the long ones first
    summaries = [summary_of(h, tasks) for h in chosen]
    print(f"\n{'harness':18} {'tool':22} {'seeded bugs':>11} {'seconds':>8}  verdict")
    for s in summaries:
        found = sum(b["found"] for b in s["seeded_bugs"])
        print(f"{s['name']:18} {s['tool']:22} {found:>5} of {len(s['seeded_bugs']):<2} {s['seconds']:8.1f}  {s['verdict']}")
    passed = all(s["verdict"] == "pass" for s in summaries)
    print(f"bmc: {len(chosen)} harnesses, {'all pass' if passed else 'NOT all pass'}, "
          f"{time.monotonic() - start:.0f} s")
    if arguments.names:
        print("bmc: a selection was run; build/results/bmc.json is left as it was")
    elif Tree(str(ROOT)).source_hash() != sources_before:
        print("bmc: src/ or spec/ has changed during the run; no result is written")
        return 1
    else:
        result = {"sources": sources_before, "harnesses": summaries}
        (BUILD / "results").mkdir(parents=True, exist_ok=True)
        (BUILD / "results" / "bmc.json").write_text(json.dumps(result, indent=1) + "\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
