:- encoding(utf8).
:- module(topology,
          [ core/1,                     % ?Core
            apic_of/2,                  % ?Core, ?ApicId
            package_of/2,               % ?Core, ?Package
            die_of/2,                   % ?Core, ?Die
            cluster_of/2,               % ?Core, ?Cluster
            node_of/2,                  % ?Core, ?Node
            thread_of/2,                % ?Core, ?Thread
            sibling/2,                  % ?A, ?B
            core_type/2,                % ?Core, ?Kind
            clock_hz/2,                 % ?Core, ?Hertz
            shares_cache/3,             % ?A, ?B, ?Level
            cache_of/4,                 % ?Core, ?Level, ?SizeBytes, ?LineBytes
            package_link/2,             % ?A, ?B
            package_hops/3,             % ?A, ?B, ?Hops
            hops/3,                     % ?A, ?B, ?Hops
            cores_of_package/2,         % ?Package, ?Cores
            cores_of_node/2,            % ?Node, ?Cores
            domain_node/2,              % ?Domain, ?Node
            closest_memory/2,           % ?Core, ?Node
            device_near/2,              % +Address, -Cores
            packages/1,                 % -Packages
            prepare_topology/0
          ]).
:- use_module(library(lists)).
:- use_module(library(ordsets)).
:- use_module(library(apply)).
:- use_module(library(pairs)).
:- use_module(vocabulary).
:- use_module(store).

/** <module> What the hardware is like

Conclusions from the facts of processors, caches, memory and links. All answers come in ascending order of
cores; with their first core given they are deterministic wherever there is one answer. Where a fact of
one kind is missing another tells: which, is said at each predicate.

What takes a search is tabled under the generation of the knowledge (store.pl), so that it is found once for
each state of it.
*/

%   ascending(?Term, :Goal): the answers of Goal for Term, each once, in standard order.

:- meta_predicate ascending(?, 0).

ascending(Term, Goal) :-
    findall(Term, Goal, Answers0),
    sort(Answers0, Answers),
    member(Term, Answers).

%!  core(?Core) is nondet.
%
%   Core is a core (hardware thread) of the machine, by the operating system's number. Machines that tell
%   their firmware's view only have the enabled local APICs of the MADT, numbered in order of processor id.

core(Core) :-
    (   integer(Core)
    ->  known_core(Core)
    ;   var(Core),
        generation(Generation),
        all_cores(Generation, Cores),
        member(Core, Cores)
    ).

known_core(Core) :-
    (   facts:corename(Core, _, _)
    ->  true
    ;   facts:cpu_thread(Core, _, _, _)
    ->  true
    ;   numbered_by_firmware(Core, _)
    ).

:- table all_cores/2.

all_cores(_, Cores) :-
    findall(Core,
            ( facts:corename(Core, _, _)
            ; facts:cpu_thread(Core, _, _, _)
            ; numbered_by_firmware(Core, _)
            ),
            Cores0),
    sort(Cores0, Cores).

numbered_by_firmware(Core, ApicId) :-
    \+ facts:corename(_, _, _),
    \+ facts:cpu_thread(_, _, _, _),
    findall(Processor-Apic, facts:apic(Processor, Apic, 1), Apics0),
    sort(Apics0, Apics),
    nth0(Core, Apics, _-ApicId).

%!  apic_of(?Core, ?ApicId) is nondet.
%
%   Core has that local APIC id.

apic_of(Core, ApicId) :-
    (   facts:corename(_, _, _)
    ->  (   var(Core)
        ->  ascending(Core-ApicId, facts:corename(Core, _, apic(ApicId)))
        ;   facts:corename(Core, _, apic(ApicId))
        )
    ;   numbered_by_firmware(Core, ApicId)
    ).

%!  package_of(?Core, ?Package) is nondet.
%
%   Core is on Package.

