#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs each mode of the lives program for so many seconds, after it has noticed the broken allocators that it must."""

import argparse
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from results import Group, run

# The least that each mode must do: threads, steps, processes.
MODES = {"churn": 100000, "rings": 100000, "forks": 20, "exits": 30}
# Which mode must notice which bug (name as in broken.c).
BUGS = {"BUG_DEAD_CACHE": "churn", "BUG_CANCEL": "churn", "BUG_REMOTE": "rings", "BUG_REMOTE_LEAK": "rings",
        "BUG_FORK": "forks", "BUG_EXIT": "exits"}


def lives(args, mode, seconds, least, patience, library, expect):
    outcome = run([args.program, mode, str(seconds), str(least), str(patience), expect], seconds + 3 * patience + 60,
                  preload=library)
    said = re.search(r"^lives: (ok|FAIL) .*", outcome.out.decode(errors="replace"), re.M)
    return outcome, said


def self_test(group, args):
    names = {os.path.basename(path)[:-3]: path for path in args.broken}
    if set(names) != {*BUGS, "BUG_NONE"}:
        sys.exit(f"broken allocators are {sorted(names)}, known are {sorted(BUGS)}")
    plan = [(bug, mode, 1) for bug, mode in BUGS.items()] + [("BUG_NONE", mode, 0) for mode in MODES]
    for bug, mode, status in plan:
        outcome, said = lives(args, mode, 1, 1, 3, names[bug], "any")
        ok = outcome.status == status and said is not None
        group.case(f"self-test {bug} {mode}", ok, outcome.seconds,
                   "" if ok else f"{outcome.ended()}\n{outcome.tail()}")
        group.progress(f"{bug}: {said[0] if said else outcome.ended()}"[:110])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--results", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--seconds", type=int, default=4, help="of each mode")
    parser.add_argument("--broken", nargs="*", default=[], help="broken allocators for a self-test")
    parser.add_argument("--group", default="lives")
    args = parser.parse_args()
    group = Group(args.group, args.results)
    if args.broken:
        self_test(group, args)
    for mode in MODES:
        outcome, said = lives(args, mode, args.seconds, MODES[mode], 60, args.library, "verispan")
        ok = outcome.status == 0 and said is not None
        group.progress(said[0] if said else f"{mode}: {outcome.ended()}")
        group.case(mode, ok, outcome.seconds, "" if ok else f"{outcome.ended()}\n{outcome.tail()}")
    return group.done()


if __name__ == "__main__":
    sys.exit(main())
