"""Where a process can be made to die: before and after each step that others can see.

A *step* is a call by which the protocol changes something outside its process: a write to MongoDB,
a publish, a send, an acknowledgement. The list is read from the source, so a new step is on it as
soon as it is written. Between two steps nothing changes but the process's own memory: dying at any
other `await` is like dying after the step before it.

Fogbell's own code knows nothing of this. `armed` compiles one module with one more call in it.
"""

import ast
import importlib.util
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import CodeType

COMPONENTS = Path(__file__).parents[2] / "components"
PACKAGES = {
    "fogbell": "core",
    "fogbell_intake": "intake",
    "fogbell_worker": "worker",
    "fogbell_retry": "retry",
    "fogbell_campaign": "campaign",
}
OPERATOR = {"fogbell_operator": "operator"}
"""Apart: its steps need a Kubernetes."""

WRITES = {
    "insert_one", "insert_many", "replace_one", "update_one", "update_many", "find_one_and_update",
    "find_one_and_replace", "find_one_and_delete", "delete_one", "delete_many", "bulk_write",
    "with_transaction", "commit_transaction", "command",
}  # fmt: skip
MESSAGES = {
    "publish", "publish_expansion", "publish_event", "basic_publish", "basic_ack", "basic_reject",
    "send",
}  # fmt: skip
RECONCILES = {"apply_status", "apply_cronjob", "suspend_cronjob", "create_event", "cancel"}
"""What the operator changes, by `Cluster` and `Records`."""
_READS = {"hello", "ping"}
"""Commands that change nothing."""

ALONE = "one document, written by one request: nothing follows that could be left half done"
EXEMPT = {
    "fogbell.store.api_keys": ALONE,
    "fogbell.store.endpoints": "one document; one endpoint too many does no harm",
    "fogbell.store.inbox": ALONE,
    "fogbell.store.recipients": "each recipient is one document; an import is repeated as a whole",
    "fogbell.store.suppressions": ALONE,
    "fogbell.store.templates": ALONE,
    "fogbell.store.rate_limits": "what was taken of a window and not used is gone with it",
    "fogbell.store.progress:postpone": "moves the next look at what could not be counted, no more",
    "fogbell.store.progress:summarise": "a figure for people; nothing goes by it",
    "fogbell.store.sweep_figures": "figures for people; nothing goes by them",
    "fogbell_operator.reconciling:Reconciler._tell": "an Event is told once, like Kubernetes' own",
    "fogbell_worker.channels": "part of the send, which is a step of the lane",
    "fogbell_worker.providers": "part of the send, which is a step of the lane",
}
"""What of the calls above is no step, and why: modules, packages, or functions of a module."""

CRASHED = 86
"""The exit status of who died at a point."""


class Side(StrEnum):
    """Whether the step was taken."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """The ``number``-th ``call`` of that name within ``function`` (from 1)."""

    module: str
    function: str
    call: str
    number: int

    def __str__(self) -> str:
        which = "" if self.number == 1 else f"#{self.number}"
        return f"{self.module}:{self.function}.{self.call}{which}"

    @classmethod
    def parse(cls, text: str) -> "Step":
        """Read what `str` gives. Raises ValueError."""
        module, _, rest = text.partition(":")
        function, _, call = rest.rpartition(".")
        call, _, number = call.partition("#")
        return cls(module, function, call, int(number or 1))

    @property
    def exempt(self) -> str | None:
        """The name under which `EXEMPT` says why it is none."""
        function = f"{self.module}:{self.function}"
        for name in EXEMPT:
            if name in (function, self.module) or self.module.startswith(f"{name}."):
                return name
        return None


def steps(packages: Mapping[str, str] = PACKAGES, *, exempt: bool = False) -> list[Step]:
    """Every step of the protocol, as the source has it today; or what is ``exempt``.

    ``packages`` are searched, each in the component of that name.
    """
    modules = [(module, path.read_text()) for module, path in _modules(packages)]
    found = [step for module, source in modules for step in found_in(module, source)]
    return sorted(step for step in found if (step.exempt is not None) == exempt)


def found_in(module: str, source: str) -> list[Step]:
    """The calls of ``source`` that may be steps, in their order."""
    calls = _Calls(module)
    calls.visit(ast.parse(source))
    return calls.steps


def armed(step: Step, side: Side, source: str) -> CodeType:
    """``source``, the text of ``step``'s module, compiled to die at it."""
    tree = ast.fix_missing_locations(_Calls(step.module, (step, side)).visit(ast.parse(source)))
    return compile(tree, source_path(step.module), "exec")


def source_path(module: str) -> str:
    """The file of ``module``."""
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"there is no module {module}"
    assert spec.origin is not None
    return spec.origin


def _modules(packages: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    for package, component in packages.items():
        root = COMPONENTS / component / "src"
        for path in sorted((root / package).rglob("*.py")):
            yield ".".join(path.relative_to(root).with_suffix("").parts), path


class _Calls(ast.NodeTransformer):
    """Finds the steps of a module; puts a death at one of them where it is ``wanted``."""

    def __init__(self, module: str, wanted: tuple[Step, Side] | None = None) -> None:
        self.module = module
        self.steps: list[Step] = []
        self._wanted = wanted
        self._within: list[str] = []
        self._seen: Counter[tuple[str, str]] = Counter()

    def _scope(self, node: ast.AST) -> ast.AST:
        self._within.append(node.name)  # type: ignore[attr-defined] # it has a name
        self.generic_visit(node)
        self._within.pop()
        return node

    visit_ClassDef = visit_FunctionDef = visit_AsyncFunctionDef = _scope  # noqa: N815 - ast's names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        call = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if call not in _watched(self.module) or _reads(node) or _ends_a_task(node):
            return node
        function = ".".join(self._within)
        self._seen[function, call] += 1
        step = Step(self.module, function, call, self._seen[function, call])
        self.steps.append(step)
        if self._wanted is None or self._wanted[0] != step:
            return node
        return _dying(node, self._wanted[1])


def _watched(module: str) -> set[str]:
    return RECONCILES if module.startswith("fogbell_operator.") else WRITES | MESSAGES


def _ends_a_task(node: ast.Call) -> bool:
    """`Task.cancel`: what cancels a run is told which."""
    return isinstance(node.func, ast.Attribute) and node.func.attr == "cancel" and not node.args


def _reads(node: ast.Call) -> bool:
    first = node.args[0] if node.args else None
    return isinstance(first, ast.Constant) and first.value in _READS


def _dying(call: ast.Call, side: Side) -> ast.AST:
    """``die() or CALL``, or ``then_die(CALL)``, whose result may be awaited like the call's."""
    name = "die" if side is Side.BEFORE else "then_die"
    death = f"__import__('tests.crash.dying', fromlist=['_']).{name}"
    function = ast.parse(death, mode="eval").body
    if side is Side.BEFORE:
        return ast.BoolOp(ast.Or(), [ast.Call(function, [], []), call])
    return ast.Call(function, [call], [])
