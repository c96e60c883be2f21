% A priori facts, made of machine.toml, which has the source of each figure.

% The clocks in which cores' cycles are counted.
cpu_clock(0, 3200000000).
cpu_clock(1, 3200000000).
cpu_clock(2, 3200000000).
cpu_clock(3, 3200000000).
cpu_clock(4, 3200000000).
cpu_clock(5, 3200000000).
cpu_clock(6, 3200000000).
cpu_clock(7, 3200000000).
cpu_clock(8, 3200000000).
cpu_clock(9, 3200000000).
cpu_clock(10, 3200000000).
cpu_clock(11, 3200000000).
cpu_clock(12, 3200000000).
cpu_clock(13, 3200000000).
cpu_clock(14, 3200000000).
cpu_clock(15, 3200000000).
wrong(cpu_clock(16,3200000000)).
cpu_clock(16, 2400000000).
wrong(cpu_clock(17,3200000000)).
cpu_clock(17, 2400000000).
wrong(cpu_clock(18,3200000000)).
cpu_clock(18, 2400000000).
wrong(cpu_clock(19,3200000000)).
cpu_clock(19, 2400000000).
wrong(cpu_clock(20,3200000000)).
cpu_clock(20, 2400000000).
wrong(cpu_clock(21,3200000000)).
cpu_clock(21, 2400000000).
wrong(cpu_clock(22,3200000000)).
cpu_clock(22, 2400000000).
wrong(cpu_clock(23,3200000000)).
cpu_clock(23, 2400000000).

% Clusters: the cores that share an L2, as Linux sees them.
cpu_cluster(0, 0).
cpu_cluster(1, 0).
cpu_cluster(2, 1).
cpu_cluster(3, 1).
cpu_cluster(4, 2).
cpu_cluster(5, 2).
cpu_cluster(6, 3).
cpu_cluster(7, 3).
cpu_cluster(8, 4).
cpu_cluster(9, 4).
cpu_cluster(10, 5).
cpu_cluster(11, 5).
cpu_cluster(12, 6).
cpu_cluster(13, 6).
cpu_cluster(14, 7).
cpu_cluster(15, 7).
cpu_cluster(16, 8).
cpu_cluster(17, 8).
cpu_cluster(18, 8).
cpu_cluster(19, 8).
cpu_cluster(20, 9).
cpu_cluster(21, 9).
cpu_cluster(22, 9).
cpu_cluster(23, 9).

% Memory, of which no table of the firmware tells.
node_memory(0, 34359738368).

% What mechanisms cost.
cost(line_same_package, 112, cycles, "core-to-core-latency, i9-12900K: 35 ns between performance cores, at 3.2 GHz").
