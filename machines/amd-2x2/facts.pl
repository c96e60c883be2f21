% A priori facts, made of machine.toml, which has the source of each figure.

% Links between packages.
ht_link(0, 1).

% The clocks in which cores' cycles are counted.
cpu_clock(0, 2800000000).
cpu_clock(1, 2800000000).
cpu_clock(2, 2800000000).
cpu_clock(3, 2800000000).

% What mechanisms cost.
cost(lmp, 757, cycles, "dissertation table 2.4: one-way LMP latency").
cost(tsc_read, 25, cycles, "dissertation 3.5.4: reading the time-stamp counter on the evaluation systems").
