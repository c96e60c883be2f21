"""Programs that ask the SKB by messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kernel.multikernel import Multikernel
from kernel.program import PROGRAMS, Environment, Program
from kernel.services.knowledge import Client
from kernel.threads import Code
from skb.knowledge import KnowledgeBase

Load = Callable[[str], KnowledgeBase]
US = 1_000_000


@pytest.fixture
def kernel(load: Load) -> Multikernel:
    return Multikernel.boot(load("amd-4x4"))


def run(kernel: Multikernel, monkeypatch: pytest.MonkeyPatch, core: int, main: Callable[[Environment], Code]) -> Any:
    """Spawn a program made of one function on a core, and let 10 ms pass."""
    name = f"program{core}"
    monkeypatch.setitem(PROGRAMS, name, Program(name, "a test", "", main))
    domain = kernel.spawn(name, cores=[core])
    kernel.run(10_000 * US)
    return domain


@pytest.mark.parametrize("core", [0, 3, 12])
def test_a_program_asks_and_is_answered(kernel: Multikernel, monkeypatch: pytest.MonkeyPatch, core: int) -> None:
    heard = []

    def main(environment: Environment) -> Code:
        client = Client(kernel.knowledge, 1, environment.core)
        asked = kernel.now
        found = yield from client.ask("distance(0, 12, D)")
        heard.append((found.answers, kernel.now - asked))

    run(kernel, monkeypatch, core, main)
    (answers, taken_ps), = heard
    assert answers == ({"D": 558},)
    assert taken_ps > 2 * kernel.hardware.message_ps(core, 0)  # there and back, and the SKB's own work


def test_an_answer_costs_its_inferences(kernel: Multikernel, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def main(environment: Environment) -> Code:
        client = Client(kernel.knowledge, 1, environment.core)
        for goal in ("true", "between(1, 10000, X), X >= 10000"):
            asked = kernel.now
            yield from client.ask(goal)
            taken.append(kernel.now - asked)

    run(kernel, monkeypatch, 4, main)
    easy, hard = taken
    assert hard - easy > 10_000 * kernel.hardware.cost_ps("inference", 0)


def test_a_question_that_is_refused_is_a_trap_with_its_reason(
    kernel: Multikernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def main(environment: Environment) -> Code:
        yield from Client(kernel.knowledge, 1, environment.core).ask("shell(ls)")

    domain = run(kernel, monkeypatch, 4, main)
    assert "may not be called" in domain.fault
    assert domain.state.value == "trapped"
