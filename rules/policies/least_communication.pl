:- encoding(utf8).
:- policy(least_communication, "those that talk most lie closest: least traffic times latency").

% Who talks to whom is said by traffic/4 for the groups of the domain's manifest (main, where it has none); of a domain
% of which nothing is said everybody talks to everybody. Of the machine the least loaded cores come into question, so
% many as are needed and all others of equal load.

place(Dispatchers, Cores, Placement) :-
    traffic_between(Dispatchers, Traffic),
    quietest(Dispatchers, Cores, Quiet),
    quick_layout(Traffic, Dispatchers, Quiet, Placement, Shares),
    b_setval(least_communication, Shares).

% What is told of a decision: the dispatcher's half of what its messages cost, in ns.

cost(Dispatcher, _, Cost) :-
    b_getval(least_communication, Shares),
    memberchk(Dispatcher-Cost, Shares).

quietest(Dispatchers, Cores, Quiet) :-
    findall(Load-Core, ( member(Core, Cores), load(Core, Load) ), Loads0),
    keysort(Loads0, Loads),
    length(Dispatchers, Needed),
    (   nth1(Needed, Loads, Most-_)
    ->  findall(Core, ( member(Load-Core, Loads), Load =< Most ), Quiet0),
        sort(Quiet0, Quiet)
    ;   Quiet = Cores
    ).
