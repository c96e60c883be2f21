% A priori facts, made of machine.toml, which has the source of each figure.

% Links between packages.
ht_link(0, 1).
ht_link(0, 7).
ht_link(1, 2).
ht_link(1, 6).
ht_link(2, 3).
ht_link(2, 4).
ht_link(3, 4).
ht_link(3, 5).
ht_link(4, 5).
ht_link(5, 6).
ht_link(6, 7).

% The clocks in which cores' cycles are counted.
cpu_clock(0, 2000000000).
cpu_clock(1, 2000000000).
cpu_clock(2, 2000000000).
cpu_clock(3, 2000000000).
cpu_clock(4, 2000000000).
cpu_clock(5, 2000000000).
cpu_clock(6, 2000000000).
cpu_clock(7, 2000000000).
cpu_clock(8, 2000000000).
cpu_clock(9, 2000000000).
cpu_clock(10, 2000000000).
cpu_clock(11, 2000000000).
cpu_clock(12, 2000000000).
cpu_clock(13, 2000000000).
cpu_clock(14, 2000000000).
cpu_clock(15, 2000000000).
cpu_clock(16, 2000000000).
cpu_clock(17, 2000000000).
cpu_clock(18, 2000000000).
cpu_clock(19, 2000000000).
cpu_clock(20, 2000000000).
cpu_clock(21, 2000000000).
cpu_clock(22, 2000000000).
cpu_clock(23, 2000000000).
cpu_clock(24, 2000000000).
cpu_clock(25, 2000000000).
cpu_clock(26, 2000000000).
cpu_clock(27, 2000000000).
cpu_clock(28, 2000000000).
cpu_clock(29, 2000000000).
cpu_clock(30, 2000000000).
cpu_clock(31, 2000000000).

% What mechanisms cost.
cost(lmp, 1549, cycles, "dissertation table 2.4: one-way LMP latency").
cost(ump_shared_cache, 538, cycles, "dissertation table 2.5: shared cache").
cost(ump_hop, 613, cycles, "dissertation table 2.5: one hop").
cost(ump_next_hop, 5, cycles, "dissertation table 2.5: two hops less one, 618 - 613").
cost(line_same_package, 130, cycles, "dissertation table 2.1: a line of another L1 or L2 of the package").
cost(line_other_package, 190, cycles, "dissertation table 2.1: a line of a cache one hop away").
cost(line_next_hop, 70, cycles, "dissertation table 2.1: two hops less one, 260 - 190").
cost(tsc_read, 25, cycles, "dissertation 3.5.4: reading the time-stamp counter on the evaluation systems").
