#!/usr/bin/env python3
"""Shows every claim with what establishes it, and fails for what is unproved, unlisted or unused: `make audit`.

Claims -> predicates -> functions -> goals -> harnesses, then what is trusted. Results come from build/results (make prove).
Exit status 0: consistent; 1: a complaint; 2: usage or tool error.
"""
# SPDX-License-Identifier: Apache-2.0

import argparse
import os
import re
import sys

import evidence
from tree import TRUST_ID, Tree, ToolError, annotations, main_guard

TAGS = ("Up", "Down", "Invariant", "Claims")
PREDICATE = re.compile(r"\b(?:predicate|logic\s+[A-Za-z_][\w \t*]*?|inductive)\s+([A-Za-z_]\w*)\s*(?:\{[^}]*\})?\s*(?=[(=:])")


def header_tags(tree, rel):
    """{tag: text} of the first comment of a header, where `Up: ... Down: ...` may share a line."""
    m = re.match(r"\s*/\*(.*?)\*/", tree.read(rel), re.S)
    text = re.sub(r"\n\s*\*?", " ", m.group(1)) if m else ""
    tags = {}
    for tag, value in re.findall(r"\b(Up|Down|Invariant|Claims):\s*(.*?)(?=\b(?:Up|Down|Invariant|Claims):|\Z)", text, re.S):
        tags[tag] = value.strip()
    return tags


def all_texts(tree):
    """Every text that may cite: src, spec, proofs, harness."""
    out = {}
    for top in ("src", "spec", "proofs", "harness"):
        for folder, dirs, names in os.walk(os.path.join(tree.root, top)):
            dirs[:] = [d for d in dirs if d not in ("sessions", "__pycache__")]
            for n in names:
                if n.endswith((".c", ".h", ".acsl", ".md", ".py", ".json", ".patch", ".mk", ".sh", ".cpp")):
                    rel = os.path.relpath(os.path.join(folder, n), tree.root)
                    out[rel] = tree.read(rel)
    return out


def check_tags(tree):
    bad, by_claim = [], {c: [] for c in evidence.CLAIMS}
    for rel in tree.sources():
        if not rel.endswith(".h") or "_tables" in rel or rel == "src/verispan.h":
            continue
        tags = header_tags(tree, rel)
        for tag in TAGS:
            if not tags.get(tag):
                bad.append(f"{rel}: its first comment has no line '{tag}:'")
        for c in re.findall(r"\bC\d+\b", tags.get("Claims", "")):
            if c in by_claim:
                by_claim[c].append((rel, tags.get("Invariant", "")))
            else:
                bad.append(f"{rel}: cites {c}, which is no claim")
    return bad, by_claim


def check_unsound(tree):
    """Axioms, admits, contradictory clauses outside the trusted edge."""
    bad = []
    patterns = {r"\baxiom\b": "an axiom", r"\badmit\b": "an admit",
                r"\bassumes\s+(?:\w+\s*:\s*)?\\false\b": "assumes \\false",
                r"\brequires\s+(?:\w+\s*:\s*)?\\false\b": "requires \\false"}
    for rel in tree.sources() + tree.spec_files():
        if os.path.basename(rel) in tree.trusted_files:
            continue
        text = annotations(tree.read(rel))
        for pattern, what in patterns.items():
            for m in re.finditer(pattern, text):
                bad.append(f"{rel}:{text.count(chr(10), 0, m.start()) + 1}: {what} outside the trusted edge")
    return bad


def check_unused(tree, texts):
    """A predicate or logic function that nothing else mentions."""
    bad, where = [], {}
    whole = {rel: annotations(texts[rel]) for rel in texts if rel.endswith((".c", ".h", ".acsl")) and rel.startswith(("src/", "spec/"))}
    for rel in tree.spec_files() + [s for s in tree.sources()]:
        for m in PREDICATE.finditer(whole[rel]):
            name = m.group(1)
            where[name] = f"{rel}:{whole[rel].count(chr(10), 0, m.start()) + 1}"
    for name, at in sorted(where.items()):
        uses = sum(len(re.findall(rf"\b{name}\b", t)) for t in whole.values())
        if uses < 2:
            bad.append(f"{at}: {name} is used nowhere")
    return bad, where


def check_trust(tree, texts):
    bad, items = [], evidence.trust_items(tree)
    cited = {}
    for rel, text in texts.items():
        if rel in ("spec/TRUST.md", "proofs/README.md") or rel.endswith(".patch"):
            continue
        if rel.startswith("proofs/") and rel != "proofs/modules.json":
            continue
        for t in TRUST_ID.findall(text):
            cited.setdefault(t, set()).add(rel)
    for t in sorted(cited):
        if t not in items:
            bad.append(f"{sorted(cited[t])[0]}: cites {t}, which spec/TRUST.md does not have")
    for t, (title, text) in sorted(items.items()):
        if t not in cited and "Cited: nowhere" not in text:
            bad.append(f"spec/TRUST.md: {t} {title}: cited nowhere, and does not say why")
        if not re.search(r"\bWhy:|What tests it:|Believed: nothing", text):
            bad.append(f"spec/TRUST.md: {t} {title}: says neither why it is believed nor what tests it")
    return bad, items, cited


