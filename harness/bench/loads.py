"""The loads of the benchmark: for each its command, what it needs, how its input is made and what its output is.

A load is run by measure (see measure.c), which sets LD_PRELOAD for the measured command only.
"""
# SPDX-License-Identifier: Apache-2.0
import hashlib
import os
import random
import shlex
import shutil
import signal
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.normpath(os.path.join(ROOT, os.environ.get("BUILD", "build")))
TOOLCHAIN = os.path.join(BUILD, "toolchain", "bin")
SYSTEM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
OWN = ("cfrac", "strings", "bintree", "lifo", "fifo", "realloc", "random4k", "random1m", "larson", "prodcons")
# Loads with bars of their own: of these only those in OWN count in the geometric means.
LARGE = ("large", "large2")
REMOTE = ("larson", "prodcons", "handover", "xmalloc")
TIMEOUT = 120


class Failure(Exception):
    """A run that crashed, took too long or did not do its work."""


def tool(name):
    """The system's own program of that name, or the one that setup.sh made of the system's; not a user's."""
    return shutil.which(name, path=f"{TOOLCHAIN}:{SYSTEM_PATH}")


def words(rng, count):
    return [
        "".join(chr(97 + rng.randrange(26)) for _ in range(2 + rng.randrange(9))) for _ in range(count)
    ]


def environment(extra=()):
    keep = {"PATH": SYSTEM_PATH, "HOME": "/nonexistent", "LC_ALL": "C", "TZ": "UTC"}
    keep.update(extra)
    return keep


class Measurement:
    """The running measure process of one command."""

    def __init__(self, context, argv, preload, env, cwd=None):
        self.report = os.path.join(context.scratch, "report")
        self.output = os.path.join(context.scratch, "output")
        self.errors = os.path.join(context.scratch, "errors")
        if os.path.exists(self.report):
            os.unlink(self.report)
        command = [context.measure, self.report, "LD_PRELOAD=" + preload, "--", *argv]
        with open(self.output, "wb") as out, open(self.errors, "wb") as err:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment(env), cwd=cwd,
                start_new_session=True)

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def errors_text(self):
        with open(self.errors, "rb") as file:
            lines = file.read().decode(errors="replace").strip().splitlines()
        return "; ".join(lines[:3])[:300] or "no message"

    def finish(self):
        """Waits; returns (wall, user + system seconds, peak KiB)."""
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"did not end within {TIMEOUT} s") from None
        except BaseException:
            self.kill()
            raise
        if self.process.returncode != 0:
            raise Failure("could not be measured: " + self.errors_text())
        with open(self.report, encoding="ascii") as file:
            status, wall, user, system, peak = file.read().split()
        status = int(status)
        if os.WIFSIGNALED(status):
            raise Failure(f"killed by {signal.Signals(os.WTERMSIG(status)).name}: {self.errors_text()}")
        if status != 0:
            raise Failure(f"exit status {os.WEXITSTATUS(status)}: {self.errors_text()}")
        return float(wall), float(user) + float(system), int(peak)

    def digest(self):
        sha = hashlib.sha256()
        with open(self.output, "rb") as file:
            for part in iter(lambda: file.read(1 << 20), b""):
                sha.update(part)
        if os.path.getsize(self.output) == 0:
            raise Failure("printed nothing")
        return sha.hexdigest()


class Load:
    """A load that is one command. Others override run()."""

    kind = "program"
    general = True  # counts in the geometric means and in the bars over all loads
    needs = ()
    variables = {}

    def __init__(self, name):
        self.name = name

    def prepare(self, context):
        """Makes the input in context.data, once."""

    def command(self, context):
        raise NotImplementedError

    def probe(self, context):
        """A command that ends at once, of the program whose malloc counts, to see where that malloc is bound."""
        raise NotImplementedError

    def run(self, context, preload):
        """Returns (wall, cpu, peak KiB, digest of the output)."""
        measurement = Measurement(context, self.command(context), preload, self.variables, context.data)
        return (*measurement.finish(), measurement.digest())

    def shell(self, context, preload):
        """The command as a user would type it, for the report of a failure."""
        settings = [f"{name}={shlex.quote(value)}" for name, value in self.variables.items()]
        command = " ".join([*settings, "LD_PRELOAD=" + preload, shlex.join(self.command(context))])
        return f"cd {os.path.relpath(context.data)} && {command}"


class Own(Load):
    kind = "own"

    def __init__(self, name, program=None, arguments=(), general=True):
        super().__init__(name)
        self.program, self.arguments, self.general = program or name, arguments, general

    def path(self, context):
        return os.path.join(context.programs, self.program)

    def command(self, context):
        return [self.path(context), str(context.scale), *self.arguments]

    def probe(self, context):
        return [self.path(context), "--help"]


