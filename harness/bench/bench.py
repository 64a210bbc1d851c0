#!/usr/bin/env python3
"""Measures verispan against glibc and the allocators that Debian packages: CPU time, wall time, peak memory, and a few
figures of their own (figures.py).

Runs are interleaved: each round runs every load once under every allocator, in an order that rotates, and ratios are
taken within a round before their median is taken. See harness/bench/README.md for the loads and the table.
"""
# SPDX-License-Identifier: Apache-2.0
import argparse
import fcntl
import hashlib
import json
import math
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

import loads
from figures import SUBJECT, all_figures
from loads import BUILD, LARGE, REMOTE, ROOT, Failure, all_loads, environment, tool

SETUP = "proofs/toolchain/setup.sh"
LIBRARIES = {"glibc": "libc.so.6", "mimalloc": "libmimalloc.so.2", "jemalloc": "libjemalloc.so.2",
             "tcmalloc": "libtcmalloc_minimal.so.4"}
ALLOCATORS = [*LIBRARIES, SUBJECT]
METRICS = {"cpu": "CPU time (user + system), s", "wall": "wall time, s", "peak": "peak memory, MiB"}
GENERAL = tuple(load.name for load in all_loads() if load.general)
# Against Debian's mimalloc: metric, geometric mean or worst, of which loads, at most.
BARS = (("cpu", "geometric mean", "all general loads", GENERAL, 1.10),
        ("cpu", "worst", "general loads", GENERAL, 1.4),
        ("peak", "geometric mean", "all general loads", GENERAL, 0.8),
        ("cpu", "worst", "large blocks", LARGE, 1.0),
        ("cpu", "worst", "remote frees", REMOTE, 1.1),
        ("peak", "worst", "remote frees", REMOTE, 1.2))
QUICK = {"scale": 30, "runs": 3}
FULL = {"scale": 100, "runs": 7}


def die(message):
    sys.exit("bench: " + message)


def progress(message):
    print("bench: " + message, file=sys.stderr, flush=True)


class Context:
    """Where things are, and how much work a load does."""

    def __init__(self, scale):
        self.scale = scale
        self.programs = os.path.join(BUILD, "bench")
        self.measure = os.path.join(self.programs, "measure")
        self.data = os.path.join(self.programs, f"data-{scale}")
        self.scratch = tempfile.mkdtemp(prefix="verispan-bench-")
        self.origins = {}


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench.py", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="less work and fewer rounds: about 6 minutes")
    parser.add_argument("--loads", help="some of: " + ",".join(part.name for part in all_loads() + all_figures()))
    parser.add_argument("--allocators", help="some of: " + ",".join(ALLOCATORS))
    parser.add_argument("--runs", type=int, help=f"rounds (default {FULL['runs']}, quick {QUICK['runs']})")
    parser.add_argument("--scale", type=int, help=f"work in percent (default {FULL['scale']}, quick {QUICK['scale']})")
    parser.add_argument("--verispan", metavar="LIBRARY", default=os.path.join(BUILD, "libverispan.so"),
                        help="measure this library as verispan (default libverispan.so of the build folder)")
    parser.add_argument("--bars", action="store_true", help="exit with 1 if a bar is missed or cannot be judged")
    args = parser.parse_args()
    preset = QUICK if args.quick else FULL
    args.runs = preset["runs"] if args.runs is None else args.runs
    args.scale = preset["scale"] if args.scale is None else args.scale
    if not 1 <= args.runs <= 1000:
        parser.error("--runs is 1 to 1000")
    if not 1 <= args.scale <= 10000:
        parser.error("--scale is 1 to 10000")
    parts = choose(parser, "--loads", args.loads, {part.name: part for part in all_loads() + all_figures()})
    args.loads = [part for part in parts if isinstance(part, loads.Load)]
    args.figures = [part for part in parts if not isinstance(part, loads.Load)]
    args.allocators = choose(parser, "--allocators", args.allocators, {name: name for name in ALLOCATORS})
    return args


