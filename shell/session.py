"""A session: a booted machine, and what commands are carried out against.

The prompt, batch files, `-c` and a pipe share it, so that a command means the same wherever it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernel.clock import PS_PER_NS
from kernel.errors import KernelError
from kernel.multikernel import Multikernel
from kernel.schedulers import kinds
from shell import batch
from shell.errors import ShellError, TextError
from shell.events import brought
from shell.output import Printer, Result
from shell.registry import named, resolve
from skb import machine
from skb.engine import RulesRejected, SkbError
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
    """A command of a batch file failed and was reported; the batch ends. Its text says where and what."""


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
        self.scheduler = kinds.DEFAULT
        self._timeslice_ps: int | None = None  # for that scheduler, if not as the machine's facts say
        self.environment: dict[str, str] = {}
        self.places: list[Place] = []
        self.kb = KnowledgeBase()
        self.reset()

    def reset(self) -> None:
        """Boot the machine anew: time 0, no domains, the facts of its folder."""
        path = machine.find(self.machine_name)
        machine.load(self.kb, path)
        self._boot()

    def schedule_by(self, scheduler: str, timeslice_ps: int | None) -> None:
        """Boot the machine anew, all cores to be scheduled that way; facts and policies stay as they are."""
        if self._timeslice_ps is not None:
            self.kb.retract_fact(self._timeslice_fact("_, _"))
        self.scheduler, self._timeslice_ps = scheduler, timeslice_ps
        self._boot()

    def _boot(self) -> None:
        if self._timeslice_ps is not None:
            whole, rest = divmod(self._timeslice_ps, PS_PER_NS)
            self.kb.assert_fact(self._timeslice_fact(f"{self._timeslice_ps / PS_PER_NS if rest else whole}, ns"))
        self.kernel = Multikernel.boot(self.kb, policy=self.policy, seed=self.seed, scheduler=self.scheduler)

    def _timeslice_fact(self, value: str) -> str:
        return f'cost({kinds.find(self.scheduler).timeslice}, {value}, "scheduler use --timeslice")'

    # -- carrying commands out ---------------------------------------------------------------------

    def execute(self, text: str) -> Result:
        """Carry out one command line. Raises what `FAILURES` lists."""
        command, rest = resolve(text)
        try:
            return command.call(self, rest, self.variables())
        finally:
            self.printer.asides += brought(self.kernel)

    def perform(self, text: str, where: str) -> str | None:
        """Carry out a command line and print what came of it; None, or why it failed."""
        name = named(text)
        try:
            result = self.execute(text)
            self.printer.result(name, result)
        except BatchFailed as error:
            self.printer.stopped(name, where, str(error))
            return str(error)
        except RecursionError:
            # Python's readers and writers of JSON recurse; a term of thousands of levels is beyond them.
            return self._failed(name, where, "the answer is nested too deeply to be shown; ask for a part of it")
        except RulesRejected as error:
            return self._failed(name, where, str(error), [str(note) for note in error.notes])
        except FAILURES as error:
            return self._failed(name, where, str(error))
        except Exception as error:
            error.add_note(": ".join(part for part in (where, name) if part))
            raise
        return None

    def _failed(self, name: str, where: str, message: str, notes: Sequence[str] = ()) -> str:
        self.printer.error(name, where, message, notes)
        return f"{where}: {name}: {message}"

    def run_text(self, text: str | Iterable[str], place: Place) -> None:
        """Run the text of a batch file, or its lines as they come; BatchFailed at the first command that fails."""
        if len(self.places) >= _DEEPEST:
            raise ShellError(f"{place.name}: batch files run each other {_DEEPEST} deep; one runs itself?")
        self.places.append(place)
        try:
            for line in batch.lines(text):
                failure = self.perform(line.text, f"{place.name}:{line.number}")
                if failure is not None and not line.may_fail:
                    raise BatchFailed(failure)
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
            if candidate.exists() and not candidate.is_dir():
                return candidate
        raise ShellError(f"'{name}' is a folder" if path.is_dir() else f"no file '{name}'")


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
        raise TextError(f"{name}:{line}") from None


def decoded_lines(stream: Iterable[bytes], name: str) -> Iterator[str]:
    """The lines of a stream as UTF-8 text, each as it comes; TextError at the first that is not."""
    for number, line in enumerate(stream, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise TextError(f"{name}:{number}") from None
