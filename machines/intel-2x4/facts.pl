% A priori facts, made of machine.toml, which has the source of each figure.

% Dies, which no CPUID leaf of this processor tells.
cpu_die(0, 0).
cpu_die(1, 0).
cpu_die(2, 1).
cpu_die(3, 1).
cpu_die(4, 2).
cpu_die(5, 2).
cpu_die(6, 3).
cpu_die(7, 3).

% Memory, of which no table of the firmware tells.
node_memory(0, 8589934592).

% What mechanisms cost.
cost(lmp, 845, cycles, "dissertation table 2.4: one-way LMP latency").
cost(line_same_package, 80, cycles, "dissertation table 2.2: a line of another L1 or L2 of the package").
cost(line_other_package, 128, cycles, "dissertation table 2.2: a line of a cache one hop away").
cost(tsc_read, 25, cycles, "dissertation 3.5.4: reading the time-stamp counter on the evaluation systems").