package_of(Core, Package) :-
    (   var(Core)
    ->  ascending(Core-Package, facts:cpu_thread(Core, Package, _, _))
    ;   facts:cpu_thread(Core, Package, _, _)
    ).

%!  thread_of(?Core, ?Thread) is nondet.
%
%   Core is the hardware thread of that number on its physical core.

thread_of(Core, Thread) :-
    (   var(Core)
    ->  ascending(Core-Thread, facts:cpu_thread(Core, _, _, Thread))
    ;   facts:cpu_thread(Core, _, _, Thread)
    ).

%!  sibling(?A, ?B) is nondet.
%
%   A and B are different hardware threads of one physical core.

sibling(A, B) :-
    (   nonvar(A), nonvar(B)
    ->  A \== B,
        facts:cpu_thread(A, Package, Physical, _),
        facts:cpu_thread(B, Package, Physical, _)
    ;   ascending(A-B,
                  ( facts:cpu_thread(A, Package, Physical, _),
                    facts:cpu_thread(B, Package, Physical, _),
                    A \== B
                  ))
    ).

%!  die_of(?Core, ?Die) is nondet.
%
%   Core is on Die, a number that is unique in the machine. A package that tells no dies is one die:
%   then the die is the package.

die_of(Core, Die) :-
    (   facts:cpu_die(_, _)
    ->  (   var(Core)
        ->  ascending(Core-Die, facts:cpu_die(Core, Die))
        ;   facts:cpu_die(Core, Die)
        )
    ;   package_of(Core, Die)
    ).

%!  cluster_of(?Core, ?Cluster) is nondet.
%
%   Core belongs to Cluster (a complex, module or tile), a number that is unique in the machine.

cluster_of(Core, Cluster) :-
    (   var(Core)
    ->  ascending(Core-Cluster, facts:cpu_cluster(Core, Cluster))
    ;   facts:cpu_cluster(Core, Cluster)
    ).

%!  core_type(?Core, ?Kind) is nondet.
%
%   Core is of that kind (performance, efficiency, low_power); `uniform` where the machine tells no
%   kinds apart.

core_type(Core, Kind) :-
    (   facts:cpu_kind(_, _)
    ->  (   var(Core)
        ->  ascending(Core-Kind, facts:cpu_kind(Core, Kind))
        ;   facts:cpu_kind(Core, Kind)
        )
    ;   Kind = uniform,
        core(Core)
    ).

%!  clock_hz(?Core, ?Hertz) is nondet.
%
%   Cycles of Core are counted at that clock.

clock_hz(Core, Hertz) :-
    (   var(Core)
    ->  ascending(Core-Hertz, facts:cpu_clock(Core, Hertz))
    ;   facts:cpu_clock(Core, Hertz)
    ).

%!  node_of(?Core, ?Node) is nondet.
%
%   Core is in NUMA node Node: as the operating system says (cpu_node/2), else as the firmware does of its
%   APIC id (cpu_affinity/3). A core that neither places is in the first node, as in Linux; a machine
%   that states no nodes at all is node 0.

node_of(Core, Node) :-
    (   nonvar(Core)
    ->  core(Core),
        core_node(Core, Node0),
        Node = Node0
    ;   nonvar(Node)
    ->  cores_of_node(Node, Cores),
        member(Core, Cores)
    ;   core(Core),
        core_node(Core, Node)
    ).

core_node(Core, Node) :-
    (   facts:cpu_node(Core, Node0)
    ->  Node = Node0
    ;   \+ facts:cpu_node(_, _),
        apic_of(Core, ApicId),
        facts:cpu_affinity(ApicId, _, Node0)
    ->  Node = Node0
    ;   generation(Generation),
        first_node(Generation, Node)
    ).

:- table first_node/2.

first_node(_, Node) :-
    findall(Each, ( facts:cpu_node(_, Each) ; facts:cpu_affinity(_, _, Each) ), Nodes),
    (   Nodes == []
    ->  Node = 0
    ;   min_list(Nodes, Node)
    ).

