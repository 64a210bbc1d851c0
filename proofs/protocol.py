#!/usr/bin/env python3
"""Proves the goals of spec/protocol.mlw, the protocol for any number of threads, and that mutants of it fail: `make protocol`.

Each goal is given to Z3, CVC4 and Alt-Ergo until one proves it. A mutant is an edit of the theory and the goal that must then
stay open. Writes build/results/protocol.json. Exit status 0: all proved, all mutants killed; 1: not; 2: tool error.
"""
# SPDX-License-Identifier: Apache-2.0

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
]


def why3(path, prover, seconds, goal=None):
    """{goal: proved} of one run."""
    command = ["why3", "prove", "-P", prover, "-t", str(seconds), path]
    if goal:
        command += ["-T", "Protocol", "-G", goal]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=900)
    except FileNotFoundError:
        raise ToolError("why3 is missing: proofs/toolchain/setup.sh prove installs it")
    found = dict(re.findall(r"Goal (\w+)\.\n(?:.*\n)*?Prover result is: (\w+)", run.stdout))
    if not found:
        raise ToolError(f"why3 {prover}: {(run.stderr or run.stdout).strip()[-300:]}")
    return {name: verdict == "Valid" for name, verdict in found.items()}


def prove(path, goals):
    """{goal: (prover or None, seconds)}; the provers take turns."""
    answers = {}
    for prover in PROVERS:
        for goal in [g for g in goals if g not in answers]:
            start = time.monotonic()
            if why3(path, prover, SECONDS, goal)[goal]:
                answers[goal] = (prover, round(time.monotonic() - start, 2))
    return {goal: answers.get(goal, (None, 0.0)) for goal in goals}


def mutant_killed(tree, text, replace, by, goal):
    if text.count(replace) != 1:
        raise ToolError(f"a mutant's text occurs {text.count(replace)} times in {FILE}: {replace}")
    path = tree.build("prove", "protocol_mutant.mlw")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(replace, by))
    return not any(why3(path, prover, MUTANT_SECONDS, goal)[goal] for prover in PROVERS)


def main():
    tree = Tree(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    text = tree.read(FILE)
    if re.search(r"\baxiom\b", text):
        raise ToolError(f"{FILE}: has an axiom")
    os.makedirs(tree.build("prove"), exist_ok=True)
    os.makedirs(tree.build("results"), exist_ok=True)
    goals = re.findall(r"^\s*goal (\w+)", text, re.M)
    start = time.monotonic()
    answers = prove(os.path.join(tree.root, FILE), goals)
    open_ = [goal for goal in goals if answers[goal][0] is None]
    for goal in open_:
        print(f"open: {FILE} {goal}")
    survivors = []
    for what, replace, by, goal in MUTANTS:
        if answers[goal][0] is None or not mutant_killed(tree, text, replace, by, goal):
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
