"""Runs a component that dies at a point: ``python -m tests.crash.dying STEP SIDE MODULE [ARG...]``.

It ends as a power cut would end it: nothing is flushed, closed or given back.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import os
import runpy
import sys
from collections.abc import Awaitable, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import NoReturn

from tests.crash.points import CRASHED, Side, Step, armed, source_path


def dying(step: Step, side: Side) -> list[str]:
    """How to start a component that dies at ``step`` (`fogbell_local.processes.start`), from the
    directory that tests are run in.
    """
    return ["-m", "tests.crash.dying", str(step), side.value]


def die() -> NoReturn:
    """End this process here and now."""
    os._exit(CRASHED)


def then_die(result: object) -> object:
    """End this process once ``result`` is there: at once, or when what it awaits is done."""
    return _awaited(result) if inspect.isawaitable(result) else die()


async def _awaited(result: Awaitable[object]) -> NoReturn:
    await result
    die()


class _Loader(importlib.abc.Loader):
    """Gives one module the code that dies."""

    def __init__(self, code: CodeType) -> None:
        self._code = code

    def exec_module(self, module: ModuleType) -> None:
        """Run it as `module`."""
        exec(self._code, module.__dict__)


class Armed(importlib.abc.MetaPathFinder):
    """Finds the module of ``step``, and no other."""

    def __init__(self, step: Step, side: Side) -> None:
        self._module = step.module
        self._path = source_path(step.module)
        self._loader = _Loader(armed(step, side, Path(self._path).read_text()))

    def find_spec(
        self,
        fullname: str,
        _path: Sequence[str] | None,
        _target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Where the import system asks."""
        if fullname != self._module:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self._loader)


def main(step: str, side: str, module: str, *arguments: str) -> None:
    """Run ``module`` as ``python -m`` does, with the death in it."""
    chosen = Step.parse(step)
    loaded = [name for name in sys.modules if name.startswith("fogbell")]
    sys.meta_path.insert(0, Armed(chosen, Side(side)))
    # To find the module its package had to be imported, perhaps the module itself by that.
    for name in set(sys.modules) - set(loaded):
        if name.startswith("fogbell"):
            del sys.modules[name]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
