# SPDX-License-Identifier: Apache-2.0
"""Harnesses that are programs: compiled C under the scheduler or under relacy. See harness/bmc.py."""

import os
import pathlib
import re
import threading

from bmc_common import Miss, ROOT, WARNINGS, WORK, defines, fail_usage, run_tool, source_tree, sources

RELACY_HEADER = pathlib.Path("/usr/include/relacy/relacy.hpp")
ENGINES = {"sched": ("VS_SCHED", ["sched.c", "sched_race.c", "sched_tsan.c"]),
           "relacy": ("VS_RELACY", ["orders.cpp"])}
CXX = ["g++", "-std=gnu++17", "-O2", "-Wall", "-Wextra", "-Werror"]
C = ["gcc", "-std=gnu11", "-O2", "-g"] + WARNINGS
engine_lock = threading.Lock()
engine_objects = {}


def check_relacy():
    if not RELACY_HEADER.exists():
        fail_usage(f"{RELACY_HEADER} is missing: proofs/toolchain/setup.sh bmc installs it")


def compile_to(target, command, source):
    status, output = run_tool(command + ["-c", str(source), "-o", str(target)], WORK, 120)
    if status != 0:
        raise Miss(f"{command[0]}: {output.strip()[-400:]}")
    return str(target)


def engine_of(tool, flags):
    """The objects of a tool's engine, compiled once for each choice of flags; relacy's, which takes a while, has none."""
    key = (tool, *flags) if tool == "sched" else (tool,)
    with engine_lock:
        if key not in engine_objects:
            WORK.mkdir(parents=True, exist_ok=True)
            made = []
            for name in ENGINES[tool][1]:
                command = CXX if name.endswith(".cpp") else C + [f"-D{ENGINES[tool][0]}", f"-I{ROOT}/src", *flags]
                target = WORK / f"{tool}-{name}.{os.getpid()}.{len(engine_objects)}.o"
                made.append(compile_to(target, command + [f"-iquote{ROOT}/harness/{tool}"], ROOT / "harness" / tool / name))
            engine_objects[key] = made
        return engine_objects[key]


def remove_engines():
    for made in engine_objects.values():
        for name in made:
            pathlib.Path(name).unlink(missing_ok=True)


def program_run(harness, run, bug, extra, tag):
    """Compiles and runs; returns (status, output)."""
    tree = source_tree(harness, bug, tag)
    folder = WORK / harness.name
    folder.mkdir(parents=True, exist_ok=True)
    command = C + [f"-D{ENGINES[harness.tool][0]}", f"-iquote{ROOT}/harness/{harness.tool}", f"-I{tree}/src"]
    chosen = defines(harness, run, extra)
    command += chosen
    if {**harness.data, **run}.get("race_detector", True):
        command += ["-fsanitize=thread", "-fno-store-merging"]
    objects = [compile_to(folder / f"{tag}-{number}.o", command, source)
               for number, source in enumerate(sources(harness, tree))]
    program = folder / tag
    status, output = run_tool(["g++", *objects, *engine_of(harness.tool, chosen), "-o", str(program)], folder, 120)
    if status != 0:
        raise Miss(f"g++: {output.strip()[-400:]}")
    return run_tool([str(program)], folder, harness.data.get("timeout", 300))


def program_verify(harness, run):
    status, output = program_run(harness, run, None, [], f"verify-{run['name']}")
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


def program_bug(harness, run, bug):
    status, output = program_run(harness, run, bug, bug.get("defines", []),
                                 f"bug-{bug['name']}-{run['name']}")
    found = re.search(r"^FAILED ([^\s:]+)", output, re.M)
    if status != 1 or found is None:
        raise Miss(f"NOT FOUND: status {status}: {output.strip()[-300:]}")
    if found.group(1) != bug["property"]:
        raise Miss(f"fails on '{found.group(1)}', not on '{bug['property']}'")
    return f"breaks {bug['property']}"
