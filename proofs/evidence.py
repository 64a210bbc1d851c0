"""What build/results holds, and whether it was made for the sources as they are: for audit, status and certificate."""
# SPDX-License-Identifier: Apache-2.0

import json
import os
import re

from tree import functions_in

PROVERS = ("qed", "alt-ergo", "z3", "cvc4", "script")
CLAIMS = [f"C{i}" for i in range(1, 13)]
STATUSES = ("proved", "partly", "checked", "not yet")


def load(tree, name):
    path = tree.build("results", name)
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as f:
        return json.load(f)


class ModuleEvidence:
    """state: current, or why its result does not count."""

    def __init__(self, tree, module):
        self.name = module
        self.result = load(tree, f"{module}.json")
        self.source = tree.source_functions(module)
        self.lemmas = tree.lemmas(module)
        self.not_yet = tree.not_yet
        self.goals = []
        if not tree.module_present(module):
            self.state = "has no source"
        elif self.result is None:
            self.state = "no result: run make prove"
        elif self.result["sources"] != tree.module_hash(module):
            self.state = "result is of other sources: run make prove"
        elif self.result["mode"] != "scratch":
            self.state = f"result is not from scratch ({self.result['mode']})"
        else:
            self.state = "current"
            self.goals = self.result["goals"]
        self.verdicts = {f["name"]: f["verdict"] for f in self.result["functions"]} if self.state == "current" else {}
        self.functions = {}
        for f, at in self.source.items():
            said = self.verdicts.get(f)
            if f in tree.trusted_functions:
                said = "trusted"
            self.functions[f] = (said if said in ("proved", "trusted") else "not yet proved", at)
        for entry in (self.result["functions"] if self.state == "current" else []):
            if entry["name"] not in self.functions:
                self.functions[entry["name"]] = ("proved" if entry["verdict"] == "proved" else "not yet proved", entry["at"])

    def holds(self):
        """What was to be proved is, nothing weakens the proof, and modules.json lists the functions that were left out."""
        return (self.state == "current" and not self.result["errors"] and bool(self.goals)
                and all(g["verdict"] == "proved" for g in self.goals)
                and not self.unlisted())

    def complete(self):
        """Everything of the module is proved or trusted, and nothing weakens the proof."""
        return self.holds() and all(v in ("proved", "trusted") for v, _ in self.functions.values())

    def count(self, verdict):
        return sum(v == verdict for v, _ in self.functions.values())

    def by_prover(self):
        return {p: sum(g["prover"] == p for g in self.goals) for p in PROVERS}

    def unlisted(self):
        """{function: at} of those that are neither proved nor trusted nor listed as not yet proved."""
        return {f: at for f, (v, at) in self.functions.items() if v == "not yet proved" and f not in self.not_yet}

    def open_goals(self):
        return [g for g in self.goals if g["verdict"] == "open"]


def modules(tree):
    return [ModuleEvidence(tree, m) for m in tree.modules]


def other_files(tree):
    """({module name: {function: at}} of files in no proved module, the same for the trusted edge)."""
    open_, trusted = {}, {}
    for rel in tree.sources():
        base = os.path.basename(rel)
        if tree.module_of_file(rel):
            continue
        found = {n: f"{rel}:{line}" for n, line in functions_in(tree.read(rel))}
        if base in tree.trusted_files:
            trusted[base] = found
        else:
            open_.setdefault(os.path.splitext(base)[0], {}).update(found)
    return open_, trusted


def mutants(tree):
    """(rows, state)"""
    data = load(tree, "mutants.json")
    if data is None:
        return [], "no result: run make mutate"
    if data["sources"] != tree.proof_hash():
        return [], "result is of other sources: run make mutate"
    return data["mutants"], "current"


def smoke(tree):
    data = load(tree, "smoke.json")
    if data is None:
        return None, "no result: run make smoke"
    if data["sources"] != tree.proof_hash():
        return None, "result is of other sources: run make smoke"
    return data, "current"


def protocol(tree):
    """(result of make protocol, state)"""
    data = load(tree, "protocol.json")
    if data is None:
        return None, "no result: run make protocol"
    if data["sources"] != tree.hash_files(["spec/protocol.mlw"]):
        return None, "result is of another theory: run make protocol"
    good = all(g["verdict"] == "proved" for g in data["goals"]) and all(m["verdict"] == "killed" for m in data["mutants"])
    return data, "current" if good else "a goal is open or a mutant survived"


def harnesses(tree):
    """(rows, state); a row counts as passed when its verdict says so and every seeded bug was found."""
    data = load(tree, "bmc.json")
    if data is None:
        return [], "no result: run make bmc"
    made = os.path.getmtime(tree.build("results", "bmc.json"))
    newer = any(os.path.getmtime(os.path.join(tree.root, f)) > made for f in tree.sources() + tree.spec_files())
    if data["sources"] != tree.source_hash() if "sources" in data else newer:
        return [], "result is of other sources: run make bmc"
    return data["harnesses"], "current"


def harness_good(row):
    return row["verdict"] == "pass" and all(b["found"] for b in row["seeded_bugs"])


def harness_folders(tree):
    out = {}
    for kind in ("cbmc", "sched", "relacy", "spin"):
        base = os.path.join(tree.root, "harness", kind)
        for name in sorted(os.listdir(base)) if os.path.isdir(base) else []:
            if os.path.exists(os.path.join(base, name, "harness.json")):
                out[name] = f"harness/{kind}/{name}"
    return out


def harness_module(tree, name):
    """The proved module that a harness is about, by its name; None for a protocol."""
    return max((m for m in tree.modules if name.startswith(m + "_")), key=len, default=None)


def claims(tree):
    """{claim: (status, evidence)} of spec/claims.md, and complaints."""
    if not tree.exists("spec/claims.md"):
        return {}, ["spec/claims.md: does not exist"]
    found, bad = {}, []
    for row in re.findall(r"^\|\s*(C\d+)\s*\|([^|]*)\|(.*)\|\s*$", tree.read("spec/claims.md"), re.M):
        claim, status, evidence = row[0], row[1].strip(), row[2].strip()
        if claim in found:
            bad.append(f"spec/claims.md: {claim} has two rows")
        found[claim] = (status, evidence)
        if claim not in CLAIMS:
            bad.append(f"spec/claims.md: {claim} is no claim of the design")
        if status not in STATUSES:
            bad.append(f"spec/claims.md: {claim}: status '{status}' is none of {', '.join(STATUSES)}")
        if not evidence:
            bad.append(f"spec/claims.md: {claim}: no evidence, nor 'not yet'")
    bad += [f"spec/claims.md: no row for {c}" for c in CLAIMS if c not in found]
    return found, bad


def trust_items(tree):
    """{T-number: (title, text)}"""
    if not tree.exists("spec/TRUST.md"):
        return {}
    parts = re.split(r"^## (T-\d\d) +(.+)$", tree.read("spec/TRUST.md"), flags=re.M)
    return {parts[i]: (parts[i + 1].strip(), parts[i + 2].strip()) for i in range(1, len(parts) - 2, 3)}
