"""What a command refuses: one line for the user, printed after the place and the command's name."""

from __future__ import annotations


class ShellError(Exception):
    """A command could not do what it was asked."""


class UsageError(ShellError):
    """A command was called wrongly."""
