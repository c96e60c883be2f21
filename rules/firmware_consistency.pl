:- encoding(utf8).
:- module(firmware_consistency,
          [ firmware_finding_rule/3,    % ?Rule, ?Severity, ?Meaning
            bad_checksum/1,             % -Text
            repeated_table/1,           % -Text
            repeated_apic/1,            % -Text
            affinity_without_apic/1,    % -Text
            apic_without_affinity/1,    % -Text
            apic_without_core/1,        % -Text
            core_without_apic/1,        % -Text
            domains_numbered_otherwise/1,% -Text
            distance_to_itself/1,       % -Text
            distance_too_short/1,       % -Text
            distance_asymmetric/1,      % -Text
            distance_missing/1,         % -Text
            distance_of_no_node/1,      % -Text
            memory_overlap/1,           % -Text
            node_without_memory/1       % -Text
          ]).
:- use_module(library(lists)).
:- use_module(library(ordsets)).
:- use_module(topology).
:- use_module(findings).

/** <module> Whether what firmware says of processors and memory fits together

Rules of consistency.pl about ACPI's tables, NUMA nodes and memory. The firmware knows processors by APIC id; corename/3 says which
core each is.
*/

%!  firmware_finding_rule(?Rule, ?Severity, ?Meaning) is nondet.
%
%   Rule is a predicate of this module; Meaning says in a line what breaks it.

firmware_finding_rule(bad_checksum, warning, "tables whose bytes do not add up to their checksum").
firmware_finding_rule(repeated_table, note, "tables that firmware gives twice, of which one counts").
firmware_finding_rule(repeated_apic, error, "local APICs that the MADT enables twice").
firmware_finding_rule(affinity_without_apic, warning, "processors of the SRAT that the MADT does not have, or not enabled").
firmware_finding_rule(apic_without_affinity, warning, "processors that the MADT enables and the SRAT does not place").
firmware_finding_rule(apic_without_core, warning, "processors that the MADT enables and no core is").
firmware_finding_rule(core_without_apic, warning, "cores that the MADT does not have, or not enabled").
firmware_finding_rule(domains_numbered_otherwise, note, "proximity domains that the operating system numbers otherwise").
firmware_finding_rule(distance_to_itself, warning, "nodes whose distance to themselves is not 10").
firmware_finding_rule(distance_too_short, warning, "nodes as near to each other as to themselves, or nearer").
firmware_finding_rule(distance_asymmetric, warning, "nodes farther one way than the other").
firmware_finding_rule(distance_missing, warning, "nodes between which no distance is told").
firmware_finding_rule(distance_of_no_node, note, "nodes of the SLIT with neither cores nor memory").
firmware_finding_rule(memory_overlap, error, "ranges of memory that overlap").
firmware_finding_rule(node_without_memory, note, "nodes with cores and without memory").

% -- firmware

%!  bad_checksum(-Text) is nondet.
%
%   The bytes of an ACPI table must add up to 0 modulo 256 (ACPI 6.5, 5.2.6).

bad_checksum(Text) :-
    facts:acpi_table(Signature, Instance, Length, _, _, bad),
    table_text(Signature, Instance, Name),
    format(string(Text), "~w: its ~w bytes do not add up to 0", [Name, Length]).

table_text(Signature, 1, Signature) :- !.
table_text(Signature, Instance, Text) :-
    format(string(Text), "~w ~w", [Signature, Instance]).

%!  repeated_table(-Text) is nondet.
%
%   There may be many SSDTs, but a system reads one of each of the tables that tell the topology.

repeated_table(Text) :-
    member(Signature, ['APIC', 'SRAT', 'SLIT', 'HMAT', 'MCFG', 'FACP', 'DMAR', 'PPTT', 'HPET']),
    findall(Instance, facts:acpi_table(Signature, Instance, _, _, _, _), Instances),
    length(Instances, Count),
    Count > 1,
    format(string(Text), "~w: there are ~w; the one that the XSDT names first is used, else the first", [Signature, Count]).

