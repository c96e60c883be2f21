:- encoding(utf8).
:- module(phase_routes,
          [ phase_route/2,              % +Domain, -Answer
            phase_route/3,              % +Domain, ?Method, -Route
            response_time/3             % +Core, +Work, -Nanoseconds
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(library(heaps)).
:- use_module(topology).
:- use_module(distance).
:- use_module(costs).
:- use_module(clocks, [clock_error/1]).
:- use_module(admission).
:- use_module(combinations).
:- use_module(refusal).

/** <module> How a phase change reaches the planners, and when all have acted

A domain's coordinator tells the planners of all its cores, directly or by others, and each answers for those below it
(dissertation §3.6.2). The new phase begins at an instant that is fixed when the change is announced. That it lies behind the last
planner's action the dissertation leaves to whoever writes the manifest, and asks for a bound instead, for which "the planners need
a fixed priority in the system" (§3.5.5). They have it here: a message between planners has the monitor run before all that is
not hard real time. So what can hold a planner up is known:

  - a message takes one latency (distance_ns/3), half of which holds up its sender and half its receiver;
  - a monitor that waited is woken (an interrupt, a context switch) and submits the parameters by a system call;
  - a planner may have changes of other domains to pass on first, one for each that has phases;
  - hard real time goes first. Work that takes W alone is done after the least R with R = W + what all hard real-time
    tasks of the core can demand within R, in the worst combination of phases (response-time analysis, Joseph and Pandya 1986).

All times are worst cases, added up along the way. What a monitor does besides, such as revoking capabilities, is not in them; a
planner that hears of a change too late says so.
*/

%!  phase_route(+Domain, -Answer) is det.
%
%   Answer is answer(Inferences, route(Method, Tree, Allowances, Together)): Method is `unicast` or `tree`, whichever is done
%   first; Tree as in multicast.pl. Allowances has for each phase that is left a number of ns: so long after the coordinator's
%   time-stamp all planners have been told, have answered, and have been told to leave everything as it was, should one have
%   refused. Together are the domains of the component if they have
%   schedules of their own for each combination, so that a change concerns the cores of all.

phase_route(Domain, answer(Inferences, route(Method, Tree, Allowances, Together))) :-
    prepare_topology,
    statistics(inferences, Before),
    (   concerned(Domain, Root, Cores, Together)
    ->  true
    ;   refuse("domain ~w is placed nowhere", [Domain])
    ),
    left_phases(Domain, Together, Phases),
    Phases = [First|_],
    held_up(Cores, First, FirstHolds),
    findall(Done-(Way-Each),
            phase_route(Root, Cores, FirstHolds, Way, route(Each, _, Done)),
            Ways0),
    keysort(Ways0, Ways),
    (   Ways = [_-(Method-Tree)|_]
    ->  clock_error(Error),
        maplist(allowance(Root, Cores, Tree, Error), Phases, Allowances)
    ;   refuse("the latency between some cores of domain ~w is not known; state core_latency/4 facts", [Domain])
    ),
    statistics(inferences, After),
    Inferences is After - Before.
%   left_phases(+Domain, +Together, -Phases): what may be in force until the change begins: of Domain the phase that is left, `any` for
%   several domains together.

left_phases(Domain, Together, Phases) :-
    findall(Phase, facts:granted(Domain, 0, Phase, _, _), Numbers0),
    sort(Numbers0, Numbers),
    (   Together == []
    ->  findall(Domain-Phase, member(Phase, Numbers), Phases)
    ;   findall(any, member(_, Numbers), Phases)
    ).

allowance(Root, Cores, Tree, Error, Left, Allowance) :-
    held_up(Cores, Left, Holds),
    told(Tree, Root, 0, Holds, Told, _),
    Allowance is ceiling(3 * Told + Error).


concerned(Domain, Root, Cores, Together) :-
    (   component(Domain, Domains),
        once(( facts:combination_slots(Combination, _, _), pairs_keys(Combination, Domains) ))
    ->  Together = Domains,
        Domains = [Leader|_]
    ;   Together = [],
        Leader = Domain,
        Domains = [Domain]
    ),
    once(facts:allocation(Leader, 0, Root)),
    findall(Core, ( member(Each, Domains), facts:allocation(Each, _, Core) ), Cores0),
    sort([Root|Cores0], Cores).

%!  phase_route(+Domain, ?Method, -Route) is nondet.
%
%   Route is route(Tree, Told, Done): a change of Domain from its first phase, by Method `unicast` or `tree`, has been
%   told to everybody after Told ns, and answered by everybody after Done ns, at the latest. Fails if a latency is not known.

phase_route(Domain, Method, Route) :-
    concerned(Domain, Root, Cores, Together),
    left_phases(Domain, Together, [First|_]),
    held_up(Cores, First, Holds),
    phase_route(Root, Cores, Holds, Method, Route).

phase_route(Root, Cores, Holds, Method, route(Tree, Told, Done)) :-
    selectchk(Root, Cores, Others),
    member(Method, [unicast, tree]),
    tree_by(Method, Root, Others, Tree),
    told(Tree, Root, 0, Holds, Told, Done).

tree_by(unicast, Root, Others, tree(Root, Leaves)) :-
    maplist(leaf, Others, Leaves).
tree_by(tree, Root, Others, Tree) :-
    Others = [_, _|_],
    relayed(Root, Others, Edges),
    grown(Root, Edges, Tree).

leaf(Core, tree(Core, [])).

%   relayed(+Root, +Others, -Edges): each core in turn is told by whoever is free first; who has been told passes it on as soon as it
%   runs. (With one cost for all that is the best there is: Bar-Noy and Kipnis, postal model, 1992.)

relayed(Root, Others, Edges) :-
    list_to_heap([0-Root], Heap),
    relay(Others, Heap, Pairs),
    keysort(Pairs, Sorted),
    group_pairs_by_key(Sorted, Groups),
    dict_pairs(Edges, edges, Groups).

relay([], _, []).
relay([To|Others], Heap0, [From-To|Edges]) :-
    get_from_heap(Heap0, Free, From, Heap1),
    half_latency(From, To, Half),
    awake(To, Awake),
    Sent is Free + Half,
    Passes is Sent + Awake + Half,
    add_to_heap(Heap1, Sent, From, Heap2),
    add_to_heap(Heap2, Passes, To, Heap3),
    relay(Others, Heap3, Edges).

grown(Core, Edges, tree(Core, Subtrees)) :-
    (   get_dict(Core, Edges, Targets)
    ->  maplist(grown_below(Edges), Targets, Subtrees)
    ;   Subtrees = []
    ).

grown_below(Edges, Core, Tree) :-
    grown(Core, Edges, Tree).

%   told(+Tree, +Above, +Arrival, +Holds, -Told, -Done): from its Arrival at the root of Tree, sent by Above.

told(tree(Core, Subtrees), Above, Arrival, Holds, Told, Done) :-
    get_dict(Core, Holds, hold(Tasks, Others)),
    (   Core == Above
    ->  Received = 0
    ;   awake(Core, Awake),
        half_latency(Above, Core, Half),
        Received is Awake + Half
    ),
    cost_ns(system_call, Core, Submit),
    Before is Others + Received,
    tell(Subtrees, Core, Arrival, Before, Tasks, Holds, Work, Arrival, Told0, Arrival, Below),
    All is Work + Submit,
    response(Tasks, All, Own),
    Told is max(Told0, Arrival + Own),
    gathering(Subtrees, Core, Submit, Gathering),
    response(Tasks, Gathering, Gathered),
    Done is max(Told, Below) + Gathered.

tell([], _, _, Work, _, _, Work, Told, Told, Done, Done).
tell([Subtree|Subtrees], Core, Arrival, Work0, Tasks, Holds, Work, Told0, Told, Done0, Done) :-
    Subtree = tree(To, _),
    half_latency(Core, To, Half),
    Work1 is Work0 + Half,
    response(Tasks, Work1, Response),
    Sent is Arrival + Response,
    told(Subtree, Core, Sent, Holds, Told1, Done1),
    Told2 is max(Told0, Told1),
    Done2 is max(Done0, Done1),
    tell(Subtrees, Core, Arrival, Work1, Tasks, Holds, Work, Told2, Told, Done2, Done).

%   gathering(+Subtrees, +Core, +Least, -Work): what it takes to read the answers and to write one.

gathering(Subtrees, Core, Least, Work) :-
    foldl(answer_of(Core), Subtrees, Least, Work).

answer_of(Core, tree(From, _), Work0, Work) :-
    half_latency(From, Core, Half),
    Work is Work0 + Half.

%   held_up(+Cores, +Left, -Holds): by core, hold(Tasks, Others): the hard real time of each core, by domain and phase, and what its planner may
%   have to do for other domains first.

held_up(Cores, Left, Holds) :-
    findall(Domain, ( facts:granted(Domain, 0, 1, _, _), Left \= Domain-_ ), Phased0),
    sort(Phased0, Phased),
    findall(work(Domain, Root, All),
            ( member(Domain, Phased),
              once(facts:allocation(Domain, 0, Root)),
              findall(Core, facts:allocation(Domain, _, Core), All0),
              sort(All0, All)
            ),
            Works),
    findall(Core-hold(Tasks, Others),
            ( member(Core, Cores),
              core_demands(Core, granted, All),
              maplist(in_force(Left), All, Tasks),
              must_leave_time(Core, Tasks),
              others(Core, Works, Others)
            ),
            Pairs),
    dict_pairs(Holds, holds, Pairs).

must_leave_time(Core, Tasks) :-
    demands_utilisation(Tasks, Utilisation),
    (   Utilisation < 1
    ->  true
    ;   refuse("hard real time leaves the planner of core ~w no time", [Core])
    ).

in_force(Left, demand(Domain, Phases), demand(Domain, InForce)) :-
    (   Left = Domain-Phase
    ->  (   nth0(Phase, Phases, Tasks)
        ->  InForce = [Tasks]
        ;   InForce = []
        )
    ;   InForce = Phases
    ).

others(Core, Works, Nanoseconds) :-
    cost_ns(system_call, Core, Call),
    findall(Work,
            ( member(work(Domain, Root, All), Works),
              once(facts:allocation(Domain, _, Core)),
              (   Root == Core
              ->  selectchk(Core, All, Others),
                  maplist(half_latency(Core), Others, Halves),
                  sum_list(Halves, Sum),
                  Work is Call + 2 * Sum
              ;   half_latency(Root, Core, Half),
                  Work is Call + 2 * Half
              )
            ),
            Each),
    sum_list(Each, Nanoseconds).

half_latency(From, To, Half) :-
    distance_ns(From, To, Latency),
    !,
    Half is Latency / 2.

awake(Core, Nanoseconds) :-
    cost_ns(interrupt, Core, Interrupt),
    cost_ns(context_switch, Core, Switch),
    Nanoseconds is Interrupt + Switch.

%!  response_time(+Core, +Work, -Nanoseconds) is det.
%
%   Work ns of a planner's on Core are done so many ns after they could begin, whatever hard real time runs there.

response_time(Core, Work, Nanoseconds) :-
    core_demands(Core, granted, Tasks),
    response(Tasks, Work, Nanoseconds).

response([], Work, Work) :- !.
response(Tasks, Work, Response) :-
    interference(Tasks, Work, First),
    respond(Tasks, Work, First, Response).

respond(Tasks, Work, Response0, Response) :-
    interference(Tasks, Response0, Demand),
    Response1 is Work + Demand,
    (   Response1 =< Response0
    ->  Response = Response0
    ;   respond(Tasks, Work, Response1, Response)
    ).

%   interference(+Demands, +Interval, -Nanoseconds): what hard real time may run within an interval that begins with releases of all.

interference(Demands, Interval, Nanoseconds) :-
    foldl(add_interference(Interval), Demands, 0, Nanoseconds).

add_interference(Interval, demand(_, Phases), Sum0, Sum) :-
    findall(Own, ( member(Tasks, Phases), foldl(add_jobs(Interval), Tasks, 0, Own) ), Each),
    max_list([0|Each], Most),
    Sum is Sum0 + Most.

add_jobs(Interval, task(Wcet, Period, _), Sum0, Sum) :-
    Sum is Sum0 + max(1, ceiling(Interval / Period)) * Wcet.
