#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that unit/test_cycle sees what it is there for: each bug below is an edit of a copy of one file of src/, and the
program linked with it must fail. The unedited program must pass: that is group unit's."""

import argparse
import os
import re
import shlex
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
sys.path.insert(0, os.path.join(HERE, ".."))
from results import Group, run

# name, file, text that occurs once, what takes its place
BUGS = [
    ("marks-lost", "mspan.c", "uint64_t dead = marks & bits_not(reached);", "uint64_t dead = marks;"),
    ("nothing-dies", "mspan.c", "uint64_t dead = marks & bits_not(reached);", "uint64_t dead = 0;"),
    ("born-white", "cycle.c", "  if (h->marking) cycle_blacken(s);\n", ""),
    ("large-born-white", "cycle.c", "(&s->remote_bits[0], h->marking)", "(&s->remote_bits[0], 0)"),
    ("large-never-dies", "cycle.c", "return vs_exchange_u64(&s->remote_bits[0], 0) != 0;", "return true;"),
    ("marking-without-flush", "cycle.c", "  cycle_flush(h);\n  h->marking = true;", "  h->marking = true;"),
    ("marking-without-sweep", "cycle.c", "  cycle_finish_sweep(h);\n  cycle_flush(h);", "  cycle_flush(h);"),
    ("turn-without-flush", "cycle.c", "  cycle_flush(h);\n  h->marking = false;", "  h->marking = false;"),
    ("turn-by-four", "cycle.c", "spanctl_add(h->sweepgen, 2)", "spanctl_add(h->sweepgen, 4)"),
    ("sweep-while-marking", "cycle.c", "  h->marking = true;", "  h->marking = true, h->tickets = 0, h->sweepgen += 2;"),
    ("swept-into-the-wrong-set", "mcentral.c", "= mcentral_swept(h, c, full)", "= mcentral_unswept(h, c, full)"),
    ("sweep-drained-too-early", "cycle.c", "k < 2 * VS_NUM_SPAN_CLASSES", "k < VS_NUM_SPAN_CLASSES"),
    ("debt-not-paid", "cycle.c", "while (vs_load_relaxed_u64(&h->swept_pages) < target &&", "while (target == 0 &&"),
    ("pages-not-counted", "cycle.c", "  (void)counter_add(&h->pages, 0 - npages);\n", ""),
    ("dead-spans-kept", "cycle.c", "} else if (cycle_sweep_span(h, s)) {", "} else if (cycle_sweep_span(h, s) || true) {"),
    ("only-the-first-arena", "cycle.c", "n <= back && n <= arena", "n < back && n <= arena"),
    ("free-slot-is-an-object", "cycle.c", "slot < s->nelems && bits_test(", "slot < s->nelems || bits_test("),
    ("object-of-another-heap", "cycle.c", "!= h->owner) return 0;", "== VS_OWNER_NONE) return 0;"),
    ("destroy-leaks", "heap.c", "    mheap_free(s);\n", ""),
    ("parked-mcache-lost", "mcache.c", "h->nparked > 0 ? mcache_unpark(h) : mcache_make(h)", "mcache_make(h)"),
    ("free-in-any-heap", "alloc.c", "if (mcache_heap(spanctl_owner(ctl)) != h)", "if (ctl == 0)"),
]


def compile_and_run(args, name, source):
    """The object of an edited source in the place of the true one's."""
    stem = os.path.splitext(os.path.basename(source))[0]
    module = stem.removeprefix(name + "-")
    made, program = os.path.join(args.scratch, stem + ".o"), os.path.join(args.scratch, name)
    objects = [made if os.path.basename(o) == module + ".o" else o for o in args.objects]
    if made not in objects:
        raise RuntimeError(f"no object of {module}")
    for command in ([*args.compiler, "-Isrc", "-c", source, "-o", made],
                    [args.compiler[0], "-o", program, args.test, *objects, "-lcmocka", "-pthread"]):
        outcome = run(command, 120, cwd=ROOT)
        if outcome.status != 0:
            raise RuntimeError(f"{shlex.join(command)}\n{outcome.tail(30)}")
    return run([program], 60)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--results", required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--test", required=True, help="object of unit/test_cycle.c")
    parser.add_argument("--objects", nargs="+", required=True)
    parser.add_argument("--only", help="name of a bug")
    args = parser.parse_args()
    args.compiler = shlex.split(os.environ["LIBRARY_COMPILE"])
    group = Group("cycles", args.results)
    os.makedirs(args.scratch, exist_ok=True)
    for name, file, replace, by in BUGS:
        if args.only not in (None, name):
            continue
        with open(os.path.join(ROOT, "src", file), encoding="utf-8") as f:
            text = f.read()
        edited = os.path.join(args.scratch, f"{name}-{file}")
        with open(edited, "w", encoding="utf-8") as f:
            f.write(text.replace(replace, by))
        try:
            if text.count(replace) != 1:
                raise RuntimeError(f"src/{file} has {text.count(replace)} places for the edit")
            outcome = compile_and_run(args, name, edited)
        except RuntimeError as error:
            group.case(name, False, 0, str(error))
            continue
        failed = re.search(rb"\[  FAILED  \] (\w+)", outcome.out + outcome.err)
        ok = outcome.status != 0 and not outcome.timed_out
        how = failed[1].decode() if failed else outcome.ended()
        group.case(f"bug {name} is noticed", ok, outcome.seconds, "" if ok else f"{outcome.ended()}\n{outcome.tail()}")
        group.progress(f"{name}: {how if ok else 'NOT NOTICED'}")
    return group.done()


if __name__ == "__main__":
    sys.exit(main())
