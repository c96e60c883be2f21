:- encoding(utf8).
:- module(memory,
          [ memory_at/2,                % +Address, -Node
            memory_distance/3,          % +Core, +Node, -Distance
            same_memory_link/2,         % +A, ?B
            access_ns/3,                % +Core, +Address, -Nanoseconds
            buffer_node/3,              % +Sender, +Receiver, -Node
            cores_by_memory/1           % -Groups
          ]).
:- use_module(library(lists)).
:- use_module(library(pairs)).
:- use_module(topology).

/** <module> Which memory is near, and what it costs to reach

Distances are those of the SLIT, 10 being local; a node that no table places is as far as can be. Latencies are known
where the firmware (HMAT) or the operating system tells them.
*/

%!  memory_at(+Address, -Node) is semidet.
%
%   The byte at physical Address is in the memory of NUMA node Node: as the firmware says (memory_affinity/3, in its own
%   numbers of nodes), else the northbridges (ht_dram/3).

memory_at(Address, Node) :-
    (   facts:memory_affinity(Base, Length, Domain),
        Address >= Base,
        Address < Base + Length
    ->  once(domain_node(Domain, Node))
    ;   facts:ht_dram(Node0, Base, Limit),
        Address >= Base,
        Address =< Limit
    ->  Node = Node0
    ).

%!  memory_distance(+Core, +Node, -Distance) is semidet.
%
%   Relative distance from Core to the memory of Node (SLIT: 10 is local, 255 cannot be reached).

memory_distance(Core, Node, Distance) :-
    node_of(Core, Own),
    (   facts:node_distance(Own, Node, Known)
    ->  Distance = Known
    ;   Own == Node
    ->  Distance = 10
    ;   Distance = 255
    ).

%!  same_memory_link(+A, ?B) is nondet.
%
%   B, another core, reaches its closest memory over the same memory controller as A.

same_memory_link(A, B) :-
    closest_memory(A, Node),
    (   nonvar(B)
    ->  A \== B,
        closest_memory(B, Node)
    ;   core(B),
        A \== B,
        closest_memory(B, Node)
    ).

%!  access_ns(+Core, +Address, -Nanoseconds) is semidet.
%
%   Core reads the byte at physical Address, uncached, in Nanoseconds. Fails where neither firmware nor operating system
%   tells.

access_ns(Core, Address, Nanoseconds) :-
    memory_at(Address, Node),
    node_of(Core, Own),
    (   member(Access, [read, access]),
        facts:memory_latency(Own, Node, Access, _, Picoseconds)
    ->  Nanoseconds is Picoseconds / 1000
    ).

%!  buffer_node(+Sender, +Receiver, -Node) is semidet.
%
%   Messages from core Sender to core Receiver are best kept in the memory of Node: the one that both together are
%   closest to, of equals the receiver's, who polls it, then the lowest number.

buffer_node(Sender, Receiver, Node) :-
    closest_memory(Sender, One),
    closest_memory(Receiver, Other),
    findall(Sum-(Far-Each),
            ( node_with_memory(Each),
              memory_distance(Sender, Each, FromSender),
              memory_distance(Receiver, Each, Far),
              Sum is FromSender + Far
            ),
            Sums),
    (   Sums == []
    ->  One == Other,
        Node = One
    ;   sort(Sums, [_-(_-Node)|_])
    ).

node_with_memory(Node) :-
    findall(Each, ( facts:memory_affinity(_, Length, Each), Length > 0
                  ; facts:node_memory(Each, Bytes), Bytes > 0
                  ), Nodes0),
    sort(Nodes0, Nodes),
    member(Node, Nodes).

%!  cores_by_memory(-Groups) is det.
%
%   Groups are Node-Cores: the cores whose closest memory is Node's. Cores of different groups have different local
%   memory.

cores_by_memory(Groups) :-
    findall(Node-Core, closest_memory(Core, Node), Pairs0),
    sort(Pairs0, Pairs),
    group_pairs_by_key(Pairs, Groups).
