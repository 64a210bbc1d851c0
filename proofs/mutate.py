#!/usr/bin/env python3
"""Shows that the proofs notice changes: `make mutate [M=module] [F=function]`.

proofs/mutants/<name>.patch is a unified diff against the tree, preceded by
    # <what it breaks>
    # Functions: <function> [<function>...]      whose proof must notice
Each is applied to a copy of src/ and spec/ and the proof of its functions is run until a goal stays open: killed.
proofs/sessions/mutants.json records the kills (--save), each with a digest of all that it depends on. With --recorded, as in
`make certify`, a kill on record for the same digest stands, but one of each of eight modules is judged again.
Exit status 0: all killed; 1: one survived, does not apply, does not compile, or its function is not proved unchanged; 2: usage.
"""
# SPDX-License-Identifier: Apache-2.0

import argparse
import concurrent.futures
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

import evidence
import framac
import prove
import record
from tree import Tree, ToolError, copy_tree, main_guard

# Modules of which --recorded judges a mutant again although its kill is on record.
AGAIN = 4
HEADER = re.compile(r"\A(?:# SPDX-License-Identifier: \S+\n)?# (?P<what>[^\n]+)\n(?:#[^\n]*\n)*?# Functions: (?P<functions>[^\n]+)\n")
LABEL = re.compile(r"(?:call_\w+_requires|loop_invariant|assert|check|ensures)_(?!rte_)(?P<label>\w+?)(?:_preserved|_established)?(?:_part\d+)?$")


class Mutant:
    def __init__(self, tree, rel):
        self.rel, self.name = rel, os.path.basename(rel)[:-len(".patch")]
        m = HEADER.match(tree.read(rel))
        if not m:
            raise ToolError(f"{rel}: must begin with '# <what it breaks>' and '# Functions: <name>...'")
        self.what, self.functions = m.group("what").strip(), re.split(r"[,\s]+", m.group("functions").strip())
        self.changed = set(re.findall(r"^\+\+\+ b/(\S+)", tree.read(rel), re.M))


def module_of(tree, function):
    if function.startswith("lemma:"):
        return next((m for m in tree.modules if function[6:] in tree.lemmas(m)), None)
    for m in tree.modules:
        # ghost functions stand in annotations: what they are called is known from the result of the proof
        result = evidence.load(tree, f"{m}.json") or {"functions": []}
        if function in tree.source_functions(m) or any(f["name"] == function for f in result["functions"]):
            return m
    return None


def baseline(tree, module):
    """Goals of the module as they were proved without the mutant: {goal: seconds}, and its functions' verdicts."""
    path = tree.build("results", f"{module}.json")
    if not os.path.exists(path):
        raise ToolError(f"{os.path.relpath(path, tree.root)} does not exist: run prove.py -M {module} first")
    with open(path, encoding="utf-8") as f:
        result = json.load(f)
    if result["sources"] != tree.module_hash(module):
        raise ToolError(f"{os.path.relpath(path, tree.root)} was made for other sources: run prove.py -M {module} first")
    return {g["goal"]: g for g in result["goals"]}, {f["name"]: f["verdict"] for f in result["functions"]}


