:- encoding(utf8).
:- use_module(library(plunit)).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(fixture).
:- use_module('../../rules/store', [load_facts/2, forget_machine/0]).
:- use_module('../../rules/consistency').

%   Two packages of two cores, one node each, with a bridge to bus 1: nothing is wrong with it.

sound(cpuid,
      [ corename(0, x86_64, apic(0)), corename(1, x86_64, apic(1)),
        corename(2, x86_64, apic(4)), corename(3, x86_64, apic(5)),
        cpu_thread(0, 0, 0, 0), cpu_thread(1, 0, 1, 0), cpu_thread(2, 1, 0, 0), cpu_thread(3, 1, 1, 0),
        cpu_clock(0, 2000000000), cpu_clock(1, 2000000000), cpu_clock(2, 2000000000), cpu_clock(3, 2000000000),
        cpu_cache(0, l2, 2, unified, 1048576, 16, 64, 2, 0), cpu_cache(1, l2, 2, unified, 1048576, 16, 64, 2, 0),
        cpu_cache(2, l2, 2, unified, 1048576, 16, 64, 2, 0), cpu_cache(3, l2, 2, unified, 1048576, 16, 64, 2, 0),
        cpu_cache_id(0, 2, unified, 0), cpu_cache_id(1, 2, unified, 0),
        cpu_cache_id(2, 2, unified, 1), cpu_cache_id(3, 2, unified, 1),
        cpu_die(0, 0), cpu_die(1, 0), cpu_die(2, 1), cpu_die(3, 1)
      ]).
sound(acpi,
      [ acpi_table('APIC', 1, 100, 3, me, ok),
        apic(0, 0, 1), apic(1, 1, 1), apic(2, 4, 1), apic(3, 5, 1), apic(4, 255, 0),
        cpu_affinity(0, 0, 0), cpu_affinity(1, 0, 0), cpu_affinity(4, 0, 1), cpu_affinity(5, 0, 1),
        memory_affinity(0, 0x40000000, 0), memory_affinity(0x40000000, 0x40000000, 1),
        node_distance(0, 0, 10), node_distance(0, 1, 20), node_distance(1, 0, 20), node_distance(1, 1, 10),
        pcie_confspace(0xe0000000, 0, 0, 255)
      ]).
sound(pci,
      [ bridge(pcie, addr(0, 1, 0), 0x8086, 1, 6, 4, 0, secondary(1)), bridge_buses(addr(0, 1, 0), 0, 1, 2),
        bridge_window(addr(0, 1, 0), mem, 0xf0000000, 0xf03fffff), bridge_window(addr(0, 1, 0), io, 0x1000, 0x1fff),
        bridge(pcie, addr(0, 2, 0), 0x8086, 1, 6, 4, 0, secondary(4)), bridge_buses(addr(0, 2, 0), 0, 4, 4),
        bridge_window(addr(0, 2, 0), prefetchable, 0xf0400000, 0xf04fffff),
        bridge(pcie, addr(1, 0, 0), 0x8086, 2, 6, 4, 0, secondary(2)), bridge_buses(addr(1, 0, 0), 1, 2, 2),
        bridge_window(addr(1, 0, 0), mem, 0xf0000000, 0xf00fffff),
        device(pcie, addr(2, 0, 0), 0x8086, 3, 2, 0, 0, 0),
        bar(addr(2, 0, 0), 0, 0xf0000000, 0x10000, mem, nonprefetchable, 32),
        bar(addr(2, 0, 0), 1, 0xf0010000, 0x10000, mem, nonprefetchable, 32),
        device(pcie, addr(4, 0, 0), 0x8086, 3, 2, 0, 0, 0),
        bar(addr(4, 0, 0), 0, 0xf0400000, 0x10000, mem, prefetchable, 64)
      ]).
sound(measured, Latencies) :-
    findall(core_latency(From, To, 100, cycles), ( between(0, 3, From), between(0, 3, To), From \== To ), Latencies).
sound(a_priori, [ht_link(0, 1)]).

%   broken(Rule, Taken, Source-Facts, Part): that machine, without the facts that match one of Taken and with Facts which
%   Source says besides, breaks Rule; what is found says Part.

broken(core_without_package, [cpu_thread(3, _, _, _)], cpuid-[], "core 3: on no package").
broken(core_without_clock, [cpu_clock(2, _), cpu_clock(3, _)], cpuid-[], "cores 2-3: no clock").
broken(core_without_node, [cpu_affinity(5, _, _)], acpi-[], "core 3: in no NUMA node").
broken(repeated_place, [], user-[cpu_thread(1, 0, 0, 0)], "cores 0-1: all are thread 0 of core 0 of package 0").
broken(repeated_hardware_id, [], user-[corename(1, x86_64, apic(0))], "cores 0-1: all are apic(0)").
broken(mixed_numbering, [],
       sysfs-[ cpu_thread(0, 1, 0, 0), cpu_thread(1, 1, 1, 0), cpu_thread(2, 0, 0, 0), cpu_thread(3, 0, 1, 0),
               cpu_thread(4, 0, 2, 0) ],
       "core 4: placed by sysfs alone").
