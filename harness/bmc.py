#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the model-checking harnesses: harness/cbmc/*/ with CBMC, harness/sched/*/ with the scheduler,
harness/relacy/*/ with relacy, harness/spin/*/ with Spin.

  harness/bmc.py [--list] [--jobs N] [--recorded] [--save] [NAME...]

Each harness folder holds harness.c (for Spin harness.pml) and harness.json (harness/README.md describes
its fields). A harness passes when all of this holds:
  verify   every run finds all properties true;
  reach    no assumption has emptied it: with the checks out, the end and every named point are reached
           (a harness for the scheduler or relacy counts how often, in the verifying run itself);
  cover    (CBMC without threads) the blocks of the code that are never reached are those on its list;
  bug      every seeded bug makes the property fail that its entry names.
A full run writes build/results/bmc.json. proofs/sessions/bmc.json records which seeded bugs were found (--save), with a digest
of all files that a harness can read; with --recorded, as in `make certify`, those of the same digest stand, but a few are looked
for again, by chance which. What verifies is always run. Exit status: 0 all passed, 1 a harness missed, 2 wrong use.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "proofs"))
import record  # noqa: E402
from tree import Tree  # noqa: E402
from bmc_cbmc import CBMC_VERSION, cbmc_bug, cbmc_cover, cbmc_reach, cbmc_verify, check_cbmc  # noqa: E402
from bmc_common import BUILD, Miss, ROOT, fail_usage, load_harnesses, run_tool  # noqa: E402
from bmc_spin import SPIN_VERSION, check_spin, spin_bug, spin_verify  # noqa: E402
from bmc_program import check_relacy, program_bug, program_verify, remove_engines  # noqa: E402

CHECKS = {"cbmc": check_cbmc, "relacy": check_relacy, "spin": check_spin}
VERIFY = {"cbmc": cbmc_verify, "sched": program_verify, "relacy": program_verify, "spin": spin_verify}
BUG = {"cbmc": cbmc_bug, "sched": program_bug, "relacy": program_bug, "spin": spin_bug}
NAMES = {"cbmc": f"CBMC {CBMC_VERSION}", "sched": "exhaustive scheduler", "relacy": "relacy, full search",
         "spin": f"Spin {SPIN_VERSION}"}
AGAIN = 8  # seeded bugs on record that are looked for again


# ---- tasks ------------------------------------------------------------------------------------------------
class Task:
    def __init__(self, harness, kind, label, action):
        self.harness, self.kind, self.label, self.action = harness, kind, label, action
        self.ok, self.note, self.seconds, self.recorded = False, "", 0.0, False

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
    verify, bug_run = VERIFY[harness.tool], BUG[harness.tool]
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


def digest(tree):
    """sha256 over every file that a harness can read, and the tools' versions."""
    harness = [str(path.relative_to(ROOT)) for path in (ROOT / "harness").rglob("*") if path.is_file() and "__pycache__" not in path.parts
               and path.relative_to(ROOT).parts[1] not in ("tests", "bench", "gc")]
    files = tree.sources() + [str(path.relative_to(ROOT)) for path in (ROOT / "spec").iterdir() if path.is_file()] + harness
    _, gcc = run_tool(["gcc", "-dumpfullversion"], ROOT, 10)
    return tree.hash_files(sorted(files), json.dumps({**NAMES, "gcc": gcc.strip()}, sort_keys=True))


