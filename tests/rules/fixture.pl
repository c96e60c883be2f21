:- encoding(utf8).
:- module(fixture, [ four_by_four/0, no_machine/0 ]).
:- use_module(library(lists)).
:- use_module('../../rules/store').

/** <module> The 4x4-core AMD machine of the dissertation (§2.3.1), stated by hand

Four packages of four cores in a square (0-1, 1-3, 3-2, 2-0), an L3 shared within a package; latencies of
table 2.5 in cycles: 448 with a shared cache, 545 over one hop, 558 over two; 2.5 GHz.
*/

%!  four_by_four is det.
%
%   The knowledge base holds that machine and nothing else.

four_by_four :-
    forget_machine,
    findall(Fact, processor(Fact), Processors),
    load_facts(cpuid, Processors),
    findall(Fact, firmware(Fact), Firmware),
    load_facts(acpi, Firmware),
    load_facts(a_priori, [ht_link(0, 1), ht_link(1, 3), ht_link(3, 2), ht_link(2, 0)]),
    findall(core_latency(A, B, Cycles, cycles), latency(A, B, Cycles), Latencies),
    load_facts(measured, Latencies).

%!  no_machine is det.
%
%   The knowledge base is empty.

no_machine :-
    forget_machine.

core(Core, Package, Within) :-
    between(0, 15, Core),
    Package is Core // 4,
    Within is Core mod 4.

%   APIC ids begin at 16, as on real boards with many I/O APICs.

processor(Fact) :-
    core(Core, Package, Within),
    ApicId is Core + 16,
    member(Fact,
           [ corename(Core, x86_64, apic(ApicId)),
             cpu_thread(Core, Package, Within, 0),
             cpu_clock(Core, 2500000000),
             cpu_cache(Core, l1d, 1, data, 65536, 2, 64, 1, 0),
             cpu_cache(Core, l1i, 1, instr, 65536, 2, 64, 1, 0),
             cpu_cache(Core, l2, 2, unified, 524288, 16, 64, 1, 0),
             cpu_cache(Core, l3, 3, unified, 6291456, 48, 64, 4, 0),
             cpu_cache_id(Core, 1, data, Core),
             cpu_cache_id(Core, 1, instr, Core),
             cpu_cache_id(Core, 2, unified, Core),
             cpu_cache_id(Core, 3, unified, Package)
           ]).

firmware(cpu_affinity(ApicId, 0, Package)) :-
    core(Core, Package, _),
    ApicId is Core + 16.
firmware(memory_affinity(Base, 4294967296, Node)) :-
    between(0, 3, Node),
    Base is Node * 4294967296.
firmware(node_distance(A, B, Distance)) :-
    between(0, 3, A),
    between(0, 3, B),
    links(A, B, Links),
    nth0(Links, [10, 16, 22], Distance).

latency(A, B, Cycles) :-
    core(A, PackageA, _),
    core(B, PackageB, _),
    A \== B,
    links(PackageA, PackageB, Links),
    nth0(Links, [448, 545, 558], Cycles).

%   Neighbours in the square differ in one bit of their number, opposite packages in two.

links(A, B, Links) :-
    Links is popcount(A xor B).
