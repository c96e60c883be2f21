"""The shell: the `pilotfish` command, its prompt, commands and pictures (docs/architecture.md)."""
