#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs each misuse case in a process of its own and checks how it dies: SIGABRT, and exactly one
line on stderr that names the right pointer and one of the faults the case allows."""

import argparse
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from results import Group, run

WHAT = {"D": "double free", "I": "pointer into a block, not to its start",
        "F": "not a block of this heap", "N": "block was never allocated"}
LINE = re.compile(r"verispan: [a-z_]+: (.+): (0x[0-9a-f]+)\n")


def fault(case, allowed, outcome):
    """What is wrong with how the case ended; None when nothing is."""
    if case.startswith("fine_"):
        if outcome.status != 0 or outcome.err:
            return f"false alarm: {outcome.ended()}"
        return None
    if outcome.status != -6:
        return f"{outcome.ended()}, not SIGABRT"
    pointer = re.fullmatch(r"pointer (0x[0-9a-f]+)\n", outcome.out.decode())
    if not pointer:
        return "the case did not print its pointer"
    if allowed == "-":
        return None if not outcome.err else "output on a closed stderr"
    line = LINE.fullmatch(outcome.err.decode(errors="replace"))
    if not line:
        return "stderr is not exactly one line of the agreed form"
    if line[2] != pointer[1]:
        return f"the report names {line[2]}, not {pointer[1]}"
    if line[1] not in [WHAT[letter] for letter in allowed]:
        return f"the report says '{line[1]}', not " + " or ".join(WHAT[a] for a in allowed)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--results", required=True)
    parser.add_argument("--only", help="part of a case's name")
    args = parser.parse_args()
    group = Group("misuse", args.results)
    listing = run([args.program, "--list"], 10, preload=args.library)
    if listing.status != 0:
        sys.exit(f"{args.program} --list: {listing.ended()}\n{listing.tail()}")
    for line in listing.out.decode().splitlines():
        case, allowed = line.split()
        if args.only and args.only not in case:
            continue
        outcome = run([args.program, case], 60, preload=args.library)
        wrong = fault(case, allowed, outcome)
        group.case(case, wrong is None, outcome.seconds,
                   "" if wrong is None else f"{wrong}\n{outcome.tail()}")
    return group.done()


if __name__ == "__main__":
    sys.exit(main())
