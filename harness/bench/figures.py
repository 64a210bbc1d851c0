"""Figures that are not a load's time and peak: what stays resident after a peak, and what a large block costs with
few and with many live. Each prints a table and is held to a bar.
"""
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess

from loads import Failure, environment

SUBJECT = "verispan"
TIMEOUT = 120


def output_of(context, path, program, *arguments):
    return subprocess.Popen([os.path.join(context.programs, program), *arguments], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                            env=environment({"LD_PRELOAD": path}))


def numbers(process, what):
    try:
        out, _ = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise Failure(f"{what}: did not end within {TIMEOUT} s") from None
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0 or not out:
        raise Failure(f"{what}: exit status {process.returncode}")
    return [float(word) for word in out.split()]


class Drop:
    """Resident memory as a multiple of the live bytes. One process after another has its peak, because some allocators
    go by the clock while blocks are freed; from then on all run at once, as most of their time they sleep."""

    name = "drop"
    title = "anonymous memory resident after a drop to a tenth of 400 MiB, times the live bytes"
    bar_at, bar = 1, 1.3

    def measure(self, context, paths):
        running, ratios = {}, {}
        try:
            for key in ((after, name) for after in ("works", "sleeps") for name in paths):
                process = output_of(context, paths[key[1]], "drop", key[0])
                running[key] = process, process.stdout.readline()
            for key, (process, live) in running.items():
                resident = numbers(process, "drop " + " under ".join(key))
                ratios[key] = [size / int(live) for size in resident]
        finally:
            for process, _ in running.values():
                process.kill()
        return ratios

    def table(self, results):
        rows = [["then the program", "allocator", "after 1 s", "5 s", "30 s"]]
        return rows + [[after, name, *[f"{ratio:.2f}" for ratio in ratios]]
                       for (after, name), ratios in results.items()]

    def bars(self, results):
        return [(f"resident 5 s after a drop, program {after}", "the live bytes", ratios[self.bar_at], self.bar)
                for (after, name), ratios in results.items() if name == SUBJECT]


class PageCost:
    """CPU time of an allocation and free of a block that needs a span of its own. Only verispan is asked with 10^6
    blocks live: most others write into each, which then takes them 4 GiB and half a minute."""

    name = "pagecost"
    title = "nanoseconds for a large block and its free, into a hole / past all holes"
    counts, most = (10, 1000, 100000), 1000000
    bar = 1.3

    def measure(self, context, paths):
        return {name: {count: numbers(output_of(context, path, "pagecost", str(count)), f"pagecost under {name}")
                       for count in (*self.counts, *([self.most] if name == SUBJECT else []))}
                for name, path in paths.items()}

    def table(self, results):
        rows = [["allocator", *[f"{count} live" for count in (*self.counts, self.most)]]]
        for name, costs in results.items():
            rows.append([name, *["/".join(f"{cost:.0f}" for cost in costs[count]) if count in costs else "-"
                                 for count in (*self.counts, self.most)]])
        return rows

    def bars(self, results):
        if SUBJECT not in results:
            return []
        by_kind = list(zip(*results[SUBJECT].values()))
        return [("large block with 10 to 10^6 live, dearest", "the cheapest",
                 max(max(costs) / min(costs) for costs in by_kind), self.bar)]


def all_figures():
    return [Drop(), PageCost()]