def stand_on_record(bugs, standing):
    """Of the bugs on record, all but a few need not be looked for."""
    again = random.sample(sorted(standing), min(AGAIN, len(standing)))
    for name in standing.keys() - set(again):
        bugs[name].ok, bugs[name].note, bugs[name].recorded = True, standing[name], True


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
        "tool": NAMES[harness.tool],
        "property": harness.data["title"],
        "properties": harness.data["properties"],
        "bound": harness.data["bound"],
        "verdict": "pass" if all(t.ok for t in own) else "fail",
        "seconds": round(sum(t.seconds for t in own), 1),
        "runs": [{"name": t.label, "verdict": "pass" if t.ok else "fail", "seconds": round(t.seconds, 1),
                  "note": t.note.splitlines()[0][:200] if t.note else ""} for t in own if t.kind == "verify"],
        "not_vacuous": all(t.ok for t in own if t.kind in ("reach", "cover") or t.harness.tool != "cbmc"),
        "seeded_bugs": [{"name": t.label, "found": t.ok, "recorded": t.recorded} for t in own if t.kind == "bug"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print the harnesses and what each shows")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default 2)")
    parser.add_argument("--recorded", action="store_true", help="let seeded bugs stand that were found, by the record, in the same files")
    parser.add_argument("--save", action="store_true", help="store the record of the seeded bugs that are found")
    parser.add_argument("names", nargs="*", metavar="NAME", help="harnesses to run (default: all)")
    arguments = parser.parse_args()
    if arguments.jobs < 1:
        fail_usage("--jobs must be at least 1")
    if arguments.save and arguments.names:
        fail_usage("--save wants all harnesses")
    harnesses = load_harnesses()
    unknown = set(arguments.names) - {h.name for h in harnesses}
    if unknown:
        fail_usage(f"no harness {', '.join(sorted(unknown))}; --list prints them")
    chosen = [h for h in harnesses if not arguments.names or h.name in arguments.names]
    if arguments.list:
        for h in chosen:
            print(f"{h.name:18} {h.tool:6} {h.data['title']}\n{'':26}bound: {h.data['bound']}")
        return 0
    for tool in sorted({h.tool for h in chosen} & set(CHECKS)):
        CHECKS[tool]()
    start = time.monotonic()
    tree = Tree(str(ROOT))
    sources_before = tree.source_hash()
    os.nice(10)
    try:
        tasks = [task for h in chosen for task in tasks_of(h)]
    except Miss as miss:
        fail_usage(str(miss))
    bugs = {f"{task.harness.name}/{task.label}": task for task in tasks if task.kind == "bug"}
    found_before, depends_on = record.Record(tree, "bmc"), {"seeded bugs": digest(tree)}
    if arguments.recorded:
        stand_on_record(bugs, found_before.standing(depends_on).get("seeded bugs", {}))
    try:
        run_all(sorted((t for t in tasks if not t.recorded), key=lambda task: task.kind != "verify"), arguments.jobs)  # the long ones first
    finally:
        remove_engines()
    summaries = [summary_of(h, tasks) for h in chosen]
    print(f"\n{'harness':18} {'tool':22} {'seeded bugs':>11} {'seconds':>8}  verdict")
    for s in summaries:
        found = sum(b["found"] for b in s["seeded_bugs"])
        print(f"{s['name']:18} {s['tool']:22} {found:>5} of {len(s['seeded_bugs']):<2} {s['seconds']:8.1f}  {s['verdict']}")
    passed = all(s["verdict"] == "pass" for s in summaries)
    print(f"bmc: {len(chosen)} harnesses, {'all pass' if passed else 'NOT all pass'}, "
          f"{sum(task.recorded for task in tasks)} of {len(bugs)} seeded bugs on record, {time.monotonic() - start:.0f} s")
    if arguments.names:
        print("bmc: a selection was run; build/results/bmc.json is left as it was")
    elif Tree(str(ROOT)).source_hash() != sources_before:
        print("bmc: src/ or spec/ has changed during the run; no result is written")
        return 1
    else:
        if arguments.save:
            found_before.save(depends_on, {"seeded bugs": {name: task.note for name, task in bugs.items() if task.ok}})
        result = {"sources": sources_before, "harnesses": summaries}
        (BUILD / "results").mkdir(parents=True, exist_ok=True)
        (BUILD / "results" / "bmc.json").write_text(json.dumps(result, indent=1) + "\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())