%!  cores_of_node(?Node, ?Cores) is nondet.
%
%   Cores are the cores in Node, ascending.

cores_of_node(Node, Cores) :-
    generation(Generation),
    node_groups(Generation, Groups),
    (   nonvar(Node)
    ->  memberchk(Node-Found, Groups),
        Cores = Found
    ;   member(Node-Cores, Groups)
    ).

:- table node_groups/2.

node_groups(_, Groups) :-
    findall(Node-Core, ( core(Core), core_node(Core, Node) ), Pairs0),
    sort(Pairs0, Pairs),
    group_pairs_by_key(Pairs, Groups).

%!  domain_node(?Domain, ?Node) is nondet.
%
%   Node is the operating system's number of the firmware's proximity domain Domain (SRAT). They are joined by the
%   processors in them: the node has the core of most of the domain's local APICs. Domains of memory alone are the nodes
%   without cores, both in ascending order (Linux numbers nodes in the order in which the SRAT names their domains). Where
%   the operating system tells no nodes, or not as many, a domain has its own number, unless another domain is that node.

domain_node(Domain, Node) :-
    generation(Generation),
    domain_nodes(Generation, Pairs),
    member(Domain-Node, Pairs).

:- table domain_nodes/2.

domain_nodes(_, Pairs) :-
    findall(Domain-Node,
            ( facts:cpu_node(Core, Node),
              facts:corename(Core, _, apic(ApicId)),
              facts:cpu_affinity(ApicId, _, Domain)
            ),
            Found0),
    msort(Found0, Found),
    group_pairs_by_key(Found, Groups),
    findall(Domain-Node, ( member(Domain-Nodes, Groups), most_frequent(Nodes, Node) ), Joined),
    findall(Domain, ( facts:cpu_affinity(_, _, Domain) ; facts:memory_affinity(_, _, Domain) ), Domains0),
    sort(Domains0, Domains),
    findall(Domain, ( member(Domain, Domains), \+ memberchk(Domain-_, Joined) ), Others),
    findall(Node, ( facts:node_memory(Node, _), \+ facts:cpu_node(_, Node) ), Coreless0),
    sort(Coreless0, Coreless),
    (   Joined = [_|_],
        same_length(Others, Coreless)
    ->  pairs_keys_values(Rest, Others, Coreless)
    ;   findall(Domain-Domain, ( member(Domain, Others), \+ memberchk(_-Domain, Joined) ), Rest)
    ),
    append(Joined, Rest, Pairs0),
    sort(Pairs0, Pairs).

most_frequent(Values, Value) :-
    msort(Values, Sorted),
    pairs_keys_values(Pairs, Sorted, Sorted),
    group_pairs_by_key(Pairs, Groups),
    findall(Count-Each, ( member(Each-Same, Groups), length(Same, Count) ), Counts),
    sort(0, @>=, Counts, [_-Value|_]).

%!  cores_of_package(?Package, ?Cores) is nondet.
%
%   Cores are the cores on Package, ascending.

cores_of_package(Package, Cores) :-
    (   nonvar(Package)
    ->  findall(Core, facts:cpu_thread(Core, Package, _, _), Cores0),
        Cores0 = [_|_],
        sort(Cores0, Found),
        Cores = Found
    ;   findall(Each-Core, facts:cpu_thread(Core, Each, _, _), Pairs0),
        sort(Pairs0, Pairs),
        group_pairs_by_key(Pairs, Groups),
        member(Package-Cores, Groups)
    ).

%!  shares_cache(?A, ?B, ?Level) is nondet.
%
%   A and B, two distinct cores, share a data or unified cache of that level: they name the same one
%   (cpu_cache_id/4), or the board's description says so (cache_share/3).