broken(cores_numbered_otherwise, [],
       sysfs-[ corename(0, x86_64, apic(0)), corename(1, x86_64, apic(4)), corename(2, x86_64, apic(1)),
               corename(3, x86_64, apic(5)) ],
       "apic(1) is core 1 to cpuid and core 2 to sysfs, and 1 others").
broken(packages_numbered_otherwise, [],
       sysfs-[ cpu_thread(0, 1, 0, 0), cpu_thread(1, 1, 1, 0), cpu_thread(2, 0, 0, 0), cpu_thread(3, 0, 1, 0) ],
       "packages 0-1 of cpuid are 1,0 to sysfs").
broken(grouped_otherwise, [],
       sysfs-[ cpu_cache_id(0, 2, unified, 0), cpu_cache_id(1, 2, unified, 1), cpu_cache_id(2, 2, unified, 2),
               cpu_cache_id(3, 2, unified, 2) ],
       "L2 cache: cores 0-1 to cpuid, core 0 to sysfs").
broken(clocks_differ_in_kind, [], user-[cpu_clock(3, 1000000000)],
       "uniform cores have 2 clocks: core 3 1.000 GHz, cores 0-2 2.000 GHz").
broken(cache_differs_among_sharers, [], user-[cpu_cache(1, l2, 2, unified, 524288, 16, 64, 2, 0)],
       "L2 cache of cores 0-1: 524288 B in 16 ways of 64 B lines, 1048576 B").
broken(cache_shared_by_others, [cpu_cache_id(1, _, _, _)], cpuid-[], "L2 cache of core 0: said to be shared by 2").
broken(cache_spans_packages, [], user-[cpu_cache_id(1, 2, unified, 1)],
       "L2 cache of cores 1-3: they are on packages 0-1").
broken(die_spans_packages, [], user-[cpu_die(1, 1)], "die 1: its cores are on packages 0-1").
broken(bad_checksum, [], acpi-[acpi_table('SRAT', 1, 40, 3, me, bad)], "SRAT: its 40 bytes do not add up").
broken(repeated_table, [], acpi-[acpi_table('APIC', 2, 100, 3, me, ok)], "APIC: there are 2").
broken(repeated_apic, [], acpi-[apic(9, 5, 1)], "APIC 5: enabled as processors 3,9").
broken(affinity_without_apic, [], acpi-[cpu_affinity(255, 0, 1)], "APIC 255: placed by the SRAT").
broken(apic_without_affinity, [cpu_affinity(5, _, _)], acpi-[], "APIC 5: enabled by the MADT, but not placed").
broken(apic_without_core, [], acpi-[apic(9, 9, 1)], "APIC 9: enabled by the MADT, but no core has it").
broken(core_without_apic, [apic(3, 5, 1)], acpi-[apic(3, 5, 0)], "core 3: not enabled by the MADT").
broken(domains_numbered_otherwise, [],
       sysfs-[cpu_node(0, 0), cpu_node(1, 0), cpu_node(2, 7), cpu_node(3, 7)], "proximity domains: 1 is node 7").
broken(distance_to_itself, [node_distance(1, 1, _)], acpi-[node_distance(1, 1, 11)], "node 1: its distance to itself is 11").
broken(distance_too_short, [], user-[node_distance(0, 1, 9)], "nodes 0 and 1: the distance from one to the other is 9").
broken(distance_asymmetric, [], user-[node_distance(0, 1, 30)], "nodes 0 and 1: 30 one way, 20 the other").
broken(distance_missing, [node_distance(1, 0, _)], acpi-[], "1 ways between nodes have no distance, such as that from 1 to 0").
broken(distance_of_no_node, [], acpi-[node_distance(5, 5, 10)], "node 5: distances are told").
broken(memory_overlap, [], acpi-[memory_affinity(0x7fffffff, 0x1000, 0)],
       "memory 0x40000000-0x7fffffff of node 1 overlaps").
broken(memory_overlap, [], pci-[ht_dram(0, 0, 0xffff), ht_dram(1, 0x8000, 0x1ffff)],
       "of node 0 overlaps that from 0x8000 on of node 1").
broken(node_without_memory, [memory_affinity(_, _, 1)], acpi-[], "node 1: cores, but no memory").
broken(link_to_nowhere, [], a_priori-[ht_link(1, 6)], "package 6: an ht_link is stated").
broken(link_to_nowhere, [], a_priori-[tile(7, 0, 0)], "package 7: a tile is stated").
broken(package_unreachable, [ht_link(0, 1)], a_priori-[ht_link(1, 2)], "package 1: no links lead there from package 0").
broken(latency_of_no_core, [], measured-[core_latency(0, 9, 100, cycles)], "core 9: latencies are measured").
broken(latency_missing, [core_latency(3, 2, _, _)], measured-[], "1 of 12 ways between cores have no latency").
broken(latency_missing, [core_latency(3, _, _, _)], measured-[], "3 of 12 ways between cores have no latency: core 3").
broken(latency_zero, [core_latency(1, 0, _, _)], measured-[core_latency(1, 0, 0, cycles)],
       "1 latencies are 0, such as that from core 1 to core 0").
