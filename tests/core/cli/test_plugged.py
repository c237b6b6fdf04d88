"""Commands of other distributions: found without being imported, and harmless when broken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from command import Command

GOOD = """
import typer

app = typer.Typer()

@app.command()
def turn(count: int = 1) -> None:
    "Turn."
    print("turned", count)

@app.command()
def stop() -> None:
    "Stop."
    from hwcore.contract import UserError
    raise UserError("it does not stop", hint="Wait.")
"""


def distribution(root: Path, name: str, commands: dict[str, str], code: str = GOOD) -> Path:
    """What pip would leave of a wheel that brings commands."""
    package = name.replace("-", "_")
    info = root / name / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nSummary: Turns [red]wheels\x1b[2J.\n\n"
    )
    lines = [f"{command} = {value}" for command, value in commands.items()]
    (info / "entry_points.txt").write_text("\n".join(["[hwcore.commands]", *lines, ""]))
    (root / name / f"{package}.py").write_text(code)
    return root / name


@pytest.fixture
def plain(hwcore: Command) -> Command:
    return replace(hwcore, plugins=())


def test_an_app_and_a_function_become_commands(plain: Command, tmp_path: Path) -> None:
    code = GOOD + "\n\ndef spin(speed: int = 1) -> None:\n    print('spun', speed)\n"
    commands = {"wheel": "wheel_works:app", "spin": "wheel_works:spin"}
    hwcore = replace(plain, plugins=(distribution(tmp_path, "wheel-works", commands, code),))
    assert hwcore("wheel", "turn", "--count", "3").check().out == "turned 3\n"
    assert hwcore("spin", "--speed", "2").check().out == "spun 2\n"
    hwcore("wheel", "stop").refused(2, "it does not stop", "Wait.")
    hwcore("wheel", "trun").refused(2, "Did you mean 'turn'", "hwcore wheel --help`")
    hwcore("wheels").refused(2, "Did you mean 'wheel'")


def test_help_lists_it_and_does_not_import_it(plain: Command, tmp_path: Path) -> None:
    code = "raise ImportError('help imported a command')"
    folder = distribution(tmp_path, "wheel-works", {"wheel": "wheel_works:app"}, code)
    shown = replace(plain, plugins=(folder,))("--help").check()
    assert "Turns [red]wheels[2J." in shown.out
    assert shown.err == ""


@pytest.mark.parametrize(
    ("code", "value", "says"),
    [
        ("raise ImportError('no wheels\\nhere')", "wheel_works:app", "ImportError: no wheels"),
        ("raise SystemExit(0)", "wheel_works:app", "it tried to end the process"),
        ("", "wheel_works:app", "AttributeError"),
        ("app = 3", "wheel_works:app", "is int, expected a typer app or a function"),
        ("", "wheel_shop:app", "ModuleNotFoundError: No module named 'wheel_shop'"),
    ],
)
def test_a_broken_one_is_told_when_it_is_called_and_stops_no_other(
    plain: Command, tmp_path: Path, code: str, value: str, says: str
) -> None:
    folder = distribution(tmp_path, "wheel-works", {"wheel": value}, code)
    hwcore = replace(plain, plugins=(folder,))
    hwcore("wheel", "turn").refused(
        3, "the command 'wheel' of wheel-works 1.0", says, "Install wheel-works again"
    )
    hwcore("cache", "list").check()


def test_two_of_one_name_are_refused(plain: Command, tmp_path: Path) -> None:
    folders = [
        distribution(tmp_path, name, {"wheel": f"{name.replace('-', '_')}:app"})
        for name in ("wheel-works", "wheel-shop")
    ]
    hwcore = replace(plain, plugins=tuple(folders))
    hwcore("wheel", "turn").refused(
        2, "wheel-works 1.0 and wheel-shop 1.0 both bring", "pip uninstall wheel-shop"
    )
    hwcore("cache", "list").check()


def test_a_command_of_the_core_cannot_be_replaced(plain: Command, tmp_path: Path) -> None:
    names = {"cache": "wheel_works:app", "--version": "wheel_works:app", "Re place": "wheel_works"}
    hwcore = replace(plain, plugins=(distribution(tmp_path, "wheel-works", names),))
    hwcore("cache", "list", "--json").check()
    assert "wheel" not in hwcore("--help").check().out


def test_the_documented_one_says_what_to_install(plain: Command, tmp_path: Path) -> None:
    """Without site-packages' entry points: the suite is as good as not installed."""
    hide = (
        "import importlib_metadata, sys\n"
        "importlib_metadata.entry_points = lambda **_: importlib_metadata.EntryPoints(())\n"
        "sys.argv[0] = 'hwcore'\n"
        "from hwcore.cli import main\n"
        "main()\n"
    )
    (tmp_path / "bare.py").write_text(hide)
    hwcore = replace(plain, program=(plain.program[0], str(tmp_path / "bare.py")))
    done = hwcore("conformance", "run", "acme")
    done.refused(2, "brought by hwcore-conformance, which is not installed")
    done.refused(2, "pip install hwcore-conformance")
    assert "conformance" not in hwcore("--help").check().out


def test_completion_of_a_broken_one_says_nothing(plain: Command, tmp_path: Path) -> None:
    commands = {"wheel": "wheel_works:app", "broken": "wheel_works:gone"}
    hwcore = replace(
        plain,
        plugins=(distribution(tmp_path, "wheel-works", commands),),
        environment={"_HWCORE_COMPLETE": "complete_bash", "COMP_CWORD": "2"},
        program=(str(Path(plain.program[0]).with_name("hwcore")),),
    )
    words = {"COMP_WORDS": "hwcore wheel "}
    done = replace(hwcore, environment={**hwcore.environment, **words})().check()
    assert done.out.split() == ["turn", "stop"]
    words = {"COMP_WORDS": "hwcore broken "}
    done = replace(hwcore, environment={**hwcore.environment, **words})()
    assert (done.out.strip(), done.err) == ("", "")
