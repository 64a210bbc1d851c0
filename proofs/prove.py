#!/usr/bin/env python3
"""Proves modules with Frama-C/WP and says what is open: `make prove [M=module] [F=function]`, `make replay`.

Exit status 0: everything asked for is proved; 1: a goal is open or something weakens the proof; 2: usage or tool error.
"""
# SPDX-License-Identifier: Apache-2.0

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time

import framac
from tree import Tree, ToolError, main_guard

ALL_PROVERS = ["cvc4", "alt-ergo", "z3"]
PATIENCE = 4
COLUMNS = ("qed", "alt-ergo", "z3", "cvc4", "script")
PROVED = {"valid", "valid_under_hyp"}
# Kinds of properties that are no obligation of the function they stand in.
NO_OBLIGATION = {"requires", "behavior", "froms", "reachable", "axiomatic", "assumes", "extended", "other"}
# Said for every function without a terminates clause, which -wp-definitions-terminate makes an obligation; and style.
HARMLESS = re.compile(r"Missing terminates clause for \w+, populates 'terminates \\true'|^\[kernel:CERT:")
HYPOTHESIS = re.compile(r"Memory model hypotheses for function '(\w+)'")


class Module:
    """One module's run: what was found, what is wrong."""

    def __init__(self, tree, name):
        self.tree, self.name = tree, name
        self.unit = tree.unit(name)
        self.files = tree.module_files(name)
        self.sources = tree.module_hash(name)
        self.source = tree.source_functions(name)
        self.lemmas = tree.lemmas(name)
        self.errors = []
        self.goals = []
        self.seconds = 0.0
        self.hypotheses = {}
        self.interrupted = False

    def status_of(self, function):
        if function in self.tree.trusted_functions:
            return "trusted"
        return "not yet proved" if function in self.tree.not_yet else "proved"

    def find_functions(self, env):
        """Functions of the module, from Frama-C's AST, checked against the source text."""
        ast = framac.frama_c(self.tree, self.unit, [], env)
        defined = {f: d for f, d in ast.functions.items() if d["defined"]}
        self.functions = {f: f"{d['file']}:{d['line']}" for f, d in defined.items() if d["file"] in self.files}
        self.skip = sorted(f for f, d in defined.items() if f not in self.functions)
        for f, at in sorted(self.source.items()):
            if f in self.functions or self.status_of(f) != "proved":
                continue
            if f in ast.functions:
                self.errors.append(f"{at}: {f}: its body is hidden from Frama-C and it is not in trusted_functions")
            else:
                self.errors.append(f"{at}: {f}: Frama-C does not see it (unused without a contract, or behind an #if)")
        for f in list(self.functions):
            if self.status_of(f) != "proved":
                self.skip.append(f)
                del self.functions[f]
        if not self.functions and not self.lemmas and not self.errors:
            self.errors.append(f"module {self.name} has no function to prove")


def provers_of(tree, options, module):
    """Who proves: as asked for, or as modules.json says, which leaves out who only costs a module's proof time."""
    return options.provers or tree.modules.get(module, {}).get("provers", ALL_PROVERS)


def wp_args(options, cache_dir, provers, scripts=None, timeout=None):
    provers = [*(["script"] if scripts else []), *provers]
    return [*framac.CHECKS, *framac.TERMINATION, "-wp-split", "-wp-prover", ",".join(provers),
            "-wp-timeout", str(timeout or options.timeout), "-wp-par", str(options.jobs), "-wp-cache-dir", cache_dir,
            "-wp-cache", "offline" if options.replay else "update"]


def attempts(options, cache_dir, provers, scripts, known, functions, lemmas):
    """WP's arguments for the goals of functions, or else of lemmas.

    At first each goal is for who proved it before, and for all if nobody did: WP prepares a goal for each prover, which costs
    more than the proof. Then the rest is for all, with more time if it is a whole module, on a slow or loaded machine. Of
    lemmas WP tries all again in each attempt, so that they have one.
    """
    def first(timeout):
        return wp_args(options, cache_dir, provers, scripts or known, timeout) + (["-wp-msg-key", "prover"] if known else [])

    patient = options.timeout * (1 if options.function else PATIENCE)
    if not functions:
        return [first(patient) + ["-wp-prop", ",".join(lemmas)]]
    return [args + ["-wp-fct", ",".join(functions)]
            for args in (first(options.timeout), wp_args(options, cache_dir, provers, scripts, patient))]