def check_claims(tree, mods, predicates, texts):
    found, bad = evidence.claims(tree)
    verdicts = {f: v for m in mods for f, (v, _) in m.functions.items()}
    others = {f for group in evidence.other_files(tree) for fs in group.values() for f in fs}
    folders = evidence.harness_folders(tree)
    tests = {part for rel in texts if rel.startswith("harness/") for part in rel.split("/")} | set(texts)
    stems = {os.path.splitext(t)[0] for t in tests}
    names = set(tree.modules) | {os.path.splitext(os.path.basename(s))[0] for s in tree.sources()}
    for claim, (status, text) in found.items():
        for token in re.findall(r"`([^`]+)`", text):
            known = (token in verdicts or token in others or token in folders or token in predicates or token in names
                     or token in tests or token in stems or tree.exists(token) or f"{token}()" in verdicts)
            if not known:
                bad.append(f"spec/claims.md: {claim}: `{token}` is no function, predicate, module, harness or test")
            if status == "proved" and verdicts.get(token) == "not yet proved":
                bad.append(f"spec/claims.md: {claim} is called proved, but {token} is not")
        for sentence in re.split(r"[.;](?:\s|$)", text):
            if re.search(r"\bproved\b", sentence) and not re.search(r"\bnot\b", sentence):
                for token in re.findall(r"`([^`]+)`", sentence):
                    module = next((m for m in mods if m.name == token), None)
                    if verdicts.get(token) == "not yet proved" or (module and not module.complete()):
                        bad.append(f"spec/claims.md: {claim} says that {token} is proved, but it is not")
    return bad, found


def show(tree, mods, found, by_claim, items, cited):
    folders = evidence.harness_folders(tree)
    for claim in evidence.CLAIMS:
        status, text = found.get(claim, ("?", "no row in spec/claims.md"))
        print(f"{claim}  {status}: {text}")
        for rel, invariant in by_claim[claim]:
            print(f"    {rel}: {invariant}")
            module = next((m for m in mods if rel in tree.module_files(m.name)), None)
            if module:
                proved = sum(g["verdict"] == "proved" for g in module.goals)
                print(f"        {module.count('proved')} functions proved, {module.count('not yet proved')} not yet, "
                      f"{module.count('trusted')} trusted; {proved} of {len(module.goals)} goals"
                      + ("" if module.state == "current" else f" ({module.state})"))
                about = [h for h in folders if evidence.harness_module(tree, h) == module.name]
                if about:
                    print(f"        harnesses: {', '.join(about)}")
            elif os.path.basename(rel) in tree.trusted_files:
                print(f"        trusted: {tree.trusted_files[os.path.basename(rel)]}")
            else:
                print("        not yet proved")
    print("\ntrusted")
    for t, (title, _) in sorted(items.items()):
        print(f"    {t} {title}: {', '.join(sorted(cited.get(t, ()))) or 'cited nowhere'}")
    open_, _ = evidence.other_files(tree)
    print("\nnot yet proved")
    for name, functions in sorted(open_.items()):
        print(f"    {name}: {len(functions)} functions")
    for m in mods:
        for f, (v, at) in sorted(m.functions.items()):
            if v == "not yet proved":
                print(f"    {at} {f}")


def main():
    p = argparse.ArgumentParser(description="Claims, predicates, functions, goals, harnesses; trusted items.")
    p.add_argument("--root", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    tree = Tree(p.parse_args().root)
    mods, texts = evidence.modules(tree), all_texts(tree)
    bad = []
    for m in mods:
        if m.state != "current":
            bad.append(f"module {m.name}: {m.state}")
            continue
        bad += [f"{g['at']}: {g['function']} {g['label']}: open" for g in m.open_goals()]
        bad += m.result["errors"]
        for f, at in sorted(m.unlisted().items()):
            if not any(f == g["function"] for g in m.open_goals()):
                bad.append(f"{at}: {f}: not proved, and modules.json does not list it as not yet proved")
    for key in ("trusted_functions", "not_yet", "hypotheses", "dead_code"):
        everything = {f for m in mods for f in m.functions}
        bad += [f"proofs/modules.json: {key}: no function {f} in a proved module" for f in getattr(tree, key) if f not in everything]
    bad += [f"proofs/modules.json: trusted_files: src/{f} does not exist" for f in tree.trusted_files if not tree.exists(f"src/{f}")]
    for rel in tree.spec_files():
        if tree.module_of_file(rel) is None and re.search(r"\blemma\b", annotations(tree.read(rel))):
            bad.append(f"{rel}: has lemmas but belongs to no module, so nothing proves them")
    tag_bad, by_claim = check_tags(tree)
    unused, predicates = check_unused(tree, texts)
    trust_bad, items, cited = check_trust(tree, texts)
    claim_bad, found = check_claims(tree, mods, predicates, texts)
    bad += tag_bad + check_unsound(tree) + unused + trust_bad + claim_bad
    show(tree, mods, found, by_claim, items, cited)
    print()
    for b in bad:
        print(f"audit: {b}")
    print(f"audit: {len(bad)} complaints")
    return 1 if bad else 0


if __name__ == "__main__":
    main_guard(main)
