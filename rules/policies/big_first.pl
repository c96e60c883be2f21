:- encoding(utf8).
:- policy(big_first, "capable cores first, by how long work would take there").

% A core's time for a given piece of work grows with its load and shrinks with its capacity (cpu_capacity/2, of which
% Linux gives the most capable core 1024; a core of which nothing is said counts as such).

cost(_, Core, Cost) :-
    load(Core, Load),
    (   cpu_capacity(Core, Capacity),
        Capacity > 0
    ->  Cost is (100 + Load) * 1024 / Capacity
    ;   Cost is 100 + Load
    ).