def script_folder(tree, module):
    """proofs/scripts/MODULE, where checked-in proof scripts are, or None."""
    path = os.path.join(tree.root, "proofs", "scripts", module)
    return path if os.path.isdir(path) and os.listdir(path) else None


def check_contracts(module, run, wanted):
    """Every function has assigns and ensures, and every obligation was tried and holds."""
    kinds = {}
    for p in run.properties:
        kinds.setdefault(p.get("fct"), []).append(p)
    goals = {}
    for g in module.goals:
        goals.setdefault(g["function"], []).append(g)
    for f in sorted(wanted):
        at = module.functions.get(f) or module.lemmas.get(f[6:])
        if f.startswith("lemma "):
            props = [p for p in run.properties if p["kind"] == "lemma" and f[6:] in p["names"]]
            if not props:
                module.errors.append(f"{at}: {f}: Frama-C does not see it")
        else:
            props = [p for p in kinds.get(f, []) if p["kind"] not in NO_OBLIGATION]
            here = {p["kind"] for p in props if p.get("kinstr") is None}
            if "assigns" not in here:
                module.errors.append(f"{at}: {f}: no assigns clause")
            if "ensures" not in here:
                module.errors.append(f"{at}: {f}: no ensures clause")
        if not goals.get(f):
            module.errors.append(f"{at}: {f}: no goal was generated")
        is_open = any(g["verdict"] == "open" for g in goals.get(f, []))
        for p in props:
            where = f"{p['file']}:{p['line']}" if p["line"] else at
            what = " ".join([p["kind"].replace("_", " "), *p["names"]])
            if p["status"] == "never_tried":
                module.errors.append(f"{where}: {f}: {what}: was not tried")
            elif p["status"] not in PROVED and not is_open:
                module.errors.append(f"{where}: {f}: {what}: status is {p['status'].replace('_', ' ')}")
    for p in run.properties:
        if "axiom" in p["kind"] and p["kind"] != "axiomatic" and p["file"].startswith(("src/", "spec/")):
            if os.path.basename(p["file"]) not in module.tree.trusted_files:
                module.errors.append(f"{p['file']}:{p['line']}: axiom {' '.join(p['names'])} outside the trusted edge")


def check_warnings(module, run):
    believed = module.tree.hypotheses_of(module.name)
    for text in run.warnings:
        if HARMLESS.search(text):
            continue
        m = HYPOTHESIS.search(text)
        if m:
            f = m.group(1)
            if f in module.skip:
                continue
            if f in believed:
                module.hypotheses[f] = believed[f]
                continue
        if any(re.search(w["match"], text) for w in module.tree.allowed_warnings):
            continue
        module.errors.append("weakens the proof: " + text)


def collect_goals(module, run, wanted, whole=True):
    known = set(module.functions)
    for name, g in run.goals.items():
        function = framac.goal_function(name, known | set(module.skip))
        if function is None:
            module.errors.append(f"goal {name} belongs to no known function")
            continue
        if function.startswith("lemma ") and function[6:] not in module.lemmas:
            continue
        if function not in wanted:
            module.errors.append(f"goal {name} belongs to {function}, which was not asked for")
        entry = {"function": function, "goal": framac.without_model(name), "prover": g["prover"],
                 "seconds": g["seconds"], "verdict": "proved" if g["proved"] else "open"}
        if not g["proved"]:
            file, line, label = framac.goal_place(name, function, run)
            entry["at"], entry["label"] = f"{file or '?'}:{line or '?'}", label
            entry["why"] = [w for w in g["why"] if w]
        module.goals.append(entry)
    if whole and run.said != len(run.goals):
        module.errors.append(f"Frama-C's summary says {run.said} goals, but {len(run.goals)} were counted")


