# SPDX-License-Identifier: Apache-2.0
"""Harnesses for CBMC: see harness/bmc.py."""

import json
import pathlib
import re
import shutil
import subprocess

from bmc_common import Miss, ROOT, WORK, defines, fail_usage, run_tool, source_tree, sources

CBMC_VERSION = "6.6.0"
CBMC_FLAGS = ["--unsigned-overflow-check", "--conversion-check", "--no-malloc-may-fail"]
CBMC_LINE = re.compile(r"^\[(?P<id>[^\]]+)\] (?:file \S+ )?(?:line \d+ )?(?P<text>.*): "
                       r"(?P<verdict>SUCCESS|FAILURE|UNKNOWN|ERROR|SATISFIED|FAILED)$", re.M)
CBMC_PLACE = re.compile(r"^\[(?P<id>[^\]]+)\] file (?P<file>\S+) line (?P<line>\d+) function (?P<function>\S+) "
                        r"block \d+.*: (?P<verdict>SATISFIED|FAILED)$", re.M)


def check_cbmc():
    for program in ("cbmc", "goto-cc", "cadical"):
        if shutil.which(program) is None:
            fail_usage(f"{program} is missing: proofs/toolchain/setup.sh bmc installs it, "
                       ". proofs/toolchain/env.sh puts it in PATH")
    version = subprocess.run(["cbmc", "--version"], capture_output=True, text=True, check=True).stdout
    if not version.startswith(CBMC_VERSION):
        fail_usage(f"cbmc is version {version.split()[0]}, this project needs {CBMC_VERSION}")


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
