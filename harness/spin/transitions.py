# SPDX-License-Identifier: Apache-2.0
"""Compares the transitions of control words in four places: the table of spec/protocol.md, the predicate CtlStep of
spec/protocol.acsl, the models (STORE and CAS in span_model for M, in cycle_model for T) and the writes of control words in
src/, which name their transition in a ghost argument.

Each place gives some of these by transition: how it is written (store or CAS; in specification and code with the order),
the states before and the states after. That a write in src/ leads from and to what CtlStep says is proved by WP
(module ownership); here it is made sure that no write gets around that. The turn, T2, writes no control word: in
specification, src/ and model it must be there."""

import pathlib
import re

TURN = "T2"
ROW = re.compile(r"^\| ([MT]\d+) \| ([^|]*) -> ([^|]*) \|[^|]*\| ([^|]*) \|$", re.M)
LOGIC = re.compile(r"\(t == ([MT]\d+) &&(.*?)\)(?: \|\||;)$", re.M | re.S)
STATE = re.compile(r"(?<!!)\bIs(\w+)\((?:\w+, )?([ab])\)")
ANY = "CtlLegal(a)"
STEP = re.compile(r"\b(STORE|CAS)\(([MT]\d+), \w+, (\w+)(?:\([^,]*\))?, (\w+)(?:\([^,]*\))?[,)]")
WRITE = re.compile(r"\bcontrol_(store_\w+|cas)\(&\w+->ctl,.*?\) /\*@ ghost \((\w+), \w+\) \*/")
CHOICE = re.compile(r"ghost enum control_transition (\w+) = [^;]*\? (\w+) : (\w+);")
ACCESS = re.compile(r"(?<![\\\w])(\w+)\(&\w+(?:->|\.)ctl\b")
READS = {"control_load", "vs_load_relaxed_u64", "vs_load_acquire_u64"}
HOW = {"release store": "store_release", "sequentially consistent store": "store_seq", "CAS": "cas"}


class Mismatch(Exception):
    """The message says where two of the four differ."""


def of_specification(text):
    table = {}
    for name, before, after, how in ROW.findall(text):
        ways = {way for words, way in HOW.items() if words in how}
        table[name] = (ways, set(before.split(", ")), set(after.split(", ")))
    return table


def of_logic(text):
    table = {}
    for name, condition in LOGIC.findall(text):
        states = {"a": set(), "b": set()}
        for state, word in STATE.findall(condition):
            states[word].add(re.sub(r"(?<!^)([A-Z])", r" \1", state).lower())
        if ANY in condition:
            states["a"].add("any")
        table[name] = (states["a"], states["b"])
    return table


def of_model(text):
    table = {}
    for how, name, before, after in STEP.findall(re.sub(r"/\*.*?\*/", "", text, flags=re.S)):
        ways, befores, afters = table.setdefault(name, (set(), set(), set()))
        ways.add(how.lower())
        befores.add(before.lower().replace("_", " "))
        afters.add(after.lower().replace("_", " "))
    if f"SEEN({TURN})" in text:
        table[TURN] = (set(), set(), set())
    return table


def of_code(folder):
    table = {}
    for path in sorted(folder.glob("*.[ch]")):
        chosen = {}
        for number, line in enumerate(path.read_text().splitlines(), 1):
            place = f"src/{path.name}:{number}"
            writes = WRITE.findall(line)
            if re.search(r"(->|\.)ctl\s*=[^=]", line):
                raise Mismatch(f"{place} writes a control word by a plain store")
            unknown = [f for f in ACCESS.findall(line) if f not in READS]
            if len(unknown) != len(writes):
                raise Mismatch(f"{place} writes a control word and names no transition")
            if writes and path.name != "ownership.h":
                raise Mismatch(f"{place} writes a control word outside the module ownership, which is proved")
            chosen.update({name: (one, other) for name, one, other in CHOICE.findall(line)})
            for way, ghost in writes:
                for name in chosen.get(ghost, (ghost,)):
                    table.setdefault(name, set()).add(way)
            if re.search(rf"->sweepgen = spanctl_add\(\w+->sweepgen, 2\); /\* {TURN} \*/", line):
                table[TURN] = set()
    return table


def by_number(names):
    return sorted(names, key=lambda name: (name[0], int(name[1:])))


def compare(root, model_path):
    """Raises Mismatch, or says what was compared. The model is one of the two, and has its part of the table."""
    root = pathlib.Path(root)
    specification = of_specification((root / "spec" / "protocol.md").read_text())
    logic = of_logic((root / "spec" / "protocol.acsl").read_text())
    model = of_model(pathlib.Path(model_path).read_text())
    code = of_code(root / "src")
    logic[TURN] = specification[TURN][1:]
    specification, logic, code = ({name: row for name, row in table.items() if name[0] in {m[0] for m in model}}
                                  for table in (specification, logic, code))
    for place, table in (("spec/protocol.acsl", logic), ("the model", model), ("src/", code)):
        for name in by_number(set(specification) ^ set(table)):
            raise Mismatch(f"{name} is only in {place if name in table else 'spec/protocol.md'}, compared with "
                           f"{'spec/protocol.md' if name in table else place}")
    for name in by_number(specification):
        if name == TURN:
            continue
        ways, before, after = specification[name]
        kinds = {way.split("_")[0] for way in ways}
        if model[name] != (kinds, before, after):
            raise Mismatch(f"{name}: the model has {model[name]}, spec/protocol.md {(kinds, before, after)}")
        if logic[name] != (before, after):
            raise Mismatch(f"{name}: spec/protocol.acsl has {logic[name]}, spec/protocol.md {(before, after)}")
        if code[name] != ways:
            raise Mismatch(f"{name}: src/ has {code[name]}, spec/protocol.md {ways}")
    return f"{len(specification)} transitions agree in spec/protocol.md, spec/protocol.acsl, src/ and the model"