def cache_dirs(tree, options, module):
    """(folder to use, folder to merge valid answers into or None)."""
    temp = tempfile.mkdtemp(prefix="wp-cache-")
    if options.replay:
        if not os.path.exists(session_path(tree, module)):
            raise ToolError(f"no stored session of {module} (prove.py -M {module} --save writes it)")
        for name, entry in session(tree, module)["answers"].items():
            with open(os.path.join(temp, name), "w", encoding="utf-8") as out:
                json.dump(entry, out)
        return temp, None
    store = tree.build("wp-cache")
    if options.cached and os.path.isdir(store):
        for name in os.listdir(store):
            os.symlink(os.path.join(os.path.abspath(store), name), os.path.join(temp, name))
    return temp, store


def merge_cache(temp, store):
    """Keep the provers' positive answers: a time-out says nothing about the next run."""
    if store is None:
        return {}
    os.makedirs(store, exist_ok=True)
    kept = {}
    for name in os.listdir(temp):
        path = os.path.join(temp, name)
        try:
            with open(path, encoding="utf-8") as f:
                entry = json.load(f)
        except (OSError, ValueError):
            continue
        if entry.get("verdict") == "valid":
            kept[name] = entry
            if not os.path.islink(path):
                part = os.path.join(store, f".{name}.{os.getpid()}")
                shutil.copyfile(path, part)
                os.replace(part, os.path.join(store, name))
    return kept


def session_path(tree, module):
    return os.path.join(tree.root, "proofs", "sessions", f"{module}.json")


def session_size(tree, module):
    """Bytes of the module's session, 0 without one: they grow with the time that its proof takes."""
    path = session_path(tree, module)
    return os.path.getsize(path) if os.path.exists(path) else 0


def session(tree, module):
    """The module's last saved proof. answers: the provers', by WP's name of the question; provers: {goal: [prover, seconds]}."""
    path = session_path(tree, module)
    if not os.path.exists(path):
        return {"answers": {}, "provers": {}}
    try:
        with open(path, encoding="utf-8") as f:
            found = json.load(f)
        return {"answers": found["answers"], "provers": found["provers"]}
    except (ValueError, KeyError, TypeError):
        raise ToolError(f"{os.path.relpath(path, tree.root)}: not a session (prove.py -M {module} --save writes it; remove it first)")


def save_session(tree, module, kept):
    provers = {g["goal"]: [g["prover"], g["seconds"]] for g in module.goals if g["prover"] in ALL_PROVERS}
    path = session_path(tree, module.name)
    os.makedirs(os.path.dirname(path), exist_ok=True)

    def rows(table):
        return ",\n".join(f"{json.dumps(n)}: {json.dumps(table[n], sort_keys=True)}" for n in sorted(table))

    with open(path, "w", encoding="utf-8") as f:
        f.write('{"answers": {\n' + rows(kept) + '},\n"provers": {\n' + rows(provers) + "}}\n")


