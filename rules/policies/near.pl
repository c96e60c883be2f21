:- encoding(utf8).
:- policy(near, "one package, the quietest first").

% Close to those of the domain that have their place; a loaded core is worse than a few more hops, and the
% first dispatcher looks for a package on which the others will find quiet cores too.

cost(Dispatcher, Core, Cost) :-
    load(Core, Load),
    spread(Dispatcher, Core, Hops),
    package_load(Core, Quiet),
    peers(Core, Peers),
    Cost is Load + 10*Hops + Quiet/100 + Peers.
