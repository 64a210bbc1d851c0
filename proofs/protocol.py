#!/usr/bin/env python3
"""Proves the goals of spec/protocol.mlw, the protocol for any number of threads, and that mutants of it fail: `make protocol`.

Each goal is given to Z3, CVC4 and Alt-Ergo until one proves it. A mutant is an edit of a theory and the goal that must then
stay open. Writes build/results/protocol.json. Exit status 0: all proved, all mutants killed; 1: not; 2: tool error.
"""
# SPDX-License-Identifier: Apache-2.0

import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

from tree import Tree, ToolError, main_guard

FILE = "spec/protocol.mlw"
PROVERS = ("Z3,4.8.12", "CVC4,1.8", "Alt-Ergo,2.0.0")
SECONDS = 10
MUTANT_SECONDS = 2
JOBS = 2
# What the mutant does; the text and what takes its place; the goal that must stay open.
MUTANTS = [
    ("rests without a second look", "holder s s' (RestingFull m) Nowhere (AfterRest m)",
     "holder s s' (RestingFull m) Nowhere Done", "Inv_m1"),
    ("gives a full span to the central list without a second look", "holder s s' CentralFull FullSet AfterCentral",
     "holder s s' CentralFull FullSet Done", "Inv_m5_full"),
    ("sets a bit and does not look", "phase_of s s' t Looks /\\\n", "phase_of s s' t Idle /\\\n", "Inv_free"),
    ("gives up when the word has changed", "s.ctl <> c /\\ freer s s' t s.ctl s.place Looks",
     "s.ctl <> c /\\ freer s s' t s.ctl s.place Idle", "Inv_wakes_late"),
    ("wakes whatever the word says", "s.phase t = Saw (RestingFull m) /\\ s.ctl = RestingFull m /\\",
     "s.phase t = Saw (RestingFull m) /\\", "Inv_m3"),
    ("takes back whatever the word says", "pending s /\\ s.ctl = RestingFull m /\\", "pending s /\\", "Inv_m2_second_look"),
    ("accepts a span that is still on its way", "s.ctl = Waking m /\\ s.place = Inbox m /\\", "s.ctl = Waking m /\\", "Inv_m4"),
    ("returns a span with a remote bit", "s.ctl = Owned m /\\ not (pending s) /\\", "s.ctl = Owned m /\\", "Inv_m8"),
    ("files a span without the lock", "s.phase t = Files /\\ s.again <> AfterCentral /\\", "s.phase t = Files /\\", "Inv_files"),
    ("turns without a flush", "finished h /\\ (forall x m. h.place x <> Mine m) /\\", "finished h /\\", "Cycle_turns"),
    ("turns before the sweep is finished", "stopped h /\\ finished h /\\ (forall x m.", "stopped h /\\ (forall x m.", "Cycle_turns"),
    ("turns while a thread is inside", "stopped h /\\ finished h /\\ (forall x m.", "finished h /\\ (forall x m.", "Cycle_turns"),
    ("looks for work without a ticket", "h.ticket t /\\ in_unswept h x /\\", "h.inside t /\\ in_unswept h x /\\", "Cycle_pops_unswept"),
    ("takes a ticket when all is drained", "h.inside t /\\ not h.drained /\\", "h.inside t /\\", "Finished_stays"),
    ("says drained with spans left", "h.ticket t /\\ (forall x. not (in_unswept h x)) /\\", "h.ticket t /\\", "Cycle_drains"),
    ("gives its ticket back with a span in its hands", "h.ticket t /\\ empty_hands h t /\\", "h.ticket t /\\", "Cycle_ends"),
    ("pushes a span before its word says swept", "h.place x = Hands t /\\ d h x = 0 /\\\n    (moves", "h.place x = Hands t /\\\n    (moves",
     "Cycle_pushes"),
    ("uses a span that was not swept", "h.place x = Hands t /\\ d h x = 0 /\\ moves", "h.place x = Hands t /\\ moves", "Cycle_t1"),
    ("marks before the sweep is finished", "stopped h /\\ finished h /\\\n    h'.g = h.g", "stopped h /\\\n    h'.g = h.g", "Cycle_begin_mark"),
    ("pushes onto the unswept set", "h.place x = Mine m /\\\n    (moves h h' x h.g (h.clean x) (PartialSet h.swept)",
     "h.place x = Mine m /\\\n    (moves h h' x h.g (h.clean x) (PartialSet (notb h.swept))", "Unswept_shrinks"),
]