class Python(Load):
    needs = ("python3",)
    variables = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}

    def command(self, context):
        return [tool("python3"), os.path.join(HERE, "real", "load.py"), str(context.scale)]

    def probe(self, context):
        return [os.path.realpath(tool("python3")), "--version"]


class Perl(Load):
    needs = ("perl",)
    variables = {"PERL_HASH_SEED": "0"}

    def command(self, context):
        return [tool("perl"), os.path.join(HERE, "real", "load.pl"), str(context.scale)]

    def probe(self, context):
        return [tool("perl"), "-v"]


class Sqlite(Load):
    needs = ("sqlite3",)

    def command(self, context):
        rows = 2500 * context.scale
        return [tool("sqlite3"), "-batch", ":memory:", ".param init", f".param set :rows {rows}",
                f".read {os.path.join(HERE, 'real', 'load.sql')}"]

    def probe(self, context):
        return [tool("sqlite3"), "--version"]


class Gcc(Load):
    """Compiles a C file of many small functions, which a generator with a fixed seed writes."""

    needs = ("gcc",)

    def prepare(self, context):
        rng = random.Random(3)
        lines = ["struct s { int a, b; struct s *next; double d; };", "extern int sink(int, struct s *);"]
        for n in range(6 * context.scale // 5 + 1):
            lines.append(f"static int t{n}[] = {{{', '.join(str(rng.randrange(1000)) for _ in range(12))}}};")
            lines.append(f"int f{n}(struct s *p, int x) {{\n  int r = x * {rng.randrange(99)};")
            for k in range(6):
                lines.append(f"  for (struct s *q = p; q && q->a < {rng.randrange(99)}; q = q->next) {{")
                lines.append(f"    r += t{n}[(unsigned)(q->b + {k}) % 12] ^ (r >> {1 + rng.randrange(9)});")
                lines.append(f"    if (r % {3 + rng.randrange(9)} == 0) r -= sink(r, q); else q->d += r * {k}.5;\n  }}")
                lines.append(f"  switch (r & 7) {{ case {k}: r ^= x; break; case {7 - k}: r += p->a; }}")
            lines.append(f"  return r + {'f%d(p, r)' % rng.randrange(n) if n else 'r'};\n}}")
        with open(os.path.join(context.data, "load.c"), "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")

    def command(self, context):
        return [tool("gcc"), "-w", "-O1", "-S", "-o", "-", "load.c"]

    def probe(self, context):
        name = subprocess.run([tool("gcc"), "-print-prog-name=cc1"], capture_output=True, text=True, check=True,
                              stdin=subprocess.DEVNULL)
        return [name.stdout.strip(), "--version"]


class Git(Load):
    """The log of a repository with patches and renames; fast-import makes the repository with fixed contents."""

    needs = ("git",)
    variables = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
                 "GIT_CONFIG_VALUE_0": "*"}

    def prepare(self, context):
        repository = os.path.join(context.data, "repository.git")
        shutil.rmtree(repository, ignore_errors=True)
        env = environment(self.variables)
        subprocess.run([tool("git"), "init", "-q", "--bare", repository], check=True, env=env,
                       stdin=subprocess.DEVNULL)
        subprocess.run([tool("git"), "-C", repository, "fast-import", "--quiet"], check=True, env=env,
                       input=self.history(25 * context.scale).encode())

    @staticmethod
    def history(commits):
        rng = random.Random(4)
        files = [words(rng, 400) for _ in range(40)]
        stream = []
        for n in range(commits):
            stream.append(f"commit refs/heads/main\ncommitter A <a@example.org> {1600000000 + n * 60} +0000\n"
                          f"data 12\nstep {n:7d}")
            for f in rng.sample(range(len(files)), 4 if n else len(files)):
                lines = files[f]
                for _ in range(12):
                    at = rng.randrange(len(lines))
                    lines[at:at + rng.randrange(3)] = words(rng, rng.randrange(3))
                text = "\n".join(lines) + "\n"
                stream.append(f"M 644 inline dir{f % 5}/file{f}.txt\ndata {len(text)}\n{text}")
        return "\n".join(stream) + "\ndone\n"

    def command(self, context):
        return [tool("git"), "-C", "repository.git", "--no-pager", "log", "-p", "--stat", "-M", "main"]

    def probe(self, context):
        return [tool("git"), "--version"]


class Node(Load):
    needs = ("node",)

    def command(self, context):
        return [tool("node"), os.path.join(HERE, "real", "load.js"), str(context.scale)]

    def probe(self, context):
        return [os.path.realpath(tool("node")), "--version"]