enabled_apics(Ids) :-
    some(Id, facts:apic(_, Id, 1), Ids).

%!  repeated_apic(-Text) is nondet.
%
%   Two enabled entries of the MADT have one APIC id.

repeated_apic(Text) :-
    findall(Id-Processor, facts:apic(Processor, Id, 1), Pairs),
    repeated(Pairs, Id, Processors),
    things_text(processor, Processors, ProcessorsText),
    format(string(Text), "APIC ~w: enabled as ~w", [Id, ProcessorsText]).

%!  affinity_without_apic(-Text) is semidet.
%
%   The SRAT places processors that the MADT does not have, or that it does not enable.

affinity_without_apic(Text) :-
    enabled_apics(Enabled),
    some(Id, facts:cpu_affinity(Id, _, _), Placed),
    ord_subtract(Placed, Enabled, Missing),
    Missing = [_|_],
    things_text('APIC', Missing, MissingText),
    format(string(Text), "~w: placed by the SRAT, but not enabled by the MADT", [MissingText]).

%!  apic_without_affinity(-Text) is semidet.
%
%   There is an SRAT, but it leaves out processors that the MADT enables.

apic_without_affinity(Text) :-
    enabled_apics(Enabled),
    some(Id, facts:cpu_affinity(Id, _, _), Placed),
    ord_subtract(Enabled, Placed, Missing),
    Missing = [_|_],
    things_text('APIC', Missing, MissingText),
    format(string(Text), "~w: enabled by the MADT, but not placed by the SRAT", [MissingText]).

core_apics(Ids) :-
    some(Id, facts:corename(_, _, apic(Id)), Ids).

%!  apic_without_core(-Text) is semidet.
%
%   The MADT enables processors that no core is: the dump of the processors is of a part of the machine, or of another.

apic_without_core(Text) :-
    enabled_apics(Enabled),
    core_apics(Ours),
    ord_subtract(Enabled, Ours, Missing),
    Missing = [_|_],
    things_text('APIC', Missing, MissingText),
    format(string(Text), "~w: enabled by the MADT, but no core has it", [MissingText]).

%!  core_without_apic(-Text) is semidet.
%
%   There is a MADT, but it does not enable these cores: the dumps are of different machines, or of different settings.

core_without_apic(Text) :-
    enabled_apics(Enabled),
    some(Core,
         ( facts:corename(Core, _, apic(Id)),
           \+ ord_memberchk(Id, Enabled),
           \+ facts:device_core(_, Core)
         ),
         Cores),
    cores_text(Cores, CoresText),
    format(string(Text), "~w: not enabled by the MADT; are the dumps of one machine?", [CoresText]).

%!  domains_numbered_otherwise(-Text) is semidet.
%
%   Linux numbers nodes in the order in which the SRAT names their domains. Facts of the firmware have the domain's number.

domains_numbered_otherwise(Text) :-
    some(Domain-Node, ( domain_node(Domain, Node), Domain \== Node ), Pairs),
    findall(Part, ( member(Domain-Node, Pairs), format(string(Part), "~w is node ~w", [Domain, Node]) ), Parts),
    listed(Parts, 8, List),
    format(string(Text), "proximity domains: ~w", [List]).

% -- nodes and memory

%!  distance_to_itself(-Text) is nondet.
%
%   The SLIT's diagonal is 10 (ACPI 6.5, 5.2.17).

distance_to_itself(Text) :-
    facts:node_distance(Node, Node, Distance),
    Distance =\= 10,
    format(string(Text), "node ~w: its distance to itself is ~w, not 10", [Node, Distance]).

%!  distance_too_short(-Text) is nondet.
%
%   Values 0 to 9 are reserved, and another node is farther than one's own (ACPI 6.5, 5.2.17).