def choose(parser, option, text, known):
    if text is None:
        return list(known.values())
    names = text.split(",")
    for name in names:
        if name not in known:
            parser.error(f"{option}: unknown name '{name}'; known are {','.join(known)}")
    if len(set(names)) != len(names):
        parser.error(f"{option}: a name occurs twice")
    return [known[name] for name in names]


def library_cache():
    """Names and paths that the dynamic linker knows, for this machine's word size."""
    listing = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if listing.returncode != 0:
        die("ldconfig -p fails: " + listing.stderr.strip())
    return dict(re.findall(r"^\t(\S+) \(libc6,x86-64[^)]*\) => (\S+)$", listing.stdout, re.MULTILINE))


def find_allocators(names, verispan):
    """Paths of the libraries to preload; glibc's too, because a program may be linked with another malloc."""
    cache = library_cache()
    paths = {}
    for name in names:
        path = verispan if name == SUBJECT else cache.get(LIBRARIES[name], LIBRARIES[name])
        if not os.path.isfile(path):
            hint = "run 'make' to build it" if name == SUBJECT else f"run '{SETUP} bench' to install it"
            die(f"{name}: no library {path}; {hint}")
        paths[name] = os.path.realpath(path)
    return paths


def check_tools(chosen, figures, context):
    for figure in figures:
        program = os.path.join(context.programs, figure.name)
        if not os.access(program, os.X_OK):
            die(f"figure {figure.name}: {program} is not built; run 'make bench'")
    for load in chosen:
        for name in load.needs:
            if tool(name) is None:
                die(f"load {load.name}: no program '{name}'; run '{SETUP} bench test' to install it")
        if load.kind == "own" and not os.access(load.probe(context)[0], os.X_OK):
            die(f"load {load.name}: {load.probe(context)[0]} is not built; run 'make bench'")
    if not os.access(context.measure, os.X_OK):
        die(f"{context.measure} is not built; run 'make bench'")


def package_of(path):
    if path.startswith(ROOT + os.sep):
        return os.path.relpath(path, ROOT)
    for candidate in (path, path.replace("/usr/lib/", "/lib/", 1)):
        query = subprocess.run(["dpkg-query", "-S", candidate], capture_output=True, text=True,
                               stdin=subprocess.DEVNULL)
        if query.returncode == 0:
            name = query.stdout.split(": ")[0]
            version = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}", name], capture_output=True,
                                     text=True, stdin=subprocess.DEVNULL)
            return version.stdout
    return path


def check_binding(load, name, path, context):
    """Asks the dynamic linker where the program's own malloc and free lead to."""
    argv = load.probe(context)
    env = environment({"LD_PRELOAD": path, "LD_DEBUG": "bindings", "LD_BIND_NOW": "1"})
    try:
        log = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, env=env, timeout=20).stderr
    except subprocess.TimeoutExpired as hung:
        log = hung.stderr or b""
    text = log.decode(errors="replace")
    for symbol in ("malloc", "free"):
        pattern = rf"binding file {re.escape(argv[0])} \[0\] to (\S+) \[0\]: normal symbol `{symbol}'"
        bound = set(re.findall(pattern, text)) - {argv[0]}
        if {os.path.realpath(p) for p in bound} != {path}:
            die(f"load {load.name}: {symbol} of {argv[0]} is bound to {', '.join(bound) or 'nothing'}, "
                f"not to {name} ({path})")


