:- encoding(utf8).
:- policy(scatter, "as many packages as possible, the least loaded core of each").

% A dispatcher more on the package outweighs any load: each package's memory and cache serve as few of the
% domain's dispatchers as can be.

cost(_, Core, Cost) :-
    load(Core, Load),
    package_peers(Core, Peers),
    Cost is 10000*Peers + Load.
