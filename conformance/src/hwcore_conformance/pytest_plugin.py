"""The suite under pytest: ``pytest --pyargs hwcore_conformance --hwcore-plugin acme``.

One item for each clause and capability, called ``RUN-004[numpy]``; for a clause about the plugin
it is ``MAN-001``. The plugin's own tests may run beside them.

A MUST that is not kept is a failure, with what is wrong and how to mend it. A SHOULD or MAY that
is not kept is an expected failure (``xfail``): told, and no more. What is not declared, not
applicable or not run for want of hardware is skipped.

pytest loads this module wherever the distribution is installed: it imports nothing else of ours
until the suite is asked for.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from hwcore.contract import Capability
    from hwcore_conformance.clause import Clause
    from hwcore_conformance.running import Prepared
    from hwcore_conformance.states import Record
    from hwcore_conformance.suite import Suite

PACKAGE = "hwcore_conformance"
HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of ``python -m hwcore_conformance run``, as far as they choose checks."""
    group = parser.getgroup("hwcore", "conformance of a plugin of hwcore")
    add = group.addoption
    add("--hwcore-plugin", metavar="NAME", help="Installed plugin that is to be checked.")
    add("--hwcore-quick", action="store_true", help="Fewer models, and no slow clause.")
    add(
        "--hwcore-clause",
        action="append",
        default=[],
        metavar="NUMBER",
        help="Only clauses whose number begins like this; repeatable.",
    )
    add(
        "--hwcore-family",
        action="append",
        default=[],
        metavar="NAME",
        help="Only models of this architecture, such as bert; repeatable.",
    )
    add(
        "--hwcore-seed",
        type=int,
        metavar="INT",
        help="Seed of weights and inputs; drawn when left out.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what cannot be checked before anything is collected: that is a mistake of usage."""
    if config.option.hwcore_plugin is not None:
        if config.option.hwcore_seed is None:
            # Here, so that processes of pytest-xdist are handed one seed with the other options.
            config.option.hwcore_seed = secrets.randbelow(1 << 31)
        elif config.option.hwcore_seed < 0:
            raise pytest.UsageError("--hwcore-seed is a whole number, 0 or more")
        _prepared(config)
    elif config.option.pyargs and PACKAGE in config.args:
        raise pytest.UsageError(f"{PACKAGE} checks a plugin: say which with --hwcore-plugin NAME")


def pytest_report_header(config: pytest.Config) -> str | None:
    """The seed, which repeats the run."""
    if config.option.hwcore_plugin is None:
        return None
    return (
        f"hwcore conformance: plugin {config.option.hwcore_plugin}, "
        f"seed {config.option.hwcore_seed}"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Our own package is collected as the suite, once a plugin is named."""
    if path != HERE or parent.config.option.hwcore_plugin is None:
        return None
    return cast("pytest.Collector", Checks.from_parent(parent, path=path, nodeid=PACKAGE))


class Checks(pytest.Directory):
    """All checks of one plugin. They share one `Suite`, which lives while they run."""

    suite: Suite

    def collect(self) -> Iterator[pytest.Item]:
        """An item for each check of a run, in the suite's order."""
        for clause, row in _prepared(self.config).checks:
            yield Check.from_parent(self, name=_name(clause, row), clause=clause, row=row)

    def setup(self) -> None:
        """Begin with an empty workspace."""
        from hwcore_conformance.models import QUICK
        from hwcore_conformance.suite import Suite

        option = self.config.option
        folder = tempfile.TemporaryDirectory(prefix="hwcore-conformance-")
        self.addfinalizer(folder.cleanup)
        self.suite = Suite(
            option.hwcore_plugin,
            Path(folder.name),
            seed=option.hwcore_seed,
            families=option.hwcore_family or (QUICK if option.hwcore_quick else ()),
        )
        self.addfinalizer(self.suite.close)


class Check(pytest.Item):
    """One clause, on one capability if it is about those."""

    parent: Checks

    def __init__(self, *, clause: Clause, row: Capability | None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.clause = clause
        self.row = row

    def runtest(self) -> None:
        """Check it. Raises pytest's outcomes, and `NotKept`."""
        from hwcore_conformance.states import BAD, State
        from hwcore_conformance.suite import declared

        suite = self.parent.suite
        if not declared(self.clause, self.row, suite.record):
            pytest.skip(f"{State.NOT_DECLARED}: the manifest has no {self.clause.scope}")
        record = suite.check(self.clause, self.row)
        self.user_properties.append(("state", record.state.value))
        self.user_properties += record.measured.items()
        if record.state not in BAD:
            if record.state is not State.PASS:
                pytest.skip(f"{record.state}: {record.message}")
        elif record.level == "MUST":
            raise NotKept(record)
        else:
            pytest.xfail(f"{record.state}: {record.message}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The plugin's fault in words; where the suite fell, its traceback."""
        if isinstance(excinfo.value, NotKept):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """What heads a failure: the clause's number, and what it says."""
        return self.path, None, f"{self.name}: {self.clause.text}"


class NotKept(Exception):
    """A clause that says MUST is not kept."""

    def __init__(self, record: Record) -> None:
        hint = f"\nhint: {record.hint}" if record.hint else ""
        super().__init__(f"{record.state}: {record.message}{hint}")


def _prepared(config: pytest.Config) -> Prepared:
    """The run that the options ask for. Raises `pytest.UsageError`."""
    from hwcore.contract import UserError
    from hwcore_conformance.clauses import ALL
    from hwcore_conformance.required import Filters
    from hwcore_conformance.running import Request, prepare

    option = config.option
    filters = Filters(
        quick=option.hwcore_quick,
        clauses=tuple(option.hwcore_clause),
        families=tuple(option.hwcore_family),
    )
    try:
        return prepare(Request(option.hwcore_plugin, option.hwcore_seed, filters), ALL)
    except UserError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        raise pytest.UsageError(f"{error.message}{hint}") from None


def _name(clause: Clause, row: Capability | None) -> str:
    return clause.id if row is None else f"{clause.id}[{row.id}]"