class Results:
    """Samples of each load and allocator, one a round; failures; and the statistics over them."""

    def __init__(self, chosen, allocators):
        self.loads, self.allocators = [load.name for load in chosen], allocators
        self.samples = {load: {name: {} for name in allocators} for load in self.loads}
        self.failures = {}

    def add(self, load, name, round_number, wall, cpu, peak):
        self.samples[load][name][round_number] = {"wall": wall, "cpu": cpu, "peak": peak / 1024}

    def fail(self, load, name, reason):
        self.failures[load, name] = reason
        self.samples[load][name] = {}

    def values(self, load, name, metric):
        return [sample[metric] for sample in self.samples[load][name].values()]

    def ratios(self, load, name, metric):
        """Ratios of the subject to this allocator, each within one round."""
        mine, other = self.samples[load].get(SUBJECT, {}), self.samples[load][name]
        return [mine[r][metric] / other[r][metric] for r in mine if r in other]

    def ratio(self, load, name, metric):
        ratios = self.ratios(load, name, metric)
        return statistics.median(ratios) if ratios else None

    def least_ratio(self, load, name, metric):
        """Ratio of the least samples: what other processes on the machine disturb least."""
        if not self.ratios(load, name, metric):
            return None
        return min(self.values(load, SUBJECT, metric)) / min(self.values(load, name, metric))

    def mean_ratio(self, name, metric, of_load=ratio):
        """Geometric mean over the general loads that have a ratio."""
        ratios = [of_load(self, load, name, metric) for load in self.loads if load in GENERAL]
        ratios = [r for r in ratios if r is not None]
        return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None


def spread(values):
    """Half the interquartile range, in percent of the median."""
    if len(values) < 2:
        return None
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return 50 * (high - low) / middle if middle else 0


def run_round(results, chosen, paths, context, reference, round_number):
    for position, load in enumerate(chosen):
        names = results.allocators
        shift = (round_number + position) % len(names)
        line = []
        for name in names[shift:] + names[:shift]:
            if (load.name, name) in results.failures:
                continue
            try:
                wall, cpu, peak, digest = load.run(context, paths[name])
                if digest != reference[load.name]:
                    raise Failure("its output is not that of the run under glibc")
            except Failure as problem:
                results.fail(load.name, name, str(problem))
                progress(f"FAILED: {load.name} under {name}: {problem}")
                progress("  as in: " + load.shell(context, context.origins[name]))
                continue
            results.add(load.name, name, round_number, wall, cpu, peak)
            line.append(f"{name} {cpu:.2f} s {peak / 1024:.0f} MiB")
        progress(f"round {round_number + 1}: {load.name}: " + ", ".join(sorted(line)))


def prepare(load, context):
    """Makes the load's input unless this version of the loads has made it already, perhaps just now in another run."""
    stamp = os.path.join(context.data, load.name + ".stamp")
    with open(loads.__file__, "rb") as source:
        version = hashlib.sha256(source.read()).hexdigest()
    with open(os.path.join(context.data, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(stamp):
            with open(stamp, encoding="ascii") as file:
                if file.read() == version:
                    return
            os.unlink(stamp)
        load.prepare(context)
        with open(stamp, "w", encoding="ascii") as file:
            file.write(version)


def make_reference(chosen, glibc, context):
    reference = {}
    for load in chosen:
        progress(f"reference run of {load.name}")
        try:
            prepare(load, context)
            reference[load.name] = load.run(context, glibc)[3]
        except (Failure, subprocess.CalledProcessError) as problem:
            die(f"load {load.name} fails under glibc: {problem}")
    return reference


def cell(results, load, name, metric):
    if (load, name) in results.failures:
        return "FAILED"
    values = results.values(load, name, metric)
    if not values:
        return "-"
    middle, noise = statistics.median(values), spread(values)
    number = f"{middle:.1f}" if metric == "peak" else f"{middle:.2f}"
    return number if noise is None else f"{number} ±{noise:.0f}%"


def ratio_cell(results, load, name, metric):
    ratios = results.ratios(load, name, metric)
    if not ratios:
        return "-"
    if len(ratios) == 1:
        return f"{ratios[0]:.2f}"
    return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}..{max(ratios):.2f}]"


