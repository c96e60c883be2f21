"""A session: a booted machine, and what commands are carried out against.

The prompt, batch files, `-c` and a pipe share it, so that a command means the same wherever it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kernel.errors import KernelError
from kernel.multikernel import Multikernel
from shell import batch
from shell.errors import ShellError
from shell.output import Printer, Result
from shell.registry import find
from skb import machine
from skb.engine import SkbError
from skb.knowledge import KnowledgeBase
from skb.readers import DumpError

FAILURES = (ShellError, KernelError, SkbError, DumpError)
"""What a command may raise when it cannot do what it was asked."""

SCENARIOS = Path(__file__).parent / "scenarios"
"""Batch files and manifests that come with Pilotfish."""

_DEEPEST = 20  # batch files that run batch files


class Quit(Exception):
    """The session is to end."""


class BatchFailed(Exception):
    """A command of a batch file failed and was reported; the batch ends."""


@dataclass(slots=True)
class Place:
    """Where commands come from: the name shown before their line number, and their `$1`..."""

    name: str
    folder: Path | None
    arguments: tuple[str, ...] = ()


class Session:
    """One user's session on one machine."""

    def __init__(self, printer: Printer, machine_name: str, policy: str, seed: int) -> None:
        self.printer = printer
        self.machine_name = machine_name
        self.policy = policy
        self.seed = seed
        self.environment: dict[str, str] = {}
        self.places: list[Place] = []
        self.kb = KnowledgeBase()
        self.reset()

    def reset(self) -> None:
        """Boot the machine anew: time 0, no domains, the facts of its folder."""
        path = machine.find(self.machine_name)
        machine.load(self.kb, path)
        self.kernel = Multikernel.boot(self.kb, policy=self.policy, seed=self.seed)

    # -- carrying commands out ---------------------------------------------------------------------

    def execute(self, text: str) -> tuple[str, Result]:
        """Carry out one command line; its name and its result. Raises what `FAILURES` lists."""
        name, rest = batch.split_command(text)
        command = find(name)
        variables = self.variables()
        if command.raw:
            return name, command.call(self, [], batch.raw_text(rest, variables))
        return name, command.call(self, batch.words(rest, variables), rest)

    def perform(self, text: str, where: str) -> bool:
        """Carry out a command line and print what came of it; False if it failed."""
        name = batch.split_command(text)[0]
        try:
            name, result = self.execute(text)
        except FAILURES as error:
            self.printer.error(name, where, str(error))
            return False
        self.printer.result(name, result)
        return True

    def run_text(self, text: str, place: Place) -> None:
        """Run the text of a batch file; BatchFailed at the first command that fails."""
        if len(self.places) >= _DEEPEST:
            raise ShellError(f"{place.name}: batch files run each other {_DEEPEST} deep; one runs itself?")
        self.places.append(place)
        try:
            for line in batch.lines(text):
                if not self.perform(line.text, f"{place.name}:{line.number}") and not line.may_fail:
                    raise BatchFailed
        finally:
            self.places.pop()

    def run_file(self, name: str, arguments: Sequence[str] = ()) -> None:
        """Run a batch file."""
        path = self.file(name)
        self.run_text(read_text(path), Place(str(path), path.parent, tuple(arguments)))

    # -- names -------------------------------------------------------------------------------------

    def variables(self) -> dict[str, str]:
        """What `$NAME`, `$1` and `$#` stand for here."""
        arguments = self.places[-1].arguments if self.places else ()
        numbered = {str(number): argument for number, argument in enumerate(arguments, 1)}
        return {**self.environment, **numbered, "#": str(len(arguments))}

    def file(self, name: str) -> Path:
        """A file a user named: from the current folder, else beside the batch file, else a shipped one."""
        path = Path(name).expanduser()
        candidates = [path]
        if not path.is_absolute():
            if self.places and (folder := self.places[-1].folder) is not None:
                candidates.append(folder / path)
            candidates.append(SCENARIOS / path)
        for candidate in candidates:
            if candidate.is_file():
                return candidate
        raise ShellError(f"no file '{name}'")


def read_text(path: Path) -> str:
    """The text of a user's file; ShellError with the line where it is no text."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ShellError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    return decoded(data, str(path))


def decoded(data: bytes, name: str) -> str:
    """Bytes as UTF-8 text; ShellError with the line where they are not."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ShellError(f"{name}:{line}: not UTF-8 text") from None