distance_too_short(Text) :-
    facts:node_distance(From, To, Distance),
    From \== To,
    Distance =< 10,
    format(string(Text), "nodes ~w and ~w: the distance from one to the other is ~w", [From, To, Distance]).

%!  distance_asymmetric(-Text) is nondet.
%
%   A way back is as long as the way there on real interconnects.

distance_asymmetric(Text) :-
    facts:node_distance(From, To, Distance),
    From < To,
    facts:node_distance(To, From, Back),
    Distance =\= Back,
    format(string(Text), "nodes ~w and ~w: ~w one way, ~w the other", [From, To, Distance, Back]).

real_nodes(Nodes) :-
    some(Node,
         ( facts:cpu_node(_, Node)
         ; facts:node_memory(Node, _)
         ; \+ facts:cpu_node(_, _), facts:cpu_affinity(_, _, Node)
         ; \+ facts:cpu_node(_, _), facts:memory_affinity(_, _, Node)
         ),
         Nodes).

%!  distance_missing(-Text) is semidet.
%
%   Distances are told, but not between all nodes: those are taken to be as far as can be.

distance_missing(Text) :-
    real_nodes(Nodes),
    once(facts:node_distance(_, _, _)),
    some(From-To,
         ( member(From, Nodes), member(To, Nodes), From \== To, \+ facts:node_distance(From, To, _),
           \+ apart(From, To)
         ),
         Pairs),
    length(Pairs, Count),
    Pairs = [From-To|_],
    format(string(Text), "~w ways between nodes have no distance, such as that from ~w to ~w", [Count, From, To]).

%   apart(+Node, +Other): they are of systems that do not share memory.

apart(Node, Other) :-
    cores_of_node(Node, [Core|_]),
    cores_of_node(Other, [OtherCore|_]),
    system_of(Core, System),
    system_of(OtherCore, OtherSystem),
    System \== OtherSystem.

%!  distance_of_no_node(-Text) is semidet.
%
%   The SLIT counts domains from 0 on; some may have neither processors nor memory.

distance_of_no_node(Text) :-
    real_nodes(Nodes),
    some(Node, facts:node_distance(Node, _, _), Told),
    ord_subtract(Told, Nodes, Empty),
    Empty = [_|_],
    things_text(node, Empty, EmptyText),
    format(string(Text), "~w: distances are told, but neither cores nor memory", [EmptyText]).

%!  memory_overlap(-Text) is nondet.
%
%   No byte is in two ranges of the SRAT, nor of the northbridges' tables.

memory_overlap(Text) :-
    (   findall(range(Base, Limit, Node),
                ( facts:memory_affinity(Base, Length, Node), Length > 0, Limit is Base + Length - 1 ),
                Ranges)
    ;   findall(range(Base, Limit, Node), facts:ht_dram(Node, Base, Limit), Ranges)
    ),
    sort(Ranges, Sorted),
    overlapping(Sorted, range(Base, Limit, Node), range(OtherBase, _, Other)),
    format(string(Text), "memory 0x~16r-0x~16r of node ~w overlaps that from 0x~16r on of node ~w",
           [Base, Limit, Node, OtherBase, Other]).

%!  node_without_memory(-Text) is semidet.
%
%   Cores of these nodes have all their memory elsewhere, where nodes are told to have some.

node_without_memory(Text) :-
    (   facts:node_memory(_, _)
    ->  findall(Node, ( facts:node_memory(Node, Size), Size > 0 ), With0)
    ;   findall(Node, ( facts:memory_affinity(_, Length, Node), Length > 0 ), With0)
    ),
    With0 = [_|_],
    sort(With0, With),
    some(Node, cores_of_node(Node, _), Nodes),
    ord_subtract(Nodes, With, Without),
    Without = [_|_],
    things_text(node, Without, WithoutText),
    format(string(Text), "~w: cores, but no memory", [WithoutText]).