def make_table(results, metric):
    """Rows of text: medians of each allocator, then the ratios of the subject to each other one. The means stand
    below the loads that they are over."""
    others = [name for name in results.allocators if name != SUBJECT] if SUBJECT in results.allocators else []
    rows = [["load", *results.allocators, *[f"{SUBJECT}/{name}" for name in others]]]
    rows += [load_row(results, load, others, metric) for load in results.loads if load in GENERAL]
    if others and len(rows) > 1:
        for title, of_load in (("geometric mean", Results.ratio), ("same of least samples", Results.least_ratio)):
            means = [results.mean_ratio(name, metric, of_load) for name in others]
            rows.append([title, *["" for _ in results.allocators],
                         *["-" if mean is None else f"{mean:.3f}" for mean in means]])
    return rows + [load_row(results, load, others, metric) for load in results.loads if load not in GENERAL]


def load_row(results, load, others, metric):
    return [load, *[cell(results, load, name, metric) for name in results.allocators],
            *[ratio_cell(results, load, name, metric) for name in others]]


def text_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))).rstrip()
            for row in rows]


def markdown_table(rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return [lines[0], "|---" + "|---:" * (len(rows[0]) - 1) + "|", *lines[1:]]


def judge(results, figures):
    """The bars of the project, against Debian's mimalloc and of the figures."""
    verdicts = []
    if SUBJECT in results.allocators and "mimalloc" in results.allocators:
        verdicts += [judge_loads(results, *bar) for bar in BARS if any(load in bar[3] for load in results.loads)]
    for figure, measured in figures:
        for what, than, reached, limit in figure.bars(measured):
            verdicts.append({"bar": what, "against": than, "reached": reached, "limit": limit, "met": reached <= limit})
    return verdicts


def judge_loads(results, metric, kind, what, names, limit):
    """A bar over some of its loads only is not judged, except one that is missed already."""
    ratios = {load: results.ratio(load, "mimalloc", metric) for load in results.loads if load in names}
    ratios = {load: ratio for load, ratio in ratios.items() if ratio is not None}
    label = f"{METRICS[metric].partition(' (')[0].partition(',')[0]}, {kind} of {what}"
    reached, missed = None, False
    if ratios and kind == "worst":
        worst = max(ratios, key=ratios.get)
        label, reached, missed = f"{label} ({worst})", ratios[worst], ratios[worst] > limit
    elif ratios:
        reached = results.mean_ratio("mimalloc", metric)
    judged = len(ratios) == len(names) or missed
    return {"bar": f"{label}, {len(ratios)} of {len(names)}", "against": "mimalloc", "reached": reached,
            "limit": limit, "met": reached <= limit if judged else None}


def verdict_line(judged):
    word = {True: "MET", False: "MISSED", None: "not judged, loads are missing"}[judged["met"]]
    reached = "no result" if judged["reached"] is None else f"{judged['reached']:.3f} times {judged['against']}"
    return f"bar: {judged['bar']}: {reached}, limit {judged['limit']:.2f}: {word}"


def headline(facts):
    state = "interrupted, " if facts["interrupted"] else ""
    return (f"{state}{facts['rounds']} of {facts['wanted']} rounds, scale {facts['scale']}%, {facts['cpus']} CPUs, "
            f"load average {facts['load_before']:.1f} before and {facts['load_after']:.1f} after, "
            f"{facts['seconds']:.0f} s")


def write_reports(results, figures, facts, verdicts):
    lines = ["# Benchmark", "", headline(facts), ""]
    lines += [f"- {name}: {facts['versions'][name]}" for name in results.allocators]
    lines += [line for title, rows in all_tables(results, figures)
              for line in ("", f"## {title}", "", *markdown_table(rows))]
    if verdicts:
        lines += ["", "## Bars", "", *["- " + verdict_line(v) for v in verdicts]]
    if results.failures:
        lines += ["", "## Failures", ""]
        lines += [f"- {load} under {name}: {reason}" for (load, name), reason in results.failures.items()]
    with open(os.path.join(BUILD, "bench.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    document = {**facts, "allocators": results.allocators,
                "loads": {load: {name: list(rounds.values()) for name, rounds in of_load.items()}
                          for load, of_load in results.samples.items()},
                "ratios": {metric: {name: {load: results.ratio(load, name, metric) for load in results.loads}
                                    for name in results.allocators if name != SUBJECT} for metric in METRICS},
                "figures": {figure.name: figure.table(measured) for figure, measured in figures},
                "bars": verdicts,
                "failures": [{"load": load, "allocator": name, "reason": reason}
                             for (load, name), reason in results.failures.items()]}
    with open(os.path.join(BUILD, "bench.json"), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
        file.write("\n")


def all_tables(results, figures):
    """Title and rows of each table."""
    tables = [(title, make_table(results, metric)) for metric, title in METRICS.items()] if results.loads else []
    return tables + [(figure.title, figure.table(measured)) for figure, measured in figures]


def print_report(results, figures, facts, verdicts):
    print("\n" + headline(facts))
    print("± is half the interquartile range; a ratio is the median over rounds [lowest..highest]")
    for title, rows in all_tables(results, figures):
        print("\n" + title)
        print("\n".join(text_table(rows)))
    print()
    for verdict in verdicts:
        print(verdict_line(verdict))
    for (load, name), reason in results.failures.items():
        print(f"FAILED: {load} under {name}: {reason}")


def measure_all(results, figures, args, paths, context, reference):
    """Runs the rounds and the figures; returns how many rounds were completed and whether a signal ended them."""
    rounds = 0
    try:
        for round_number in range(args.runs if args.loads else 0):
            run_round(results, args.loads, paths, context, reference, round_number)
            rounds += 1
        for figure in args.figures:
            progress("figure " + figure.name)
            try:
                figures.append((figure, figure.measure(context, paths)))
            except Failure as problem:
                progress(f"FAILED: {problem}")
                results.failures[figure.name, "some allocator"] = str(problem)
    except KeyboardInterrupt:
        progress("interrupted; what there is follows")
        return rounds, True
    return rounds, False


def on_signal(_signal, _frame):
    raise KeyboardInterrupt


def main():
    args = parse_arguments()
    signal.signal(signal.SIGTERM, on_signal)
    context = Context(args.scale)
    try:
        check_tools(args.loads, args.figures, context)
        paths = find_allocators(args.allocators, args.verispan)
        context.origins = dict(paths)
        if SUBJECT in paths:  # a copy, because a long run must not see another build half-way
            paths[SUBJECT] = shutil.copy(paths[SUBJECT], context.scratch)
        glibc = find_allocators(["glibc"], args.verispan)["glibc"]
        os.makedirs(context.data, exist_ok=True)
        progress("checking where the malloc of each load is bound")
        for load in args.loads:
            for name, path in paths.items():
                check_binding(load, name, path, context)
        start, load_before = time.monotonic(), os.getloadavg()[0]
        reference = make_reference(args.loads, glibc, context)
        results = Results(args.loads, args.allocators)
        figures = []
        rounds, interrupted = measure_all(results, figures, args, paths, context, reference)
    except KeyboardInterrupt:
        die("interrupted before the first round")
    finally:
        shutil.rmtree(context.scratch, ignore_errors=True)
    facts = {"rounds": rounds, "wanted": args.runs if args.loads else 0, "interrupted": interrupted,
             "scale": args.scale, "cpus": os.cpu_count(), "load_before": load_before, "load_after": os.getloadavg()[0],
             "seconds": time.monotonic() - start,
             "versions": {name: package_of(path) for name, path in context.origins.items()}}
    verdicts = judge(results, figures)
    write_reports(results, figures, facts, verdicts)
    print_report(results, figures, facts, verdicts)
    if interrupted:
        return 130
    missed = args.bars and (not verdicts or any(v["met"] is not True for v in verdicts))
    return 1 if results.failures or missed else 0


if __name__ == "__main__":
    sys.exit(main())
