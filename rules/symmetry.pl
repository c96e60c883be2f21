:- encoding(utf8).
:- module(symmetry,
          [ equal_cores/1,              % -Groups
            equal_cores/2               % +Core, -Cores
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(topology).
:- use_module(store, [generation/1]).

/** <module> Cores that are as good as each other

Two cores are equal if nothing that is known of the machine but their numbers tells them apart: kind, clock, caches,
memory, and how their package lies to the others. A rule that has judged one of them has judged all.
*/

%!  equal_cores(-Groups:list) is det.
%
%   Groups are lists of cores that are equal, each ascending, the one with the lowest core first.

equal_cores(Groups) :-
    generation(Generation),
    groups(Generation, Groups).

%!  equal_cores(+Core, -Cores) is semidet.
%
%   Cores are those equal to Core, itself included.

equal_cores(Core, Cores) :-
    equal_cores(Groups),
    member(Cores0, Groups),
    memberchk(Core, Cores0),
    !,
    Cores = Cores0.

:- table groups/2.

groups(_, Groups) :-
    packages(Packages),
    package_classes(Packages, Classes),
    findall(Signature-Core, ( core(Core), signature(Core, Classes, Signature) ), Pairs0),
    keysort(Pairs0, Pairs),
    group_pairs_by_key(Pairs, Keyed),
    pairs_values(Keyed, Groups0),
    sort(Groups0, Groups).

signature(Core, Classes, look(Kind, Clock, Caches, Siblings, Memory, Class)) :-
    ( core_type(Core, Kind) -> true ; Kind = none ),
    ( clock_hz(Core, Clock) -> true ; Clock = none ),
    findall(cache(Level, Type, Size, Ways, Line, Shared),
            facts:cpu_cache(Core, _, Level, Type, Size, Ways, Line, Shared, _),
            Caches0),
    sort(Caches0, Caches),
    findall(Other, sibling(Core, Other), Others),
    length(Others, Siblings),
    node_of(Core, Node),
    node_look(Node, Memory),
    (   package_of(Core, Package),
        memberchk(Package-Class0, Classes)
    ->  Class = Class0
    ;   Class = none
    ).

node_look(Node, look(Bytes, Distances)) :-
    (   facts:node_memory(Node, Bytes0)
    ->  Bytes = Bytes0
    ;   findall(Length, facts:memory_affinity(_, Length, Node), Lengths),
        sum_list(Lengths, Bytes)
    ),
    findall(Distance, facts:node_distance(Node, _, Distance), Distances0),
    msort(Distances0, Distances).

%   package_classes(+Packages, -Classes): Classes has a Package-Class for each; packages of different class lie
%   differently in the interconnect. By refinement: first all are alike, then those differ that have differently many
%   packages of some class so many links away, until nothing new is told apart.

package_classes(Packages, Classes) :-
    findall(Package-0, member(Package, Packages), Classes0),
    refine(Classes0, 1, Classes).

refine(Classes0, Count0, Classes) :-
    findall(Look-Package,
            ( member(Package-Class, Classes0),
              package_look(Package, Class, Classes0, Look)
            ),
            Looks0),
    keysort(Looks0, Looks),
    group_pairs_by_key(Looks, Keyed),
    length(Keyed, Count),
    (   Count =:= Count0
    ->  Classes = Classes0
    ;   findall(Package-Class, ( nth1(Class, Keyed, _-Members), member(Package, Members) ), Classes1),
        refine(Classes1, Count, Classes)
    ).

package_look(Package, Class, Classes, look(Class, Others)) :-
    findall(Hops-Other,
            ( member(Each-Other, Classes), package_hops(Package, Each, Hops) ),
            Others0),
    msort(Others0, Others).
