:- encoding(utf8).
:- module(take_home,
          [ linux_cpu/2,                % ?Core, ?Cpu
            linux_memory/2,             % ?Core, ?Node
            numbered_by/1               % -Who
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(store).
:- use_module(topology).

/** <module> What a real machine's Linux calls the cores and the memory

A placement is taken home as a setting for a real machine (skb/export.py), where it is Linux's numbers that count. On most
machines a core's number is Linux's already; here is what is known of it, and what it is where it is another: cores
whose caches are not coherent (mesh.pl) run a Linux each, which counts its own.
*/

%!  linux_cpu(?Core, ?Cpu) is nondet.
%
%   The Linux that runs on Core calls it CPU number Cpu. Cores of a stated coherence domain have a Linux of their own,
%   which counts them from 0.

linux_cpu(Core, Cpu) :-
    core(Core),
    (   facts:coherence_domain(Core, Domain)
    ->  findall(Each, facts:coherence_domain(Each, Domain), Each0),
        sort(Each0, Cores),
        nth0(Cpu, Cores, Core)
    ;   Cpu = Core
    ).

%!  linux_memory(?Core, ?Node) is nondet.
%
%   The Linux that runs on Core calls Node the NUMA node whose memory is closest to Core (closest_memory/2). Nodes
%   known from the firmware alone are counted from 0 in order of their proximity domains, as Linux counts them where
%   the SRAT names them in that order. With Core given it is semidet: it fails where no memory is known.

linux_memory(Core, Number) :-
    core(Core),
    closest_memory(Core, Node),
    (   facts:cpu_node(Core, _),
        fact_source(cpu_node(Core, _), Source),
        memberchk(Source, [sysfs, hwloc])
    ->  Number = Node
    ;   findall(Each, known_to_linux_of(Core, Each), Nodes0),
        sort(Nodes0, Nodes),
        nth0(Number0, Nodes, Node)
    ->  Number = Number0
    ).

known_to_linux_of(Core, Node) :-
    (   facts:coherence_domain(Core, Domain)
    ->  facts:coherence_domain(Each, Domain),
        closest_memory(Each, Node)
    ;   cores_of_node(Node, Cores),
        member(Each, Cores),
        \+ facts:coherence_domain(Each, _)
    ;   ( facts:node_memory(Node, _) ; facts:memory_affinity(_, _, Node) ),
        \+ cores_of_node(Node, _)
    ).

%!  numbered_by(-Who) is det.
%
%   Whose the cores' numbers are: `kernel` (an operating system's, in which /sys, hwloc and `cpuid` tell of them), `firmware`
%   (the order of the MADT's processor ids, which Linux mostly keeps to), `description` (someone said so).

numbered_by(Who) :-
    (   \+ facts:corename(_, _, _),
        \+ facts:cpu_thread(_, _, _, _)
    ->  Who = firmware
    ;   ( Fact = cpu_thread(_, _, _, _) ; Fact = corename(_, _, _) ),
        fact_source(Fact, Source),
        memberchk(Source, [sysfs, hwloc, cpuid])
    ->  Who = kernel
    ;   Who = description
    ).
