"""What many tests share: one Prolog engine a process, machines loaded into it on demand."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from skb import machine
from skb.engine import Engine
from skb.knowledge import KnowledgeBase


@pytest.fixture(autouse=True, scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What tests import and remember goes into a folder of their own, not into the user's."""
    folder = tmp_path_factory.mktemp("data")
    os.environ["XDG_DATA_HOME"] = str(folder)
    return folder


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
