"""What many tests share: one Prolog engine a process, machines loaded into it on demand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from skb import machine
from skb.engine import Engine
from skb.knowledge import KnowledgeBase


@pytest.fixture(scope="session")
def kb() -> KnowledgeBase:
    """The knowledge base; a process has one engine, so tests share it and load what they need."""
    return KnowledgeBase(Engine.start())


@pytest.fixture
def load(kb: KnowledgeBase) -> Callable[[str], KnowledgeBase]:
    """`load("amd-4x4")`: the knowledge base, holding that machine and nothing else."""

    def load_machine(name: str) -> KnowledgeBase:
        machine.load(kb, machine.find(name))
        return kb

    return load_machine
