#!/usr/bin/env python3
"""The table of modules: functions, goals by prover, harnesses, mutants: `make status`.

--update FILE writes it between the markers <!-- status:begin --> and <!-- status:end -->; --check FILE exits 1 when the
table there is another one. Which prover was first differs from run to run, so --check does not compare those columns.
"""
# SPDX-License-Identifier: Apache-2.0

import argparse
import os
import re
import sys

import evidence
from tree import Tree, ToolError, main_guard

BEGIN, END = "<!-- status:begin -->", "<!-- status:end -->"
HEAD = ("module", "functions", "proved", "trusted", "goals", "open", "Qed", "Alt-Ergo", "Z3", "CVC4", "script", "mutants killed", "harnesses")
RACING = (7, 8, 9)


def killed(results):
    """Empty when no mutant was run."""
    return f"{sum(r['verdict'] == 'killed' for r in results)} of {len(results)}" if results else ""


def rows_of(tree):
    mutants, _ = evidence.mutants(tree)
    folders = evidence.harness_folders(tree)
    rows, notes = [], []
    for m in evidence.modules(tree):
        if m.state != "current":
            notes.append(f"{m.name}: {m.state}")
        elif m.result["errors"]:
            notes.append(f"{m.name}: the proof is weakened, see make prove")
        mine = [r for r in mutants if r["module"] == m.name]
        by = m.by_prover()
        rows.append([m.name, len(m.functions), m.count("proved"), m.count("trusted"), len(m.goals), len(m.open_goals()),
                     *[by[p] for p in evidence.PROVERS], killed(mine),
                     ", ".join(h for h in folders if evidence.harness_module(tree, h) == m.name)])
    open_, trusted = evidence.other_files(tree)
    for name, functions in sorted(open_.items()):
        if functions:
            rows.append([name, len(functions), 0, 0, 0, 0, 0, 0, 0, 0, 0, "", ""])
    for name, functions in sorted(trusted.items()):
        rows.append([f"{name} ({tree.trusted_files[name]})", len(functions), 0, len(functions), 0, 0, 0, 0, 0, 0, 0, "", ""])
    protocols = [h for h in folders if evidence.harness_module(tree, h) is None]
    if protocols:
        rows.append(["protocols", *[0] * 10, "", ", ".join(protocols)])
    rows.append(["total", *[sum(r[i] for r in rows) for i in range(1, 11)],
                 killed(mutants), len(folders)])
    return rows, notes


def table(tree):
    rows, notes = rows_of(tree)
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "|".join(["---", *["--:"] * 11, "---"]) + "|"]
    for r in rows:
        lines.append("| " + " | ".join(str(c) if c != 0 else "" for c in r) + " |")
    return "\n".join(lines), notes


def masked(text):
    out = []
    for line in text.strip().splitlines():
        cells = line.split("|")
        if len(cells) == len(HEAD) + 2:
            for i in RACING:
                cells[i + 1] = " "
        out.append("|".join(cells))
    return "\n".join(out)


def parts(path):
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read()
    except OSError as e:
        raise ToolError(f"{path}: {e.strerror}")
    m = re.search(re.escape(BEGIN) + r"\n(.*?)" + re.escape(END), text, re.S)
    if not m:
        raise ToolError(f"{path}: has no {BEGIN} ... {END}")
    return text, m


def main():
    p = argparse.ArgumentParser(description="The table of modules.")
    group = p.add_mutually_exclusive_group()
    group.add_argument("--update", metavar="FILE")
    group.add_argument("--check", metavar="FILE")
    p.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    o = p.parse_args()
    tree = Tree(o.root)
    new, notes = table(tree)
    if o.check:
        if masked(parts(o.check)[1].group(1)) != masked(new):
            print(f"status: the table in {o.check} is stale: proofs/status.py --update {o.check}", file=sys.stderr)
            return 1
        return 0
    if o.update:
        if notes:
            raise ToolError("no table is written without current results: " + "; ".join(notes))
        text, m = parts(o.update)
        with open(o.update, "w", encoding="utf-8") as f:
            f.write(text[:m.start(1)] + new + "\n" + text[m.end(1):])
        return 0
    print(new)
    for n in notes:
        print(f"note: {n}")
    return 0


if __name__ == "__main__":
    main_guard(main)
