"""Hub models, from a stand-in for the hub on this machine: the real one is out of reach."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "acme/tiny"


class FakeHub(BaseHTTPRequestHandler):
    """Serves one folder as the model `NAME`, the way the hub's HTTP interface does."""

    folder: Path
    asked: list[str]

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.asked.append(path)
        if path.startswith(f"/api/models/{NAME}/tree/"):
            self._json([self._entry(file) for file in self._files()])
        elif path in (f"/api/models/{NAME}", f"/api/models/{NAME}/revision/main"):
            siblings = [{"rfilename": name} for name in self._files()]
            self._json({"id": NAME, "sha": COMMIT, "siblings": siblings})
        elif path.startswith(f"/api/models/{NAME}/revision/"):
            self._error(404, "RevisionNotFound")
        elif path.startswith("/api/models/acme/gated"):
            self._error(403, "GatedRepo")
        elif f"/{NAME}/resolve/" in path:
            self._file(path.split(f"/resolve/{COMMIT}/")[1])
        else:
            self._error(404, "RepoNotFound")

    do_HEAD = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output clean."""

    def _files(self) -> list[str]:
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.folder).as_posix() for path in files)

    def _entry(self, name: str) -> dict[str, object]:
        content = (self.folder / name).read_bytes()
        oid = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        return {"type": "file", "path": name, "size": len(content), "oid": oid}

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _error(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code})

    def _file(self, name: str) -> None:
        content = (self.folder / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        self._send(200, content, {"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@pytest.fixture
def hub(tiny: Callable[..., Path], tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """Address of the stand-in, and the paths that it is asked for."""
    import shutil

    folder = tmp_path / "served"
    shutil.copytree(tiny("bert"), folder)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling_evil.py").write_text("raise SystemExit")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "model.safetensors").write_bytes(b"nested")
    asked: list[str] = []
    handler = type("Handler", (FakeHub,), {"folder": folder, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def read(
    name: str, tmp_path: Path, *, revision: str | None = None, **environment: str
) -> tuple[str, str, list[str]]:
    """Read a hub model in a process of its own, as the library reads its settings at import.

    Gives message and hint of the error, or the folder and the empty string, then the files.
    """
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from hwcore.contract import UserError\n"
        "from hwcore.transformers import read_source\n"
        "name, revision, into = sys.argv[1:]\n"
        "try:\n"
        "    found = read_source(name, revision=revision or None, into=Path(into))\n"
        "    answer = [str(found.root), '', list(found.manifest.files)]\n"
        "except UserError as error:\n"
        "    answer = [error.message, error.hint or '', []]\n"
        "print(json.dumps(answer))\n"
    )
    settings = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, name, revision or "", str(tmp_path / "into")],
        env=kept | settings | environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    message, hint, files = json.loads(done.stdout)
    return message, hint, files


def test_downloads_what_is_needed_and_no_more(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    address, asked = hub
    expected = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    folder, _, files = read(NAME, tmp_path, HF_ENDPOINT=address)
    assert files == expected
    assert sorted(path.name for path in Path(folder).rglob("*")) == expected
    assert not any("evil" in path or "pytorch_model" in path for path in asked)
    # Once here, it is found with the network off.
    asked.clear()
    assert read(NAME, tmp_path, HF_ENDPOINT=address, HF_HUB_OFFLINE="1")[0] == folder
    assert asked == []


def test_code_is_downloaded_on_request(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    address, asked = hub
    read(NAME, tmp_path, HF_ENDPOINT=address, HWCORE_TRUST_REMOTE_CODE="1")
    assert any(path.endswith("modeling_evil.py") for path in asked)


def test_no_such_model(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    message, hint, _ = read("acme/none", tmp_path, HF_ENDPOINT=hub[0])
    assert message == "there is no folder 'acme/none' here and no hub model of that name"
    assert hint == "Check the spelling; for a private model, log in: hf auth login"


def test_no_such_revision(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    message, _, _ = read(NAME, tmp_path, revision="v9", HF_ENDPOINT=hub[0])
    assert message == "the hub model acme/tiny has no revision 'v9'"


def test_a_gated_model(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    message, hint, _ = read("acme/gated", tmp_path, HF_ENDPOINT=hub[0])
    assert message == "the hub model acme/gated is gated"
    assert hint == "Accept its terms on its page, then log in: hf auth login"


def test_offline(tmp_path: Path) -> None:
    message, hint, _ = read(NAME, tmp_path, HF_HUB_OFFLINE="1")
    assert message == (
        "there is no folder 'acme/tiny' here, the hub model acme/tiny is not in the local "
        "cache, and offline mode is on"
    )
    assert hint == "Unset HF_HUB_OFFLINE, or name a local folder."


def test_out_of_reach(tmp_path: Path) -> None:
    nobody = "http://127.0.0.1:9"  # the discard port: nothing listens there
    message, hint, _ = read(NAME, tmp_path, revision="main", HF_ENDPOINT=nobody)
    assert "acme/tiny (revision main) is not in the local cache, and the hub cannot be" in message
    assert hint == "Check the network, or name a local folder."


@pytest.mark.parametrize("name", ["./gone", "a/b/c", "../gone", ".hidden"])
def test_what_cannot_be_a_hub_id_is_a_folder(name: str, tmp_path: Path) -> None:
    message, _, _ = read(name, tmp_path, HF_HUB_OFFLINE="1")
    assert message == f"{tmp_path / name} is not there"
