#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs each program over the collector of this folder and over Boehm's, in turn, and compares CPU time and peak memory.

The bar: of each program at most Boehm's CPU time and at most its peak memory; a ratio is taken within a round, and the
median of the rounds counts. Both must print the same checksum. measure.c of the benchmark takes the figures."""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

PROGRAMS = ("bintree", "strings")
COLLECTORS = ("verispan", "boehm")


def run(measure, program, scale, report):
    """User + system seconds, peak MiB and output of one run."""
    outcome = subprocess.run([measure, report, "LD_PRELOAD=", "--", program, str(scale)], capture_output=True,
                             check=True, stdin=subprocess.DEVNULL, timeout=300)
    with open(report, encoding="ascii") as file:
        status, _, user, system, peak = file.read().split()
    if status != "0" or not outcome.stdout:
        sys.exit(f"{program} ends with status {status}: {outcome.stderr.decode(errors='replace')[:300]}")
    return float(user) + float(system), int(peak) / 1024, outcome.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--programs", required=True, help="folder with the programs, NAME-verispan and NAME-boehm")
    parser.add_argument("--measure", required=True)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--scale", type=int, default=100)
    parser.add_argument("--bars", action="store_true", help="exit with 1 if a bar is missed")
    args = parser.parse_args()
    missed = 0
    print(f"{'collected':12} {'':10} {'verispan':>9} {'boehm':>9} {'ratio':>7}")
    with tempfile.TemporaryDirectory() as scratch:
        report = os.path.join(scratch, "report")
        for program in PROGRAMS:
            samples = {collector: [] for collector in COLLECTORS}
            for _ in range(args.runs):
                for collector in COLLECTORS:
                    path = os.path.join(args.programs, f"{program}-{collector}")
                    samples[collector].append(run(args.measure, path, args.scale, report))
            if len({sample[2] for of_one in samples.values() for sample in of_one}) != 1:
                sys.exit(f"{program}: the collectors' checksums differ")
            for index, what in enumerate(("CPU s", "peak MiB")):
                ours, theirs = (statistics.median(s[index] for s in samples[c]) for c in COLLECTORS)
                ratio = statistics.median(v[index] / b[index] for v, b in zip(samples["verispan"], samples["boehm"]))
                missed += ratio > 1
                print(f"{program:12} {what:10} {ours:9.2f} {theirs:9.2f} {ratio:7.2f}  "
                      f"{'met' if ratio <= 1 else 'MISSED'}")
    return 1 if missed and args.bars else 0


if __name__ == "__main__":
    sys.exit(main())
