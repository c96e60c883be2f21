% A priori facts, made of machine.toml, which has the source of each figure.

% Tiles (packages) by column and row, and the links between their routers.
mesh_clock(800000000).
tile(0, 0, 0).
tile(1, 1, 0).
tile(2, 2, 0).
tile(3, 3, 0).
tile(4, 4, 0).
tile(5, 5, 0).
tile(6, 0, 1).
tile(7, 1, 1).
tile(8, 2, 1).
tile(9, 3, 1).
tile(10, 4, 1).
tile(11, 5, 1).
tile(12, 0, 2).
tile(13, 1, 2).
tile(14, 2, 2).
tile(15, 3, 2).
tile(16, 4, 2).
tile(17, 5, 2).
tile(18, 0, 3).
tile(19, 1, 3).
tile(20, 2, 3).
tile(21, 3, 3).
tile(22, 4, 3).
tile(23, 5, 3).
ht_link(0, 1).
ht_link(0, 6).
ht_link(1, 2).
ht_link(1, 7).
ht_link(2, 3).
ht_link(2, 8).
ht_link(3, 4).
ht_link(3, 9).
ht_link(4, 5).
ht_link(4, 10).
ht_link(5, 11).
ht_link(6, 7).
ht_link(6, 12).
ht_link(7, 8).
ht_link(7, 13).
ht_link(8, 9).
ht_link(8, 14).
ht_link(9, 10).
ht_link(9, 15).
ht_link(10, 11).
ht_link(10, 16).
ht_link(11, 17).
ht_link(12, 13).
ht_link(12, 18).
ht_link(13, 14).
ht_link(13, 19).
ht_link(14, 15).
ht_link(14, 20).
ht_link(15, 16).
ht_link(15, 21).
ht_link(16, 17).
ht_link(16, 22).
ht_link(17, 23).
ht_link(18, 19).
ht_link(19, 20).
ht_link(20, 21).
ht_link(21, 22).
ht_link(22, 23).