def prove_module(tree, name, options, env, tools):
    begin = time.monotonic()
    module = Module(tree, name)
    module.find_functions(env)
    everything = set(module.functions) | {f"lemma {n}" for n in module.lemmas}
    wanted = everything
    if options.function:
        wanted = {f for f in everything if f in (options.function, f"lemma {options.function}")}
    module.wanted = wanted
    log = framac.new_log(tree, name if not options.function else f"{name}-{options.function}")
    if wanted:
        temp, store = cache_dirs(tree, options, name)
        scripts = script_folder(tree, name)
        provers = provers_of(tree, options, name)
        known = {} if options.provers else session(tree, name)["provers"]
        functions = sorted(f for f in wanted if f in module.functions)
        lemmas = sorted(f[6:] for f in wanted if f.startswith("lemma "))
        progress = framac.Progress(name, options.quiet)
        try:
            run = None
            for kind in [(functions, [])] * bool(functions) + [([], lemmas)] * bool(lemmas):
                part = framac.frama_c(tree, module.unit, attempts(options, temp, provers, scripts, known, *kind), env, progress,
                                      log_name=log, scripts=scripts, known=known, versions=tools)
                if kind[1]:  # WP looks at every function again, and warns, though it proves none
                    part.warnings = [w for w in part.warnings if not w.startswith("[wp")]
                run = framac.merge(run, part)
            collect_goals(module, run, wanted)
            check_warnings(module, run)
            check_contracts(module, run, wanted)
            kept = merge_cache(temp, store)
            green = not module.errors and not any(g["verdict"] == "open" for g in module.goals)
            if options.save and green:
                save_session(tree, module, kept)
        except framac.Interrupted as stop:
            collect_goals(module, framac.merge(run, stop.run), wanted, whole=False)
            merge_cache(temp, store)
            module.interrupted = True
        finally:
            shutil.rmtree(temp, ignore_errors=True)
    module.seconds = round(time.monotonic() - begin, 1)
    return module


def function_verdict(module, f):
    goals = [g for g in module.goals if g["function"] == f]
    weak = any(re.search(rf"\b{re.escape(f)}\b", e) for e in module.errors)
    return "proved" if goals and all(g["verdict"] == "proved" for g in goals) and not weak else "open"


def result_json(tree, module, options, tools):
    functions = []
    for f in sorted(set(module.functions) | {s for s in module.source if module.status_of(s) != "proved"}):
        status = module.status_of(f)
        entry = {"name": f, "at": module.functions.get(f) or module.source[f],
                 "verdict": function_verdict(module, f) if status == "proved" else status}
        if status == "trusted":
            entry["trust"] = tree.trusted_functions[f]
        functions.append(entry)
    return {"module": module.name, "tools": tools, "sources": module.sources,
            "mode": "cached" if options.cached else "scratch",
            "timeout": options.timeout, "functions": functions, "lemmas": sorted(module.lemmas),
            "hypotheses": module.hypotheses, "errors": module.errors, "seconds": module.seconds, "goals": module.goals}


def write_result(tree, module, options, tools):
    path = tree.build("results", f"{module.name}.json")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(result_json(tree, module, options, tools), f, indent=1)
        f.write("\n")


def print_table(modules):
    rows = []
    for m in modules:
        by = {}
        for g in m.goals:
            by.setdefault(g["function"], []).append(g)
        for f in sorted(by, key=lambda n: (n.startswith("lemma "), n)):
            gs = by[f]
            rows.append([m.name, f, len(gs), *[sum(g["prover"] == c for g in gs) for c in COLUMNS],
                         sum(g["verdict"] == "open" for g in gs), f"{sum(g['seconds'] for g in gs):.1f}"])
    total = ["total", "", *[sum(r[i] for r in rows) for i in range(2, 9)], f"{sum(float(r[9]) for r in rows):.1f}"]
    head = ["module", "function", "goals", *COLUMNS, "open", "seconds"]
    table = [head, *rows, total]
    widths = [max(len(str(r[i])) for r in table) for i in range(len(head))]
    for r in table:
        print("  ".join(str(c).ljust(w) if i < 2 else str(c if c != 0 or i == 2 else "-").rjust(w)
                        for i, (c, w) in enumerate(zip(r, widths))))


def report(modules, begin):
    """Print the table and everything open; True when nothing is."""
    print_table(modules)
    good = True
    for m in modules:
        opened = {}
        for g in m.goals:
            if g["verdict"] == "open":
                opened.setdefault((g["at"], g["function"], g["label"]), []).append(g)
        for (at, f, label), gs in sorted(opened.items()):
            good = False
            parts = f" ({len(gs)} goals)" if len(gs) > 1 else ""
            print(f"open: {at} {f} {label}{parts}   [{'; '.join(gs[0]['why'])}]")
        for e in m.errors:
            good = False
            print(f"fails: {e}")
        for f, t in sorted(m.hypotheses.items()):
            print(f"assumed: {f}: separation as in {t}")
        skipped = sorted(f for f in set(m.source) if m.status_of(f) == "not yet proved")
        if skipped:
            print(f"not yet proved in {m.name}: {', '.join(skipped)}")
    goals = sum(len(m.goals) for m in modules)
    done = sum(g["verdict"] == "proved" for m in modules for g in m.goals)
    if framac.stopping.is_set():
        print(f"interrupted: {done} of {goals} goals that had finished are proved; modules cut short have no result")
        return False
    print(f"{done} of {goals} goals proved in {time.monotonic() - begin:.0f} s" + ("" if good else ": NOT PROVED"))
    return good


