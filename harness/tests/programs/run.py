#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real programs with the library preloaded. Each is run once without and once with it; the second
run must end well and its output, cleaned of times and addresses, must be the same."""

import argparse
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
sys.path.insert(0, os.path.join(HERE, ".."))
from results import Group, run

PYTHON = "/usr/bin/python3"
PYTHON_TESTS = ["test_json", "test_dict", "test_list", "test_set", "test_thread", "test_unicode",
                "test_re", "test_gc", "test_bytes", "test_zlib", "test_struct", "test_weakref"]


class Failure(Exception):
    """What went wrong in one run of a program."""


def wanted(outcome, status=0):
    if outcome.timed_out or outcome.status != status:
        raise Failure(f"{outcome.ended()}\n{outcome.tail(20)}")
    return outcome


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


# ---- each runs a program in the folder `cwd`, with `lib` preloaded or None, and returns the text
# ---- that must not depend on the allocator

def python_tests(cwd, lib, env=None):
    outcome = wanted(run([PYTHON, "-m", "test", *PYTHON_TESTS], 240, cwd=cwd, preload=lib, env=env))
    text = outcome.out.decode(errors="replace")
    passed = re.findall(r"^\d+:\d\d:\d\d .*\[ *\d+/\d+\] (test_\w+)( passed)?", text, re.M)
    if len(passed) != len(PYTHON_TESTS) or "Tests result: SUCCESS" not in text:
        raise Failure(text[-2000:])
    return " ".join(sorted(name for name, _ in passed))


def python_malloc(cwd, lib):
    """Every object of the interpreter goes through malloc."""
    return python_tests(cwd, lib, {"PYTHONMALLOC": "malloc"})


def perl(cwd, lib):
    return wanted(run(["perl", os.path.join(HERE, "load.pl")], 60, cwd=cwd, preload=lib)).out


def sqlite(cwd, lib):
    with open(os.path.join(HERE, "load.sql"), "rb") as f:
        script = f.read()
    base = os.path.join(cwd, "data.db")
    if os.path.exists(base):
        os.remove(base)
    outcome = wanted(run(["sqlite3", "-bail", base], 60, cwd=cwd, preload=lib, stdin=script))
    if b"\nok\n" not in outcome.out or outcome.err:
        raise Failure(outcome.tail())
    return outcome.out + digest(base).encode()


def git(cwd, lib):
    config = os.path.join(cwd, "gitconfig")
    with open(config, "w") as f:
        f.write("[safe]\n\tdirectory = *\n[pack]\n\tthreads = 2\n")
    env = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": config, "GIT_PAGER": "cat"}
    clone = os.path.join(cwd, "clone")
    shutil.rmtree(clone, ignore_errors=True)

    def call(*args):
        return wanted(run(["git", *args], 120, cwd=cwd, preload=lib, env=env)).out

    call("clone", "-q", "--no-local", ROOT, clone)
    call("-C", clone, "gc", "-q", "--aggressive", "--prune=now")
    fsck = call("-C", clone, "fsck", "--full", "--strict", "--no-progress")
    log = call("-C", clone, "log", "-p", "--stat", "--all", "--format=fuller")
    objects = call("-C", clone, "rev-list", "--objects", "--all")
    grep = call("-C", clone, "grep", "-n", "malloc")
    if not log.startswith(b"commit "):
        raise Failure("no history to work on")
    return b"\n".join([fsck, log, objects, grep])


def compile_all(cwd, lib, compiler, flags, sources):
    sums = []
    for source in sources:
        target = os.path.join(cwd, os.path.basename(source) + ".o")
        wanted(run([compiler, *flags, "-c", source, "-o", target], 120, cwd=cwd, preload=lib))
        sums.append(f"{os.path.basename(source)} {digest(target)}")
    return "\n".join(sums)


def project_sources(cwd):
    """A copy, so that both runs compile the same even while somebody edits."""
    for part in ("src", "spec"):
        if not os.path.exists(os.path.join(cwd, part)):
            shutil.copytree(os.path.join(ROOT, part), os.path.join(cwd, part))
    return [os.path.join("src", f) for f in sorted(os.listdir(os.path.join(cwd, "src")))
            if f.endswith(".c")]


def gcc(cwd, lib):
    flags = ["-std=gnu11", "-O3", '-DVS_SOURCE_SHA256="x"']
    return compile_all(cwd, lib, "gcc", flags, project_sources(cwd))


def clang(cwd, lib):
    flags = ["-std=gnu11", "-O2", '-DVS_SOURCE_SHA256="x"']
    return compile_all(cwd, lib, "clang", flags, project_sources(cwd))


def gxx(cwd, lib):
    cxx = os.path.join(HERE, "..", "libc", "cxx.cpp")
    return compile_all(cwd, lib, "g++", ["-std=gnu++17", "-O2", "-g0"], [cxx])


def node(cwd, lib):
    outcome = wanted(run(["node", os.path.join(HERE, "workers.js")], 120, cwd=cwd, preload=lib))
    if outcome.err or len(outcome.out.split()) != 6:
        raise Failure(outcome.tail())
    return outcome.out


def sample(cwd):
    """Some 12 MB that compress by about half, always the same."""
    path = os.path.join(cwd, "..", "sample")
    if not os.path.exists(path):
        block = hashlib.sha256(b"verispan").digest()
        with open(path + ".new", "wb") as f:
            for i in range(190000):
                block = hashlib.sha256(block).digest()
                f.write(block + b"%030d, " % (i * i))
        os.rename(path + ".new", path)
    return path


def compressor(name, options, suffix):
    def round_trip(cwd, lib):
        source = sample(cwd)
        packed, back = os.path.join(cwd, "packed" + suffix), os.path.join(cwd, "back")
        outcome = wanted(run([name, *options, "-c", source], 120, cwd=cwd, preload=lib))
        with open(packed, "wb") as f:
            f.write(outcome.out)
        outcome = wanted(run([name, "-d", "-c", packed], 120, cwd=cwd, preload=lib))
        with open(back, "wb") as f:
            f.write(outcome.out)
        if digest(back) != digest(source):
            raise Failure("the round trip changed the data")
        return digest(packed)
    return round_trip


def coreutils(cwd, lib):
    script = ("set -e; export LC_ALL=C; base64 -w 60 ../sample | sort --parallel=2 -S 20M -u > a; "
              "rev a | awk '{ n[substr($0, 1, 3)]++ } END { for (k in n) print k, n[k] }' | "
              "sort > b; tar cf - a b | tar tvf - | awk '{ print $3, $6 }'; sha256sum a b; "
              "grep -c 'A.*B' a; sed 's/[aeiou]/#/g' b | tail -3")
    sample(cwd)
    return wanted(run(["bash", "-c", script], 120, cwd=cwd, preload=lib)).out


# ---- redis: a server of our own on a free port of the loopback, for as long as the case runs

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class RedisServer:
    def __init__(self, cwd, lib):
        self.port = str(free_port())
        env = dict(os.environ)
        env.pop("LD_PRELOAD", None)
        if lib:
            env["LD_PRELOAD"] = os.path.abspath(lib)
        self.log = os.path.join(cwd, "redis.log")
        saved = os.path.join(cwd, "dump.rdb")
        if os.path.exists(saved):
            os.remove(saved)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [shutil.which("redis-server"), "--port", self.port, "--bind", "127.0.0.1",
                 "--save", "", "--dir", cwd, "--io-threads", "2",
                 "--enable-debug-command", "local", "--daemonize", "no"],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def cli(self, *args, stdin=None):
        command = ["redis-cli", "-h", "127.0.0.1", "-p", self.port, *args]
        return wanted(run(command, 60, stdin=stdin)).out.decode()

    def wait(self, command, text, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Failure(f"the server ended early\n{self.log_tail()}")
            outcome = run(["redis-cli", "-h", "127.0.0.1", "-p", self.port, *command], 20)
            if text in outcome.out.decode(errors="replace"):
                return
            time.sleep(0.1)
        raise Failure(f"the server did not say {text}\n{self.log_tail()}")

    def uses(self, lib):
        with open(f"/proc/{self.process.pid}/maps") as f:
            return os.path.realpath(lib) in f.read()

    def log_tail(self):
        with open(self.log, errors="replace") as f:
            return "".join(f.readlines()[-15:])

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


REDIS_COMMANDS = "".join(
    f"SET key:{i} {'v' * (1 + i * 37 % 900)}\nHSET hash:{i % 500} field:{i} {i * i}\n"
    f"ZADD zset:{i % 50} {i % 1000} member:{i}\nRPUSH list:{i % 300} item:{i}\n"
    f"APPEND text:{i % 100} {'x' * (1 + i % 90)}\nSADD set:{i % 200} {i * 31 % 7000}\n"
    + (f"DEL key:{i // 2}\n" if i % 3 == 0 else "") for i in range(30000))


def redis(cwd, lib):
    server = RedisServer(cwd, lib)
    try:
        server.wait(["ping"], "PONG")
        if lib and not server.uses(lib):
            raise Failure("the server does not have the library mapped")
        said = server.cli("--pipe", stdin=REDIS_COMMANDS.replace("\n", "\r\n").encode())
        if "errors: 0" not in said:
            raise Failure(said)
        result = server.cli("debug", "digest") + server.cli("dbsize")
        bench = wanted(run(["redis-benchmark", "-h", "127.0.0.1", "-p", server.port, "-n", "20000",
                            "-c", "20", "-P", "8", "-r", "5000", "-d", "200", "--csv", "-t",
                            "set,get,incr,lpush,lpop,sadd,hset,spop,zadd"], 240))
        rows = bench.out.decode().splitlines()
        if len(rows) < 10 or "rror" in bench.out.decode():
            raise Failure(f"redis-benchmark: {bench.tail()}")
        server.cli("bgsave")  # forks while the server is loaded
        server.wait(["info", "persistence"], "rdb_bgsave_in_progress:0")
        if "rdb_last_bgsave_status:ok" not in server.cli("info", "persistence"):
            raise Failure("background save failed")
        server.cli("flushall")
        result += "".join(row.split(",")[0] + "\n" for row in rows)
        run(["redis-cli", "-h", "127.0.0.1", "-p", server.port, "shutdown", "nosave"], 20)
        if server.process.wait(timeout=20) != 0:
            raise Failure(f"server: exit status {server.process.returncode}\n{server.log_tail()}")
        return result
    finally:
        server.stop()


# name, commands that must be there and must load the library, the case
PROGRAMS = [
    ("python", [PYTHON], python_tests),
    ("python-malloc", [PYTHON], python_malloc),
    ("perl", ["perl"], perl),
    ("sqlite3", ["sqlite3"], sqlite),
    ("git", ["git"], git),
    ("gcc", ["gcc"], gcc),
    ("clang", ["clang"], clang),
    ("g++", ["g++"], gxx),
    ("redis", ["redis-server", "redis-cli", "redis-benchmark"], redis),
    ("node", ["node"], node),
    ("xz", ["xz"], compressor("xz", ["-T2", "-1", "--block-size=2MiB"], ".xz")),
    ("zstd", ["zstd"], compressor("zstd", ["-T2", "-9", "-q"], ".zst")),
    ("coreutils", ["sort", "awk", "sed", "tar", "bash"], coreutils),
]


def loads_library(command, lib):
    """The dynamic linker's own list of what the program would run with."""
    listed = run([command], 20, preload=lib, env={"LD_TRACE_LOADED_OBJECTS": "1"})
    return os.path.abspath(lib) in listed.out.decode(errors="replace")


