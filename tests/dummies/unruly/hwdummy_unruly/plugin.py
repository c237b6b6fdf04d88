"""Misbehaves in the way that the option ``how`` names: in a step, or in a call of its runner."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

from hwcore.contract import (
    Cancelled,
    Dim,
    Draft,
    HardwareUnavailable,
    Signature,
    TensorSpec,
    Traits,
    UserError,
    hookimpl,
)


@hookimpl
def quantize(source, options, target, out, ctx):
    return WAYS[options["how"]](options, out, ctx) or Draft(format="unruly")


@hookimpl
def run(options, ctx):
    if options["how"] in WAYS:
        WAYS[options["how"]](options, None, ctx)
    return Runner(options, ctx)


def fail(options, out, ctx):
    raise RuntimeError("the kernel is upside down")


def user_error(options, out, ctx):
    raise UserError("too few rows", hint="Give more rows.")


def no_hardware(options, out, ctx):
    raise HardwareUnavailable("no such chip here")


def leave(options, out, ctx):
    write_out("about to leave")
    os._exit(3)


def sys_exit(options, out, ctx):
    sys.exit(1)


def segfault(options, out, ctx):
    write_out("about to read address 0")
    ctypes.CDLL(None).printf(b"from C\n")
    ctypes.string_at(0)


def kill_self(options, out, ctx):
    os.kill(os.getpid(), 9)


def hang(options, out, ctx):
    ctx.progress(0.1, "hanging")
    time.sleep(1000)


def hang_in_c(options, out, ctx):
    """Holds the interpreter's lock: no other thread of the process runs Python."""
    _tell_pid(options)
    ctx.progress(0.1, "hanging")
    re.match(r"(a+)+$", "a" * 60 + "b")


def grandchildren(options, out, ctx):
    """One in our process group, one in a session of its own."""
    nap = [sys.executable, "-c", "import time; time.sleep(1000)"]
    pids = [subprocess.Popen(nap, start_new_session=own).pid for own in (False, True)]
    Path(options["pids"]).write_text(" ".join(map(str, [os.getpid(), *pids])))
    if options.get("then") == "hang":
        ctx.progress(0.1, "hanging")
        hang_in_c({}, out, ctx)


def eat(options, out, ctx):
    """Python's MemoryError."""
    hoard = []
    while True:
        hoard.append(np.ones(1 << 24))


def eat_in_cpp(options, out, ctx):
    """What a vendor's C++ does when its allocation throws where nothing catches it."""
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def chatter(options, out, ctx):
    """Megabytes, from Python and from C, with the pipe full all the time."""
    for i in range(20_000):
        write_out(f"line {i} " + "x" * 100)
    libc = ctypes.CDLL(None)
    for i in range(1_000):
        libc.printf(b"from C %d\n", i)
    sys.stderr.write("no newline at the end")


def bar(options, out, ctx):
    for i in range(1_000):
        sys.stderr.write(f"\r{i / 10:.1f} %")


def wait_for_cancel(options, out, ctx):
    ctx.progress(0.1, "waiting")
    while not ctx.cancelled():
        time.sleep(0.01)
    ctx.log("saw the cancel")
    raise Cancelled("stopped as asked")


def vendor_cancel(options, out, ctx):
    """Stops as asked, with an exception of the vendor's own."""
    ctx.progress(0.1, "waiting")
    while not ctx.cancelled():
        time.sleep(0.01)
    raise RuntimeError("interrupted")


def talk(options, out, ctx):
    for fraction in (0.0, 0.2, 0.1, float("nan"), 1.0, 2.0):
        ctx.progress(fraction, f"at {fraction}")
        time.sleep(0.03)
    write_out("printed")
    ctx.log("logged", "warning")


def environment(options, out, ctx):
    for name in options["names"]:
        ctx.log(f"{name}={os.environ.get(name)}")
    ctx.log(f"threads={ctx.threads} seed={ctx.seed} pid={os.getpid()}")


def importable(options, out, ctx):
    for name in options["names"]:
        if importlib.util.find_spec(name):
            ctx.log(name)


def score(options, out, ctx):
    """Everything is of the first class."""

    def predict(inputs):
        return {"logits": np.tile([1.0, 0.0], (len(inputs["input_ids"]), 1))}

    ctx.log(f"scored {ctx.score(predict):.4f}")


def other_format(options, out, ctx):
    return Draft(format="something-else")


def other_traits(options, out, ctx):
    return Draft(format="unruly", traits=Traits(quantization="int8"))


def fork(options, out, ctx):
    """The child comes back from the hook as if it were the worker."""
    if os.fork() == 0:
        ctx.log = None


def long_draft(options, out, ctx):
    return Draft(format="unruly", facts={"novel": "x" * (70 << 20)})


def no_draft(options, out, ctx):
    return "done"


def write_out(line):
    sys.stdout.write(f"{line}\n")


def _tell_pid(options):
    if "pids" in options:
        Path(options["pids"]).write_text(str(os.getpid()))


WAYS = {
    way.__name__: way
    for way in (
        fail,
        user_error,
        no_hardware,
        leave,
        sys_exit,
        segfault,
        kill_self,
        hang,
        hang_in_c,
        grandchildren,
        eat,
        eat_in_cpp,
        chatter,
        bar,
        wait_for_cancel,
        vendor_cancel,
        talk,
        environment,
        importable,
        score,
        other_format,
        other_traits,
        no_draft,
        fork,
        long_draft,
    )
}


class Runner:
    """Any array in, the same array out, unless ``how`` says otherwise."""

    def __init__(self, options, ctx):
        self.how = options["how"]
        self.options = options
        self.ctx = ctx
        dtype = options.get("dtype", "float32")
        self.signature = Signature(
            inputs=(TensorSpec(name="x", dtype=dtype, shape=("n",)),),
            outputs=(TensorSpec(name="y", dtype=dtype, shape=("n",)),),
            dims=(Dim(name="n"),),
        )
        self.barrier = threading.Barrier(options.get("together", 1))

    def __call__(self, inputs, outputs=None):
        return getattr(self, self.how, self.echo)(inputs)

    def echo(self, inputs):
        return {"y": inputs["x"]}

    def large(self, inputs):
        return {"y": np.resize(inputs["x"], self.options["size"])}

    def raises(self, inputs):
        raise RuntimeError("the runner is upside down")

    def leaves(self, inputs):
        leave(self.options, None, self.ctx)

    def hangs(self, inputs):
        time.sleep(1000)

    def until_cancelled(self, inputs):
        while not self.ctx.cancelled():
            time.sleep(0.01)
        return {"y": inputs["x"]}

    def together(self, inputs):
        """Returns only once as many calls as ``together`` are in here at once."""
        self.barrier.wait(20)
        return {"y": inputs["x"] * 2}

    def main_thread(self, inputs):
        here = threading.current_thread() is threading.main_thread()
        return {"y": np.full_like(inputs["x"], here)}

    def pid(self, inputs):
        return {"y": np.array([os.getpid()], inputs["x"].dtype)}

    def objects(self, inputs):
        return {"y": np.array([object()])}

    def lists(self, inputs):
        return {"y": [1.0]}

    def other_dtype(self, inputs):
        return {"y": inputs["x"].astype("float64")}

    def other_rank(self, inputs):
        return {"y": inputs["x"][None]}

    def other_name(self, inputs):
        return {"z": inputs["x"]}

    def close(self):
        if self.how == "close_fails":
            raise RuntimeError("the handle is stuck")