broken(bar_outside_window, [], pci-[bar(addr(2, 0, 0), 2, 0xf0100000, 0x1000, mem, nonprefetchable, 32)],
       "02:00.0 BAR 2 at 0xf0100000: outside the mem windows of bridge 01:00.0").
broken(bars_overlap, [], pci-[bar(addr(2, 0, 1), 0, 0xf0008000, 0x1000, mem, nonprefetchable, 32)],
       "02:00.0 BAR 0 and 02:00.1 BAR 0: both have mem address 0xf0008000").
broken(window_outside_bridge, [], pci-[bridge_window(addr(1, 0, 0), io, 0x3000, 0x3fff)],
       "bridge 01:00.0: io window 0x3000-0x3fff outside those of bridge 00:01.0").
broken(windows_overlap, [], pci-[bridge_window(addr(0, 2, 0), mem, 0xf0300000, 0xf03fffff)],
       "bridges 00:01.0 and 00:02.0: both pass on mem address 0xf0300000").
broken(buses_outside_bridge, [bridge_buses(addr(1, 0, 0), _, _, _)], pci-[bridge_buses(addr(1, 0, 0), 1, 2, 6)],
       "bridge 01:00.0: leads to buses 2-6, but bridge 00:01.0 to 1-2").
broken(function_not_there, [], a_priori-[device_fixed(addr(9, 0, 0))], "09:00.0: device_fixed/1 is stated").
broken(function_in_no_node, [],
       sysfs-[node_memory(0, 1), node_memory(1, 1), device_node(addr(2, 0, 0), 3)], "attached to node 3").
broken(confspace_overlap, [], acpi-[pcie_confspace(0xe8000000, 1, 0, 255)],
       "configuration spaces of segments 0 and 1: both have address 0xe8000000").

load_sound(Taken) :-
    forget_machine,
    forall(sound(Source, Facts0),
           ( exclude(matches(Taken), Facts0, Facts),
             load_facts(Source, Facts)
           )).

matches(Patterns, Fact) :-
    member(Pattern, Patterns),
    subsumes_term(Pattern, Fact),
    !.

:- begin_tests(consistency, [cleanup(forget_machine)]).

test(nothing_is_wrong_with_a_sound_machine, Findings == []) :-
    load_sound([]),
    findall(Rule-Text, finding(_, Rule, Text), Findings).

test(nothing_is_wrong_with_the_4x4, [cleanup(no_machine), Findings == []]) :-
    four_by_four,
    findall(Rule-Text, finding(_, Rule, Text), Findings).

test(nothing_is_wrong_with_no_machine, Findings == []) :-
    no_machine,
    findall(Rule-Text, finding(_, Rule, Text), Findings).

test(broken, [forall(broken(Rule, Taken, Source-Facts, Part)), Found == found]) :-
    load_sound(Taken),
    load_facts(Source, Facts),
    findall(Text, finding(_, Rule, Text), Texts),
    (   member(Text, Texts),
        sub_string(Text, _, _, _, Part)
    ->  Found = found
    ;   Found = Texts
    ).

test(every_rule_is_broken_above, Untested == []) :-
    findall(Rule, ( finding_rule(Rule, _, _), \+ broken(Rule, _, _, _) ), Untested).

test(every_rule_has_one_severity_and_a_meaning) :-
    forall(finding_rule(Rule, Severity, Meaning),
           ( memberchk(Severity, [error, warning, note]),
             string(Meaning),
             aggregate_all(count, finding_rule(Rule, _, _), 1)
           )).

test(errors_come_first, Severities == [error, warning, note]) :-
    load_sound([]),
    load_facts(acpi, [ acpi_table('APIC', 2, 100, 3, me, ok), acpi_table('SRAT', 1, 40, 3, me, bad), apic(9, 5, 1) ]),
    findall(Severity, finding(Severity, _, _), Severities).

test(a_subtractive_bridge_passes_on_what_nobody_wants, Findings == []) :-
    load_sound([bridge(_, addr(1, 0, 0), _, _, _, _, _, _)]),
    load_facts(pci, [ bridge(pci, addr(1, 0, 0), 0x8086, 2, 6, 4, 1, secondary(2)),
                      bar(addr(2, 0, 0), 2, 0xf0100000, 0x1000, mem, nonprefetchable, 32) ]),
    findall(Text, finding(_, bar_outside_window, Text), Findings).

test(a_card_s_cores_may_have_the_same_ids, Findings == []) :-
    load_sound([]),
    load_facts(a_priori, [ corename(4, x86_32, apic(0)), cpu_thread(4, 9, 0, 0), cpu_clock(4, 500000000),
                           device_core(addr(2, 0, 0), 4) ]),
    findall(Text,
            ( member(Rule, [repeated_hardware_id, clocks_differ_in_kind, core_without_apic]),
              finding(_, Rule, Text)
            ),
            Findings).

:- end_tests(consistency).
