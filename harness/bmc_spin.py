# SPDX-License-Identifier: Apache-2.0
"""Harnesses for Spin: a model, and the comparison of its transitions with specification and code. See harness/bmc.py."""

import re
import shutil
import sys

from bmc_common import Miss, ROOT, WORK, defines, fail_usage, run_tool, source_tree

sys.path.insert(0, str(ROOT / "harness" / "spin"))
from transitions import Mismatch, compare  # noqa: E402

SPIN_VERSION = "6.5.2"
PAN_FLAGS = ["-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=3500"]
TABLE = "one-table"  # the property of transitions.py


def check_spin():
    if shutil.which("spin") is None:
        fail_usage("spin is missing: proofs/toolchain/setup.sh bmc installs it")
    _, output = run_tool(["spin", "-V"], ROOT, 10)
    if f"Version {SPIN_VERSION}" not in output:
        fail_usage(f"spin says '{output.strip()}', this project needs {SPIN_VERSION}")


def model_of(harness, tree):
    return tree / harness.folder.relative_to(ROOT) / "harness.pml"


def spin_run(harness, run, tree, tag):
    """Searches the whole state space of the model; the output of the search."""
    folder = WORK / harness.name / tag
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for command in (["spin", "-a", *defines(harness, run, []), str(model_of(harness, tree))],
                    ["gcc", *PAN_FLAGS, "-o", "pan", "pan.c"]):
        status, output = run_tool(command, folder, 120)
        if status != 0:
            raise Miss(f"{command[0]}: {output.strip()[-400:]}")
    _, output = run_tool(["./pan", "-n", f"-m{run.get('depth', 1000000)}"], folder, harness.data.get("timeout", 300))
    return output


def spin_verify(harness, run):
    if run["name"] == TABLE:
        try:
            return compare(ROOT, model_of(harness, ROOT))
        except Mismatch as mismatch:
            raise Miss(str(mismatch)) from None
    output = spin_run(harness, run, ROOT, f"verify-{run['name']}")
    stored = re.search(r"^\s*(\d+) states, stored$", output, re.M)
    if not re.search(r"errors: 0$", output, re.M) or stored is None:
        raise Miss(f"fails: {output.strip()[-1500:]}")
    if re.search(r"too small|Search not completed|out of memory|reached -DMEMLIM", output):
        raise Miss(f"the search is not complete: {output.strip()[:400]}")
    reached = set(re.findall(r"^reached (\S+) [1-9]\d*$", output, re.M))
    never = [p for p in run.get("reach", harness.data["reach"]) if p not in reached]
    if never:
        raise Miss(f"never reached: {', '.join(never)}")
    return f"{stored.group(1)} states, all"


def spin_bug(harness, run, bug):
    tree = source_tree(harness, bug, f"bug-{bug['name']}")
    if bug["property"] == TABLE:
        try:
            compare(tree, model_of(harness, tree))
        except Mismatch as mismatch:
            return f"breaks {TABLE}: {mismatch}"
        raise Miss("NOT FOUND: the three tables agree with the bug in")
    output = spin_run(harness, run, tree, f"bug-{bug['name']}-search")
    found = re.search(r"^pan:\d+: assertion violated (.*) \(at depth", output, re.M)
    if found is None:
        raise Miss(f"NOT FOUND: {output.strip()[:400]}")
    if bug["property"] not in re.findall(r"\w+", found.group(1)):
        raise Miss(f"fails on '{found.group(1)}', not on '{bug['property']}'")
    return f"breaks {bug['property']}"