shares_cache(A, B, Level) :-
    (   nonvar(A), nonvar(B), nonvar(Level)
    ->  sharing(A, B, Level),
        !
    ;   var(A), nonvar(B)
    ->  shares_cache(B, A, Level)       % it is symmetric, and answers come in order of A
    ;   core(A),
        ascending(B-Level, sharing(A, B, Level))
    ).

sharing(A, B, Level) :-
    facts:cpu_cache_id(A, Level, Type, Cache),
    Type \== instr,
    facts:cpu_cache_id(B, Level, Type, Cache),
    A \== B.
sharing(A, B, Level) :-
    facts:cache_share(A, B, Level),
    A \== B.
sharing(A, B, Level) :-
    facts:cache_share(B, A, Level),
    A \== B.

%!  cache_of(?Core, ?Level, ?SizeBytes, ?LineBytes) is nondet.
%
%   Core has a data or unified cache of that level, size and line size.

cache_of(Core, Level, SizeBytes, LineBytes) :-
    (   nonvar(Core), nonvar(Level)
    ->  facts:cpu_cache(Core, _, Level, Type, SizeBytes, _, LineBytes, _, _),
        Type \== instr,
        !
    ;   ascending(cache(Core, Level, SizeBytes, LineBytes),
                  ( facts:cpu_cache(Core, _, Level, Type, SizeBytes, _, LineBytes, _, _),
                    Type \== instr
                  ))
    ).

%!  package_link(?A, ?B) is nondet.
%
%   Packages A and B are connected directly. Links work in both directions.

package_link(A, B) :-
    ascending(A-B, ( facts:ht_link(A, B) ; facts:ht_link(B, A) )).

%!  package_hops(?A, ?B, ?Hops) is nondet.
%
%   The shortest way from package A to package B has so many links. Where no links are stated, every
%   package is taken to be one link from every other, as it is in machines of two.

package_hops(A, B, Hops) :-
    (   nonvar(A), nonvar(B)
    ->  hops_between(A, B, Hops)
    ;   packages(Packages),
        member(A, Packages),
        member(B, Packages),
        hops_between(A, B, Hops)
    ).

hops_between(A, B, Hops) :-
    (   A == B
    ->  Hops = 0
    ;   A @> B                          % links work in both directions: half of the tables will do
    ->  hops_between(B, A, Hops)
    ;   facts:ht_link(_, _)
    ->  generation(Generation),
        hops_from(Generation, A, Reached),
        memberchk(B-Found, Reached),
        Hops = Found
    ;   packages(Packages),
        memberchk(A, Packages),
        memberchk(B, Packages),
        Hops = 1
    ).

%!  packages(-Packages) is det.
%
%   The packages that hold cores, ascending.

packages(Packages) :-
    generation(Generation),
    all_packages(Generation, Packages).

:- table all_packages/2, hops_from/3, prepared/1.

all_packages(_, Packages) :-
    findall(Package, facts:cpu_thread(_, Package, _, _), Packages0),
    sort(Packages0, Packages).

%!  prepare_topology is det.
%
%   What takes a search has been found, so that the inferences of what follows do not depend on what was
%   asked before; but for the ways between more packages than a table can hold.

prepare_topology :-
    generation(Generation),
    prepared(Generation).

prepared(Generation) :-
    all_cores(Generation, _),
    node_groups(Generation, _),
    all_packages(Generation, Packages),
    length(Packages, Count),
    (   Count =< 512
    ->  forall(member(Package, Packages), hops_from(Generation, Package, _))
    ;   true
    ).

%   hops_from(+Generation, +Package, -Reached): breadth first from Package; Reached is a list of
%   Other-Hops.

hops_from(_, Package, Reached) :-
    widen([Package], [], 0, Reached).

%   widen(+Border, +Before, +Hops, -Reached): who is next to the border is on it, on the one before, or farther.

