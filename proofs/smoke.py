#!/usr/bin/env python3
"""Looks for contradictory contracts and runs the negatives: `make smoke [M=module]`.

Five ways to notice that a proof says nothing:
- WP's smoke tests: requires, loop invariants and branches that are dead;
- in a copy of the sources every return is preceded by a claim of falsehood, which must not prove: this also catches a
  callee whose ensures cannot hold;
- proofs/negatives/must_fail_*.c: claims that are wrong, each of which must stay open at the place it names;
- what Alt-Ergo is told of division, proofs/toolchain/why3/division.mlw, must follow for the other provers;
- false_goals.py: small false goals, of which no prover may prove any.
proofs/sessions/smoke.json records the modules in which nothing was found (--save), each with a digest of all that it depends
on. With --recorded, as in `make certify`, the first two stand for a module of the same digest, but a few of the functions, by
chance which, are tried again.
Exit status 0: all as it should be; 1: something proves that must not; 2: usage or tool error.
"""
# SPDX-License-Identifier: Apache-2.0

import argparse
import functools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

import false_goals
import framac
import prove
import record
from tree import Tree, ToolError, bodies_in, blank_comments, blank_directives, copy_tree, main_guard

# Who looks for falsehood: the one that proves most goals here, as every prover has to give up on each claim.
SEEKERS = ["alt-ergo"]

AGAIN = 8  # functions of modules on record that are tried again

REACH = "vs_reach"
CLAIM = f"/*@ check {REACH}: \\false; */"
DIVISION = "proofs/toolchain/why3/division.mlw"
FALSE_GOALS = 1  # the seed of those that are asked: the same each time, so that what fails does not depend on luck
EXPECT = re.compile(r"^\s*\*?\s*Expect: (\w+) (.+?)\s*$", re.M)


def instrument(text):
    """The same C text with a claim of falsehood before each function's returns. The end of a body is one only where the
    function has no value; gcc rejects another that gets there (-Wreturn-type)."""
    plain = blank_directives(blank_comments(text))
    edits = []
    for _, _, begin, end in bodies_in(text):
        last, valued = None, False
        for m in re.finditer(r"\breturn\b", plain[begin:end]):
            at = begin + m.start()
            stop = plain.index(";", at)
            value = text[at + len("return"):stop].strip()
            if value:
                valued = True
                new = f"{{ __typeof__({value}) vs_value = ({value}); {CLAIM} return vs_value; }}"
            else:
                new = f"{{ {CLAIM} return; }}"
            edits.append((at, stop + 1, new))
            last = stop
        if not valued and (last is None or plain[last + 1:end].strip()):
            edits.append((end, end, f"{CLAIM} ;"))
    for begin, end, new in sorted(edits, reverse=True):
        text = text[:begin] + new + text[end:]
    return text


# Kinds of goals that are neither smoke tests nor claims. WP takes the claims for assertions, and smoke tests have no name to
# select them by: so assertions are left out by their labels.
OTHERS = ["@ensures", "@invariant", "@assigns", "@requires", "@variant", "@terminates", "@exits", "@lemma", "rte"]
LABEL = re.compile(r"\bassert\s+(\w+)\s*:")


def instrumented(tree, name):
    """A copy of the tree with the module's functions instrumented."""
    copy = copy_tree(tree, "smoke", name)
    for rel in copy.module_files(name):
        if rel.endswith((".c", ".h")):
            text = instrument(copy.read(rel))
            with open(os.path.join(copy.root, rel), "w", encoding="utf-8") as f:
                f.write(text)
    return copy


def run_wp(tree, module, env, options):
    temp, _ = prove.cache_dirs(tree, options, module.name)
    labels = {label for rel in module.files for label in LABEL.findall(module.tree.read(rel))}
    try:
        args = [*prove.wp_args(options, temp, SEEKERS), "-wp-smoke-tests", "-wp-smoke-timeout", str(options.timeout),
                "-wp-prop=" + ",".join("-" + name for name in [*OTHERS, *sorted(labels)])]
        if module.skip:
            args += ["-wp-skip-fct", ",".join(module.skip)]
        progress = framac.Progress(f"{module.name} smoke", options.quiet)
        return framac.frama_c(module.tree, module.unit, [args], env, progress,
                              log_name=framac.new_log(tree, f"{module.name}-smoke"))
    finally:
        shutil.rmtree(temp, ignore_errors=True)


def dead_tests(tree, module, run):
    """Findings of WP's own smoke tests."""
    findings = []
    for test, passed in sorted(run.smoke.items()):
        if not passed:
            f = framac.goal_function(test, set(module.functions) | set(run.functions)) or "?"
            if f not in tree.dead_code:
                findings.append(f"{run.smoke_at.get(test, '?')}: {f}: WP proves falsehood: {framac.without_model(test)}")
    return findings


