"""Small parts of the host on their own."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import parts
import pytest

from hwcore.contract import (
    Component,
    Draft,
    HwcoreError,
    PluginError,
    Produces,
    Sparsity,
    Target,
    ToleranceExceeded,
    Traits,
    UserError,
)
from hwcore.host.cancel import CancelToken
from hwcore.host.drafts import check_draft, promised_traits
from hwcore.host.faults import LoadFailed, blamed_on, complete
from hwcore.host.text import first_line
from hwcore.host.worker.obituary import obituary
from hwcore.host.worker.output import OutputLines
from hwcore.host.worker.reply import Reply
from hwcore.host.worker.wire import Connection, decode_error, encode_error

GIVES = Produces(format="toy", quantization="int8-static", op_domains=("com.microsoft",))


def draft(**traits: object) -> Draft:
    return Draft(format="toy", traits=Traits(**{"quantization": "int8-static", **traits}))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (Draft(format="toys"), "made the format 'toys'; q promises 'toy'"),
        (draft(quantization=None), "quantization None; q promises 'int8-static'"),
        (draft(stage="fused"), "stage 'fused'; q promises None"),
        (draft(bound_to="here"), "bound_to 'here'; q promises None"),
        (draft(op_domains=("ai.acme",)), r"op_domains \('ai.acme',\); q promises"),
    ],
)
def test_a_draft_that_breaks_a_promise(tmp_path: Path, made: Draft, message: str) -> None:
    source = parts.artifact(tmp_path)
    with pytest.raises(PluginError, match=message):
        check_draft(made, parts.row("q", output=GIVES), source, Target())


def test_a_draft_that_keeps_its_promises(tmp_path: Path) -> None:
    source = parts.artifact(tmp_path)
    for domains in ((), ("com.microsoft",)):
        check_draft(draft(op_domains=domains), parts.row("q", output=GIVES), source, Target())


def test_a_sparsifier_says_what_it_did(tmp_path: Path) -> None:
    source = parts.artifact(tmp_path)
    row = parts.row("s", "sparsify", output=Produces(format="toy"))
    with pytest.raises(PluginError, match="its draft's traits say nothing of sparsity"):
        check_draft(Draft(format="toy"), row, source, Target())
    nothing = Traits(sparsity=Sparsity(pattern="2:4", share=0.0))
    with pytest.raises(PluginError, match="its draft's traits say nothing of sparsity"):
        check_draft(Draft(format="toy", traits=nothing), row, source, Target())
    sparse = Traits(sparsity=Sparsity(pattern="2:4", share=0.5))
    check_draft(Draft(format="toy", traits=sparse), row, source, Target())


def test_a_sparsifier_may_take_parameters_out(tmp_path: Path) -> None:
    """Then there are no zeros to tell of: the model is smaller."""
    source = parts.artifact(tmp_path, facts={"parameters": 100})
    row = parts.row("s", "sparsify", output=Produces(format="toy"))
    check_draft(Draft(format="toy", facts={"parameters": 99}), row, source, Target())
    with pytest.raises(PluginError, match="say nothing of sparsity"):
        check_draft(Draft(format="toy", facts={"parameters": 100}), row, source, Target())


def test_only_a_sparsifier_claims_zeros(tmp_path: Path) -> None:
    """Whoever claims them by the way would be excused from accuracy."""
    source = parts.artifact(tmp_path)
    made = Draft(format="toy", traits=Traits(sparsity=Sparsity(pattern="2:4", share=0.5)))
    with pytest.raises(PluginError, match="which its source has not"):
        check_draft(made, parts.row("e", "export", output=Produces(format="toy")), source, Target())


def test_traits_are_inherited_set_or_unset() -> None:
    source = Traits(quantization="int8-weight", stage="fused", op_domains=("a",))
    target = Target(features=("avx2",))
    inherited = promised_traits(Produces(format="f"), source, target)
    assert inherited == source
    changed = promised_traits(
        Produces(format="f", quantization="none", stage="compiled", op_domains=(), bound=True),
        source,
        target,
    )
    assert changed == Traits(stage="compiled", bound_to=target.fingerprint)


def test_a_cancel_reaches_those_who_listen_before_and_after() -> None:
    token, heard = CancelToken(), []
    token.listen(lambda: heard.append("before"))
    assert not token.is_set()
    token.set()
    token.set()
    token.listen(lambda: heard.append("after"))
    assert token.is_set()
    assert heard == ["before", "after"]


def test_what_an_error_lacks_is_filled_in_once() -> None:
    error = PluginError("bad", hint="Mend it.")
    for _ in range(2):
        complete(error, "acme", "1.0", "run", hint="Or leave it.", details="trace")
    assert str(error) == "plugin acme 1.0, hook run: bad"
    assert error.hint == "Mend it. Or leave it."
    complete(error, "other", "2.0", "export", details="another")
    assert (error.plugin, error.version, error.hook, error.details) == (
        "acme",
        "1.0",
        "run",
        "trace",
    )


@pytest.mark.parametrize(
    "error",
    [
        UserError("no", hint="yes"),
        ToleranceExceeded("too far"),
        PluginError("bad", plugin="acme", version="1", hook="run", hint="h", details="d"),
        LoadFailed("bad", plugin="acme", version="1"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_the_wire(error: UserError) -> None:
    copy = decode_error(encode_error(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_a_plugins_own_kind_of_error_becomes_its_nearest_of_ours() -> None:
    class TooFewBits(UserError):
        pass

    assert type(decode_error(encode_error(TooFewBits("no")))) is UserError


def test_messages_arrive_whole_however_they_are_cut() -> None:
    left, right = socket.socketpair()
    with left, right:
        sender, receiver = Connection(left), Connection(right)
        sender.send({"n": 1})
        sender.send({"text": "é" * 30_000})
        sender.send({"n": 3}, (left.fileno(),))
        got = []
        while len(got) < 3:
            got += receiver.receive() or []
        assert [message.get("n") for message in got] == [1, None, 3]
        assert len(got[1]["text"]) == 30_000
        with socket.socket(fileno=receiver.fds.popleft()):
            pass
        left.close()
        assert receiver.receive() is None


def test_a_message_that_claims_to_be_huge_is_refused() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"\xff\xff\xff\x7f")
        with pytest.raises(ValueError, match="2047 MiB in one message; at most 64 go"):
            Connection(right).receive()


def test_output_is_cut_into_lines_and_bounded() -> None:
    lines: list[str] = []
    output = OutputLines(lines.append)
    output.feed(b"one\ntw")
    output.feed(b"o\r\n\n10 %\r20 %\r")
    assert lines == ["one", "two", "10 %", "20 %"]
    output.feed(b"x" * 5_000 + b"\n")
    assert len(lines[-1]) == 1_000
    output.feed(b"\xff\xfe no text\n")
    assert lines[-1].endswith("no text")
    output.feed(b"".join(b"%d\n" % i for i in range(1_000)))
    assert 200 <= len(lines) < 300
    output.feed(b"the end")
    output.flush()
    assert lines[-1].endswith("lines left out)")
    assert output.tail.splitlines()[-2:] == ["999", "the end"]
    assert len(output.tail.splitlines()) == 40


def test_an_answer_comes_once_or_not_in_time() -> None:
    reply = Reply(time.monotonic() + 0.05)
    assert reply.wait() is None
    reply.deliver({"n": 1})
    reply.deliver({"n": 2})
    assert reply.wait() == {"n": 1}
    patient = Reply(None)
    threading.Timer(0.05, patient.expect_within, [0.05]).start()
    assert patient.wait() is None
    patient.expect_within(1_000)
    assert patient.wait() is None


@pytest.mark.parametrize(
    ("status", "tail", "message", "hint"),
    [
        (9, "", "died of SIGKILL (Killed)", "Probably the system was out of memory"),
        (11, "", "died of SIGSEGV (Segmentation fault)", None),
        (
            6,
            "what():  std::bad_alloc",
            "died of SIGABRT",
            "It ran into the memory limit of 512 MiB",
        ),
        (3 << 8, "", "ended with status 3", None),
        (None, "", "was killed", None),
    ],
)
def test_how_a_worker_ended(status: int | None, tail: str, message: str, hint: str | None) -> None:
    said = obituary(status, tail, 512 << 20)
    assert message in said.message
    assert (said.hint or "").startswith(hint or "")
    assert bool(said.hint) == bool(hint)


def test_long_texts_are_cut_to_a_line() -> None:
    assert first_line("\n\n  a\nb") == "a"
    assert first_line("x" * 1_000) == "x" * 299 + "…"


class TestBlame:
    """What a plugin threw, as a sentence."""

    def test_a_value_that_is_not_valid_is_told_by_its_field(self) -> None:
        with pytest.raises(PluginError) as caught, blamed_on("acme", "1.0", "quantize"):
            Component.model_validate({"signature": {"inputs": ()}})
        assert caught.value.message == (
            "plugin acme 1.0, hook quantize: its Component is not valid: "
            "signature.outputs: Field required"
        )
        assert "ValidationError" in (caught.value.details or "")

    @pytest.mark.parametrize(
        "error",
        [
            RuntimeError("x" * 5_000_000),
            SystemExit("x" * 5_000_000),
            PluginError("x" * 5_000_000),
            UserError("x" * 5_000_000, hint="Mend it."),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_a_long_text_is_cut_short(self, error: Exception) -> None:
        with pytest.raises(HwcoreError) as caught, blamed_on("acme", "1.0", "quantize"):
            raise error
        assert 250 < caught.value.message.count("x") <= 500
        assert len(str(caught.value)) < 600
        assert caught.value.hint == getattr(error, "hint", None)
        if isinstance(caught.value, PluginError):
            assert "x" * 5_000_000 in (caught.value.details or "")

    def test_completing_twice_cuts_once(self) -> None:
        error = PluginError("x" * 1000)
        for _ in range(2):
            complete(error, "acme", "1.0", "run")
        assert error.reason == "x" * 499 + "…"
        assert (error.details or "").count("x") == 1000


def test_importing_the_host_is_cheap() -> None:
    code = (
        "import sys, hwcore.host; from hwcore.host import discover, local_cpu, PluginHost; "
        "discover(); local_cpu(); "
        "print([m for m in ('numpy', 'jsonschema', 'yaml', 'torch', 'hwcore.data') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_there_is_nothing_else_in_the_host() -> None:
    import hwcore.host

    for name in hwcore.host.__all__:
        assert getattr(hwcore.host, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        hwcore.host.nothing  # noqa: B018
