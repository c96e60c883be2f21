:- encoding(utf8).
:- module(multicast,
          [ multicast_tree/3,           % +Root, +Cores, -Tree
            multicast_sends/2,          % +Tree, -Sends
            multicast_cost/2,           % +Tree, -Nanoseconds
            broadcast_cost/4            % +Root, +Cores, ?Method, -Nanoseconds
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(topology).
:- use_module(distance).
:- use_module(costs).

/** <module> One message to many cores

A multicast is a tree of sends. As in Barrelfish, a package is sent one message and passes it on to its cores; a
package of several last-level caches does so cache by cache. What a tree costs is the time until its last core
has the message:

  - a send holds its sender up for one transfer of the cache line (line_transfer/3), the next one begins
    after it;
  - the receiver can pass the message on one latency (distance_ns/3) and one transfer after the send began.

A tree is tree(Core, Subtrees), its subtrees in the order in which Core sends to them: the one that would end
last first, which is the best order there is for given subtrees (Jackson's rule for one machine with tails).

Who sends to whom is settled greedily, the sender by whom the message arrives first, and the cheapest of that
tree, one level of packages, and sending to each core directly is taken. On small sets `best`
searches all trees.
*/

%!  multicast_tree(+Root, +Cores:list, -Tree) is semidet.
%
%   Tree brings a message from Root to all Cores, and to no other core. Fails if latencies between some of them
%   are not known.

multicast_tree(Root, Cores, Tree) :-
    others(Root, Cores, Others),
    findall(Cost-Each,
            ( member(Method, [passed_on, by_package, unicast]),
              tree_by(Method, Root, Others, Each, Cost)
            ),
            Trees0),
    keysort(Trees0, [_-Tree|_]).

%!  broadcast_cost(+Root, +Cores:list, ?Method, -Nanoseconds) is nondet.
%
%   A message from Root is at all Cores after Nanoseconds if sent by Method: `unicast` to each in turn;
%   `by_package`, Barrelfish's two levels; `passed_on`, as early as it arrives; `multicast_tree`, the one of
%   that name; `best`, the least there is, for at most 6 Cores beside Root.

broadcast_cost(Root, Cores, Method, Nanoseconds) :-
    others(Root, Cores, Others),
    member(Method, [unicast, by_package, passed_on, multicast_tree, best]),
    once(tree_by(Method, Root, Others, _, Nanoseconds)).

others(Root, Cores, Others) :-
    sort(Cores, Sorted),
    (   selectchk(Root, Sorted, Others0)
    ->  Others = Others0
    ;   Others = Sorted
    ).

tree_by(unicast, Root, Others, Tree, Cost) :-
    findall(Root-Other, member(Other, Others), Edges),
    tree_of(Edges, Root, Tree, Cost).
tree_by(by_package, Root, Others, Tree, Cost) :-
    groups(package_of, Root, Others, Own, Groups),
    findall(From-To,
            ( member(To, Own), From = Root
            ; member(group(Leader, _, Rest), Groups),
              ( From = Root, To = Leader ; member(To, Rest), From = Leader )
            ),
            Edges),
    tree_of(Edges, Root, Tree, Cost).
tree_by(passed_on, Root, Others, Tree, Cost) :-
    pass_on([package_of, cache_of_last_level], Root, 0, Others, Edges, []),
    tree_of(Edges, Root, Tree, Cost).
tree_by(multicast_tree, Root, Others, Tree, Cost) :-
    multicast_tree(Root, Others, Tree),
    multicast_cost(Tree, Cost).
tree_by(best, Root, Others, Tree, Cost) :-
    length(Others, Count),
    Count =< 6,
    best_tree(Root, Others, Tree, Cost).

%   send(+From, +To, -Busy, -Delay): a send holds From up for Busy ns; To can pass the message on after Delay ns.

send(From, To, Busy, Delay) :-
    distance_ns(From, To, Latency),
    line_transfer(From, To, Cycles),
    clock_hz(To, Hertz),
    Busy is Cycles * 1000000000 / Hertz,
    Delay is Latency + Busy.

% -- who sends to whom

%   pass_on(+Levels, +Root, +Free, +Others, -Edges, ?Rest): Root, which can send from Free on, has Others informed:
%   the leaders of groups of the first level, each of which then has its own group informed.

pass_on(_, _, _, [], Edges, Edges) :- !.
pass_on([], Root, Free, Others, Edges, Rest) :-
    !,
    inform(Others, [Free-Root], _, Edges, Rest).
pass_on([Level|Levels], Root, Free, Others, Edges, Rest) :-
    groups(Level, Root, Others, Own, Groups0),
    sort(2, @>=, Groups0, Groups),      % whoever has most to pass on is informed first
    findall(Leader, member(group(Leader, _, _), Groups), Leaders),
    inform(Leaders, [Free-Root], Informed, Edges, Edges1),
    memberchk(RootFree-Root, Informed),
    pass_on(Levels, Root, RootFree, Own, Edges1, Edges2),
    pass_on_groups(Groups, Levels, Informed, Edges2, Rest).

pass_on_groups([], _, _, Edges, Edges).
pass_on_groups([group(Leader, _, Cores)|Groups], Levels, Informed, Edges, Rest) :-
    memberchk(Free-Leader, Informed),
    pass_on(Levels, Leader, Free, Cores, Edges, Edges1),
    pass_on_groups(Groups, Levels, Informed, Edges1, Rest).

%   inform(+Targets, +Senders0, -Senders, -Edges, ?Rest): each target is sent to by the sender that has it informed
%   first; Senders are Free-Core, the earliest free one first. Of many senders the first few are looked at:
%   whoever is free much later cannot be better among equals, and the search stays linear.

inform([], Senders, Senders, Edges, Edges).
inform([Target|Targets], Senders0, Senders, [From-Target|Edges], Rest) :-
    earliest(Senders0, 16, Target, none, chosen(Arrival, Free, From, Busy)),
    Later is Free + Busy,
    selectchk(_-From, Senders0, Senders1),
    add_sender(Senders1, Later-From, Senders2),
    add_sender(Senders2, Arrival-Target, Senders3),
    inform(Targets, Senders3, Senders, Edges, Rest).

earliest([], _, _, Best, Best) :-
    !,
    Best \== none.
earliest(_, 0, _, Best, Best) :-
    Best \== none,
    !.
earliest([Free-From|Senders], Left, Target, Best0, Best) :-
    (   Best0 = chosen(Arrival0, _, _, _),
        Free >= Arrival0
    ->  Best = Best0
    ;   send(From, Target, Busy, Delay),
        Arrival is Free + Delay,
        (   Best0 = chosen(Arrival0, _, _, _),
            Arrival0 =< Arrival
        ->  Best1 = Best0
        ;   Best1 = chosen(Arrival, Free, From, Busy)
        ),
        Left1 is Left - 1,
        earliest(Senders, Left1, Target, Best1, Best)
    ).

add_sender([], Sender, [Sender]).
add_sender([Free0-Core0|Senders], Free-Core, All) :-
    (   Free0 =< Free
    ->  All = [Free0-Core0|Rest],
        add_sender(Senders, Free-Core, Rest)
    ;   All = [Free-Core, Free0-Core0|Senders]
    ).

%   groups(:Level, +Root, +Others, -Own, -Groups): Own are those of Others in the group of Root; the rest are in
%   Groups, each group(Leader, Size, Cores), led by its core nearest to Root.

groups(Level, Root, Others, Own, Groups) :-
    group_key(Level, Root, Home),
    findall(Key-Core, ( member(Core, Others), group_key(Level, Core, Key) ), Pairs0),
    same_length(Pairs0, Others),
    keysort(Pairs0, Pairs),
    group_pairs_by_key(Pairs, Keyed),
    (   selectchk(Home-Own0, Keyed, Foreign)
    ->  Own = Own0
    ;   Own = [],
        Foreign = Keyed
    ),
    pairs_values(Foreign, Cores),
    maplist(led(Root), Cores, Groups).

led(Root, Cores, group(Leader, Size, Rest)) :-
    length(Cores, Size),
    findall(Latency-Core, ( member(Core, Cores), distance_ns(Root, Core, Latency) ), Pairs0),
    sort(Pairs0, [_-Leader|_]),
    selectchk(Leader, Cores, Rest).

group_key(package_of, Core, Package) :-
    package_of(Core, Package),
    !.
group_key(cache_of_last_level, Core, Level-Cache) :-
    findall(Level0-Cache0,
            ( facts:cpu_cache_id(Core, Level0, Type, Cache0), Type \== instr ),
            Caches0),
    (   sort(0, @>=, Caches0, [Level-Cache|_])
    ->  true
    ;   Level = 0,                      % no caches are known: one group
        Cache = none
    ).

% -- trees

%   tree_of(+Edges, +Root, -Tree, -Cost): the tree with these From-To edges, each core's sends in the best order.

tree_of(Edges, Root, Tree, Cost) :-
    keysort(Edges, Sorted),
    group_pairs_by_key(Sorted, Groups),
    dict_pairs(Children, children, Groups),
    grow(Root, Children, Tree, Cost).

grow(Core, Children, tree(Core, Subtrees), Cost) :-
    (   get_dict(Core, Children, Targets)
    ->  true
    ;   Targets = []
    ),
    grow_all(Targets, Core, Children, Branches),
    in_best_order(Branches, Subtrees, Cost).

grow_all([], _, _, []).
grow_all([Target|Targets], Core, Children, [branch(Slack, Busy, After, Tree)|Branches]) :-
    grow(Target, Children, Tree, Within),
    send(Core, Target, Busy, Delay),
    After is Delay + Within,
    Slack is After - Busy,
    grow_all(Targets, Core, Children, Branches).

%   A branch ends After ns after its send began; sends follow each other, so that what counts is how long it goes
%   on beyond its own send.

in_best_order(Branches0, Subtrees, Cost) :-
    sort(1, @>=, Branches0, Branches),
    findall(Tree, member(branch(_, _, _, Tree), Branches), Subtrees),
    foldl(ending, Branches, 0-0, _-Cost).

ending(branch(_, Busy, After, _), Start-End0, Next-End) :-
    Next is Start + Busy,
    End is max(End0, Start + After).

%!  multicast_cost(+Tree, -Nanoseconds) is semidet.
%
%   All cores of Tree have the message Nanoseconds after its root began to send.

multicast_cost(Tree, Nanoseconds) :-
    multicast_sends(Tree, Sends),
    findall(Arrival, member(send(_, _, _, Arrival), Sends), Arrivals),
    max_list([0|Arrivals], Nanoseconds).

%!  multicast_sends(+Tree, -Sends:list) is semidet.
%
%   Sends are the messages of Tree, each send(From, To, Start, Arrival) in ns after the root began, by start.

multicast_sends(Tree, Sends) :-
    sends(Tree, 0, Sends0, []),
    sort(3, @=<, Sends0, Sends).

sends(tree(Core, Subtrees), Start, Sends, Rest) :-
    sends_of(Subtrees, Core, Start, Sends, Rest).

sends_of([], _, _, Sends, Sends).
sends_of([Subtree|Subtrees], Core, Start, [send(Core, To, Start, Arrival)|Sends], Rest) :-
    Subtree = tree(To, _),
    send(Core, To, Busy, Delay),
    Arrival is Start + Delay,
    Next is Start + Busy,
    sends(Subtree, Arrival, Sends, Sends1),
    sends_of(Subtrees, Core, Next, Sends1, Rest).

% -- the best tree, by search

%   best_tree(+Root, +Others, -Tree, -Cost): branch and bound over all orders of sends. Sends begin in order of
%   time, so that each tree is met once; a partial one that takes as long as the best so far is left.

best_tree(Root, Others, Tree, Cost) :-
    tree_by(passed_on, Root, Others, Known, Bound),
    findall(From-Row,
            ( member(From, [Root|Others]),
              findall(To-(Busy-Delay), ( member(To, Others), To \== From, send(From, To, Busy, Delay) ), Row)
            ),
            Table),
    Best = best(Bound, known(Known)),
    (   search([0-Root], Others, Table, 0, 0, [], Best, Edges, Cost0),
        nb_setarg(1, Best, Cost0),
        nb_setarg(2, Best, Edges),
        fail
    ;   true
    ),
    Best = best(Cost, Found),
    (   Found = known(Tree)
    ->  true
    ;   tree_of(Found, Root, Tree, _)
    ).

search(_, [], _, _, Cost, Edges, _, Edges, Cost) :- !.
search(Senders, Targets, Table, Now, Cost0, Edges0, Best, Edges, Cost) :-
    select(Free-From, Senders, Senders1),
    Free >= Now,
    memberchk(From-Row, Table),
    select(To, Targets, Targets1),
    memberchk(To-(Busy-Delay), Row),
    Arrival is Free + Delay,
    arg(1, Best, Bound),
    Arrival < Bound,
    Cost1 is max(Cost0, Arrival),
    Later is Free + Busy,
    search([Later-From, Arrival-To|Senders1], Targets1, Table, Free, Cost1, [From-To|Edges0], Best, Edges, Cost),
    arg(1, Best, Bound1),
    Cost < Bound1.
