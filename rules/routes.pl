:- encoding(utf8).
:- module(routes,
          [ route/3,                    % +A, +B, -Packages
            package_route/3,            % +A, +B, -Packages
            monitor_route/4,            % +Mode, +A, +B, -Cores
            cycles_per_hop/1            % -Cycles
          ]).
:- use_module(library(lists)).
:- use_module(library(aggregate)).
:- use_module(topology).
:- use_module(distance).

/** <module> The way that messages take between packages

A route is the list of packages from the first to the last. AMD's northbridges tell the way: ht_route/5 is the
routing table that the firmware wrote into each, and the next package is the neighbour whose way back
leads over a link of its own. Elsewhere it is a shortest way, of several the one whose next package has the lowest
number where they part.
*/

%!  route(+A, +B, -Packages) is semidet.
%
%   A message from core A to core B passes Packages, both ends included.

route(A, B, Packages) :-
    package_of(A, Package),
    package_of(B, Other),
    package_route(Package, Other, Packages).

%!  package_route(+A, +B, -Packages) is semidet.
%
%   As route/3, between packages.

package_route(A, B, Packages) :-
    package_hops(A, B, Hops),
    (   told_way(Hops, A, B, Told)
    ->  Packages = Told
    ;   way(Hops, A, B, Shortest)
    ->  Packages = Shortest
    ).

%   told_way(+Hops, +A, +B, -Packages): as the routing tables tell, if they lead over links that there are and the
%   way is no longer than it need be.

told_way(0, A, A, [A]) :- !.
told_way(Hops, A, B, [A|Packages]) :-
    facts:ht_route(A, B, Request, _, _),
    findall(Next, ( package_link(A, Next), facts:ht_route(A, Next, Request, _, _) ), Nexts),
    Left is Hops - 1,
    member(Next, Nexts),
    package_hops(Next, B, Left),
    told_way(Left, Next, B, Packages),
    !.

way(0, A, A, [A]) :- !.
way(_, A, B, [A, B]) :-
    \+ package_link(A, _),
    !.
way(Hops, A, B, [A|Packages]) :-
    Left is Hops - 1,
    package_link(A, Next),
    package_hops(Next, B, Left),
    way(Left, Next, B, Packages).

%!  monitor_route(+Mode, +A, +B, -Cores) is semidet.
%
%   A message from core A to another core B is passed on by the monitors of Cores, both ends included: by Mode
%   `direct` at once; by `ring` from each core to the next higher one, and from the highest to the lowest; by `tree`
%   by way of the first core of each package, its leader (Barrelfish's routing modes, its `rts.c`).

monitor_route(direct, A, B, [A, B]) :-
    core(A),
    core(B),
    A \== B.
monitor_route(ring, A, B, Cores) :-
    core(A),
    core(B),
    A \== B,
    findall(Core, core(Core), Found),
    sort(Found, All),
    append(Before, [A|After], All),
    append(After, Before, Round),
    append(Between, [B|_], Round),
    !,
    append([A|Between], [B], Cores).
monitor_route(tree, A, B, Cores) :-
    core(A),
    core(B),
    A \== B,
    package_of(A, Package),
    package_of(B, Other),
    (   Package == Other
    ->  Cores = [A, B]
    ;   leader(Package, First),
        leader(Other, Last),
        once_each([A, First, Last, B], Cores)
    ).

leader(Package, Core) :-
    aggregate_all(min(Each), package_of(Each, Package), Core).

once_each([A, A|Cores], Once) :- !, once_each([A|Cores], Once).
once_each([A|Cores], [A|Once]) :- once_each(Cores, Once).
once_each([], []).

%!  cycles_per_hop(-Cycles) is semidet.
%
%   Each further link between packages makes a message later by so many cycles: the mean latency over the most links
%   there are, less that over one, for each link more. Fails where no two packages are farther apart than one.

cycles_per_hop(Cycles) :-
    packages(Packages),
    findall(Hops-(A-B),
            ( member(PackageA, Packages), member(PackageB, Packages), package_hops(PackageA, PackageB, Hops),
              Hops > 0,
              once(package_of(A, PackageA)), once(package_of(B, PackageB))
            ),
            Pairs),
    aggregate_all(max(Hops), member(Hops-_, Pairs), Most),
    Most > 1,
    mean_latency(1, Pairs, One),
    mean_latency(Most, Pairs, Far),
    Cycles is (Far - One) / (Most - 1).

mean_latency(Hops, Pairs, Mean) :-
    aggregate_all(r(count, sum(Cycles)),
                  ( member(Hops-(A-B), Pairs), distance(A, B, Cycles) ),
                  r(Count, Sum)),
    Count > 0,
    Mean is Sum / Count.
