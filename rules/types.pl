:- encoding(utf8).
:- module(types,
          [ has_type/2,                 % +Type, @Value
            natural/2,                  % ?Type, ?Text
            unit/2,                     % ?Type, ?Unit
            type_text/2                 % +Type, -Text
          ]).
:- use_module(library(lists)).
:- use_module(library(apply)).

/** <module> The types of arguments in the vocabulary

A type says what an argument may be and in which unit it is.
*/

%!  has_type(+Type, @Value) is semidet.
%
%   Value may stand for an argument of that type.

has_type(label(Type), Value)   :- has_type(Type, Value).
has_type(oneof(Values), Value) :- nonvar(Value), memberchk(Value, Values).
has_type(atom, Value)          :- atom(Value).
has_type(text, Value)          :- ( string(Value) ; atom(Value) ), !.
has_type(term, Value)          :- ground(Value).
has_type(pattern, Value)       :- callable(Value).
has_type(list, Value)          :- is_list(Value).
has_type(int, Value)           :- integer(Value), Value >= -0x8000000000000000, Value =< 0xffffffffffffffff.
has_type(number, Value)        :- number(Value), Value =< 0xffffffffffffffff, Value >= -0xffffffffffffffff.
has_type(percent, Value)       :- number(Value), Value >= 0, Value =< 100.
has_type(flag, Value)          :- nonvar(Value), memberchk(Value, [0, 1]).
has_type(cache_type, Value)    :- nonvar(Value), memberchk(Value, [data, instr, unified]).
has_type(addr, Value)          :- nonvar(Value), pci_address(Value).
has_type(Type, Value)          :- natural(Type, _), natural_number(Value).

pci_address(addr(Bus, Device, Function)) :-
    maplist(natural_number, [Bus, Device, Function]).
pci_address(addr(Segment, Bus, Device, Function)) :-
    maplist(natural_number, [Segment, Bus, Device, Function]).

natural_number(Value) :-
    integer(Value),
    Value >> 64 =:= 0.                  % no machine has more of anything than 64 bits can count

%!  natural(?Type, ?Text) is nondet.
%
%   Values of Type are integers from 0 on, of 64 bits at most; Text says what they are.

natural(core, "a core's number").
natural(id, "a number (an integer of at least 0)").
natural(level, "a cache level").
natural(count, "a count (an integer of at least 0)").
natural(bits, "a number of bits").
natural(bytes, "a number of bytes").
natural(address, "an address").
natural(hertz, "a frequency in Hz (an integer)").
natural(cycles, "a number of cycles").
natural(nanoseconds, "a time in ns").
natural(picoseconds, "a time in ps (an integer)").
natural(megabytes_per_second, "a bandwidth in MB/s (an integer)").

%!  unit(?Type, ?Unit) is nondet.
%
%   Values of Type are counted in Unit, as it is written behind them.

unit(label(Type), Unit) :- nonvar(Type), unit(Type, Unit).
unit(bits, bit).
unit(bytes, 'B').
unit(hertz, 'Hz').
unit(cycles, cycles).
unit(nanoseconds, ns).
unit(picoseconds, ps).
unit(megabytes_per_second, 'MB/s').
unit(percent, '%').

%!  type_text(+Type, -Text) is det.
%
%   Text says what a value of Type is, for an error message.

type_text(Type, Text) :-
    (   Type = label(Of)
    ->  type_text(Of, Text)
    ;   Type = oneof(Values)
    ->  atomic_list_concat(Values, ', ', Known),
        format(string(Text), "one of ~w", [Known])
    ;   natural(Type, Text)
    ->  true
    ;   other_type(Type, Text)
    ).

other_type(atom, "an atom").
other_type(text, "a text").
other_type(term, "a term without variables").
other_type(pattern, "a fact, in which variables may stand").
other_type(list, "a list").
other_type(int, "an integer").
other_type(percent, "a number of percent from 0 to 100").
other_type(number, "a number").
other_type(flag, "0 or 1").
other_type(cache_type, "data, instr or unified").
other_type(addr, "addr(Bus, Device, Function)").
