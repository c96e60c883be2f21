:- encoding(utf8).
:- policy(pack, "as few packages as possible, one dispatcher a core").

% Idle cores of packages that are in use come first, so that whole packages stay idle.

cost(_, Core, Cost) :-
    load(Core, Load),
    (   Load =:= 0,
        package_load(Core, 0.0)
    ->  Cost = 1                        % more than any idle core of a package in use, less than a busy one
    ;   Cost = Load
    ).
