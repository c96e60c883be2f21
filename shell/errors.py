"""What a command refuses: one line for the user, printed after the place and the command's name."""

from __future__ import annotations


class ShellError(Exception):
    """A command could not do what it was asked."""


class UsageError(ShellError):
    """A command was called wrongly."""


class TextError(ShellError):
    """Input that is no UTF-8 text; `where` is its name and line."""

    def __init__(self, where: str) -> None:
        super().__init__(f"{where}: not UTF-8 text")
        self.where = where
