#!/usr/bin/env python3
"""Writes build/certificate.json and build/certificate.md from build/results: what is proved, assumed and not claimed.

A result counts only if it was made from scratch, for the sources as they are. The certificate is written in any case, and
says what is missing. Exit status 0: every module of modules.json is proved and every check passed; 1: not so; 2: tool error.
"""
# SPDX-License-Identifier: Apache-2.0

import argparse
import json
import os
import re
import sys

import evidence
from tree import Tree, ToolError, main_guard


def function_list(tree, mods):
    out = []
    for m in mods:
        for f, (verdict, at) in sorted(m.functions.items()):
            row = {"function": f, "module": m.name, "at": at, "status": verdict}
            if verdict == "trusted":
                row["trust"] = tree.trusted_functions[f]
            if verdict == "not yet proved" and f in tree.not_yet:
                row["why"] = tree.not_yet[f]
            out.append(row)
    open_, trusted = evidence.other_files(tree)
    for name, functions in sorted(open_.items()):
        out += [{"function": f, "module": name, "at": at, "status": "not yet proved"} for f, at in sorted(functions.items())]
    for name, functions in sorted(trusted.items()):
        out += [{"function": f, "module": name, "at": at, "status": "trusted", "trust": tree.trusted_files[name]}
                for f, at in sorted(functions.items())]
    return out


def module_list(mods):
    out = []
    for m in mods:
        lemma_goals = {g["function"][6:]: g["verdict"] for g in m.goals if g["function"].startswith("lemma ")}
        out.append({"module": m.name, "state": m.state, "proved": m.complete(), "holds": m.holds(), "goals": len(m.goals),
                    "open": len(m.open_goals()), "by_prover": m.by_prover(), "lemmas": lemma_goals,
                    "weakened_by": m.result["errors"] if m.state == "current" else [],
                    "assumed_separation": m.result["hypotheses"] if m.state == "current" else {},
                    "tools": m.result["tools"] if m.state == "current" else {}})
    return out


def shortfall(module):
    """Why a module does not hold, in a line."""
    if module.state != "current":
        return module.state
    found = [f"{g['at']} {g['goal']} is open" for g in module.open_goals()] + module.result["errors"]
    found += [f"{at} {f} is not proved" for f, at in module.unlisted().items()]
    return " | ".join(found[:4]) + (f" | and {len(found) - 4} more" if len(found) > 4 else "")


def build(tree):
    mods = evidence.modules(tree)
    claims, _ = evidence.claims(tree)
    mutants, mutants_state = evidence.mutants(tree)
    smoke, smoke_state = evidence.smoke(tree)
    harnesses, harness_state = evidence.harnesses(tree)
    protocol, protocol_state = evidence.protocol(tree)
    modules = module_list(mods)
    tools = {}
    for m in modules:
        for tool, version in m["tools"].items():
            tools.setdefault(tool, version)
            if tools[tool] != version:
                raise ToolError(f"results were made with {tool} {tools[tool]} and {version}")
    missing = [f"module {m.name}: {shortfall(m)}" for m in mods if not m.holds()]
    if mutants_state != "current" or any(r["verdict"] != "killed" for r in mutants):
        missing.append("mutants: " + (mutants_state if mutants_state != "current" else "one was not killed"))
    if smoke_state != "current" or smoke["findings"]:
        missing.append("smoke tests: " + (smoke_state if smoke_state != "current" else "findings"))
    if protocol_state != "current":
        missing.append(f"protocol: {protocol_state}")
    if harness_state != "current":
        missing.append(f"bounded model checking: {harness_state}")
    missing += [f"harness {h['name']}: {h['verdict']}" for h in harnesses if not evidence.harness_good(h)]
    functions = function_list(tree, mods)
    not_claimed = [f"{c}: {text}" for c, (status, text) in claims.items() if status == "not yet"]
    return {"what": "verispan", "sources_sha256": tree.source_hash(), "complete": not missing, "missing": missing, "tools": tools,
            "counts": {s: sum(f["status"] == s for f in functions) for s in ("proved", "not yet proved", "trusted")},
            "claims": {c: {"status": s, "evidence": t} for c, (s, t) in claims.items()},
            "modules": modules, "functions": functions,
            "smoke": smoke, "mutants": mutants, "harnesses": harnesses, "protocol": protocol,
            "assumed": {t: title for t, (title, _) in evidence.trust_items(tree).items()}, "not_claimed": not_claimed}


