#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the library with each compiler, optimization level and sanitizer, and runs a short stress
and the libc boundary on each. Sources are those of src/; the flags, those of the Makefile, come
quoted for a shell in LIBRARY_CFLAGS.

ThreadSanitizer has a malloc of its own, which the library's libc names would replace: in that build
they are renamed, and the stress test uses the vs_ names; the unit test of cycles runs there too. Both sanitizers are first shown to work on
a fault planted in the build.

clang-locks only compiles: the annotations of src/lock.h make clang check who holds which lock. That the
check is awake is shown by taking out every single acquisition and release in turn: none must compile."""

import argparse
import concurrent.futures
import glob
import os
import re
import shlex
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
TESTS = os.path.join("harness", "tests")
sys.path.insert(0, os.path.join(HERE, ".."))
from results import Group, run

LIBC_NAMES = ["malloc", "free", "calloc", "realloc", "reallocarray", "memalign", "aligned_alloc",
              "posix_memalign", "valloc", "pvalloc", "malloc_usable_size", "malloc_trim",
              "free_sized", "free_aligned_sized"]
RENAMED = [f"-D{name}=renamed_{name}" for name in LIBC_NAMES]

# How the tests find the library; COMPILED has no tests to run.
PRELOAD, LINKED, VS, COMPILED = "preload", "linked", "vs", "compiled"

UBSAN = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
TSAN = ["-fsanitize=thread"]
LOCKS = ["-Wthread-safety", "-Wthread-safety-beta", "-Werror=thread-safety", "-fsyntax-only"]

# name, compiler, flags, how
CONFIGS = [
    ("gcc-O0", "gcc", ["-O0"], PRELOAD),
    ("gcc-O2", "gcc", ["-O2"], PRELOAD),
    ("gcc-O3", "gcc", ["-O3", "-march=x86-64-v2"], PRELOAD),
    ("clang-O0", "clang", ["-O0"], PRELOAD),
    ("clang-O2", "clang", ["-O2"], PRELOAD),
    ("clang-O3", "clang", ["-O3"], PRELOAD),
    ("gcc-lto", "gcc", ["-O2", "-flto=2", "-Wno-lto-type-mismatch"], LINKED),
    ("gcc-lto-preload", "gcc", ["-O2", "-flto=2"], PRELOAD),
    ("gcc-ubsan", "gcc", ["-O1", "-g", *UBSAN], LINKED),
    ("clang-ubsan", "clang", ["-O1", "-g", *UBSAN], LINKED),
    ("gcc-tsan", "gcc", ["-O1", "-g", *TSAN], VS),
    ("clang-tsan", "clang", ["-O1", "-g", *TSAN], VS),
    ("clang-locks", "clang", LOCKS, COMPILED),
]

STRESS = [("mix", 1), ("mix", 4), ("pairs", 4), ("churn", 4), ("ladder", 1)]


class Build:
    """One configuration: its objects, library and test programs in a folder of their own."""

    def __init__(self, args, name, compiler, flags, how):
        self.name, self.how = name, how
        self.dir = os.path.join(os.path.abspath(args.scratch), name)
        self.tool = [compiler, *flags]
        self.cflags = shlex.split(os.environ["LIBRARY_CFLAGS"])
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)

    def path(self, name):
        return os.path.join(self.dir, name)

    def call(self, command):
        outcome = run(command, 300, cwd=ROOT)
        if outcome.status != 0 or outcome.timed_out:
            raise RuntimeError(f"{shlex.join(command)}\n{outcome.ended()}\n{outcome.tail(30)}")

    def objects(self):
        made = []
        for source in sorted(glob.glob("src/*.c", root_dir=ROOT)):
            target = self.path(os.path.basename(source)[:-2] + ".o")
            renamed = RENAMED if self.how == VS else []
            self.call([*self.tool, *self.cflags, *renamed, "-c", source, "-o", target])
            made.append(target)
        return made

    def program(self, name, sources, extra=()):
        target = self.path(name)
        self.call([*self.tool, "-std=gnu11", "-fno-builtin", "-g", "-Isrc",
                   *[os.path.join(TESTS, s) for s in sources], "-o", target, *extra, "-pthread"])
        return target

    def make(self):
        """The library, and the test programs as (stress, boundary, preload)."""
        objects = self.objects()
        stress = ["stress/stress.c", "stress/shadow.c"]
        if self.how == VS:
            return self.program("stress", stress, ["-DSTRESS_VS", *objects]), None, None
        if self.how == LINKED:
            return (self.program("stress", stress, objects),
                    self.program("boundary", ["libc/test_boundary.c"], [*objects, "-lcmocka"]), None)
        library = self.path("libverispan.so")
        self.call([*self.tool, "-shared", *objects, "-o", library, "-pthread"])
        return (self.program("stress", stress),
                self.program("boundary", ["libc/test_boundary.c"], ["-lcmocka"]), library)


def sanitizer_env(forks):
    # Large blocks and tight address space are part of the tests. A fork takes every lock, more than the deadlock
    # detector can count.
    return {"UBSAN_OPTIONS": "print_stacktrace=1", "CMOCKA_MESSAGE_OUTPUT": "TAP",
            "TSAN_OPTIONS": "halt_on_error=1 exitcode=66 allocator_may_return_null=1"
                            + (" detect_deadlocks=0" if forks else "")}


def run_sanitized(command, timeout, library=None, forks=False):
    """ThreadSanitizer cannot place its shadow where the kernel randomizes addresses much; it says so,
    and then the program is run again without that."""
    outcome = run(command, timeout, preload=library, env=sanitizer_env(forks))
    if b"ThreadSanitizer: unexpected memory mapping" in outcome.err:
        outcome = run(["setarch", "-R", *command], timeout, preload=library, env=sanitizer_env(forks))
    return outcome


def planted_fault(build, group):
    """A sanitizer build must stop a program that does the wrong thing inside the library."""
    if build.how == VS:
        canary, status, word = "builds/canary_race.c", 66, b"data race"
    else:
        canary, status, word = "builds/canary_shift.c", 1, b"runtime error"
    objects = sorted(glob.glob(build.path("*.o")))
    program = build.program("canary", [canary], objects)
    outcome = run_sanitized([program], 60)
    ok = outcome.status == status and word in outcome.err
    group.case(f"{build.name}: the sanitizer notices a planted fault", ok, outcome.seconds,
               "" if ok else f"{outcome.ended()}\n{outcome.tail()}")


LOCK_CALL = re.compile(r"\s+(lock_acquire|lock_release|\w+_lock(_all)?|\w+_unlock(_all)?)\(.*\)( /\*@ ghost .*\*/)?;$")


def without_a_lock_call(text):
    """Yields (number of a line that acquires or releases a lock, the text without it); functions that
    the compiler does not check are left out."""
    lines = text.split("\n")
    checked = True
    for number, line in enumerate(lines):
        if line.startswith("VS_LOCK_UNCHECKED"):
            checked = line.endswith("}")
        if checked and LOCK_CALL.match(line):
            yield number + 1, "\n".join(lines[:number] + [""] + lines[number + 1:])
        if line == "}":
            checked = True


def check_locks(build, group):
    """Compiles the sources, then each of them once for every lock call, without it."""
    command, calls = [*build.tool, *build.cflags], 0
    for source in sorted(glob.glob("src/*.c", root_dir=ROOT)):
        outcome = run([*command, source], 300, cwd=ROOT)
        group.case(f"{build.name}: {source}", outcome.status == 0, outcome.seconds, outcome.tail(30))
        with open(os.path.join(ROOT, source), encoding="utf-8") as f:
            text = f.read()
        mutant = build.path(os.path.basename(source))
        for line, changed in without_a_lock_call(text):
            with open(mutant, "w", encoding="utf-8") as f:
                f.write(changed)
            calls += 1
            outcome = run([*command, "-Isrc", mutant], 300, cwd=ROOT)
            ok = outcome.status == 1 and b"-Wthread-safety" in outcome.err
            group.case(f"{build.name}: {source} without its lock call in line {line} does not compile",
                       ok, outcome.seconds, "" if ok else f"{outcome.ended()}\n{outcome.tail(30)}")
    group.case(f"{build.name}: there are lock calls to take out", calls > 0, 0)


def check(build, group, ops):
    if build.how == COMPILED:
        check_locks(build, group)
        return
    try:
        stress, boundary, library = build.make()
        if "sanitize" in " ".join(build.tool):
            planted_fault(build, group)
    except RuntimeError as error:
        group.case(f"{build.name}: builds", False, 0, str(error))
        return
    group.case(f"{build.name}: builds", True, 0)
    expect = [] if build.how == VS else ["--expect", "verispan"]
    for mode, threads in STRESS:
        outcome = run_sanitized([stress, "--mode", mode, "--threads", str(threads), "--ops", str(ops),
                                 "--max-size", "1e6", "--limit", "200", *expect], 240, library)
        ok = outcome.status == 0 and b"stress: ok" in outcome.out
        group.case(f"{build.name}: stress {mode} {threads}", ok, outcome.seconds,
                   "" if ok else f"{outcome.ended()}\n{outcome.tail(60)}")
    if boundary:
        outcome = run_sanitized([boundary], 240, library)
        group.tap(f"{build.name}: ", outcome)
    if build.how == VS:
        objects = sorted(glob.glob(build.path("*.o")))
        cycle = build.program("cycle", ["unit/test_cycle.c"], [*objects, "-lcmocka"])
        group.tap(f"{build.name}: ", run_sanitized([cycle], 240, forks=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--ops", type=int, default=300000, help="operations of one stress run")
    parser.add_argument("--only", help="part of a configuration's name")
    args = parser.parse_args()
    if "LIBRARY_CFLAGS" not in os.environ:
        sys.exit("LIBRARY_CFLAGS is not set: run this by make check-builds")
    configs = [c for c in CONFIGS if args.only is None or args.only in c[0]]
    if not configs:
        sys.exit(f"no such configuration: {args.only}; there are: "
                 + " ".join(c[0] for c in CONFIGS))
    group = Group("builds", args.results)

    def work(config):
        check(Build(args, *config), group, args.ops)
        verdicts = [c["verdict"] for c in group.cases if c["name"].startswith(f"{config[0]}: ")]
        group.progress(f"{config[0]}: {verdicts.count('passed')} passed, {verdicts.count('failed')} failed")

    # A configuration on each core: most of the time goes to compilers, which use one.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(work, configs))
    return group.done()


if __name__ == "__main__":
    sys.exit(main())
