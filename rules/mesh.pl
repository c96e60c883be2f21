:- encoding(utf8).
:- module(mesh,
          [ coherent/2,                 % ?A, ?B
            shares_memory/2,            % ?A, ?B
            mpb_access/4,               % ?From, ?To, ?Operation, ?Cycles
            memory_access/3             % ?Core, ?Controller, ?Cycles
          ]).
:- use_module(store).
:- use_module(topology).
:- use_module(costs).

/** <module> Machines without coherent memory: who can share what, and what reaching it costs

What the Single-Chip Cloud Computer needs and a coherent machine does not: which cores see each other's writes,
which can map the same memory at all (a card and its host cannot), and what it takes to reach a message-passing
buffer or a memory controller over the mesh. Distances on the mesh are hops/3: a tile is a package, linked to its
neighbours.
*/

%!  coherent(?A, ?B) is nondet.
%
%   Hardware keeps the caches of cores A and B, two different ones, coherent (coherence_domain/2). A core that
%   no domain is stated of is coherent with all others of which none is.

coherent(A, B) :-
    two_cores(A, B),
    domain(coherence_domain, A, Domain),
    domain(coherence_domain, B, Domain).

%!  shares_memory(?A, ?B) is nondet.
%
%   Cores A and B, two different ones, can map the same memory (memory_domain/2), coherent or not. A core that
%   no domain is stated of shares it with all others of which none is.

shares_memory(A, B) :-
    two_cores(A, B),
    domain(memory_domain, A, Domain),
    domain(memory_domain, B, Domain).

two_cores(A, B) :-
    core(A),
    core(B),
    A \== B.

domain(coherence_domain, Core, Domain) :-
    (   facts:coherence_domain(Core, Stated)
    ->  Domain = stated(Stated)
    ;   Domain = rest
    ).
domain(memory_domain, Core, Domain) :-
    (   facts:memory_domain(Core, Stated)
    ->  Domain = stated(Stated)
    ;   Domain = rest
    ).

%!  mpb_access(?From, ?To, ?Operation, ?Cycles) is nondet.
%
%   Core From's `read` of a word of the message-passing buffer of core To, or its `write` of a line there, takes
%   Cycles of From: mpb_read on its own tile, else mpb_read_hop and, for each link after the first,
%   mpb_read_next_hop (mpb_write and its like); costs of the machine (cost/4).

mpb_access(From, To, Operation, Cycles) :-
    core(From),
    core(To),
    facts:message_buffer(To, _, _),
    access(Operation, Own, Hop, NextHop),
    hops(From, To, Hops),
    over_hops(Hops, Own, Hop, NextHop, Cycles).

access(read, mpb_read, mpb_read_hop, mpb_read_next_hop).
access(write, mpb_write, mpb_write_hop, mpb_write_next_hop).

over_hops(Hops, Own, Hop, NextHop, Cycles) :-
    (   Hops =:= 0
    ->  stated(Own, Cycles)
    ;   stated(Hop, First),
        stated(NextHop, Next),
        Cycles is round(First + (Hops - 1) * Next)
    ).

%!  memory_access(?Core, ?Controller, ?Cycles) is nondet.
%
%   Core's uncached read of a word of the memory behind Controller (memory_controller/2) takes Cycles of Core:
%   dram_read at the controller's own tile, and dram_read_next_hop more for each link on the way.

memory_access(Core, Controller, Cycles) :-
    core(Core),
    facts:memory_controller(Controller, Tile),
    package_of(Core, Package),
    package_hops(Package, Tile, Hops),
    stated(dram_read, First),
    stated(dram_read_next_hop, Next),
    Cycles is round(First + Hops * Next).

stated(Name, Cycles) :-
    cost_of(Name, Cycles, cycles, _),
    !.
