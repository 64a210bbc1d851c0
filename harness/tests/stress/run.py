#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the stress program in every mode and thread count, and proves by the broken allocators that
it notices. Operations and seed are parameters; a failing run prints the seed and the operation."""

import argparse
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from results import Group, run

# mode, threads, share of the operations
PLAN = [("mix", 1, 0.20), ("mix", 2, 0.20), ("mix", 8, 0.24), ("pairs", 2, 0.08),
        ("pairs", 8, 0.08), ("churn", 2, 0.05), ("churn", 8, 0.05), ("ladder", 1, 0.10)]

# Which mode must notice which bug (name as in broken.c).
BUGS = {
    "BUG_OVERLAP_WHOLE": ("mix", 1), "BUG_OVERLAP_TAIL": ("mix", 1),
    "BUG_CALLOC_DIRTY": ("mix", 1), "BUG_CALLOC_LAST": ("ladder", 1),
    "BUG_MISALIGNED": ("mix", 1), "BUG_ALIGN_IGNORED": ("mix", 1),
    "BUG_REALLOC_LOSES": ("mix", 1), "BUG_REALLOC_SHRINK": ("mix", 4),
    "BUG_SCRIBBLE": ("mix", 4), "BUG_USABLE_SHORT": ("mix", 1), "BUG_USABLE_LONG": ("ladder", 1),
    "BUG_LEAK": ("churn", 4), "BUG_REMOTE_LEAK": ("pairs", 4), "BUG_NULL": ("mix", 1),
    "BUG_DEADLOCK": ("mix", 4),
}


def stress(args, mode, threads, ops, library, extra=(), timeout=620):
    return run([args.program, "--mode", mode, "--threads", str(threads), "--ops", str(ops),
                "--seed", str(args.seed), *extra], timeout, preload=library)


def self_test(group, args):
    missing = set(BUGS) - {os.path.basename(b)[:-3] for b in args.broken}
    if missing:
        sys.exit(f"no broken allocator for {sorted(missing)}")
    for library in args.broken:
        bug = os.path.basename(library)[:-3]
        mode, threads = BUGS.get(bug, ("mix", 4))
        outcome = stress(args, mode, threads, 2000000, library, ("--limit", "10"), 30)
        said = re.search(r"^stress: FAIL .*", outcome.out.decode(errors="replace"), re.M)
        if bug == "BUG_NONE":
            ok, detail = outcome.status == 0, outcome.tail()
        else:
            ok = outcome.status == 1 and said is not None
            detail = "" if ok else f"not noticed: {outcome.ended()}\n{outcome.tail()}"
        group.case(f"self-test {bug}", ok, outcome.seconds, detail)
        group.progress(f"{bug}: {said[0] if said else 'ok'}"[:110])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--results", required=True)
    parser.add_argument("--library", help="preloaded; without it the program is tested as linked")
    parser.add_argument("--ops", type=float, default=1e8, help="operations over all modes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broken", nargs="*", default=[], help="broken allocators for a self-test")
    parser.add_argument("--group", default="stress")
    args = parser.parse_args()
    group = Group(args.group, args.results)
    if args.broken:
        self_test(group, args)
    total = 0
    for mode, threads, share in PLAN:
        expect = ("--expect", "verispan") if args.library else ()
        outcome = stress(args, mode, threads, int(args.ops * share), args.library, expect)
        line = outcome.tail(1)
        done = re.search(r"^stress: ok .* ops=(\d+)", line)
        ok = outcome.status == 0 and done is not None
        total += int(done[1]) if done else 0
        group.progress(line if ok else f"{mode} {threads}: {outcome.ended()}")
        group.case(f"{mode} on {threads} threads", ok, outcome.seconds,
                   "" if ok else f"{outcome.ended()}\n{outcome.tail()}")
    group.progress(f"{total} operations, seed {args.seed}")
    group.case(f"{args.ops:.0e} operations were done", total >= 0.99 * args.ops, 0,
               f"{total} of {args.ops:.0f}")
    return group.done()


if __name__ == "__main__":
    sys.exit(main())