def why3(path, prover, seconds, theory, goals):
    """{goal: seconds, or None if not proved} of one run."""
    command = ["why3", "prove", "-P", prover, "-t", str(seconds), path, "-T", theory]
    for goal in goals:
        command += ["-G", goal]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=900)
    except FileNotFoundError:
        raise ToolError("why3 is missing: proofs/toolchain/setup.sh prove installs it")
    found = re.findall(r"Goal (\w+)\.\n(?:.*\n)*?Prover result is: (\w+).*?\((\d+\.\d+)s", run.stdout)
    if {name for name, _, _ in found} != set(goals):
        raise ToolError(f"why3 {prover}: {(run.stderr or run.stdout).strip()[-300:]}")
    return {name: float(took) if verdict == "Valid" else None for name, verdict, took in found}


def goals_of(text):
    """{goal: theory}"""
    found = [(goal, theory) for theory, body in re.findall(r"^theory (\w+)$(.*?)^end$", text, re.M | re.S)
             for goal in re.findall(r"^\s*goal (\w+)", body, re.M)]
    if len(dict(found)) != len(found):
        raise ToolError(f"{FILE}: two goals have one name")
    return dict(found)


def prove(path, goals):
    """{goal: (prover or None, seconds)}; the provers take turns."""
    answers = {}
    for prover in PROVERS:
        for theory in dict.fromkeys(goals.values()):
            todo = [g for g in goals if goals[g] == theory and g not in answers]
            if todo:
                said = why3(path, prover, SECONDS, theory, todo)
                answers.update({g: (prover, seconds) for g, seconds in said.items() if seconds is not None})
    return {goal: answers.get(goal, (None, 0.0)) for goal in goals}


def mutant_killed(tree, text, goals, number):
    _, replace, by, goal = MUTANTS[number]
    if text.count(replace) != 1:
        raise ToolError(f"a mutant's text occurs {text.count(replace)} times in {FILE}: {replace}")
    path = tree.build("prove", f"protocol_mutant_{number}.mlw")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(replace, by))
    killed = all(why3(path, prover, MUTANT_SECONDS, goals[goal], [goal])[goal] is None for prover in PROVERS)
    os.remove(path)
    return killed


def main():
    tree = Tree(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    text = tree.read(FILE)
    if re.search(r"\baxiom\b", text):
        raise ToolError(f"{FILE}: has an axiom")
    os.makedirs(tree.build("prove"), exist_ok=True)
    os.makedirs(tree.build("results"), exist_ok=True)
    goals = goals_of(text)
    start = time.monotonic()
    answers = prove(os.path.join(tree.root, FILE), goals)
    open_ = [goal for goal in goals if answers[goal][0] is None]
    for goal in open_:
        print(f"open: {FILE} {goal}")
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        killed = list(pool.map(lambda n: mutant_killed(tree, text, goals, n), range(len(MUTANTS))))
    survivors = []
    for (what, _, _, goal), dead in zip(MUTANTS, killed):
        if answers[goal][0] is None or not dead:
            survivors.append(what)
            print(f"survives: {what} ({goal})")
    result = {"sources": tree.hash_files([FILE]),
              "goals": [{"name": g, "prover": p, "seconds": s, "verdict": "proved" if p else "open"}
                        for g, (p, s) in answers.items()],
              "mutants": [{"name": what, "goal": goal, "verdict": "survived" if what in survivors else "killed"}
                          for what, _, _, goal in MUTANTS]}
    with open(tree.build("results", "protocol.json"), "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
        f.write("\n")
    print(f"protocol: {len(goals) - len(open_)} of {len(goals)} goals proved, "
          f"{len(MUTANTS) - len(survivors)} of {len(MUTANTS)} mutants killed, {time.monotonic() - start:.0f} s")
    return 1 if open_ or survivors else 0


if __name__ == "__main__":
    main_guard(main)