% Cores: their number on the chip (their hardware id), their tile, their clock.
corename(0, scc, apic(0)).
cpu_thread(0, 0, 0, 0).
cpu_clock(0, 533333333).
vendor(0, intel).
cpu_brand(0, "Intel Single-chip Cloud Computer").
corename(1, scc, apic(1)).
cpu_thread(1, 0, 1, 0).
cpu_clock(1, 533333333).
vendor(1, intel).
cpu_brand(1, "Intel Single-chip Cloud Computer").
corename(2, scc, apic(2)).
cpu_thread(2, 1, 0, 0).
cpu_clock(2, 533333333).
vendor(2, intel).
cpu_brand(2, "Intel Single-chip Cloud Computer").
corename(3, scc, apic(3)).
cpu_thread(3, 1, 1, 0).
cpu_clock(3, 533333333).
vendor(3, intel).
cpu_brand(3, "Intel Single-chip Cloud Computer").
corename(4, scc, apic(4)).
cpu_thread(4, 2, 0, 0).
cpu_clock(4, 533333333).
vendor(4, intel).
cpu_brand(4, "Intel Single-chip Cloud Computer").
corename(5, scc, apic(5)).
cpu_thread(5, 2, 1, 0).
cpu_clock(5, 533333333).
vendor(5, intel).
cpu_brand(5, "Intel Single-chip Cloud Computer").
corename(6, scc, apic(6)).
cpu_thread(6, 3, 0, 0).
cpu_clock(6, 533333333).
vendor(6, intel).
cpu_brand(6, "Intel Single-chip Cloud Computer").
corename(7, scc, apic(7)).
cpu_thread(7, 3, 1, 0).
cpu_clock(7, 533333333).
vendor(7, intel).
cpu_brand(7, "Intel Single-chip Cloud Computer").
corename(8, scc, apic(8)).
cpu_thread(8, 4, 0, 0).
cpu_clock(8, 533333333).
vendor(8, intel).
cpu_brand(8, "Intel Single-chip Cloud Computer").
corename(9, scc, apic(9)).
cpu_thread(9, 4, 1, 0).
cpu_clock(9, 533333333).
vendor(9, intel).
cpu_brand(9, "Intel Single-chip Cloud Computer").
corename(10, scc, apic(10)).
cpu_thread(10, 5, 0, 0).
cpu_clock(10, 533333333).
vendor(10, intel).
cpu_brand(10, "Intel Single-chip Cloud Computer").
corename(11, scc, apic(11)).
cpu_thread(11, 5, 1, 0).
cpu_clock(11, 533333333).
vendor(11, intel).
cpu_brand(11, "Intel Single-chip Cloud Computer").
corename(12, scc, apic(12)).
cpu_thread(12, 6, 0, 0).
cpu_clock(12, 533333333).
vendor(12, intel).
cpu_brand(12, "Intel Single-chip Cloud Computer").
corename(13, scc, apic(13)).
cpu_thread(13, 6, 1, 0).
cpu_clock(13, 533333333).
vendor(13, intel).
cpu_brand(13, "Intel Single-chip Cloud Computer").
corename(14, scc, apic(14)).
cpu_thread(14, 7, 0, 0).
cpu_clock(14, 533333333).
vendor(14, intel).
cpu_brand(14, "Intel Single-chip Cloud Computer").
corename(15, scc, apic(15)).
cpu_thread(15, 7, 1, 0).
cpu_clock(15, 533333333).
vendor(15, intel).
cpu_brand(15, "Intel Single-chip Cloud Computer").
corename(16, scc, apic(16)).
cpu_thread(16, 8, 0, 0).
cpu_clock(16, 533333333).
vendor(16, intel).
cpu_brand(16, "Intel Single-chip Cloud Computer").
corename(17, scc, apic(17)).
cpu_thread(17, 8, 1, 0).
cpu_clock(17, 533333333).
vendor(17, intel).
cpu_brand(17, "Intel Single-chip Cloud Computer").
corename(18, scc, apic(18)).
cpu_thread(18, 9, 0, 0).
cpu_clock(18, 533333333).
vendor(18, intel).
cpu_brand(18, "Intel Single-chip Cloud Computer").
corename(19, scc, apic(19)).
cpu_thread(19, 9, 1, 0).
cpu_clock(19, 533333333).
vendor(19, intel).
cpu_brand(19, "Intel Single-chip Cloud Computer").
corename(20, scc, apic(20)).
cpu_thread(20, 10, 0, 0).
cpu_clock(20, 533333333).
vendor(20, intel).
cpu_brand(20, "Intel Single-chip Cloud Computer").
corename(21, scc, apic(21)).
cpu_thread(21, 10, 1, 0).
cpu_clock(21, 533333333).
vendor(21, intel).
cpu_brand(21, "Intel Single-chip Cloud Computer").
corename(22, scc, apic(22)).
cpu_thread(22, 11, 0, 0).
cpu_clock(22, 533333333).
vendor(22, intel).
cpu_brand(22, "Intel Single-chip Cloud Computer").
corename(23, scc, apic(23)).
cpu_thread(23, 11, 1, 0).
cpu_clock(23, 533333333).
vendor(23, intel).
cpu_brand(23, "Intel Single-chip Cloud Computer").
corename(24, scc, apic(24)).
cpu_thread(24, 12, 0, 0).
cpu_clock(24, 533333333).
vendor(24, intel).
cpu_brand(24, "Intel Single-chip Cloud Computer").
corename(25, scc, apic(25)).
cpu_thread(25, 12, 1, 0).
cpu_clock(25, 533333333).
vendor(25, intel).
cpu_brand(25, "Intel Single-chip Cloud Computer").
corename(26, scc, apic(26)).
cpu_thread(26, 13, 0, 0).
cpu_clock(26, 533333333).
vendor(26, intel).
cpu_brand(26, "Intel Single-chip Cloud Computer").
corename(27, scc, apic(27)).
cpu_thread(27, 13, 1, 0).
cpu_clock(27, 533333333).
vendor(27, intel).
cpu_brand(27, "Intel Single-chip Cloud Computer").
corename(28, scc, apic(28)).
cpu_thread(28, 14, 0, 0).
cpu_clock(28, 533333333).
vendor(28, intel).
cpu_brand(28, "Intel Single-chip Cloud Computer").
corename(29, scc, apic(29)).
cpu_thread(29, 14, 1, 0).
cpu_clock(29, 533333333).
vendor(29, intel).
cpu_brand(29, "Intel Single-chip Cloud Computer").
corename(30, scc, apic(30)).
cpu_thread(30, 15, 0, 0).
cpu_clock(30, 533333333).
vendor(30, intel).
cpu_brand(30, "Intel Single-chip Cloud Computer").
corename(31, scc, apic(31)).
cpu_thread(31, 15, 1, 0).
cpu_clock(31, 533333333).
vendor(31, intel).
cpu_brand(31, "Intel Single-chip Cloud Computer").
corename(32, scc, apic(32)).
cpu_thread(32, 16, 0, 0).
cpu_clock(32, 533333333).
vendor(32, intel).
cpu_brand(32, "Intel Single-chip Cloud Computer").
corename(33, scc, apic(33)).
cpu_thread(33, 16, 1, 0).
cpu_clock(33, 533333333).
vendor(33, intel).
cpu_brand(33, "Intel Single-chip Cloud Computer").
corename(34, scc, apic(34)).
cpu_thread(34, 17, 0, 0).
cpu_clock(34, 533333333).
vendor(34, intel).
cpu_brand(34, "Intel Single-chip Cloud Computer").
corename(35, scc, apic(35)).
cpu_thread(35, 17, 1, 0).
cpu_clock(35, 533333333).
vendor(35, intel).
cpu_brand(35, "Intel Single-chip Cloud Computer").
corename(36, scc, apic(36)).
cpu_thread(36, 18, 0, 0).
cpu_clock(36, 533333333).
vendor(36, intel).
cpu_brand(36, "Intel Single-chip Cloud Computer").
corename(37, scc, apic(37)).
cpu_thread(37, 18, 1, 0).
cpu_clock(37, 533333333).
vendor(37, intel).
cpu_brand(37, "Intel Single-chip Cloud Computer").
corename(38, scc, apic(38)).
cpu_thread(38, 19, 0, 0).
cpu_clock(38, 533333333).
vendor(38, intel).
cpu_brand(38, "Intel Single-chip Cloud Computer").
corename(39, scc, apic(39)).
cpu_thread(39, 19, 1, 0).
cpu_clock(39, 533333333).
vendor(39, intel).
cpu_brand(39, "Intel Single-chip Cloud Computer").
corename(40, scc, apic(40)).
cpu_thread(40, 20, 0, 0).
cpu_clock(40, 533333333).
vendor(40, intel).
cpu_brand(40, "Intel Single-chip Cloud Computer").
corename(41, scc, apic(41)).
cpu_thread(41, 20, 1, 0).
cpu_clock(41, 533333333).
vendor(41, intel).
cpu_brand(41, "Intel Single-chip Cloud Computer").
corename(42, scc, apic(42)).
cpu_thread(42, 21, 0, 0).
cpu_clock(42, 533333333).
vendor(42, intel).
cpu_brand(42, "Intel Single-chip Cloud Computer").
corename(43, scc, apic(43)).
cpu_thread(43, 21, 1, 0).
cpu_clock(43, 533333333).
vendor(43, intel).
cpu_brand(43, "Intel Single-chip Cloud Computer").
corename(44, scc, apic(44)).
cpu_thread(44, 22, 0, 0).
cpu_clock(44, 533333333).
vendor(44, intel).
cpu_brand(44, "Intel Single-chip Cloud Computer").
corename(45, scc, apic(45)).
cpu_thread(45, 22, 1, 0).
cpu_clock(45, 533333333).
vendor(45, intel).
cpu_brand(45, "Intel Single-chip Cloud Computer").
corename(46, scc, apic(46)).
cpu_thread(46, 23, 0, 0).
cpu_clock(46, 533333333).
vendor(46, intel).
cpu_brand(46, "Intel Single-chip Cloud Computer").
corename(47, scc, apic(47)).
cpu_thread(47, 23, 1, 0).
cpu_clock(47, 533333333).
vendor(47, intel).
cpu_brand(47, "Intel Single-chip Cloud Computer").

