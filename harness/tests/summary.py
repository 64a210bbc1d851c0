#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up the results of the test groups: `summary.py RESULTS_DIR GROUP...`. A group that left no
result counts as one failed case. The last line is `N passed, N failed`; exit 1 if any failed."""

import json
import os
import sys


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: summary.py RESULTS_DIR GROUP...")
    passed = failed = 0
    print(f"{'group':<12} {'passed':>7} {'failed':>7} {'seconds':>8}")
    bad = []
    for group in sys.argv[2:]:
        path = os.path.join(sys.argv[1], group + ".json")
        if not os.path.exists(path):
            print(f"{group:<12} no result: the group did not run to its end")
            bad.append(f"{group}: no result")
            failed += 1
            continue
        with open(path) as f:
            result = json.load(f)
        ok = sum(c["verdict"] == "passed" for c in result["cases"])
        no = len(result["cases"]) - ok
        bad += [f"{group}: {c['name']}" for c in result["cases"] if c["verdict"] != "passed"]
        print(f"{group:<12} {ok:>7} {no:>7} {result['seconds']:>8}")
        passed, failed = passed + ok, failed + no
    for line in bad:
        print(f"failed: {line}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