def dead_returns(tree, module, run):
    """(claims of falsehood that were tried, findings)."""
    findings, seen = [], {}
    for p in run.properties:
        if REACH in p["names"] and p.get("fct") in module.functions:
            seen[p["fct"]] = seen.get(p["fct"], 0) + 1
            if p["status"] != "unknown" and p["fct"] not in tree.dead_code:
                said = "not tried" if p["status"] == "never_tried" else "falsehood proves: no execution gets there"
                findings.append(f"{p['file']}:{p['line']}: {p['fct']}: return: {said}")
    for f, at in sorted(module.functions.items()):
        if f not in seen and f not in tree.dead_code and f in module.source:  # a ghost function is only in a comment
            findings.append(f"{at}: {f}: has no return that could be tested")
    return sum(seen.values()), findings


def smoke_module(tree, name, env, options, only=None):
    """One run of an instrumented module, or of some of its functions: ({what was tried}, what proves that must not)."""
    module = prove.Module(instrumented(tree, name), name)
    module.find_functions(env)
    if only:
        module.skip += [f for f in module.functions if f not in only]
        module.functions = {f: at for f, at in module.functions.items() if f in only}
    run = run_wp(tree, module, env, options)
    claims, unreachable = dead_returns(tree, module, run)
    findings = [*module.errors, *dead_tests(tree, module, run), *unreachable]
    of = f" ({', '.join(sorted(only))})" if only else ""
    print(f"{name}{of}: {len(run.smoke)} smoke tests, {claims} returns, {len(findings)} findings", flush=True)
    return {"module": name, "smoke_tests": len(run.smoke), "returns": claims}, findings


class Negative(prove.Module):
    """A negative's file, seen as a module of its own."""

    def __init__(self, tree, path):
        self.tree, self.name, self.unit = tree, os.path.basename(path)[:-2], path
        self.files, self.lemmas, self.errors, self.goals, self.seconds = [path], {}, [], [], 0.0
        self.source = {m[0]: path for m in bodies_in(tree.read(path))}
        self.hypotheses = {}


def negative_finding(tree, path, env, options):
    """What is wrong with the negative, or None when it fails exactly where it says."""
    expected = EXPECT.findall(tree.read(path))
    if not expected:
        return f"{path}: has no line 'Expect: <function> <label>'"
    module = Negative(tree, path)
    module.find_functions(env)
    wanted = set(module.functions)
    temp, _ = prove.cache_dirs(tree, options, module.name)
    try:
        args = prove.wp_args(options, temp, options.provers or prove.ALL_PROVERS, timeout=options.negative_timeout)
        if module.skip:
            args += ["-wp-skip-fct", ",".join(module.skip)]
        run = framac.frama_c(tree, path, [args], env, log_name=framac.new_log(tree, module.name))
    finally:
        shutil.rmtree(temp, ignore_errors=True)
    prove.collect_goals(module, run, wanted)
    opened = {(g["function"], g["label"]) for g in module.goals if g["verdict"] == "open"}
    for f, label in expected:
        if not any(g == f and got.startswith(label) for g, got in opened):
            return f"{path}: {f} {label}: proves, or is no goal"
    for f, got in sorted(opened):
        if not any(g == f and got.startswith(label) for g, label in expected):
            return f"{path}: {f} {got}: is open too, so the file fails for a reason it does not name"
    return None


def run_negative(tree, path, env, options):
    """(None, findings)"""
    found = negative_finding(tree, path, env, options)
    print(f"{os.path.basename(path)}: {'FAILS' if found else 'fails to prove, as it must'}", flush=True)
    return None, [found] if found else []


