"""Program images: a user's own program, loaded from a Python file each time it is spawned.

The file registers its program with `@program(...)`, as those of `kernel.programs` do, or defines `main(environment)`;
other functions and modules are its own affair. What goes wrong in it, then or later, is told by its own line.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import replace
from pathlib import Path

from kernel.errors import KernelError
from kernel.program import PROGRAMS, Program
from kernel.threads import USERS_FILES, place_in

_LONGEST_BYTES = 10 << 20


def load(path: Path) -> Program:
    """The program that a file holds. KernelError, naming file and line, if it holds none or cannot be read."""
    text = _text(path)
    USERS_FILES.add(str(path))
    before = dict(PROGRAMS)
    module = type(sys)(f"program_{path.stem}")
    module.__file__ = str(path)
    try:
        exec(compile(text, str(path), "exec"), module.__dict__)
        registered = [each for name, each in PROGRAMS.items() if before.get(name) is not each]
    except SyntaxError as error:
        raise KernelError(f"{path}:{error.lineno}: syntax error: {error.msg}") from None
    except SystemExit as error:
        raise KernelError(f"{path}: it ended Python ({error.code}) while it was loaded") from None
    except Exception as error:
        raise KernelError(f"{place_in(error, str(path))}: {type(error).__name__}: {error}") from None
    finally:
        PROGRAMS.clear()
        PROGRAMS.update(before)
    if len(registered) > 1:
        names = ", ".join(each.name for each in registered)
        raise KernelError(f"{path}: it holds several programs ({names}); a file holds one")
    if registered:
        return replace(registered[0], source=str(path))
    main = getattr(module, "main", None)
    if not callable(main):
        raise KernelError(f"{path}: no program: it has neither @program(...) nor main(environment)")
    if not inspect.isgeneratorfunction(main):
        raise KernelError(f"{path}: main(environment) yields nothing; a program yields what it asks for")
    summary = (inspect.getdoc(main) or "a program of your own").splitlines()[0]
    return Program(path.stem, summary, "[ARG]...", main, source=str(path))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LONGEST_BYTES:
            raise KernelError(f"{path}: {path.stat().st_size:,} bytes are more than a program has")
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise KernelError(f"{path}: not UTF-8 text: offset {error.start}") from None
    except OSError as error:
        raise KernelError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError:  # a null byte in the name
        raise KernelError(f"{str(path)!r}: no name of a file") from None
