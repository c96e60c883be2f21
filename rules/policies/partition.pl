:- encoding(utf8).
:- policy(partition, "each domain has cores of its own; its dispatchers share them when they run short").

% Static space partitioning: a core that is loaded by others than the domain being placed is forbidden, and a domain for
% which no idle core is left is refused.

cost(_, Core, Load) :-
    load(Core, Load),
    (   Load =:= 0
    ->  true
    ;   peers(Core, Peers),
        Peers > 0
    ).

refusal(_, Why) :-
    findall(Core, core(Core), All),
    length(All, Cores),
    findall(Core, ( member(Core, All), load(Core, Load), Load > 0 ), Loaded),
    length(Loaded, Taken),
    format(string(Why), "~w of ~w cores are taken, and each domain has cores of its own", [Taken, Cores]).