def case(group, name, commands, program, args):
    start = time.monotonic()
    folder = os.path.join(os.path.abspath(args.scratch), name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    detail, times = "", []
    for command in commands:
        path = shutil.which(command)
        if path is None:
            detail = f"{command} is not installed: proofs/toolchain/setup.sh test"
        elif not loads_library(path, args.library):
            detail = f"{path} does not load {args.library}"
    try:
        if not detail:
            outputs = []
            for lib in (None, args.library):
                begin = time.monotonic()
                outputs.append(program(folder, lib))
                times.append(time.monotonic() - begin)
            if outputs[0] != outputs[1]:
                detail = f"output differs:\n{outputs[0][:600]}\n--- with the library:\n{outputs[1][:600]}"
            elif not outputs[0]:
                detail = "no output to compare"
    except Failure as failure:
        which = ("without", "with")[min(len(times), 1)]
        detail = f"the run {which} the library failed: {failure}"
    seconds = "".join(f" {t:.1f}" for t in times)
    group.progress(f"{name}:{seconds} s (without, with)" if not detail else f"{name}: failed")
    group.case(name, not detail, time.monotonic() - start, detail)
    if not detail:
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", required=True)
    parser.add_argument("--results", required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--only", help="name of one program")
    args = parser.parse_args()
    if not os.path.exists(args.library):
        sys.exit(f"no such library: {args.library}")
    if args.only and args.only not in [name for name, _, _ in PROGRAMS]:
        sys.exit(f"no such program: {args.only}; there are: {' '.join(n for n, _, _ in PROGRAMS)}")
    group = Group("programs", args.results)
    for name, commands, program in PROGRAMS:
        if args.only in (None, name):
            case(group, name, commands, program, args)
    return group.done()


if __name__ == "__main__":
    sys.exit(main())