widen([], _, _, []).
widen([Package|Packages], Before, Hops, Reached) :-
    Further is Hops + 1,
    Border = [Package|Packages],
    findall(Next,
            ( member(Each, Border),
              ( facts:ht_link(Each, Next) ; facts:ht_link(Next, Each) )
            ),
            Nexts),
    sort(Nexts, Near),
    ord_subtract(Near, Border, Near1),
    ord_subtract(Near1, Before, Beyond),
    findall(Each-Further, member(Each, Beyond), Reached, Reached1),
    widen(Beyond, Border, Further, Reached1).

%!  hops(?A, ?B, ?Hops) is nondet.
%
%   A message from core A to core B crosses so many links between packages: 0 within a package.

hops(A, B, Hops) :-
    package_of(A, Package),
    package_of(B, Other),
    package_hops(Package, Other, Hops).

%!  closest_memory(?Core, ?Node) is nondet.
%
%   Node has memory, and none that has is closer to Core (node_distance/3; its own node is closest); the
%   lowest number of several. With Core given it is semidet: it fails where no memory is known.

closest_memory(Core, Node) :-
    core(Core),
    core_node(Core, Own),
    findall(Distance-Each, ( memory_node(Each), memory_distance(Own, Each, Distance) ), Distances0),
    sort(Distances0, [_-Nearest|_]),
    Node = Nearest.

memory_node(Node) :-
    (   facts:node_memory(_, _)
    ->  facts:node_memory(Node, Bytes),
        Bytes > 0
    ;   facts:memory_affinity(_, Length, Node),
        Length > 0
    ).

memory_distance(Node, Node, -1) :- !.   % firmware may put 0 or 10 on the diagonal
memory_distance(From, To, Distance) :-
    (   facts:node_distance(From, To, Known)
    ->  Distance = Known
    ;   Distance = 255                  % SLIT: unreachable
    ).

%!  device_near(+Address, -Cores) is semidet.
%
%   Cores are the cores closest to the PCI function at Address, addr(Bus, Device, Function): those on the
%   package of its root complex (rootcomplex_addr/2), else those nearest to the NUMA node to which the
%   operating system (device_node/2), the firmware (initiator_affinity/2) or the northbridges (ht_bus/4)
%   attach it; all of them in a machine of one package. Fails where nothing places the device.

device_near(Address, Cores) :-
    (   device_package(Address, Package),
        cores_of_package(Package, Found)
    ->  Cores = Found
    ;   device_in_node(Address, Node),
        cores_near_node(Node, Found)
    ->  Cores = Found
    ;   packages([_]),
        generation(Generation),
        all_cores(Generation, Cores)
    ).

device_package(Address, Package) :-
    bus_of(Address, Bus),
    facts:rootbridge(Root, childbus(First, Last), _),
    Bus >= First,
    Bus =< Last,
    facts:rootcomplex_addr(Package, Root),
    integer(Package).

device_in_node(Address, Node) :-
    facts:device_node(Address, Node).
device_in_node(Address, Node) :-
    facts:initiator_affinity(pci(_, Address), Domain),
    (   domain_node(Domain, Known)
    ->  Node = Known
    ;   Node = Domain
    ).
device_in_node(Address, Node) :-
    bus_of(Address, Bus),
    facts:ht_bus(Node, _, First, Last),
    Bus >= First,
    Bus =< Last.

%   A node may have no cores of its own: then those to which it is local, or of the closest node that has.

cores_near_node(Node, Cores) :-
    (   cores_of_node(Node, Found)
    ->  Cores = Found
    ;   findall(Core, facts:node_local_core(Node, Core), Local),
        Local = [_|_]
    ->  sort(Local, Cores)
    ;   findall(Distance-Other,
                ( cores_of_node(Other, _), facts:node_distance(Node, Other, Distance) ),
                Distances0),
        sort(Distances0, [_-Nearest|_]),
        cores_of_node(Nearest, Cores)
    ).

bus_of(addr(Bus, _, _), Bus).
bus_of(addr(_, Bus, _, _), Bus).