class Xz(Load):
    needs = ("xz",)

    def prepare(self, context):
        rng = random.Random(5)
        vocabulary = words(rng, 20000)
        with open(os.path.join(context.data, "text"), "w", encoding="ascii") as file:
            for _ in range(4 * context.scale):
                file.write(" ".join(rng.choices(vocabulary, k=5000)) + "\n")

    def command(self, context):
        return [tool("xz"), "-T2", "-0", "--block-size=256KiB", "-c", "text"]

    def probe(self, context):
        return [tool("xz"), "--version"]


class Redis(Load):
    """redis-server under redis-benchmark and then a fixed set of writes; the server alone is measured.

    The keys of redis-benchmark are random, so the output compared is the digest of what the fixed writes left.
    """

    needs = ("redis-server", "redis-benchmark", "redis-cli")

    def prepare(self, context):
        rng = random.Random(6)
        with open(os.path.join(context.data, "writes"), "w", encoding="ascii") as file:
            for n in range(600 * context.scale):
                file.write(rng.choice((
                    f"SET s:{rng.randrange(9999)} {'v' * (1 + rng.randrange(300))}\r\n",
                    f"APPEND a:{rng.randrange(999)} {'w' * (1 + rng.randrange(60))}\r\n",
                    f"HSET h:{rng.randrange(99)} f{rng.randrange(999)} {n}\r\n",
                    f"RPUSH l:{rng.randrange(99)} {'x' * rng.randrange(200)}{n}\r\n",
                    f"ZADD z:{rng.randrange(99)} {rng.randrange(9999)} m{rng.randrange(5000)}\r\n",
                    f"DEL s:{rng.randrange(9999)}\r\n")))

    def socket(self, context):
        return os.path.join(context.scratch, "redis.sock")

    def command(self, context):
        return [tool("redis-server"), "--port", "0", "--unixsocket", self.socket(context), "--save", "",
                "--appendonly", "no", "--enable-debug-command", "yes", "--dir", context.scratch]

    def probe(self, context):
        return [tool("redis-server"), "--version"]

    def client(self, context, argv, input_file=None):
        source = open(input_file, "rb") if input_file else subprocess.DEVNULL
        try:
            done = subprocess.run([tool(argv[0]), "-s", self.socket(context), *argv[1:]], stdin=source,
                                  capture_output=True, text=True, env=environment(), timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            raise Failure(f"{argv[0]} did not end within {TIMEOUT} s") from None
        finally:
            if input_file:
                source.close()
        if done.returncode != 0:
            raise Failure(f"{' '.join(argv)}: {(done.stdout + done.stderr).strip()[-200:]}")
        return done.stdout

    def wait_ready(self, context, server):
        deadline = time.monotonic() + 10
        while server.process.poll() is None and time.monotonic() < deadline:
            try:
                if self.client(context, ["redis-cli", "ping"]).strip() == "PONG":
                    return
            except Failure:
                pass
            time.sleep(0.02)

    def drive(self, context, server):
        self.wait_ready(context, server)
        self.client(context, ["redis-benchmark", "-q", "-c", "20", "-P", "16", "-r", "50000", "-d", "100", "-n",
                              str(1000 * context.scale), "-t", "set,get,incr,lpush,lpop,sadd,hset,zadd,lrange_100"])
        self.client(context, ["redis-cli", "flushall"])
        self.client(context, ["redis-cli", "--pipe"], os.path.join(context.data, "writes"))
        digest = self.client(context, ["redis-cli", "debug", "digest"]).strip()
        if len(digest) != 40 or not digest.strip("0"):
            raise Failure("no digest from redis: " + digest)
        subprocess.run([tool("redis-cli"), "-s", self.socket(context), "shutdown", "nosave"],
                       stdin=subprocess.DEVNULL, capture_output=True, env=environment(), timeout=TIMEOUT)
        return digest

    def run(self, context, preload):
        if os.path.exists(self.socket(context)):
            os.unlink(self.socket(context))
        server = Measurement(context, self.command(context), preload, self.variables)
        try:
            digest = self.drive(context, server)
        except Failure as problem:
            if server.process.poll() is not None:
                server.finish()
            server.kill()
            raise problem
        except BaseException:
            server.kill()
            raise
        return (*server.finish(), digest)


def all_loads():
    real = [Python("python"), Perl("perl"), Sqlite("sqlite"), Gcc("gcc"), Git("git"), Redis("redis"), Node("node"),
            Xz("xz")]
    special = [Own("large", general=False), Own("large2", "large", ("2",), general=False), Own("grow", general=False),
               Own("handover", general=False), Own("xmalloc", general=False)]
    return [Own(name) for name in OWN] + real + special
