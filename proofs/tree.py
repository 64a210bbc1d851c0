"""The source tree as the proof tools see it: modules, their files, functions, lemmas, hashes.

modules.json says which modules are proved and what is trusted; everything else is read from the source.
"""
# SPDX-License-Identifier: Apache-2.0

import functools
import hashlib
import json
import os
import re
import shutil
import signal
import sys


class ToolError(Exception):
    """A usage or tool problem (exit status 2), as opposed to a goal that is open (exit status 1)."""


KEYWORDS = {"if", "for", "while", "switch", "return", "sizeof", "do", "else", "defined"}
TRUST_ID = re.compile(r"\bT-\d\d\b")
# Beside the sources and the specification, what a proof depends on; of the first, a module on its part.
PROOF_FILES = ["proofs/modules.json", "proofs/toolchain/why3/division.mlw"]
FUNCTION_KEYS = {"trusted_functions", "not_yet", "dead_code"}  # by function, and of no concern to other modules
TOP_KEYS = {"modules", "trusted_files", "allowed_warnings", "hypotheses"} | FUNCTION_KEYS


def blank_comments(text):
    """Replace comments, strings and character constants by spaces; line breaks stay."""
    pattern = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def blank_directives(text):
    text = re.sub(r"^[ \t]*#[ \t]*ifdef[ \t]+__cplusplus.*?^[ \t]*#[ \t]*endif",
                  lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S | re.M)
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.M)


def bodies_in(text):
    """[(name, position of the name, of "{", of "}")] of the functions in this C text, whatever #if they stand in."""
    text = blank_directives(blank_comments(text))
    found, depth, start, current = [], 0, 0, None
    for i, c in enumerate(text):
        if c == "{":
            if depth == 0:
                head = re.sub(r"__attribute__\s*\(\(.*?\)\)", lambda a: " " * len(a.group()), text[start:i], flags=re.S)
                m = re.search(r"\b([A-Za-z_]\w*)\s*\(", head)
                known = m and m.group(1) not in KEYWORDS and "=" not in head[:m.start()]
                current = (m.group(1), start + m.start(), i) if known else None
            depth += 1
        elif c == "}":
            depth = max(0, depth - 1)
            if depth == 0:
                start = i + 1
                if current:
                    found.append((*current, i))
                    current = None
        elif c == ";" and depth == 0:
            start = i + 1
    return found


def functions_in(text):
    """[(name, line)] of the functions that have a body in this C text."""
    return [(name, text.count("\n", 0, pos) + 1) for name, pos, _, _ in bodies_in(text)]


