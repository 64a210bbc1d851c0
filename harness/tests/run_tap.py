#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs test programs that report their cases in TAP: those that find the allocator by LD_PRELOAD, and
those that have it linked in."""

import argparse
import os
import sys

from results import Group, run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", help="what --preloaded programs get preloaded")
    parser.add_argument("--results", required=True)
    parser.add_argument("--preloaded", nargs="*", default=[])
    parser.add_argument("--linked", nargs="*", default=[])
    parser.add_argument("--group", default="libc")
    parser.add_argument("--seconds", type=int, default=240, help="how long a program may take")
    args = parser.parse_args()
    if args.preloaded and not args.library:
        parser.error("--preloaded needs --library")
    group = Group(args.group, args.results)
    env = {"CMOCKA_MESSAGE_OUTPUT": "TAP"}
    for kind, programs in (("preload", args.preloaded), ("linked", args.linked)):
        for program in programs:
            name = os.path.basename(program)
            outcome = run([program], args.seconds, env=env,
                          preload=args.library if kind == "preload" else None)
            group.progress(f"{kind} {name}: {outcome.ended()}, {outcome.seconds:.1f} s")
            group.tap(f"{kind} {name}: ", outcome)
    return group.done()


if __name__ == "__main__":
    sys.exit(main())
