"""What replicated services refuse."""

from __future__ import annotations

from kernel.errors import KernelError


class ReplicationError(KernelError):
    """A replicated service cannot be made or used so; `str(error)` is one line for the user."""
