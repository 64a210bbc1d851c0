# SPDX-License-Identifier: Apache-2.0
"""Compares the transitions of control words in three places: the table of spec/protocol.md, the model
(STORE and CAS in harness.pml) and the writes of control words in src/ with their comments /* M1 */.

Each place gives, by transition: how it is written (store or CAS; in specification and code with the order), the states
after and, in specification and model, the states before. Every write of a control word in src/ must name its
transition, and every transition must be in all three."""

import pathlib
import re

ROW = re.compile(r"^\| (M\d+) \| ([^|]*) -> ([^|]*) \|[^|]*\| ([^|]*) \|$", re.M)
STEP = re.compile(r"^\s*(?:.*\{ )?(STORE|CAS)\((M\d+), \w+, (\w+)(?:\([^,]*\))?, (\w+)(?:\([^,]*\))?[,)]", re.M)
WRITE = re.compile(r"\bvs_(store_\w+|cas|exchange|fetch_or)_u64\(&\w+->ctl, (.*)")
TAG = re.compile(r"/\* (M\d+(?:, M\d+)*) \*/")
HOW = {"release store": "store_release", "sequentially consistent store": "store_seq", "CAS": "cas"}
# The last argument of a write of a control word -> the states that it can be. mheap_alloc is given the word of an owner.
AFTER = [("spanctl_resting_full(h->owner)", {"central full"}), ("spanctl_resting_full(owner)", {"resting full"}),
         ("spanctl_owned(owner)", {"owned"}), ("spanctl_unswept(*owner)", {"waking", "central unswept"}),
         ("spanctl_resting(h->owner)", {"central partial"}), ("spanctl_large()", {"large"}), ("ctl", {"owned"}), ("0", {"no span"})]


class Mismatch(Exception):
    """The message says where two of the three differ."""


def of_specification(text):
    table = {}
    for name, before, after, how in ROW.findall(text):
        ways = {way for words, way in HOW.items() if words in how}
        table[name] = (ways, set(before.split(", ")), set(after.split(", ")))
    return table


def of_model(text):
    table = {}
    for how, name, before, after in STEP.findall(re.sub(r"/\*.*?\*/", "", text, flags=re.S)):
        ways, befores, afters = table.setdefault(name, (set(), set(), set()))
        ways.add(how.lower())
        befores.add(before.lower().replace("_", " "))
        afters.add(after.lower().replace("_", " "))
    return table


def of_code(folder):
    table = {}
    for path in sorted(folder.glob("*.[ch]")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            write, tag = WRITE.search(line), TAG.search(line)
            place = f"src/{path.name}:{number}"
            if re.search(r"(->|\.)ctl\s*=[^=]", line):
                raise Mismatch(f"{place} writes a control word by a plain store")
            if write is None:
                continue
            if tag is None:
                raise Mismatch(f"{place} writes a control word and names no transition")
            last = [states for text, states in AFTER if re.search(r"(^|, )" + re.escape(text) + r"\)", write.group(2))]
            if not last:
                raise Mismatch(f"{place} writes a control word that transitions.py does not know")
            for name in tag.group(1).split(", "):
                ways, afters = table.setdefault(name, (set(), set()))
                ways.add(write.group(1))
                afters |= last[0]
    return table


def by_number(names):
    return sorted(names, key=lambda name: int(name[1:]))


def compare(root, model_path):
    """Raises Mismatch, or says what was compared."""
    root = pathlib.Path(root)
    specification = of_specification((root / "spec" / "protocol.md").read_text())
    model = of_model(pathlib.Path(model_path).read_text())
    code = of_code(root / "src")
    for place, table in (("the model", model), ("src/", code)):
        for name in by_number(set(specification) ^ set(table)):
            raise Mismatch(f"{name} is only in {place if name in table else 'spec/protocol.md'}, compared with "
                           f"{'spec/protocol.md' if name in table else place}")
    for name in by_number(specification):
        ways, before, after = specification[name]
        kinds = {way.split("_")[0] for way in ways}
        if model[name] != (kinds, before, after):
            raise Mismatch(f"{name}: the model has {model[name]}, spec/protocol.md {(kinds, before, after)}")
        if code[name][0] != ways or not after <= code[name][1]:
            raise Mismatch(f"{name}: src/ has {code[name]}, spec/protocol.md {(ways, after)}")
    for names in ({"M3", "M6"}, *({name} for name in specification if name not in ("M3", "M6"))):
        said, done = (set().union(*(table[name][i] for name in names)) for table, i in ((specification, 2), (code, 1)))
        if said != done:
            raise Mismatch(f"{', '.join(by_number(names))}: src/ leads to {done}, spec/protocol.md to {said}")
    return f"{len(specification)} transitions agree in spec/protocol.md, src/ and the model"
