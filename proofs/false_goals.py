#!/usr/bin/env python3
"""Asks each prover many small false goals, which it must not prove: `make smoke` does, or proofs/false_goals.py [--seed N].

A goal is hypotheses that imply false. They are made to hold in values that were chosen before, and are evaluated in them, so
that a prover which proves the goal is wrong. Integers, functions of which nothing is known, cases, division by constants; no
quantifiers, arrays or bits. Exit status 0: none is proved; 1: one is, or too few were answered; 2: usage or tool error.
"""
# SPDX-License-Identifier: Apache-2.0

import argparse
import concurrent.futures
import os
import random
import re
import subprocess
import sys
import tempfile

import framac
from tree import Tree, main_guard

GOALS = 1000   # asked of each prover
BATCH = 50     # goals in one file
VARIABLES = ("x", "y", "z", "n", "m")
ANSWERED = 0.9  # less is no test


class Model:
    """Values for all terms: those of variables at the start, those of functions when they are first needed."""

    def __init__(self, rand):
        self.rand, self.functions = rand, {}
        self.variables = {v: rand.randint(0, 40) for v in VARIABLES}
        self.variables["n"] = rand.choice((0, 1, 1, 2))

    def value(self, term):
        if isinstance(term, int):
            return term
        if isinstance(term, str):
            return self.variables[term]
        head, *args = term
        if head == "/":
            return self.value(args[0]) // args[1]
        if head == "%":
            return self.value(args[0]) % args[1]
        values = tuple(self.value(a) for a in args)
        if head == "+":
            return sum(values)
        if head == "*":
            return values[0] * values[1]
        return self.functions.setdefault((head, values), self.rand.randint(-3, 12))

    def holds(self, formula):
        head, *args = formula
        if head == "or":
            return any(self.holds(a) for a in args)
        if head == "u":  # a predicate of which nothing is known
            return True
        a, b = (self.value(t) for t in args)
        return {"<=": a <= b, "<": a < b, "=": a == b, "<>": a != b}[head]


def sum_of(rand, *terms):
    terms = list(terms)
    rand.shuffle(terms)
    return ("+", *terms)


def meeting_sums(rand, model):
    """Two sums that are the same in one case only, which is not the model's: what Alt-Ergo 2.0.0 was wrong about."""
    var, bound = model.variables, rand.choice((0, 1000, 34359738688))
    kind = rand.choice(("split", "split", "cases"))
    if kind == "split":  # f(0) + z = x, and n is 0 or 1
        var["n"] = 1
        model.functions[("f", (0,))] = var["x"] - var["z"]
        model.functions[("f", (1,))] = var["x"] - var["z"] + rand.choice((1, 1, 2, 7))
        other, equal = ("f", "n"), ("=", sum_of(rand, ("f", 0), "z"), "x")
        hypotheses = [("<=", 0, "n"), ("<=", "n", 1), equal]
        var["y"] = bound - var["x"]
    else:  # m + z = x, or y < n, which is so
        var["m"] = var["x"] - var["z"] + rand.choice((1, 1, 2, 7))
        var["y"], var["n"] = 0, 1
        other = "m"
        hypotheses = [("or", ("=", sum_of(rand, "m", "z"), "x"), ("<", "y", "n"))]
    top = model.value(("+", "x", "y"))
    last = [("<=", sum_of(rand, "x", "y"), top), ("<", top, sum_of(rand, other, "y", "z"))]
    rand.shuffle(last)
    order = [("u", t) for t in ("x", "z", "y", other, ("+", other, "z"), ("+", "x", "y"))]  # its order of terms is theirs
    return [*rand.sample(order, rand.randint(0, 4)), *hypotheses, *last]


def anything(rand, model):
    def base():
        return rand.choice((rand.choice(VARIABLES), (rand.choice("/%"), rand.choice(VARIABLES), rand.choice((2, 4, 8))),
                            ("f", rand.choice(("n", "x", 0, 1))), ("h", rand.choice(VARIABLES), rand.choice(("n", 0)))))

    pool = [base() for _ in range(4)] + ["y"]

    def linear():
        terms = [(rand.choice((1, 1, 1, -1, 2, -3)), rand.choice(pool)) for _ in range(rand.choice((1, 2, 2, 3)))]
        return ("+", *(t if c == 1 else ("*", c, t) for c, t in terms), 0)

    def atom():
        a, b, kind = linear(), linear(), rand.choice(("<=", "<=", "=", "<>", "u"))
        return ("u", a) if kind == "u" else (kind, a, ("+", b, rand.randint(-2, 2) + rand.choice((0, model.value(a) - model.value(b)))))

    def true_atom():
        while True:
            a = atom()
            if model.holds(a):
                return a

    hypotheses = [true_atom() for _ in range(rand.randint(2, 7))]
    for _ in range(rand.randint(0, 4)):
        cases = [true_atom(), *(atom() for _ in range(rand.randint(1, 2)))]
        rand.shuffle(cases)
        hypotheses.append(("or", *cases))
    hypotheses += [("<=", 0, "n"), ("<=", "n", 2)]
    rand.shuffle(hypotheses)
    return hypotheses


