"""What is installed, and whether it is the wheel that somebody names."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import zipfile
from pathlib import Path

import pytest

from hwcore.contract import UserError
from hwcore.host import PluginRecord, discover
from hwcore_conformance.installed import compared, installed, named_in, refuse_unfit

INFO = "acme_hwcore-1.0.0.dist-info"
FILES = {
    "acme_hwcore/__init__.py": "",
    "acme_hwcore/plugin.py": "def run(): ...\n",
    f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: acme-hwcore\nVersion: 1.0.0\n",
    f"{INFO}/entry_points.txt": "[hwcore.plugins]\nacme = acme_hwcore.plugin\n",
}
RECORD = PluginRecord("acme", "acme-hwcore", "1.0.0", "acme_hwcore.plugin", "found")


def line(name: str, text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
    return f"{name},sha256={digest.decode()},{len(text)}"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What pip leaves of the wheel."""
    site = tmp_path / "site"
    added = {f"{INFO}/INSTALLER": "pip\n"}
    for name, text in (FILES | added).items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text)
    lines = [line(name, text) for name, text in (FILES | added).items()]
    lines += [f"{INFO}/RECORD,,", "acme_hwcore/__pycache__/plugin.cpython-311.pyc,,"]
    (site / INFO / "RECORD").write_text("\n".join([*lines, "../../bin/acme,sha256=x,1", ""]))
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    return site


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "acme_hwcore-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
        archive.writestr(f"{INFO}/RECORD", "")
        archive.writestr("acme_hwcore-1.0.0.data/scripts/acme", "#!python\n")
    return path


def test_what_is_installed(site: Path) -> None:
    here = installed(RECORD)
    assert not here.editable
    assert here.record_sha256 == hashlib.sha256((site / INFO / "RECORD").read_bytes()).hexdigest()
    (site / INFO / "RECORD").unlink()
    assert installed(RECORD).record_sha256 is None


def test_the_same_wheel_is_named_with_its_digest(site: Path, wheel: Path) -> None:
    found = compared(wheel, RECORD)
    assert found.name == wheel.name
    assert found.sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.mark.parametrize("text", ["def run(): 1/0\n", "def run(): ..!\n", None])
def test_a_file_that_was_edited_is_named(site: Path, wheel: Path, text: str | None) -> None:
    file = site / "acme_hwcore/plugin.py"
    file.write_text(text) if text is not None else file.unlink()
    with pytest.raises(UserError, match=r"acme_hwcore/plugin\.py is not installed as it is in"):
        compared(wheel, RECORD)


def test_a_file_that_is_not_in_the_wheel_is_named(site: Path, wheel: Path) -> None:
    record = site / INFO / "RECORD"
    record.write_text(record.read_text() + "acme_hwcore/more.py,,\n")
    with pytest.raises(UserError, match=r"acme_hwcore/more\.py is not installed as it is in"):
        compared(wheel, RECORD)


PLANTED = [
    "acme_hwcore/more.py",
    "acme_hwcore/deep/more.py",
    "acme_hwcore/plugin.pyc",
    "acme_hwcore/plugin.cpython-311-x86_64-linux-gnu.so",
    "acme_hwcore.py",
    f"{INFO}/more.py",
]


@pytest.mark.parametrize("place", PLANTED)
def test_a_file_that_nobody_installed_is_named(site: Path, wheel: Path, place: str) -> None:
    record = site / INFO / "RECORD"
    record.write_text(record.read_text().replace("../../bin/acme,sha256=x,1\n", ""))
    (site / "other_package").mkdir()
    (site / "acme_hwcore/__pycache__").mkdir()
    (site / "acme_hwcore/__pycache__/plugin.cpython-311.pyc").touch()
    refuse_unfit(RECORD)
    compared(wheel, RECORD)
    (site / place).parent.mkdir(exist_ok=True)
    (site / place).touch()
    with pytest.raises(UserError, match=f"{re.escape(place)} is not installed as it is in"):
        compared(wheel, RECORD)
    with pytest.raises(UserError, match=f"{re.escape(place)} lies among the files of acme-hwcore"):
        refuse_unfit(RECORD)


def test_a_link_to_a_folder_is_named(site: Path, wheel: Path, tmp_path: Path) -> None:
    (site / "acme_hwcore/more").symlink_to(tmp_path)
    with pytest.raises(UserError, match=r"acme_hwcore/more is not installed as it is in"):
        compared(wheel, RECORD)


def test_a_damaged_wheel_is_refused(site: Path, wheel: Path) -> None:
    """A wrong checksum, an encrypted file, and a compression that nobody knows."""
    whole = wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        entry = archive.getinfo("acme_hwcore/plugin.py")
    central = whole.index(b"PK\x01\x02", whole.index(b"PK\x01\x02") + 1)
    assert whole[central + 46 :].startswith(entry.filename.encode())
    for local, offset, value in ((14, 16, b"\0\0\0\0"), (6, 8, b"\1\0"), (8, 10, b"\x63\0")):
        damaged = bytearray(whole)
        for begin in (entry.header_offset + local, central + offset):
            damaged[begin : begin + len(value)] = value
        wheel.write_bytes(damaged)
        with pytest.raises(UserError, match="cannot be read as a wheel: ") as caught:
            compared(wheel, RECORD)
        assert caught.value.hint


def test_a_wheel_names_its_plugins(wheel: Path) -> None:
    assert named_in(wheel) == ("acme-hwcore", "1.0.0", ("acme",))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("acme_hwcore-2.0.0-py3-none-any.whl", "acme-hwcore 2.0.0, and acme-hwcore 1.0.0 is"),
        ("other-1.0.0-py3-none-any.whl", "is other 1.0.0, and acme-hwcore 1.0.0 is installed"),
        ("acme.zip", "is no name of a wheel"),
    ],
)
def test_another_wheel_is_refused(site: Path, wheel: Path, name: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        compared(wheel.rename(wheel.with_name(name)), RECORD)


def test_what_is_no_wheel_is_refused(site: Path, wheel: Path) -> None:
    wheel.write_bytes(b"PK")
    with pytest.raises(UserError, match="cannot be read as a wheel"):
        compared(wheel, RECORD)
    wheel.unlink()
    with pytest.raises(UserError, match="there is no file"):
        compared(wheel, RECORD)


def test_only_an_installed_wheel_is_fit_to_be_certified(site: Path) -> None:
    refuse = pytest.raises(UserError, match="is not what was installed")
    (site / "../../bin").resolve().mkdir(exist_ok=True)
    with refuse:  # the script that RECORD names is not there
        refuse_unfit(RECORD)
    record = site / INFO / "RECORD"
    record.write_text(record.read_text().replace("../../bin/acme,sha256=x,1\n", ""))
    refuse_unfit(RECORD)
    (site / "acme_hwcore/plugin.py").write_text("edited\n")
    with pytest.raises(UserError, match=r"plugin\.py of acme-hwcore is not what was installed"):
        refuse_unfit(RECORD)
    record.unlink()
    with pytest.raises(UserError, match="was not installed from a wheel"):
        refuse_unfit(RECORD)
    (site / INFO / "direct_url.json").write_text(json.dumps({"dir_info": {"editable": True}}))
    with pytest.raises(UserError, match="is installed as editable"):
        refuse_unfit(RECORD)


def test_ours_are_read(site: Path) -> None:
    record = discover().record("torch")
    assert installed(record).record_sha256 is not None
