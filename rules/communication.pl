:- encoding(utf8).
:- module(communication,
          [ layout_cost/3,              % +Traffic, +Layout, -Nanoseconds
            least_layout/3,             % +Traffic, +Cores, -Plan
            least_layout/4,             % +Traffic, +Cores, +Steps, -Plan
            quick_layout/5,             % +Traffic, +Dispatchers, +Cores, -Layout, -Shares
            traffic_between/2           % +Dispatchers, -Traffic
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(library(assoc)).
:- use_module(topology).
:- use_module(latencies).
:- use_module(layout).
:- use_module(layout_repair).
:- use_module(layout_exact).

/** <module> Communication plans: dispatchers that talk laid out on cores

Traffic is a list of traffic(From, To, Weight): dispatcher From (a number or a name) sends To so many messages, or so
much, as Weight says, in a unit of time or in all. A layout is a list of Dispatcher-Core. It costs the sum
of weight times the latency of a message between the two cores (distance_ns/3), which is the time that all messages
take together; between dispatchers on one core a message takes what LMP does (cost `lmp`). That is the
quadratic assignment problem (Koopmans and Beckmann 1957), NP-hard, and hard to approximate; so few dispatchers are laid
out exactly, by branch and bound (layout_exact.pl), and many by construction (layout.pl, layout_bisection.pl) and
repair (layout_exchange.pl, layout_repair.pl), with a bound that says how far off the best that can be at most.

Where there are more dispatchers than cores they share cores, so many on each as must be and no more.
*/

%!  layout_cost(+Traffic:list, +Layout:list, -Nanoseconds:number) is det.
%
%   The messages of Traffic take so long, all together, between the cores of Layout.
%
%   @error communication_error(Text)

layout_cost(Traffic, Layout, Nanoseconds) :-
    must_be_traffic(Traffic),
    must_be_layout(Layout, Places),
    findall(Core, core(Core), All),
    sorted_cores(Layout, Cores),
    maplist(must_be_core(All), Cores),
    latencies(Cores, Latencies),
    foldl(add_cost(Places, Latencies), Traffic, 0, Picoseconds),
    Nanoseconds is Picoseconds / 1000.0.

add_cost(Places, Latencies, Item, Sum0, Sum) :-
    Item = traffic(From, To, Weight),
    place_of(From, Item, Places, A),
    place_of(To, Item, Places, B),
    latency_ps(Latencies, A, B, Picoseconds),
    Sum is Sum0 + Weight * Picoseconds.

place_of(Dispatcher, Item, Places, Core) :-
    (   get_assoc(Dispatcher, Places, Core)
    ->  true
    ;   mistake("~q: dispatcher ~w has no core in the layout", [Item, Dispatcher])
    ).

sorted_cores(Layout, Cores) :-
    pairs_values(Layout, Cores0),
    sort(Cores0, Cores).

%!  least_layout(+Traffic:list, +Cores, -Plan) is det.
%!  least_layout(+Traffic:list, +Cores, +Steps:integer, -Plan) is det.
%
%   Plan lays the dispatchers of Traffic out on Cores (a list, or `any` of the machine's), as cheaply as can be
%   found: plan(Layout, Cost, Bound, Found). Cost is in ns; none costs less than Bound. Found is `exact`, where no
%   layout is cheaper, or `repair`: the best of several constructions and their repair, with Steps, distances
%   looked up, to go (6,000,000 if not said otherwise: most of a second, within the limit of a query).
%   Equal questions have equal answers.
%
%   @error communication_error(Text)

least_layout(Traffic, Cores, Plan) :-
    least_layout(Traffic, Cores, 6000000, Plan).

least_layout(Traffic, Cores0, Steps, plan(Layout, Cost, Bound, Found)) :-
    must_be_traffic(Traffic),
    (   Traffic == []
    ->  mistake("no traffic; expected traffic(From, To, Weight), at least one", [])
    ;   integer(Steps), Steps >= 0
    ->  true
    ;   mistake("~q steps; expected an integer of at least 0", [Steps])
    ),
    candidates(Cores0, Cores),
    talkers(Traffic, Dispatchers),
    posed(Traffic, Dispatchers, Cores, Problem, Scale, Slots),
    arg(7, Problem, N),
    (   N =< 8
    ->  Effort is Steps // 60           % enough for a start that is hard to beat
    ;   Effort = Steps
    ),
    least_found(Problem, large, Effort, Best0),
    lower_bound(Problem, Bound0),
    (   N =< 8,
        exact(Problem, Best0, Steps, Best1)
    ->  Best = Best1, Found = exact, Best1 = Least-_, Bound1 = Least
    ;   Best = Best0, Found = repair, Bound1 = Bound0
    ),
    Best = _-Place,
    told(Dispatchers, Slots, Place, Layout),
    layout_cost(Traffic, Layout, Cost),
    (   Found == exact
    ->  Bound = Cost
    ;   Bound is min(Cost, Bound1 / 1000.0 / Scale)
    ).

%!  quick_layout(+Traffic, +Dispatchers:list, +Cores:list, -Layout:list, -Shares:list) is det.
%
%   Layout has a core of Cores for each of Dispatchers, found within the milliseconds that a placement may take. Traffic is
%   a list, or `evenly`: everybody sends everybody one message. Shares has a Dispatcher-Nanoseconds for each: half of what the
%   messages from and to it take, so that all together are the cost of Layout.
%
%   @error communication_error(Text)

quick_layout(Traffic, Dispatchers0, Cores0, Layout, Shares) :-
    ( Traffic == evenly -> true ; must_be_traffic(Traffic) ),
    sort(Dispatchers0, Dispatchers),
    sort(Cores0, Cores1),
    length(Dispatchers, N),
    neighbourhood(Cores1, N, Cores),
    (   ( Traffic == [] ; N > 256 )
    ->  nobody_talks(Dispatchers, Cores, Cores, Layout),    % more than 256 are not searched
        findall(Dispatcher-0.0, member(Dispatcher, Dispatchers), Shares)
    ;   posed(Traffic, Dispatchers, Cores, Problem, Scale, Slots),
        length(Cores, Count),
        Steps is 40000 * max(1, min(4, 16384 // (N * Count))),    % what 64 on 256 leave of 20 ms, and more for fewer
        least_found(Problem, small, Steps, _-Place),
        told(Dispatchers, Slots, Place, Layout),
        findall(Dispatcher-Share,
                ( nth1(I, Dispatchers, Dispatcher), cost_at(Problem, Place, I, Twice), Share is Twice / 2000.0 / Scale ),
                Shares)
    ).

%   neighbourhood(+Cores, +N, -Near): of very many Cores those around one of them, enough for N dispatchers to have a
%   choice: around that one, of eight tried, from which the N nearest are reached soonest.

neighbourhood(Cores, N, Near) :-
    length(Cores, Count),
    Kept is max(256, N + N // 4),
    (   Count =< Kept
    ->  Near = Cores
    ;   Step is Count // 8,
        findall(Spread-Around,
                ( between(0, 7, I), Index is I * Step, nth0(Index, Cores, Center),
                  around(Center, Cores, N, Kept, Spread, Around)
                ),
                Found),
        keysort(Found, [_-Near0|_]),
        sort(Near0, Near)
    ).

around(Center, Cores, N, Kept, Spread, Around) :-
    findall(Ns-Core,
            ( member(Core, Cores), ( Core == Center -> Ns = 0.0 ; distance_ns(Center, Core, Ns) -> true ) ),
            Reached0),
    keysort(Reached0, Reached),
    length(Nearest, Kept),
    append(Nearest, _, Reached),
    pairs_values(Nearest, Around),
    findall(Ns, ( nth1(I, Nearest, Ns-_), I =< N ), First),
    sum_list(First, Spread).

nobody_talks([], _, _, []).
nobody_talks([Dispatcher|Dispatchers], [], Cores, Layout) :-
    nobody_talks([Dispatcher|Dispatchers], Cores, Cores, Layout).
nobody_talks([Dispatcher|Dispatchers], [Core|Rest], Cores, [Dispatcher-Core|Layout]) :-
    nobody_talks(Dispatchers, Rest, Cores, Layout).

%   posed(+Traffic, +Dispatchers, +Cores, -Problem, -Scale, -Slots): the problem in numbers; Slots is a term of the
%   core of each slot, Scale what weights were multiplied by to become integers.

posed(Traffic, Dispatchers, Cores, Problem, Scale, Slots) :-
    length(Dispatchers, N),
    length(Cores, Count),
    Each is (N + Count - 1) // Count,
    latencies(Cores, Latencies),
    slots_of(Latencies, Cores, Each, Distances, Slots, Allowed),
    (   Traffic == evenly
    ->  Scale = 1,
        findall(edge(A, B, 1, 1), ( between(1, N, A), After is A + 1, between(After, N, B) ), Edges)
    ;   scale(Traffic, Scale),
        edges(Traffic, Dispatchers, Scale, Edges)
    ),
    problem(N, Edges, Distances, Allowed, Problem).

edges(Traffic, Dispatchers, Scale, Edges) :-
    findall(Dispatcher-I, nth1(I, Dispatchers, Dispatcher), Numbered),
    list_to_assoc(Numbered, Numbers),
    findall(edge(A, B)-flow(Out, In),
            ( member(traffic(From, To, Weight), Traffic),
              number_of(From, Numbers, I),
              number_of(To, Numbers, K),
              Weight > 0,
              Flow is round(Weight * Scale),
              ( I < K -> A = I, B = K, Out = Flow, In = 0 ; A = K, B = I, Out = 0, In = Flow )
            ),
            Flows0),
    keysort(Flows0, Flows),
    group_pairs_by_key(Flows, Grouped),
    maplist(edge_of, Grouped, Edges).

number_of(Dispatcher, Numbers, I) :-
    (   get_assoc(Dispatcher, Numbers, I)
    ->  true
    ;   findall(Each, gen_assoc(Each, Numbers, _), All),
        length(All, Count),
        mistake("the traffic names dispatcher ~w, which is none of the ~w to be placed", [Dispatcher, Count])
    ).

edge_of(edge(A, B)-Flows, edge(A, B, Out, In)) :-
    foldl(add_flow, Flows, 0-0, Out-In).

add_flow(flow(Out, In), Out0-In0, Out1-In1) :-
    Out1 is Out0 + Out,
    In1 is In0 + In.

%   Weights that are not integers are counted in millionths of the largest.

scale(Traffic, Scale) :-
    (   member(traffic(_, _, Weight), Traffic),
        \+ integer(Weight)
    ->  findall(Each, member(traffic(_, _, Each), Traffic), Weights),
        max_list(Weights, Most),
        (   Most > 0
        ->  Scale is 1000000.0 / Most
        ;   Scale = 1
        )
    ;   Scale = 1
    ).

told(Dispatchers, Slots, Place, Layout) :-
    Place =.. [_|Taken],
    maplist(core_at(Slots), Dispatchers, Taken, Layout).

core_at(Slots, Dispatcher, Slot, Dispatcher-Core) :-
    arg(Slot, Slots, Core).

talkers(Traffic, Dispatchers) :-
    findall(Each, ( member(traffic(From, To, _), Traffic), ( Each = From ; Each = To ) ), All),
    sort(All, Dispatchers).

candidates(Cores0, Cores) :-
    findall(Core, core(Core), All),
    (   Cores0 == any
    ->  Cores = All
    ;   is_list(Cores0)
    ->  maplist(must_be_core(All), Cores0),
        sort(Cores0, Cores)
    ;   mistake("cores are a list or any, found ~q", [Cores0])
    ),
    (   Cores == []
    ->  mistake("no cores to lay out on", [])
    ;   true
    ).

%!  traffic_between(+Dispatchers:list, -Traffic) is det.
%
%   Who talks to whom among the Dispatchers of the domain that is being placed: as traffic/4 says of the groups of its
%   manifest, or of `main` if it has none; `evenly` where nothing is said: everybody to everybody.

traffic_between(Dispatchers, Traffic) :-
    groups_placed(Groups),
    sort(Dispatchers, Sorted),
    findall(traffic(From, To, Weight),
            ( member(Group, Groups),
              facts:traffic(Group, From, To, Weight),
              memberchk(From, Sorted),
              memberchk(To, Sorted)
            ),
            Said),
    (   Said == []
    ->  Traffic = evenly
    ;   Traffic = Said
    ).

%   The manifest by which no domain runs yet is that of the domain being placed.

groups_placed(Groups) :-
    findall(Group,
            ( facts:manifest_group(Manifest, Group, _),
              \+ facts:domain_manifest(_, Manifest)
            ),
            Groups0),
    ( Groups0 == [] -> Groups = [main] ; sort(Groups0, Groups) ).

%   -- what is no question

must_be_traffic(Traffic) :-
    (   is_list(Traffic)
    ->  forall(member(Item, Traffic), must_be_item(Item))
    ;   mistake("traffic is a list of traffic(From, To, Weight), found ~q", [Traffic])
    ).

must_be_item(Item) :-
    (   ground(Item),
        Item = traffic(From, To, Weight),
        atomic(From), atomic(To)
    ->  (   number(Weight), Weight >= 0, Weight < inf
        ->  true
        ;   mistake("~q: a weight is a number of at least 0", [Item])
        ),
        (   From == To
        ->  mistake("~q: a dispatcher sends no messages to itself", [Item])
        ;   true
        )
    ;   mistake("traffic is a list of traffic(From, To, Weight), found ~q in it", [Item])
    ).

must_be_layout(Layout, Places) :-
    (   is_list(Layout),
        ground(Layout),
        forall(member(Each, Layout), Each = _-_)
    ->  true
    ;   mistake("a layout is a list of Dispatcher-Core, found ~q", [Layout])
    ),
    keysort(Layout, Sorted),
    (   append(_, [Dispatcher-A, Dispatcher-B|_], Sorted)
    ->  mistake("the layout has dispatcher ~w twice, on core ~w and on core ~w", [Dispatcher, A, B])
    ;   list_to_assoc(Layout, Places)
    ).

must_be_core(All, Core) :-
    (   memberchk(Core, All)
    ->  true
    ;   unknown_core(All, Core)
    ).

unknown_core([], _) :-
    mistake("there are no cores; load a machine", []).
unknown_core([First|Others], Core) :-
    last([First|Others], Last),
    length([First|Others], Count),
    mistake("no core ~q; the machine has ~D, ~w to ~w", [Core, Count, First, Last]).

mistake(Format, Arguments) :-
    format(string(Text), Format, Arguments),
    throw(error(communication_error(Text), _)).

:- multifile prolog:error_message//1.

prolog:error_message(communication_error(Text)) -->
    [ '~w'-[Text] ].