def division_lemmas(tree, env):
    """(None, findings): each lemma must be proved, by Why3's own theory of division, by one of two provers."""
    path, valid = os.path.join(tree.root, DIVISION), set()
    if re.search(r"^\s*axiom\b", tree.read(DIVISION), re.M):
        return None, [f"{DIVISION}: has an axiom"]
    lemmas = re.findall(r"^\s*lemma (\w+)", tree.read(DIVISION), re.M)
    for prover in ("Z3,4.8.12", "CVC4,1.8"):
        said = subprocess.run(["why3", "prove", "-P", prover, "-t", "5", path], env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout.decode("utf-8", "replace")
        valid |= set(re.findall(r"Goal (\w+)\.\nProver result is: Valid", said))
    found = [f"{DIVISION}: {name}: is not proved" for name in lemmas if name not in valid]
    print(f"{DIVISION}: {len(lemmas)} lemmas, {len(found)} findings", flush=True)
    return None, found


def all_false_goals(env):
    """(None, findings)"""
    found = false_goals.findings(env, FALSE_GOALS)
    print(f"false goals: {false_goals.GOALS} asked of each prover, {len(found)} findings", flush=True)
    return None, found


def digests(tree, names, tools, options):
    """{module: digest of what its proof reads, provers and time}."""
    return {n: record.digest(tree.module_hash(n), json.dumps(tools, sort_keys=True), json.dumps(SEEKERS), str(options.timeout))
            for n in names}


def tried_again(tree, standing):
    """{module: some of its functions}: a few of all functions of the modules on record, each as likely."""
    modules = [prove.Module(tree, n) for n in sorted(standing)]
    functions = [(m.name, f) for m in modules for f in sorted(m.source) if m.status_of(f) == "proved"]
    again = {}
    for name, function in random.sample(functions, min(AGAIN, len(functions))):
        again.setdefault(name, set()).add(function)
    return again


def arguments(argv):
    p = argparse.ArgumentParser(description="Contradictory contracts, and negatives that must fail.")
    p.add_argument("-M", "--module", help="only this module")
    p.add_argument("--timeout", type=int, default=1, help="seconds a smoke test and prover (1)")
    p.add_argument("--negative-timeout", type=int, default=2, help="seconds a goal of a negative and prover (2)")
    p.add_argument("--jobs", type=int, default=3)
    prove.add_provers(p)
    p.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    p.add_argument("--recorded", action="store_true", help="let modules stand in which nothing was found, by the record, in the same sources")
    p.add_argument("--save", action="store_true", help="store the record of the modules in which nothing is found")
    p.add_argument("--quiet", action="store_true", help="no progress")
    o = p.parse_args(argv)
    if o.save and o.module:
        raise ToolError("--save wants all modules: not with -M")
    o.replay, o.cached, o.function = False, False, None
    return o


def main():
    options = arguments(sys.argv[1:])
    tree = Tree(options.root)
    env = framac.environment(tree.root)
    tools = framac.tool_versions(env, options.provers or prove.ALL_PROVERS)
    names = prove.choose_modules(tree, options)
    begin, sources = time.monotonic(), tree.proof_hash()
    clean, depends_on = record.Record(tree, "smoke"), digests(tree, names, tools, options)
    recorded = clean.standing(depends_on) if options.recorded else {}
    again = tried_again(tree, recorded)
    negatives = [] if options.module else tree.listing("proofs/negatives", ".c")
    tasks = {n: functools.partial(smoke_module, tree, n, env, options, again.get(n)) for n in names if n not in recorded or n in again}
    if not options.module:
        cached = argparse.Namespace(**{**vars(options), "cached": True})
        tasks[DIVISION] = functools.partial(division_lemmas, tree, env)
        tasks.update({path: functools.partial(run_negative, tree, path, env, cached) for path in negatives})
        tasks["false goals"] = functools.partial(all_false_goals, env)
    answers = dict(zip(tasks, framac.each_module(list(tasks), lambda name: tasks[name](), os.cpu_count() or 1,
                                                 lambda name: prove.session_size(tree, name) if name in names else 0)))
    if framac.stopping.is_set():
        raise KeyboardInterrupt
    counts = [{**recorded[n], "recorded": True, "again": sorted(again.get(n, []))} if n in recorded else answers[n][0] for n in names]
    findings = [f for _, found in answers.values() for f in found]
    suspect = {name for name, (_, found) in answers.items() if found}
    if not options.module and not negatives:
        findings.append("proofs/negatives has no must_fail_*.c")
    for f in findings:
        print(f"smoke: {f}")
    os.makedirs(tree.build("results"), exist_ok=True)
    if not options.module:
        with open(tree.build("results", "smoke.json"), "w", encoding="utf-8") as f:
            json.dump({"sources": sources, "modules": counts, "negatives": [os.path.basename(n) for n in negatives],
                       "false_goals": false_goals.GOALS, "findings": findings}, f, indent=1)
            f.write("\n")
    if options.save:
        found = {c["module"]: {k: v for k, v in c.items() if k not in ("recorded", "again")} for c in counts if c["module"] not in suspect}
        clean.save({name: depends_on[name] for name in found}, found)
    print(f"smoke: {len(findings)} findings, {len(recorded)} modules on record, {sum(map(len, again.values()))} of their functions tried again, in {time.monotonic() - begin:.0f} s")
    return 1 if findings else 0


if __name__ == "__main__":
    main_guard(main)
