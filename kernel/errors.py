"""What the kernel refuses, in words a user can act on."""

from __future__ import annotations


class KernelError(Exception):
    """A request that the kernel cannot carry out; `str(error)` is one line for the user."""