def add_provers(parser):
    parser.add_argument("--provers", type=lambda text: text.split(","),
                        help=f"default: {','.join(ALL_PROVERS)}, or those that modules.json names for a module")


def arguments(argv):
    p = argparse.ArgumentParser(description="Prove modules of src/ with Frama-C/WP.")
    p.add_argument("-M", "--module", help="only this module")
    p.add_argument("-F", "--function", help="only this function or lemma")
    p.add_argument("--replay", action="store_true", help="answers of proofs/sessions only; no prover runs")
    p.add_argument("--save", action="store_true", help="store the session of each module that is fully proved")
    p.add_argument("--scratch", action="store_true", help="with -F: do not use the answers in build/wp-cache")
    p.add_argument("--cached", action="store_true", help="use the answers in build/wp-cache")
    p.add_argument("--timeout", type=int, default=10,
                   help=f"seconds a goal and prover (10); {PATIENCE} times as many for what is open of a whole module")
    p.add_argument("--jobs", type=int, default=3, help="provers at a time (3: WP starts all on each goal, and with fewer the quick one may wait)")
    p.add_argument("--parallel", type=int, default=os.cpu_count() or 1, help="modules at a time (one a core)")
    add_provers(p)
    p.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."), help="the tree to prove")
    p.add_argument("--quiet", action="store_true", help="no progress")
    o = p.parse_args(argv)
    if o.timeout < 1 or o.jobs < 1 or o.parallel < 1:
        raise ToolError("--timeout, --jobs and --parallel want a positive number")
    if o.save and (o.cached or o.replay or o.function):
        raise ToolError("--save wants a whole run from scratch: not with --cached, --replay or -F")
    o.cached = o.cached or bool(o.function and not o.scratch)
    return o


def choose_modules(tree, options):
    if options.module:
        if options.module not in tree.modules:
            raise ToolError(f"unknown module {options.module}; known: {', '.join(tree.modules)}")
        return [options.module]
    names = [m for m in tree.modules if tree.module_present(m)]
    if options.function:
        names = [m for m in names if options.function in tree.source_functions(m) or options.function in tree.lemmas(m)]
        if not names:
            raise ToolError(f"no module has a function or lemma {options.function}")
    if not names:
        raise ToolError("no module of modules.json exists in src/")
    return names


def main():
    options = arguments(sys.argv[1:])
    tree = Tree(options.root)
    env = framac.environment(tree.root)
    names = choose_modules(tree, options)
    tools = framac.tool_versions(env, options.provers or ALL_PROVERS)
    absent = [] if options.module or options.function else [m for m in tree.modules if m not in names]

    def work(name):
        module = prove_module(tree, name, options, env, tools)
        if not options.function and not options.replay and not module.interrupted:
            write_result(tree, module, options, tools)
        return module

    begin = time.monotonic()
    modules = framac.each_module(names, work, options.parallel, lambda name: session_size(tree, name))
    if framac.stopping.is_set():
        report(modules, begin)
        return 130
    for module in modules:
        if options.function and not module.wanted and not module.errors:
            raise ToolError(f"{options.function} is {module.status_of(options.function)}: nothing to prove")
    good = report(modules, begin)
    for m in absent:
        print(f"fails: module {m} is in modules.json but not in src/")
        good = False
    return 0 if good else 1


if __name__ == "__main__":
    main_guard(main)
