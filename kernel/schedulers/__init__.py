"""How all cores of the machine are scheduled: the way the system does it, and ways to compare it with.

A regime gives every CPU driver its scheduler and, where cores are to act together, has the part that coordinates
them (`kernel.schedulers.regime`). `kernel.schedulers.kinds` knows them by name. docs/schedulers.md says what each
models, and after what.
"""