def false_goal(rand):
    model = Model(rand)
    hypotheses = rand.choice((meeting_sums, anything))(rand, model)
    assert all(model.holds(h) for h in hypotheses)
    return hypotheses


def native(e):
    """As Alt-Ergo writes it."""
    if isinstance(e, int):
        return f"({e})"
    if isinstance(e, str):
        return e
    head, *args = e
    args = [native(a) for a in args]
    return f"{head}({', '.join(args)})" if head in "fhu" else "(" + f" {head} ".join(args) + ")"


def smt(e):
    """As SMT-LIB writes it."""
    if isinstance(e, int):
        return str(e) if e >= 0 else f"(- {-e})"
    if isinstance(e, str):
        return e
    head, *args = e
    args = " ".join(smt(a) for a in args)
    return f"(not (= {args}))" if head == "<>" else f"({ {'/': 'div', '%': 'mod'}.get(head, head)} {args})"


def native_file(goals):
    lines = ["logic f : int -> int", "logic h : int, int -> int", "logic u : int -> prop"]
    return "\n".join(lines + [f"goal g{k} : forall {', '.join(VARIABLES)} : int. {' -> '.join(map(native, g))} -> false"
                              for k, g in enumerate(goals)]) + "\n"


def smt_file(goals):
    lines = ["(set-logic ALL)", "(declare-fun f (Int) Int)", "(declare-fun h (Int Int) Int)", "(declare-fun u (Int) Bool)"]
    lines += [f"(declare-fun {v} () Int)" for v in VARIABLES]
    return "\n".join(lines + ["(push 1)\n" + "".join(f"(assert {smt(h)})\n" for h in g) + "(check-sat)\n(pop 1)" for g in goals]) + "\n"


# prover: how it is called, what a file of goals is, the answers in what it says, and the wrong one
PROVERS = {
    "alt-ergo": (["alt-ergo", "-timelimit", "20", "-max-split", "50"], ".why", native_file,
                 r"characters [\d-]+:(Valid|I don't know|Timeout)", "Valid"),
    "cvc4": (["cvc4", "--lang", "smt2", "--incremental", "--tlimit-per=1000"], ".smt2", smt_file, r"^(sat|unsat|unknown)$", "unsat"),
    "z3": (["z3", "-t:1000"], ".smt2", smt_file, r"^(sat|unsat|unknown)$", "unsat"),
}


def ask(prover, goals, env):
    """(answers, the goals that it proves)"""
    command, suffix, text, answer, wrong = PROVERS[prover]
    with tempfile.NamedTemporaryFile("w", suffix=suffix, encoding="utf-8") as f:
        f.write(text(goals))
        f.flush()
        said = subprocess.run([*command, f.name], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False).stdout.decode("utf-8", "replace")
    answers = re.findall(answer, said, re.M)
    return len(answers), [native_file([g]) for g, a in zip(goals, answers) if a == wrong]


def findings(env, seed):
    """What is wrong with the answers of each prover to GOALS goals."""
    rand, found = random.Random(seed), []
    goals = [false_goal(rand) for _ in range(GOALS)]
    batches = [goals[i:i + BATCH] for i in range(0, GOALS, BATCH)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for prover in PROVERS:
            answers = list(pool.map(lambda batch: ask(prover, batch, env), batches))
            answered, proved = sum(n for n, _ in answers), [p for _, ps in answers for p in ps]
            if answered < ANSWERED * GOALS:
                found.append(f"false goals (seed {seed}): {prover} answered {answered} of {GOALS}")
            if proved:
                found.append(f"false goals (seed {seed}): {prover} proves {len(proved)} of {GOALS}, one of them\n{proved[0]}")
    return found


def main():
    p = argparse.ArgumentParser(description="False goals, which no prover may prove.")
    p.add_argument("--seed", type=int, default=random.randrange(10**6), help="another makes other goals (a random one)")
    options = p.parse_args()
    tree = Tree(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    found = findings(framac.environment(tree.root), options.seed)
    for f in found:
        print(f)
    print(f"{GOALS} false goals, seed {options.seed}: {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    main_guard(main)