def apply_patch(tree, mutant, copy):
    """Apply the mutant to the copy; the complaint, or None."""
    env = {**os.environ, "GIT_CEILING_DIRECTORIES": os.path.dirname(copy.root), "PWD": copy.root}
    patch = os.path.join(tree.root, mutant.rel)
    done = subprocess.run(["git", "apply", "-p1", patch], cwd=copy.root, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        return done.stdout.decode("utf-8", "replace").strip().splitlines()[0]
    if not mutant.changed:
        return "names no file"
    for rel in mutant.changed:
        if not copy.exists(rel) or copy.read(rel) == tree.read(rel):
            return f"changes nothing in {rel}"
    return None


def property_of(function, goal):
    """The label of the property that a goal of a function is of, or None: of another function, or without a label."""
    m = LABEL.match(goal[len(function) + 1:]) if goal.startswith(function + "_") else None
    return m.group("label") if m else None


def run_function(tree, copy, module_name, function, env, options, timeout, label=None):
    """The goal that the mutant leaves open for timeout seconds, or None. It counts only if unchanged it took half as many.

    With a label only goals of properties of that name are tried.
    """
    goals, verdicts = baseline(tree, module_name)
    lemma = function.startswith("lemma:")
    name = function[6:] if lemma else function
    if not lemma and verdicts.get(name) != "proved":
        raise LookupError(f"{name} is not proved without the mutant, so nothing can be said")
    module = prove.Module(copy, module_name)
    temp, _ = prove.cache_dirs(tree, options, module_name)

    def telling(goal):
        before = goals.get(framac.without_model(goal))
        return before is None or (before["verdict"] == "proved" and before["seconds"] <= timeout / 2)

    try:
        scripts = prove.script_folder(tree, module_name)
        args = prove.wp_args(options, temp, prove.provers_of(tree, options, module_name), scripts, timeout)
        if lemma:
            args += ["-wp-prop", name]
        else:
            args += ["-wp-fct", name] + (["-wp-prop", label] if label else [])
        run = framac.frama_c(copy, module.unit, [args], env, scripts=scripts,
                             enough=lambda g, r: not r.goals[g]["proved"] and telling(g))
    finally:
        shutil.rmtree(temp, ignore_errors=True)
    opened = [run.stopped] if run.stopped else [g for g, v in run.goals.items() if not v["proved"] and telling(g)]
    if not run.goals and not label:
        raise LookupError(f"no goal was generated for {name}")
    return framac.without_model(opened[0]) if opened else None


def judge(tree, mutant, env, options, noticed=""):
    """(verdict, detail) of one mutant. What noticed it before, by the record, is tried first, and alone."""
    copy = copy_tree(tree, "mutate", mutant.name)
    complaint = apply_patch(tree, mutant, copy)
    if complaint:
        return "does not apply", complaint
    # What survives is judged again with more time: the proof may have been slow, on a loaded machine, where it would notice.
    runs = [(f, options.timeout, label) for f in mutant.functions if (label := property_of(f, noticed))]
    runs += [(f, t, None) for t in (options.timeout, prove.PATIENCE * options.timeout) for f in mutant.functions]
    for function, timeout, label in runs:
        module = module_of(tree, function)
        if module is None:
            return "unknown function", function
        try:
            goal = run_function(tree, copy, module, function, env, options, timeout, label)
        except LookupError as e:
            return "invalid", str(e)
        except ToolError as e:
            return "does not compile", str(e).replace("\n", " ")
        if goal:
            return "killed", goal
    return "survived", "every goal of " + ", ".join(mutant.functions) + " proves"


def digests(tree, mutants, tools, options):
    """{mutant's name: digest of the patch, what its modules' proofs read, provers and time}."""
    def depends_on(mutant):
        modules = sorted({module_of(tree, f) for f in mutant.functions} - {None})
        return record.digest(tree.read(mutant.rel), *(tree.module_hash(m) for m in modules), json.dumps(tools, sort_keys=True),
                             str(options.timeout))

    return {m.name: depends_on(m) for m in mutants}


def on_record(tree, mutants, standing):
    """The kills that stand without a run: all on record, but for one of each of AGAIN modules."""
    by_module = {}
    for m in mutants:
        if m.name in standing:
            by_module.setdefault(module_of(tree, m.functions[0]), []).append(m.name)
    again = {random.choice(names) for names in random.sample(list(by_module.values()), min(AGAIN, len(by_module)))}
    return {name: goal for name, goal in standing.items() if name not in again}


def row(tree, mutant, env, options, recorded, noticed):
    """Judges a mutant and says so, unless its kill is on record. noticed: the goal that noticed it when it was last judged."""
    start = time.monotonic()
    on_file = mutant.name in recorded
    verdict, detail = ("killed", recorded[mutant.name]) if on_file else judge(tree, mutant, env, options, noticed)
    seconds = round(time.monotonic() - start, 1)
    if not on_file:
        print(f"{mutant.name}: {verdict} ({detail}), {seconds} s", flush=True)
    return {"mutant": mutant.name, "what": mutant.what, "functions": mutant.functions, "recorded": on_file,
            "module": module_of(tree, mutant.functions[0]), "verdict": verdict, "detail": detail, "seconds": seconds}


def arguments(argv):
    p = argparse.ArgumentParser(description="Mutants that the proofs must notice.")
    p.add_argument("-M", "--module", help="only mutants of this module's functions")
    p.add_argument("-F", "--function", help="only mutants that name this function")
    p.add_argument("--timeout", type=int, default=3, help=f"seconds a goal and prover (3), {prove.PATIENCE} times as many for what survives")
    p.add_argument("--jobs", type=int, default=3)
    p.add_argument("--parallel", type=int, default=os.cpu_count() or 1, help="mutants at a time (one a core)")
    prove.add_provers(p)
    p.add_argument("--recorded", action="store_true", help="let kills on record of the same sources stand")
    p.add_argument("--save", action="store_true", help="store the record of those that are killed")
    p.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    o = p.parse_args(argv)
    o.replay, o.cached = False, True
    if o.save and (o.module or o.function):
        raise ToolError("--save wants all mutants: not with -M or -F")
    return o


def main():
    options = arguments(sys.argv[1:])
    tree = Tree(options.root)
    env = framac.environment(tree.root)
    tools = framac.tool_versions(env, options.provers or prove.ALL_PROVERS)
    if shutil.which("git") is None:
        raise ToolError("git not found: it applies the patches")
    mutants = [Mutant(tree, rel) for rel in tree.listing("proofs/mutants", ".patch")]
    if options.module:
        mutants = [m for m in mutants if any(module_of(tree, f) == options.module for f in m.functions)]
    if options.function:
        mutants = [m for m in mutants if options.function in m.functions]
    if not mutants:
        raise ToolError("no mutant to run")
    sources = tree.proof_hash()
    kills, depends_on = record.Record(tree, "mutants"), digests(tree, mutants, tools, options)
    recorded = on_record(tree, mutants, kills.standing(depends_on)) if options.recorded else {}
    for module in sorted({module_of(tree, f) for m in mutants if m.name not in recorded for f in m.functions} - {None}):
        baseline(tree, module)
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
        try:
            rows = list(pool.map(lambda m: row(tree, m, env, options, recorded, kills.rows.get(m.name, {}).get("found", "")), mutants))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    bad = [r for r in rows if r["verdict"] != "killed"]
    if not options.module and not options.function:
        os.makedirs(tree.build("results"), exist_ok=True)
        with open(tree.build("results", "mutants.json"), "w", encoding="utf-8") as f:
            json.dump({"sources": sources, "mutants": rows}, f, indent=1)
            f.write("\n")
    if options.save:
        killed = {r["mutant"]: r["detail"] for r in rows if r["verdict"] == "killed"}
        kills.save({name: depends_on[name] for name in killed}, killed)
    print(f"mutate: {len(rows) - len(bad)} of {len(rows)} killed, {len(recorded)} of them on record, in {time.monotonic() - begin:.0f} s")
    for r in bad:
        print(f"mutate: {r['mutant']}: {r['verdict'].upper()}: {r['detail']}")
    return 1 if bad else 0


if __name__ == "__main__":
    main_guard(main)
