"""Numbers among the arguments of a program."""

from __future__ import annotations

from collections.abc import Sequence

from kernel.errors import KernelError


def numbers(arguments: Sequence[str], *defaults: int, names: str) -> tuple[int, ...]:
    """The arguments as positive numbers, with defaults for those that are not given; `names` as in the synopsis."""
    if len(arguments) > len(defaults):
        raise KernelError(f"takes {names}, got '{' '.join(arguments)}'")
    for text in arguments:
        if not (text.isascii() and text.isdigit() and int(text[:19]) > 0 and len(text) < 19):
            raise KernelError(f"takes {names}: '{text}' is no number from 1 on")
    return (*map(int, arguments), *defaults[len(arguments) :])
