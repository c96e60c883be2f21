:- encoding(utf8).
:- policy(load_balance, "all cores alike, the least loaded first; shortages are shared equally").

% The default (dissertation §3.6.1). Where it can, a dispatcher avoids a hardware thread whose sibling is
% busy: two threads of a core share its pipelines, so half of what the sibling has to do counts.

shortage(reduce).

cost(_, Core, Cost) :-
    load(Core, Load),
    sibling_load(Core, Beside),
    Cost is Load + Beside/2.