def annotations(text):
    """Only the ACSL annotations of a C or .acsl text; the rest is blanked, line breaks stay."""
    out, pos = [], 0
    for m in re.finditer(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", text, re.S):
        out.append(re.sub(r"[^\n]", " ", text[pos:m.start()]))
        body = m.group()
        if body.startswith(("/*@", "//@")):
            body = re.sub(r"//[^\n]*", lambda a: " " * len(a.group()), "   " + body[3:])
            out.append(body)
        else:
            out.append(re.sub(r"[^\n]", " ", body))
        pos = m.end()
    out.append(re.sub(r"[^\n]", " ", text[pos:]))
    return "".join(out)


class Tree:
    def __init__(self, root, build=None):
        self.root = os.path.abspath(root)
        self.build_dir = build or os.environ.get("BUILD", "build")
        self.path = os.path.join(self.root, "proofs", "modules.json")
        try:
            with open(self.path, encoding="utf-8") as f:
                self.config = json.load(f)
        except FileNotFoundError:
            raise ToolError(f"{self.path}: no such file")
        except ValueError as e:
            raise ToolError(f"{self.path}: {e}")
        unknown = set(self.config) - TOP_KEYS
        if unknown:
            raise ToolError(f"{self.path}: unknown key {', '.join(sorted(unknown))}")
        self.modules = self.config.get("modules", {})
        self.trusted_files = self.config.get("trusted_files", {})
        self.trusted_functions = self.config.get("trusted_functions", {})
        self.not_yet = self.config.get("not_yet", {})
        self.allowed_warnings = self.config.get("allowed_warnings", [])
        self.hypotheses = self.config.get("hypotheses", {})
        self.dead_code = self.config.get("dead_code", {})

    def read(self, rel):
        with open(os.path.join(self.root, rel), encoding="utf-8") as f:
            return f.read()

    def exists(self, rel):
        return os.path.exists(os.path.join(self.root, rel))

    def listing(self, folder, *suffixes):
        path = os.path.join(self.root, folder)
        if not os.path.isdir(path):
            return []
        return sorted(f"{folder}/{n}" for n in os.listdir(path) if n.endswith(suffixes))

    def sources(self):
        return self.listing("src", ".c", ".h")

    def spec_files(self):
        return self.listing("spec", ".acsl")

    def build(self, *parts):
        return os.path.join(self.root, self.build_dir, *parts)

    def module_files(self, module):
        """Files whose functions and lemmas count for a module: NAME.*, NAME_*.*, and those that modules.json adds."""
        own = [f for f in self.sources() + self.spec_files() if self.owner(f) == module]
        return sorted(own + [f for f in self.modules[module].get("files", []) if self.exists(f) and f not in own])

    def owner(self, rel):
        """The module with the longest name that a file's name begins with."""
        stem = os.path.splitext(os.path.basename(rel))[0]
        if os.path.basename(rel) in self.trusted_files:
            return None
        return max((m for m in self.modules if stem == m or stem.startswith(m + "_")), key=len, default=None)

    def module_present(self, module):
        return any(f.startswith("src/") for f in self.module_files(module))

    def module_of_file(self, rel):
        for m in self.modules:
            if rel in self.module_files(m):
                return m
        return None

    def unit(self, module):
        """The file given to Frama-C: src/NAME.c, or a generated one that includes src/NAME.h."""
        if self.exists(f"src/{module}.c"):
            return f"src/{module}.c"
        if not self.exists(f"src/{module}.h"):
            raise ToolError(f"module {module}: neither src/{module}.c nor src/{module}.h exists")
        out = self.build("prove", f"{module}.c")
        os.makedirs(os.path.dirname(out), exist_ok=True)
        part = f"{out}.{os.getpid()}"
        with open(part, "w", encoding="utf-8") as f:
            f.write(f'#include "{module}.h"\n')
        os.replace(part, out)
        return os.path.relpath(out, self.root)

    @functools.cache
    def source_functions(self, module):
        """{name: "file:line"} of the functions that the module's C files define."""
        out = {}
        for rel in self.module_files(module):
            if rel.endswith((".c", ".h")):
                for name, line in functions_in(self.read(rel)):
                    out.setdefault(name, f"{rel}:{line}")
        return out

    def lemmas(self, module):
        """{name: "file:line"} of the lemmas stated in the module's files."""
        out = {}
        for rel in self.module_files(module):
            text = annotations(self.read(rel))
            for m in re.finditer(r"(?:\b(?:check|admit)\s+)?\blemma\s+([A-Za-z_]\w*)", text):
                out[m.group(1)] = f"{rel}:{text.count(chr(10), 0, m.start()) + 1}"
        return out

    def closure(self, rel):
        """Every file of src/ and spec/ that rel includes, with itself."""
        seen, todo = set(), [rel]
        while todo:
            cur = os.path.normpath(todo.pop())
            if cur in seen or not self.exists(cur):
                continue
            seen.add(cur)
            for name in re.findall(r'^[ \t]*(?://@|/\*@)?[ \t]*#[ \t]*include[ \t]+"([^"]+)"', self.read(cur), re.M):
                for folder in (os.path.dirname(cur), "src", "spec"):
                    if self.exists(os.path.join(folder, name)):
                        todo.append(os.path.join(folder, name))
                        break
        return sorted(f for f in seen if f.startswith(("src/", "spec/")))

    def hypotheses_of(self, module):
        """The hypotheses that concern a module: of functions that its own files name, as it proves or calls them."""
        text = "".join(self.read(rel) for rel in self.module_files(module))
        return {f: v for f, v in self.hypotheses.items() if re.search(rf"\b{f}\b", text)}

    def module_config(self, module):
        """What modules.json says of a module: all of it but other modules, their functions and their hypotheses."""
        others = {f for m in self.modules if m != module for f in self.source_functions(m)} - set(self.source_functions(module))
        part = {k: v for k, v in self.config.items() if k != "modules"} | {"module": self.modules[module]}
        for key in FUNCTION_KEYS & set(part):
            part[key] = {f: v for f, v in part[key].items() if f not in others}
        part["hypotheses"] = self.hypotheses_of(module)
        return json.dumps(part, sort_keys=True)

    @functools.cache
    def module_hash(self, module):
        """sha256 over everything that the module's proof reads, as it is when this is first asked."""
        files = sorted({*self.closure(self.unit(module)), *self.module_files(module), *PROOF_FILES[1:]})
        return self.hash_files(files, self.module_config(module))

    def hash_files(self, files, also=""):
        h = hashlib.sha256(also.encode())
        for rel in files:
            with open(os.path.join(self.root, rel), "rb") as f:
                data = f.read()
            h.update(f"{rel} {len(data)}\n".encode())
            h.update(data)
        return h.hexdigest()

    def proof_hash(self):
        """sha256 over everything that the proofs read."""
        return self.hash_files(sorted(self.sources() + self.spec_files() + PROOF_FILES))

    def source_hash(self):
        """sha256 over src/ and spec/*.acsl one after another: what the library itself says that it was built from."""
        h = hashlib.sha256()
        for rel in sorted(self.sources() + self.spec_files()):
            with open(os.path.join(self.root, rel), "rb") as f:
                h.update(f.read())
        return h.hexdigest()


def copy_tree(tree, *parts):
    """A fresh copy of src/, spec/ and PROOF_FILES below the build folder, as a Tree of its own."""
    root = tree.build(*parts)
    shutil.rmtree(root, ignore_errors=True)
    for folder in ("src", "spec"):
        if tree.exists(folder):
            shutil.copytree(os.path.join(tree.root, folder), os.path.join(root, folder))
    for rel in PROOF_FILES:
        os.makedirs(os.path.dirname(os.path.join(root, rel)), exist_ok=True)
        shutil.copyfile(os.path.join(tree.root, rel), os.path.join(root, rel))
    return Tree(root, "build")


def main_guard(main):
    """Run main(); usage and tool errors are one line on stderr and exit status 2."""
    def stop(signum, frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, stop)
    try:
        sys.exit(main())
    except ToolError as e:
        print(f"{os.path.basename(sys.argv[0])}: {e}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{os.path.basename(sys.argv[0])}: interrupted", file=sys.stderr)
        sys.exit(130)
