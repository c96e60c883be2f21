% A priori facts, made of machine.toml, which has the source of each figure.

% Links between packages.
ht_link(0, 1).
ht_link(1, 3).
ht_link(3, 2).
ht_link(2, 0).

% The clocks in which cores' cycles are counted.
cpu_clock(0, 2500000000).
cpu_clock(1, 2500000000).
cpu_clock(2, 2500000000).
cpu_clock(3, 2500000000).
cpu_clock(4, 2500000000).
cpu_clock(5, 2500000000).
cpu_clock(6, 2500000000).
cpu_clock(7, 2500000000).
cpu_clock(8, 2500000000).
cpu_clock(9, 2500000000).
cpu_clock(10, 2500000000).
cpu_clock(11, 2500000000).
cpu_clock(12, 2500000000).
cpu_clock(13, 2500000000).
cpu_clock(14, 2500000000).
cpu_clock(15, 2500000000).

% What mechanisms cost.
cost(context_switch, 4, us, "design notes: 4 us per context switch on the 4x4-core AMD system").
cost(lmp, 1463, cycles, "dissertation table 2.4: one-way LMP latency").
cost(line_same_package, 75, cycles, "dissertation 3.1.2: inter-core latency within a package").
cost(line_other_package, 160, cycles, "dissertation 3.1.2: inter-core latency between packages").
cost(update, 30, cycles, "dissertation 2.1.3: one core updates cached data in under 30 cycles").
cost(block, 7370, ns, "dissertation 3.2.5: cost to block and resume, measured on Linux").
cost(tsc_read, 25, cycles, "dissertation 3.5.4: reading the time-stamp counter").
