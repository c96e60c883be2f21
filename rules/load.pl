:- encoding(utf8).
:- module(load,
          [ load/2,                     % ?Core, ?Load
            sibling_load/2,             % +Core, -Load
            package_load/2,             % +Core, -Load
            peers/2,                    % +Core, -Count
            package_peers/2,            % +Core, -Count
            spread/3,                   % +Dispatcher, +Core, -Hops
            least_loaded/2,             % +Cores, -Core
            least_loaded_near/2,        % +Address, -Core
            begin_loads/0,
            end_loads/0,
            load_added/3                % +Dispatcher, +Core, +Phases
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(aggregate)).
:- use_module(library(pairs)).
:- use_module(topology).

/** <module> How busy cores are, as placement policies see it

Load says by how many percent more time a best-effort dispatcher of weight 1 would take on a core than alone:
with real time taking the share h of the core, and best-effort dispatchers there whose weights sum up to w, it
gets (1 - h) / (w + 1) of it. So an idle core has load 0, one with one best-effort dispatcher 100, and so
has one of which real time takes half. Of each domain the phase that takes most counts, because it may
come at any time; and core_load/2, what others than placed domains take.

While a domain is being placed (between begin_loads/0 and end_loads/0), load and spread follow each
dispatcher placed, and are looked up, not computed.
*/

:- dynamic
       deciding/0,
       now/4,                           % Core, Share, Weight, Load of a core that is not idle
       beside/2,                        % Core, sum of the loads of its siblings, if not 0
       peers_on/2,                      % Core, Count of dispatchers placed in this decision
       peers_on_package/2,              % Package, Count of them
       hops_to_peers/2,                 % Package, hops from it to each of them, summed
       peers_placed/1,                  % Count of them on any core
       quiet/2.                         % Package, mean load of its cores

%!  load(?Core, ?Load) is nondet.
%
%   Load of Core, a float in percent.

load(Core, Load) :-
    (   var(Core)
    ->  core(Core),
        known_load(Core, Load)
    ;   known_load(Core, Load)
    ).

%!  least_loaded(+Cores:list, -Core) is semidet.
%
%   No core of Cores has less load than Core; of several the lowest. Fails of no cores.

least_loaded(Cores, Core) :-
    findall(Load-Each, ( member(Each, Cores), load(Each, Load) ), Loads0),
    sort(Loads0, [_-Core|_]).

%!  least_loaded_near(+Address, -Core) is semidet.
%
%   Of the cores closest to the PCI function at Address, Core has the least load.

least_loaded_near(Address, Core) :-
    device_near(Address, Cores),
    least_loaded(Cores, Core).

known_load(Core, Load) :-
    (   now(Core, _, _, Known)
    ->  Load = Known
    ;   deciding
    ->  Load = 0.0
    ;   core(Core),
        busy(Core, Share, Weight),
        load_of(Share, Weight, Load)
    ).

load_of(Share, Weight, Load) :-
    Free is max(1r100, 1 - Share),      % an over-committed core is no better than one with 1 % left
    Load is float(100 * ((Weight + 1) rdiv Free - 1)).

%   busy(+Core, -Share, -Weight): the share that real time takes, and the weights of best effort.

busy(Core, Share, Weight) :-
    findall(Domain-Dispatcher, facts:allocation(Domain, Dispatcher, Core), Pairs0),
    keysort(Pairs0, Pairs),
    group_pairs_by_key(Pairs, Groups),
    (   facts:core_load(Core, Percent)
    ->  Share0 is rationalize(Percent) rdiv 100
    ;   Share0 = 0
    ),
    foldl(add_domain, Groups, Share0-0, Share-Weight).

add_domain(Domain-Dispatchers, Share0-Weight0, Share-Weight) :-
    findall(Phase-Parameters,
            ( member(Dispatcher, Dispatchers),
              facts:granted(Domain, Dispatcher, Phase, Parameters, _)
            ),
            Pairs0),
    keysort(Pairs0, Pairs),
    group_pairs_by_key(Pairs, Groups),
    pairs_values(Groups, Phases),
    heaviest(Phases, OwnShare, OwnWeight),
    Share is Share0 + OwnShare,
    Weight is Weight0 + OwnWeight.

%   heaviest(+Phases, -Share, -Weight): of a list of lists of parameters, the one that takes most.

heaviest(Phases, Share, Weight) :-
    maplist(takes, Phases, Takings),
    foldl(larger, Takings, 0-0, Share-Weight).

takes(Parameters, Share-Weight) :-
    foldl(add_parameters, Parameters, 0-0, Share-Weight).

add_parameters(best_effort(Own), Share-Weight0, Share-Weight) :-
    Weight is Weight0 + Own.
add_parameters(soft(Wcet, Period), Share0-Weight, Share-Weight) :-
    Share is Share0 + Wcet rdiv Period.
add_parameters(hard(Wcet, Period, _, _), Share0-Weight, Share-Weight) :-
    Share is Share0 + Wcet rdiv Period.
add_parameters(gang(Wcet, Period, _, _), Share0-Weight, Share-Weight) :-
    Share is Share0 + Wcet rdiv Period.

larger(ShareA-WeightA, ShareB-WeightB, Largest) :-
    load_of(ShareA, WeightA, LoadA),
    load_of(ShareB, WeightB, LoadB),
    ( LoadA > LoadB -> Largest = ShareA-WeightA ; Largest = ShareB-WeightB ).

%!  sibling_load(+Core, -Load) is det.
%
%   Sum of the loads of the other hardware threads of Core's physical core.

sibling_load(Core, Load) :-
    (   beside(Core, Known)
    ->  Load = Known
    ;   deciding
    ->  Load = 0.0
    ;   aggregate_all(sum(Each), ( sibling(Core, Other), load(Other, Each) ), Sum),
        Load is float(Sum)
    ).

%!  package_load(+Core, -Load) is semidet.
%
%   Mean load of the cores of Core's package.

package_load(Core, Load) :-
    package_of(Core, Package),
    (   quiet(Package, Known)
    ->  Load = Known
    ;   cores_of_package(Package, Cores),
        maplist(load, Cores, Loads),
        sum_list(Loads, Sum),
        length(Cores, Count),
        Load is float(Sum / Count),
        (   deciding
        ->  assertz(quiet(Package, Load))
        ;   true
        )
    ).

%!  peers(+Core, -Count) is det.
%
%   So many dispatchers of the domain that is being placed are on Core so far.

peers(Core, Count) :-
    (   peers_on(Core, Known)
    ->  Count = Known
    ;   Count = 0
    ).

%!  package_peers(+Core, -Count) is semidet.
%
%   So many dispatchers of the domain that is being placed are on Core's package so far.

package_peers(Core, Count) :-
    package_of(Core, Package),
    (   peers_on_package(Package, Known)
    ->  Count = Known
    ;   Count = 0
    ).

%!  spread(+Dispatcher, +Core, -Hops) is semidet.
%
%   Hops is the mean number of links between Core and those dispatchers of the domain being placed that
%   have their cores already, a float; 0.0 for the first.

spread(_, Core, Hops) :-
    package_of(Core, Package),
    (   hops_to_peers(Package, Known)
    ->  Sum = Known
    ;   aggregate_all(sum(Count * Each),
                      ( peers_on_package(Other, Count), package_hops(Package, Other, Each) ),
                      Sum),
        (   deciding
        ->  assertz(hops_to_peers(Package, Sum))
        ;   true
        )
    ),
    (   peers_placed(Placed)
    ->  Hops is float(Sum / Placed)
    ;   Hops = 0.0
    ).

%!  begin_loads is det.
%
%   A decision begins: loads are known for all cores.

begin_loads :-
    end_loads,
    findall(Core, ( facts:allocation(_, _, Core) ; facts:core_load(Core, _) ), Cores0),
    sort(Cores0, Cores),
    forall(( member(Core, Cores), busy(Core, Share, Weight) ),
           set_load(Core, Share, Weight)),
    assertz(deciding).

%!  end_loads is det.
%
%   The decision is over.

end_loads :-
    retractall(deciding),
    retractall(now(_, _, _, _)),
    retractall(beside(_, _)),
    retractall(peers_on(_, _)),
    retractall(peers_on_package(_, _)),
    retractall(hops_to_peers(_, _)),
    retractall(peers_placed(_)),
    retractall(quiet(_, _)).

%!  load_added(+Dispatcher, +Core, +Phases) is det.
%
%   A dispatcher with these parameters by phase was placed on Core.

load_added(_, Core, Phases) :-
    findall([Parameters], member(Parameters, Phases), Alone),
    heaviest(Alone, OwnShare, OwnWeight),
    (   now(Core, Share0, Weight0, _)
    ->  Share is Share0 + OwnShare,
        Weight is Weight0 + OwnWeight
    ;   Share = OwnShare,
        Weight = OwnWeight
    ),
    set_load(Core, Share, Weight),
    count_one(peers_on(Core, _)),
    (   package_of(Core, Package)
    ->  ( retract(peers_placed(Placed0)) -> Placed is Placed0 + 1 ; Placed = 1 ),
        assertz(peers_placed(Placed)),
        count_one(peers_on_package(Package, _)),
        retractall(quiet(Package, _)),
        forall(( retract(hops_to_peers(Other, Sum0)), package_hops(Other, Package, Each) ),
               ( Sum is Sum0 + Each, assertz(hops_to_peers(Other, Sum)) ))
    ;   true
    ).

count_one(Counter) :-
    Counter =.. [Name, Of, _],
    Old =.. [Name, Of, Count0],
    (   retract(Old)
    ->  Count is Count0 + 1
    ;   Count = 1
    ),
    New =.. [Name, Of, Count],
    assertz(New).

set_load(Core, Share, Weight) :-
    (   retract(now(Core, _, _, Before))
    ->  true
    ;   Before = 0.0
    ),
    load_of(Share, Weight, Load),
    assertz(now(Core, Share, Weight, Load)),
    forall(sibling(Core, Other),
           (   ( retract(beside(Other, Sum0)) -> true ; Sum0 = 0.0 ),
               Sum is Sum0 - Before + Load,
               assertz(beside(Other, Sum))
           )).