% Private caches, of which none is coherent with another.
cpu_cache(0, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(0, 1, data, 0).
cpu_cache(0, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(0, 1, instr, 0).
cpu_cache(0, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(0, 2, unified, 0).
cpu_cache(1, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(1, 1, data, 1).
cpu_cache(1, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(1, 1, instr, 1).
cpu_cache(1, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(1, 2, unified, 1).
cpu_cache(2, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(2, 1, data, 2).
cpu_cache(2, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(2, 1, instr, 2).
cpu_cache(2, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(2, 2, unified, 2).
cpu_cache(3, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(3, 1, data, 3).
cpu_cache(3, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(3, 1, instr, 3).
cpu_cache(3, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(3, 2, unified, 3).
cpu_cache(4, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(4, 1, data, 4).
cpu_cache(4, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(4, 1, instr, 4).
cpu_cache(4, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(4, 2, unified, 4).
cpu_cache(5, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(5, 1, data, 5).
cpu_cache(5, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(5, 1, instr, 5).
cpu_cache(5, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(5, 2, unified, 5).
cpu_cache(6, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(6, 1, data, 6).
cpu_cache(6, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(6, 1, instr, 6).
cpu_cache(6, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(6, 2, unified, 6).
cpu_cache(7, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(7, 1, data, 7).
cpu_cache(7, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(7, 1, instr, 7).
cpu_cache(7, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(7, 2, unified, 7).
cpu_cache(8, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(8, 1, data, 8).
cpu_cache(8, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(8, 1, instr, 8).
cpu_cache(8, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(8, 2, unified, 8).
cpu_cache(9, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(9, 1, data, 9).
cpu_cache(9, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(9, 1, instr, 9).
cpu_cache(9, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(9, 2, unified, 9).
cpu_cache(10, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(10, 1, data, 10).
cpu_cache(10, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(10, 1, instr, 10).
cpu_cache(10, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(10, 2, unified, 10).
cpu_cache(11, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(11, 1, data, 11).
cpu_cache(11, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(11, 1, instr, 11).
cpu_cache(11, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(11, 2, unified, 11).
cpu_cache(12, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(12, 1, data, 12).
cpu_cache(12, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(12, 1, instr, 12).
cpu_cache(12, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(12, 2, unified, 12).
cpu_cache(13, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(13, 1, data, 13).
cpu_cache(13, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(13, 1, instr, 13).
cpu_cache(13, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(13, 2, unified, 13).
cpu_cache(14, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(14, 1, data, 14).
cpu_cache(14, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(14, 1, instr, 14).
cpu_cache(14, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(14, 2, unified, 14).
cpu_cache(15, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(15, 1, data, 15).
cpu_cache(15, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(15, 1, instr, 15).
cpu_cache(15, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(15, 2, unified, 15).
cpu_cache(16, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(16, 1, data, 16).
cpu_cache(16, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(16, 1, instr, 16).
cpu_cache(16, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(16, 2, unified, 16).
cpu_cache(17, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(17, 1, data, 17).
cpu_cache(17, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(17, 1, instr, 17).
cpu_cache(17, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(17, 2, unified, 17).
cpu_cache(18, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(18, 1, data, 18).
cpu_cache(18, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(18, 1, instr, 18).
cpu_cache(18, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(18, 2, unified, 18).
cpu_cache(19, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(19, 1, data, 19).
cpu_cache(19, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(19, 1, instr, 19).
cpu_cache(19, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(19, 2, unified, 19).
cpu_cache(20, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(20, 1, data, 20).
cpu_cache(20, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(20, 1, instr, 20).
cpu_cache(20, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(20, 2, unified, 20).
cpu_cache(21, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(21, 1, data, 21).
cpu_cache(21, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(21, 1, instr, 21).
cpu_cache(21, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(21, 2, unified, 21).
cpu_cache(22, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(22, 1, data, 22).
cpu_cache(22, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(22, 1, instr, 22).
cpu_cache(22, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(22, 2, unified, 22).
cpu_cache(23, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(23, 1, data, 23).
cpu_cache(23, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(23, 1, instr, 23).
cpu_cache(23, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(23, 2, unified, 23).
cpu_cache(24, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(24, 1, data, 24).
cpu_cache(24, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(24, 1, instr, 24).
cpu_cache(24, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(24, 2, unified, 24).
cpu_cache(25, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(25, 1, data, 25).
cpu_cache(25, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(25, 1, instr, 25).
cpu_cache(25, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(25, 2, unified, 25).
cpu_cache(26, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(26, 1, data, 26).
cpu_cache(26, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(26, 1, instr, 26).
cpu_cache(26, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(26, 2, unified, 26).
cpu_cache(27, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(27, 1, data, 27).
cpu_cache(27, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(27, 1, instr, 27).
cpu_cache(27, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(27, 2, unified, 27).
cpu_cache(28, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(28, 1, data, 28).
cpu_cache(28, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(28, 1, instr, 28).
cpu_cache(28, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(28, 2, unified, 28).
cpu_cache(29, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(29, 1, data, 29).
cpu_cache(29, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(29, 1, instr, 29).
cpu_cache(29, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(29, 2, unified, 29).
cpu_cache(30, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(30, 1, data, 30).
cpu_cache(30, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(30, 1, instr, 30).
cpu_cache(30, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(30, 2, unified, 30).
cpu_cache(31, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(31, 1, data, 31).
cpu_cache(31, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(31, 1, instr, 31).
cpu_cache(31, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(31, 2, unified, 31).
cpu_cache(32, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(32, 1, data, 32).
cpu_cache(32, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(32, 1, instr, 32).
cpu_cache(32, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(32, 2, unified, 32).
cpu_cache(33, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(33, 1, data, 33).
cpu_cache(33, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(33, 1, instr, 33).
cpu_cache(33, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(33, 2, unified, 33).
cpu_cache(34, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(34, 1, data, 34).
cpu_cache(34, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(34, 1, instr, 34).
cpu_cache(34, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(34, 2, unified, 34).
cpu_cache(35, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(35, 1, data, 35).
cpu_cache(35, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(35, 1, instr, 35).
cpu_cache(35, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(35, 2, unified, 35).
cpu_cache(36, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(36, 1, data, 36).
cpu_cache(36, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(36, 1, instr, 36).
cpu_cache(36, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(36, 2, unified, 36).
cpu_cache(37, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(37, 1, data, 37).
cpu_cache(37, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(37, 1, instr, 37).
cpu_cache(37, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(37, 2, unified, 37).
cpu_cache(38, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(38, 1, data, 38).
cpu_cache(38, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(38, 1, instr, 38).
cpu_cache(38, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(38, 2, unified, 38).
cpu_cache(39, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(39, 1, data, 39).
cpu_cache(39, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(39, 1, instr, 39).
cpu_cache(39, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(39, 2, unified, 39).
cpu_cache(40, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(40, 1, data, 40).
cpu_cache(40, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(40, 1, instr, 40).
cpu_cache(40, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(40, 2, unified, 40).
cpu_cache(41, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(41, 1, data, 41).
cpu_cache(41, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(41, 1, instr, 41).
cpu_cache(41, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(41, 2, unified, 41).
cpu_cache(42, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(42, 1, data, 42).
cpu_cache(42, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(42, 1, instr, 42).
cpu_cache(42, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(42, 2, unified, 42).
cpu_cache(43, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(43, 1, data, 43).
cpu_cache(43, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(43, 1, instr, 43).
cpu_cache(43, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(43, 2, unified, 43).
cpu_cache(44, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(44, 1, data, 44).
cpu_cache(44, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(44, 1, instr, 44).
cpu_cache(44, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(44, 2, unified, 44).
cpu_cache(45, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(45, 1, data, 45).
cpu_cache(45, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(45, 1, instr, 45).
cpu_cache(45, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(45, 2, unified, 45).
cpu_cache(46, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(46, 1, data, 46).
cpu_cache(46, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(46, 1, instr, 46).
cpu_cache(46, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(46, 2, unified, 46).
cpu_cache(47, l1d, 1, data, 16384, 4, 32, 1, 0).
cpu_cache_id(47, 1, data, 47).
cpu_cache(47, l1i, 1, instr, 16384, 4, 32, 1, 0).
cpu_cache_id(47, 1, instr, 47).
cpu_cache(47, l2, 2, unified, 262144, 4, 32, 1, 0).
cpu_cache_id(47, 2, unified, 47).

% What cores share: nothing coherently, all memory of the chip otherwise; each its part of the message-passing buffer
% of its tile, and what guards it.
coherence_domain(0, 0).
memory_domain(0, 0).
message_buffer(0, 8192, 32).
test_and_set(0, 1).
coherence_domain(1, 1).
memory_domain(1, 0).
message_buffer(1, 8192, 32).
test_and_set(1, 1).
coherence_domain(2, 2).
memory_domain(2, 0).
message_buffer(2, 8192, 32).
test_and_set(2, 1).
coherence_domain(3, 3).
memory_domain(3, 0).
message_buffer(3, 8192, 32).
test_and_set(3, 1).
coherence_domain(4, 4).
memory_domain(4, 0).
message_buffer(4, 8192, 32).
test_and_set(4, 1).
coherence_domain(5, 5).
memory_domain(5, 0).
message_buffer(5, 8192, 32).
test_and_set(5, 1).
coherence_domain(6, 6).
memory_domain(6, 0).
message_buffer(6, 8192, 32).
test_and_set(6, 1).
coherence_domain(7, 7).
memory_domain(7, 0).
message_buffer(7, 8192, 32).
test_and_set(7, 1).
coherence_domain(8, 8).
memory_domain(8, 0).
message_buffer(8, 8192, 32).
test_and_set(8, 1).
coherence_domain(9, 9).
memory_domain(9, 0).
message_buffer(9, 8192, 32).
test_and_set(9, 1).
coherence_domain(10, 10).
memory_domain(10, 0).
message_buffer(10, 8192, 32).
test_and_set(10, 1).
coherence_domain(11, 11).
memory_domain(11, 0).
message_buffer(11, 8192, 32).
test_and_set(11, 1).
coherence_domain(12, 12).
memory_domain(12, 0).
message_buffer(12, 8192, 32).
test_and_set(12, 1).
coherence_domain(13, 13).
memory_domain(13, 0).
message_buffer(13, 8192, 32).
test_and_set(13, 1).
coherence_domain(14, 14).
memory_domain(14, 0).
message_buffer(14, 8192, 32).
test_and_set(14, 1).
coherence_domain(15, 15).
memory_domain(15, 0).
message_buffer(15, 8192, 32).
test_and_set(15, 1).
coherence_domain(16, 16).
memory_domain(16, 0).
message_buffer(16, 8192, 32).
test_and_set(16, 1).
coherence_domain(17, 17).
memory_domain(17, 0).
message_buffer(17, 8192, 32).
test_and_set(17, 1).
coherence_domain(18, 18).
memory_domain(18, 0).
message_buffer(18, 8192, 32).
test_and_set(18, 1).
coherence_domain(19, 19).
memory_domain(19, 0).
message_buffer(19, 8192, 32).
test_and_set(19, 1).
coherence_domain(20, 20).
memory_domain(20, 0).
message_buffer(20, 8192, 32).
test_and_set(20, 1).
coherence_domain(21, 21).
memory_domain(21, 0).
message_buffer(21, 8192, 32).
test_and_set(21, 1).
coherence_domain(22, 22).
memory_domain(22, 0).
message_buffer(22, 8192, 32).
test_and_set(22, 1).
coherence_domain(23, 23).
memory_domain(23, 0).
message_buffer(23, 8192, 32).
test_and_set(23, 1).
coherence_domain(24, 24).
memory_domain(24, 0).
message_buffer(24, 8192, 32).
test_and_set(24, 1).
coherence_domain(25, 25).
memory_domain(25, 0).
message_buffer(25, 8192, 32).
test_and_set(25, 1).
coherence_domain(26, 26).
memory_domain(26, 0).
message_buffer(26, 8192, 32).
test_and_set(26, 1).
coherence_domain(27, 27).
memory_domain(27, 0).
message_buffer(27, 8192, 32).
test_and_set(27, 1).
coherence_domain(28, 28).
memory_domain(28, 0).
message_buffer(28, 8192, 32).
test_and_set(28, 1).
coherence_domain(29, 29).
memory_domain(29, 0).
message_buffer(29, 8192, 32).
test_and_set(29, 1).
coherence_domain(30, 30).
memory_domain(30, 0).
message_buffer(30, 8192, 32).
test_and_set(30, 1).
coherence_domain(31, 31).
memory_domain(31, 0).
message_buffer(31, 8192, 32).
test_and_set(31, 1).
coherence_domain(32, 32).
memory_domain(32, 0).
message_buffer(32, 8192, 32).
test_and_set(32, 1).
coherence_domain(33, 33).
memory_domain(33, 0).
message_buffer(33, 8192, 32).
test_and_set(33, 1).
coherence_domain(34, 34).
memory_domain(34, 0).
message_buffer(34, 8192, 32).
test_and_set(34, 1).
coherence_domain(35, 35).
memory_domain(35, 0).
message_buffer(35, 8192, 32).
test_and_set(35, 1).
coherence_domain(36, 36).
memory_domain(36, 0).
message_buffer(36, 8192, 32).
test_and_set(36, 1).
coherence_domain(37, 37).
memory_domain(37, 0).
message_buffer(37, 8192, 32).
test_and_set(37, 1).
coherence_domain(38, 38).
memory_domain(38, 0).
message_buffer(38, 8192, 32).
test_and_set(38, 1).
coherence_domain(39, 39).
memory_domain(39, 0).
message_buffer(39, 8192, 32).
test_and_set(39, 1).
coherence_domain(40, 40).
memory_domain(40, 0).
message_buffer(40, 8192, 32).
test_and_set(40, 1).
coherence_domain(41, 41).
memory_domain(41, 0).
message_buffer(41, 8192, 32).
test_and_set(41, 1).
coherence_domain(42, 42).
memory_domain(42, 0).
message_buffer(42, 8192, 32).
test_and_set(42, 1).
coherence_domain(43, 43).
memory_domain(43, 0).
message_buffer(43, 8192, 32).
test_and_set(43, 1).
coherence_domain(44, 44).
memory_domain(44, 0).
message_buffer(44, 8192, 32).
test_and_set(44, 1).
coherence_domain(45, 45).
memory_domain(45, 0).
message_buffer(45, 8192, 32).
test_and_set(45, 1).
coherence_domain(46, 46).
memory_domain(46, 0).
message_buffer(46, 8192, 32).
test_and_set(46, 1).
coherence_domain(47, 47).
memory_domain(47, 0).
message_buffer(47, 8192, 32).
test_and_set(47, 1).

% What changes clock together (a tile) and voltage together (an island of tiles).
clock_domain(0, 0).
voltage_domain(0, 4).
clock_domain(1, 0).
voltage_domain(1, 4).
clock_domain(2, 1).
voltage_domain(2, 4).
clock_domain(3, 1).
voltage_domain(3, 4).
clock_domain(4, 2).
voltage_domain(4, 5).
clock_domain(5, 2).
voltage_domain(5, 5).
clock_domain(6, 3).
voltage_domain(6, 5).
clock_domain(7, 3).
voltage_domain(7, 5).
clock_domain(8, 4).
voltage_domain(8, 7).
clock_domain(9, 4).
voltage_domain(9, 7).
clock_domain(10, 5).
voltage_domain(10, 7).
clock_domain(11, 5).
voltage_domain(11, 7).
clock_domain(12, 6).
voltage_domain(12, 4).
clock_domain(13, 6).
voltage_domain(13, 4).
clock_domain(14, 7).
voltage_domain(14, 4).
clock_domain(15, 7).
voltage_domain(15, 4).
clock_domain(16, 8).
voltage_domain(16, 5).
clock_domain(17, 8).
voltage_domain(17, 5).
clock_domain(18, 9).
voltage_domain(18, 5).
clock_domain(19, 9).
voltage_domain(19, 5).
clock_domain(20, 10).
voltage_domain(20, 7).
clock_domain(21, 10).
voltage_domain(21, 7).
clock_domain(22, 11).
voltage_domain(22, 7).
clock_domain(23, 11).
voltage_domain(23, 7).
clock_domain(24, 12).
voltage_domain(24, 0).
clock_domain(25, 12).
voltage_domain(25, 0).
clock_domain(26, 13).
voltage_domain(26, 0).
clock_domain(27, 13).
voltage_domain(27, 0).
clock_domain(28, 14).
voltage_domain(28, 1).
clock_domain(29, 14).
voltage_domain(29, 1).
clock_domain(30, 15).
voltage_domain(30, 1).
clock_domain(31, 15).
voltage_domain(31, 1).
clock_domain(32, 16).
voltage_domain(32, 3).
clock_domain(33, 16).
voltage_domain(33, 3).
clock_domain(34, 17).
voltage_domain(34, 3).
clock_domain(35, 17).
voltage_domain(35, 3).
clock_domain(36, 18).
voltage_domain(36, 0).
clock_domain(37, 18).
voltage_domain(37, 0).
clock_domain(38, 19).
voltage_domain(38, 0).
clock_domain(39, 19).
voltage_domain(39, 0).
clock_domain(40, 20).
voltage_domain(40, 1).
clock_domain(41, 20).
voltage_domain(41, 1).
clock_domain(42, 21).
voltage_domain(42, 1).
clock_domain(43, 21).
voltage_domain(43, 1).
clock_domain(44, 22).
voltage_domain(44, 3).
clock_domain(45, 22).
voltage_domain(45, 3).
clock_domain(46, 23).
voltage_domain(46, 3).
clock_domain(47, 23).
voltage_domain(47, 3).

% Memory controllers; each is a NUMA node for the cores nearest to it.
memory_controller(0, 0).
node_memory(0, 8589934592).
memory_controller(1, 5).
node_memory(1, 8589934592).
memory_controller(2, 12).
node_memory(2, 8589934592).
memory_controller(3, 17).
node_memory(3, 8589934592).
node_distance(0, 0, 10).
node_distance(0, 1, 12).
node_distance(0, 2, 11).
node_distance(0, 3, 14).
node_distance(1, 0, 12).
node_distance(1, 1, 10).
node_distance(1, 2, 14).
node_distance(1, 3, 11).
node_distance(2, 0, 11).
node_distance(2, 1, 14).
node_distance(2, 2, 10).
node_distance(2, 3, 12).
node_distance(3, 0, 14).
node_distance(3, 1, 11).
node_distance(3, 2, 12).
node_distance(3, 3, 10).
cpu_node(0, 0).
cpu_node(1, 0).
cpu_node(2, 0).
cpu_node(3, 0).
cpu_node(4, 0).
cpu_node(5, 0).
cpu_node(6, 1).
cpu_node(7, 1).
cpu_node(8, 1).
cpu_node(9, 1).
cpu_node(10, 1).
cpu_node(11, 1).
cpu_node(12, 0).
cpu_node(13, 0).
cpu_node(14, 0).
cpu_node(15, 0).
cpu_node(16, 0).
cpu_node(17, 0).
cpu_node(18, 1).
cpu_node(19, 1).
cpu_node(20, 1).
cpu_node(21, 1).
cpu_node(22, 1).
cpu_node(23, 1).
cpu_node(24, 2).
cpu_node(25, 2).
cpu_node(26, 2).
cpu_node(27, 2).
cpu_node(28, 2).
cpu_node(29, 2).
cpu_node(30, 3).
cpu_node(31, 3).
cpu_node(32, 3).
cpu_node(33, 3).
cpu_node(34, 3).
cpu_node(35, 3).
cpu_node(36, 2).
cpu_node(37, 2).
cpu_node(38, 2).
cpu_node(39, 2).
cpu_node(40, 2).
cpu_node(41, 2).
cpu_node(42, 3).
cpu_node(43, 3).
cpu_node(44, 3).
cpu_node(45, 3).
cpu_node(46, 3).
cpu_node(47, 3).

% What mechanisms cost.
cost(ump_same_package, 4860, cycles, "TN-005 figure 4.2: one-way notification, core 0 to core 1 on the same tile").
cost(ump_hop, 5043, cycles, "TN-005 figure 4.2: one-way notification, core 0 to core 2 on the next tile").
cost(ump_next_hop, 33, cycles, "TN-005 figure 4.2: core 0 to core 46 over 8 links takes 5275; (5275 - 5043) / 7").
cost(notify_send, 934, cycles, "TN-005 figure 4.2: what the sender takes of it, to the same tile").
cost(notify_send_next_hop, 35, cycles, "TN-005 figure 4.2: what the sender takes more for each link").
cost(notify_receive, 3380, cycles, "TN-005 figure 4.2: what the receiver takes of it, 3357 to 3407 wherever it is").
cost(interrupt, 612, cycles, "TN-005 table 4.1: an inter-core interrupt with its trap").
cost(cache_line, 32, bytes, "dissertation 2.3.2: the size of a cache line on the SCC").
cost(mpb_read, 20, cycles, "TN-005 chapter 3: read a word of a message-passing buffer on the own tile").
cost(mpb_read_hop, 63, cycles, "TN-005 chapter 3: the same, on the next tile").
cost(mpb_read_next_hop, 5.6, cycles, "TN-005 chapter 3: 102 over 8 links; (102 - 63) / 7").
cost(mpb_write, 39, cycles, "TN-005 chapter 3: write a line of a message-passing buffer on the own tile").
cost(mpb_write_hop, 84, cycles, "TN-005 chapter 3: the same, on the next tile").
cost(mpb_write_next_hop, 5, cycles, "TN-005 chapter 3: 119 over 8 links; (119 - 84) / 7").
cost(mpb_invalidate, 2, cycles, "dissertation 2.3.2: CL1INVMB executes within 2 cycles").
cost(dram_read, 97, cycles, "TN-005 3.1: read a word of shared memory, uncached, at the controller of the own tile").
cost(dram_read_next_hop, 5.3, cycles, "TN-005 3.1: 134 at the controller 7 links away; (134 - 97) / 7").
cost(dram_write_line, 122, cycles, "TN-005 3.1: write a line of shared memory through the write-combining buffer, at the controller of the own tile").
cost(dram_write_line_next_hop, 5.1, cycles, "TN-005 3.1: 158 at the controller 7 links away; (158 - 122) / 7").
cost(dram_uncached_line, 779, cycles, "TN-005 3.1: a line of memory word by word, uncached, at the controller of the own tile").
cost(dram_uncached_line_next_hop, 41.4, cycles, "TN-005 3.1: 1069 at the controller 7 links away; (1069 - 779) / 7").
cost(line_same_package, 20, cycles, "TN-005 chapter 3: read a word of a message-passing buffer on the own tile").
cost(line_other_package, 63, cycles, "TN-005 chapter 3: the same, on the next tile").
cost(line_next_hop, 5.6, cycles, "TN-005 chapter 3: 102 over 8 links; (102 - 63) / 7").
cost(context_switch, 3342, cycles, "TN-005 3.2: half the round trip of a directed yield, (6733 + 6636) / 4").
cost(lmp, 3342, cycles, "TN-005 3.2: a directed yield to another dispatcher, one way").
cost(system_call, 200, cycles, "TN-005 chapter 3: a system call that does nothing").
cost(tsc_read, 14, cycles, "TN-005 chapter 3: the RDTSC instruction").