def markdown(cert):
    lines = ["# Certificate", "", f"verispan, sources sha256 `{cert['sources_sha256']}` (`vs_certificate()` of a library built from them says the same).",
             "", f"Tools: {', '.join(f'{t} {v}' for t, v in sorted(cert['tools'].items())) or 'none ran'}.", ""]
    if cert["missing"]:
        lines += ["**Incomplete:**", ""] + [f"- {m}" for m in cert["missing"]] + [""]
    c = cert["counts"]
    lines += [f"Of {sum(c.values())} functions {c['proved']} are proved, {c['not yet proved']} are not yet proved, {c['trusted']} are trusted.", ""]
    lines += ["## Claims", "", "| claim | status | evidence |", "|---|---|---|"]
    lines += [f"| {k} | {v['status']} | {v['evidence']} |" for k, v in cert["claims"].items()]
    lines += ["", "## Modules", "", "| module | proved | goals | open | Qed | Alt-Ergo | Z3 | CVC4 | script | lemmas |", "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for m in cert["modules"]:
        said = "yes" if m["proved"] else "in part" if m["holds"] else "no" if m["state"] == "current" else f"no ({m['state']})"
        lines.append(f"| {m['module']} | {said} | {m['goals']} | {m['open']} | "
                     + " | ".join(str(m["by_prover"][p]) for p in evidence.PROVERS) + f" | {len(m['lemmas'])} |")
    lines += ["", "## Functions", "", "| function | at | status |", "|---|---|---|"]
    for f in cert["functions"]:
        note = f" ({f['trust']})" if "trust" in f else f" ({f['why']})" if "why" in f else ""
        lines.append(f"| `{f['function']}` | {f['at']} | {f['status']}{note} |")
    lines += ["", "## Model checking", "", "| harness | tool | property | bound | verdict | seeded bugs found |", "|---|---|---|---|---|---|"]
    for h in cert["harnesses"]:
        found = sum(b["found"] for b in h["seeded_bugs"])
        old = sum(b["recorded"] for b in h["seeded_bugs"])
        lines.append(f"| {h['name']} | {h['tool']} | {text_of(h['property'])} | {text_of(h['bound'])} | {h['verdict']} "
                     f"| {found} of {len(h['seeded_bugs'])}{f' ({old} on record)' * (old > 0)} |")
    lines += ["", "On record: found in an earlier run on the same files, by `proofs/sessions/bmc.json`; `make bmc` looks for all again. "
                  "What verifies was run for this certificate."]
    if cert["protocol"]:
        lines += ["", f"The protocol in Why3, for any number of threads: {len(cert['protocol']['goals'])} goals, "
                      f"{sum(g['verdict'] == 'proved' for g in cert['protocol']['goals'])} proved; {len(cert['protocol']['mutants'])} "
                      f"mutants, {sum(m['verdict'] == 'killed' for m in cert['protocol']['mutants'])} killed."]
    lines += ["", "## Mutants", "", "| mutant | what it breaks | verdict |", "|---|---|---|"]
    lines += [f"| {r['mutant']} | {r['what']} | {r['verdict']}{' (on record)' * r['recorded']} |" for r in cert["mutants"]]
    lines += ["", "On record: killed in an earlier run on the same sources, by `proofs/sessions/mutants.json`; `make mutate` judges all again."]
    if cert["smoke"]:
        tests = sum(m["smoke_tests"] for m in cert["smoke"]["modules"])
        returns = sum(m["returns"] for m in cert["smoke"]["modules"])
        old = sum("recorded" in m for m in cert["smoke"]["modules"])
        again = sum(len(m.get("again", [])) for m in cert["smoke"]["modules"])
        lines += ["", f"Smoke: {tests} tests for contradictions, {returns} returns tried for falsehood, "
                      f"{len(cert['smoke']['negatives'])} negatives that must not prove; {cert['smoke']['false_goals']} false goals asked "
                      f"of each prover; {len(cert['smoke']['findings'])} findings. "
                      f"Of the {len(cert['smoke']['modules'])} modules {old} were tried in an earlier run on the same sources "
                      f"(`proofs/sessions/smoke.json`), and {again} of their functions in this one; `make smoke` tries all again."]
    lines += ["", "## Assumed", ""] + [f"- {t} {title} (spec/TRUST.md)" for t, title in cert["assumed"].items()]
    for m in cert["modules"]:
        lines += [f"- {f}: separation of its pointers, {t}" for f, t in m["assumed_separation"].items()]
    lines += ["", "## Not claimed", "", "- Whatever the functions that are not yet proved do.",
              "- Any claim whose status above is not `proved`, beyond what its evidence says."]
    lines += [f"- {n}" for n in cert["not_claimed"]]
    return "\n".join(lines) + "\n"


def text_of(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def main():
    p = argparse.ArgumentParser(description="Write build/certificate.json and build/certificate.md.")
    p.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    tree = Tree(p.parse_args().root)
    cert = build(tree)
    os.makedirs(tree.build(), exist_ok=True)
    with open(tree.build("certificate.json"), "w", encoding="utf-8") as f:
        json.dump(cert, f, indent=1)
        f.write("\n")
    with open(tree.build("certificate.md"), "w", encoding="utf-8") as f:
        f.write(markdown(cert))
    c = cert["counts"]
    print(f"certificate: {c['proved']} functions proved, {c['not yet proved']} not yet, {c['trusted']} trusted: "
          f"{os.path.relpath(tree.build('certificate.md'), tree.root)}")
    for m in cert["missing"]:
        print(f"certificate: incomplete: {m}")
    return 1 if cert["missing"] else 0


if __name__ == "__main__":
    main_guard(main)
