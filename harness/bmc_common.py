# SPDX-License-Identifier: Apache-2.0
"""What the tools of harness/bmc.py share: harness folders, processes, copies of the sources with an edit."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD
WORK = BUILD / "bmc"
TOOLS = ("cbmc", "sched", "relacy", "spin")
WARNINGS = ["-Wall", "-Wextra", "-Wundef", "-Wconversion", "-Wshadow", "-Werror"]
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
        if self.tool != folder.parent.name:
            fail_usage(f"{self.name}/harness.json: tool '{self.tool}', but it is in harness/{folder.parent.name}")
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
    folders = [path for tool in TOOLS for path in sorted((ROOT / "harness" / tool).glob("*/harness.json"))]
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
    of_bug = [] if bug is None else bug.get("edits", [bug] if "file" in bug else [])
    edits = [(edit, f"bug '{bug['name']}'") for edit in of_bug]
    edits += [(e, f"edit {i + 1}") for i, e in enumerate(harness.data.get("edits", []))]
    if not edits:
        return ROOT
    copy = WORK / harness.name / f"tree-{tag}"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ROOT / "src", copy / "src")
    shutil.copytree(ROOT / "spec", copy / "spec")
    if harness.tool == "spin":
        shutil.copytree(harness.folder, copy / harness.folder.relative_to(ROOT))
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
