"""The latency reader: real measurements, every way to write a matrix, and what is none."""

import gzip
import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skb.facts import fact
from skb.readers import DumpError, latency

SHARED = Path(os.environ.get("PILOTFISH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
MEASURED = SHARED / "data" / "latency"
INDEX = MEASURED / "INDEX.tsv"
needs_measurements = pytest.mark.skipif(
    not INDEX.is_file(), reason="no measurements beside the checkout (shared/data/latency)"
)
CASES = [line.split("\t") for line in INDEX.read_text().splitlines()[1:]] if INDEX.is_file() else []
MATRICES = [case for case in CASES if case[4].isdecimal()]


def content(file: str) -> bytes:
    data = (MEASURED / file).read_bytes()
    return gzip.decompress(data) if file.endswith(".gz") else data


def latencies(text: str | bytes, **options: str) -> dict[tuple[int, int], float]:
    facts = latency.read(text.encode() if isinstance(text, str) else text, "latency.csv", **options)
    return {f.args[:2]: f.args[2] for f in facts}


@needs_measurements
@pytest.mark.parametrize("case", MATRICES, ids=lambda case: case[0])
def test_a_real_measurement_has_its_cores_and_extremes(case: list[str]) -> None:
    found = latencies(content(case[0]))
    size = int(case[4])
    assert {one for one, _ in found} == set(range(size))
    assert len(found) == size * (size - 1)
    assert all(found[one, other] == found[other, one] for one, other in found)
    values = sorted(found[one, other] for one, other in found if one > other)
    low, median, high = (float(word) for word in case[5].split("/"))
    middle = values[len(values) // 2]
    assert (round(values[0], 1), round(values[-1], 1)) == (low, high)
    assert middle == pytest.approx(median, abs=0.2)
    assert latency.recognises(content(case[0]))


@needs_measurements
def test_the_program_s_printed_table_is_refused_with_the_way_to_get_a_matrix() -> None:
    data = content("ibm-ppc970-x2-not-csv.csv")
    with pytest.raises(DumpError, match=r"^x.csv:1:1: 'Num cores: 2' .*run core-to-core-latency with --csv"):
        latency.read(data, "x.csv")
    assert not latency.recognises(data)


@needs_measurements
def test_256_cores_are_read_in_well_under_a_second() -> None:
    data = content("amd-epyc-7742-2s-256t.csv.gz")
    start = time.process_time()
    assert len(latency.read(data, "x")) == 256 * 255
    assert time.process_time() - start < 1


def test_a_square_keeps_both_directions_and_a_triangle_is_mirrored() -> None:
    assert latencies(",5\n6,\n") == {(0, 1): 5, (1, 0): 6}
    assert latencies(",\n6,\n") == {(0, 1): 6, (1, 0): 6}
    assert latencies(",5\n,\n") == {(0, 1): 5, (1, 0): 5}
    assert latencies("0,5,6\n0,7\n0\n") == latencies("0,5,6\n,0,7\n,,0\n")
    assert latencies("0\n5,0\n6,7,0\n")[2, 1] == latencies("0,5,6\n,0,7\n,,0\n")[1, 2] == 7


PRINTED = """CPU: AMD Ryzen 9 7950X 16-Core Processor
Num cores: 3
Num iterations per samples: 1000

1) CAS latency on a single shared cache line

           0       1       2
      0
      1   38\u00b10
      2   40\u00b10    41\u00b11

    Min  latency: 37.6ns \u00b10.1 cores: (1,0)
    Mean latency: 39.5ns
,,
37.6,,
40,41.2,
"""


def test_of_all_that_the_program_prints_the_matrix_is_read() -> None:
    assert latencies(PRINTED)[2, 1] == 41.2
    assert len(latencies(PRINTED)) == 6
    second = "\n2) Single-writer single-reader latency\n\n,,\n90,,\n91,92,\n"
    assert latencies(PRINTED + second) == latencies(PRINTED)
    assert latencies(",,\n37.6,,\n40,41.2,\n,,\n90,,\n91,92,\n") == latencies(PRINTED)


def test_what_is_measured_there_and_back_is_halved() -> None:
    for text in ("# round trip, ns\n,10\n12,\n", "RTT (ns),0,1\n0,,10\n1,12,\n", "Round-trip times\n,10\n12,\n"):
        assert latencies(text) == {(0, 1): 5, (1, 0): 6}
    assert latencies("# latency = round-trip-time/2\n,10\n12,\n") == {(0, 1): 10, (1, 0): 12}


@pytest.mark.parametrize(
    "text",
    ["us,0,1\n0,,5\n1,6,\n", "# unit: us\n,5\n6,\n", "Latency in microseconds\n,5\n6,\n", ",5us\n6 us,\n"],
)
def test_microseconds_become_nanoseconds(text: str) -> None:
    assert latency.read(text.encode(), "x")[0] == fact("core_latency", 0, 1, 5000, "ns")


def test_a_lone_core_has_no_latencies() -> None:
    assert latency.read(b",cpu0\ncpu0,\n", "x") == []


def test_a_stated_diagonal_is_kept_and_a_blank_one_is_not() -> None:
    assert latencies("0,5\n6,0\n")[1, 1] == 0
    assert (0, 0) not in latencies(",5\n6,\n")


def test_whole_values_are_integers_and_the_unit_is_ns_unless_stated() -> None:
    assert latency.read(b",5.0\n5.5,\n", "x") == [
        fact("core_latency", 0, 1, 5, "ns"),
        fact("core_latency", 1, 0, 5.5, "ns"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "# unit: cycles\n,5\n6,\n",
        "# AMD 2x2, unit=cycles, TSC\n,5\n6,\n",
        ",5\n6,\n# Units: Cycles\n",
        "cycles,0,1\n0,,5\n1,6,\n",
        "latency [cycles],cpu0,cpu1\ncpu0,,5\ncpu1,6,\n",
        "latency_cycles,0,1\n0,,5\n1,6,\n",
        "Core-to-core latency (cycles)\n,0,1\n0,,5\n1,6,\n",
        "# cycles\n,5\n6,\n",
        ",5 cycles\n6 cycles,\n",
    ],
)
def test_the_file_s_own_unit_wins(text: str) -> None:
    assert {f.args[3] for f in latency.read(text.encode(), "x", unit="ns")} == {"cycles"}
    assert latencies(text) == {(0, 1): 5, (1, 0): 6}


def test_the_caller_s_unit_holds_where_the_file_states_none() -> None:
    assert latency.read(b",5\n5,\n", "x", unit="cycles")[0].args[3] == "cycles"


@pytest.mark.parametrize(
    "text",
    [
        ",core 3,core 8\ncore 3,,5\ncore 8,6,\n",
        "core 3,core 8\n,5\n6,\n",
        "core 3,,5\ncore 8,6,\n",
        "from\\to,cpu3,cpu8\ncpu3,,5\ncpu8,6,\n",
        "CPU 3 8\n 3 - 5\n 8 6 -\n",
        "3,8\n,5\n6,\n",
        '"","CPU3","CPU8"\n"CPU3",,"5"\n"CPU8","6",\n',
        " ; p3 ; p8\r\n p3 ; ; 5,0\r\n p8 ; 6,0 ;\r\n",
        "\ufeff,core#3,core#8\rcore#3,,5\rcore#8,6,\r",
        "# 3, 8\n-,5\n6,-\n",
        "sep=;\n;3;8\n3;x;5\n8;6;x\n",
        "3\t8\n0\t5\u00b11\n6\u00b10\t0\n",
        "\ufeff,3,8\n3,,5\n8,6,\n".encode("utf-16"),
        "Title\n,3,8\n3,,5\n8,6,\nmin,5\nmax,6\nmean,5.5\n",
        "from,8,3\n8,,6\n3,5,\n",
        "# measured at night\n\n,core3,core8  # both on package 0\ncore3,nan,5\ncore8,6,n/a\n",
    ],
)
def test_names_of_any_form_give_the_core_numbers(text: str | bytes) -> None:
    found = {pair: value for pair, value in latencies(text).items() if value}
    assert found == {(3, 8): 5, (8, 3): 6}
    assert latency.recognises(text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize("text", [
    '[[0, 1], [1, 0]]', '{\n1,2\n3,4\n}\n', "<x>\n1 2\n", "In 2019, 3 cores\nhad 4, 5\n",
    "name,value\nfoo,1\nbar,2\n",
    "date,price,volume\n2019,1,2\n2020,3,4\n", "x x\nx x\n", "processor : 0\nprocessor : 1\n", "",
])
def test_json_prose_and_other_tables_are_not_taken_for_a_matrix(text: str) -> None:
    assert not latency.recognises(text.encode())


def test_names_out_of_order_are_names_where_one_is_0() -> None:
    assert latencies(",1,0\n1,,5\n0,6,\n") == {(1, 0): 5, (0, 1): 6}


def test_ascending_latencies_are_not_taken_for_names() -> None:
    assert latencies(",45,46\n45,,47\n46,47,\n")[1, 2] == 47
    assert latencies("0,45,46,\n45,0,47,\n46,47,0,\n")[0, 2] == 46


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"^x:1: no latencies"),
        ("# nothing\n", r"^x:1: no latencies"),
        (",\n,\n", r"^x:1: no latencies: every field is blank"),
        (",5\nfast,\n", r"^x:2:1: 'fast' is no latency: no number"),
        (",-5\n5,\n", r"^x:1:2: '-5' is no latency: negative"),
        (",5\n1e999,\n", r"^x:2:1: '1e999' is no latency"),
        ("1,2,3\n4,5,6\n", r"^x:1: not a latency matrix: 2 rows, 3 columns"),
        (",1,2\n1,,3\n2,3", r"^x:3:2: 2 fields after a line of 3; the file breaks off"),
        ("5\n6,7\n", r"^x:1:1: a triangle whose rows end early must end in its diagonal"),
        ("0,1,5\n1,0,6\n", r"^x:1: not a latency matrix: 2 rows, 3 columns"),
        ("from,to,ns\n0,1,5\n0,2,6\n1,2,7\n", r"^x:1: not a latency matrix: 4 rows, 3 columns"),
        ("-\n", r"^x:1: no latencies: every field is blank"),
        ("# unit: furlongs\n,5\n5,\n", r"^x:1: unit 'furlongs'"),
        (",5\n\0,5", r"^x:2: not a latency matrix: a zero byte"),
        (",cpu1,cpu1\ncpu1,,5\ncpu1,5,\n", r"^x:1:2: 'cpu1' names a core twice"),
        (",5," * 5000, r"^x:1: 1 rows, 10001 columns: at most 4096 cores"),
    ],
)
def test_what_is_no_matrix_is_refused_in_one_line_that_says_where(text: str, message: str) -> None:
    with pytest.raises(DumpError, match=message) as caught:
        latency.read(text.encode(), "x")
    assert "\n" not in str(caught.value)


def test_other_encodings_are_refused() -> None:
    with pytest.raises(DumpError, match=r"^x:2: not a latency matrix: not UTF-8"):
        latency.read(b",5\n\xff,\n", "x")


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_matrix_reads_the_same_however_it_is_written(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 6))
    cores = sorted(data.draw(st.sets(st.integers(0, 300), min_size=size, max_size=size)))
    value = st.one_of(st.integers(1, 10**6), st.floats(0.001, 1e6, allow_nan=False))
    cells = {(i, j): data.draw(value) for i in range(size) for j in range(size) if i != j}
    prefix = data.draw(st.sampled_from(["core ", "cpu", "CPU", "c"]))
    comma = data.draw(st.sampled_from([",", "\t", ";", " , "]))
    mark = "," if comma == ";" else "."
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    header, names = data.draw(st.booleans()), data.draw(st.booleans())
    lines = []
    if header:
        lines.append(comma.join([*([""] if names else []), *(f"{prefix}{core}" for core in cores)]))
    for i, core in enumerate(cores):
        row = [str(cells.get((i, j), "")).replace(".", mark) for j in range(size)]
        lines.append(comma.join([*([f"{prefix}{core}"] if names else []), *row]))
    numbers = cores if header or names else list(range(size))
    expected = {(numbers[i], numbers[j]): cell for (i, j), cell in cells.items()}
    assert latencies(end.join([*lines, ""])) == expected


SEED_TEXTS = [
    b",1.5,2\n1.5,,3\n2,3,\n",
    b"# unit: cycles\n,core 0,core 1\ncore 0,,75\ncore 1,160,\n",
    b"0\n5,0\n6,7,0\n8,9,10,0\n",
]


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Cut short, with bits flipped, a part repeated, or a part lost."""
    out = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        if not out:
            break
        at = chance.randrange(len(out))
        match chance.randrange(4):
            case 0:
                del out[at:]
            case 1:
                out[at] ^= 1 << chance.randrange(8)
            case 2:
                out[at:at] = out[at : at + chance.randrange(1, 40)]
            case _:
                del out[at : at + chance.randrange(1, 40)]
    return bytes(out)


def read_or_refuse(data: bytes) -> None:
    """Facts or a DumpError of one line; anything else fails the test."""
    latency.recognises(data)
    try:
        facts = latency.read(data, "x.csv")
    except DumpError as error:
        assert str(error).startswith("x.csv") and "\n" not in str(error)
        return
    for each in facts:
        one, other, value, unit = each.args
        assert one >= 0 and other >= 0 and value >= 0 and unit in ("ns", "cycles") and str(each)


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_matrix_gives_facts_or_a_clear_refusal(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(300):
        read_or_refuse(mutate(SEED_TEXTS[seed], chance))


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_bytes_whatever_give_facts_or_a_clear_refusal(data: bytes) -> None:
    read_or_refuse(data)


@pytest.mark.slow
@needs_measurements
def test_10000_damaged_measurements_give_facts_or_a_clear_refusal() -> None:
    chance = random.Random(2012)
    originals = [content(case[0]) for case in CASES if case[0] != "amd-epyc-7742-2s-256t.csv.gz"]
    small = [data for data in originals if len(data) < 50_000]
    for _ in range(10_000):
        read_or_refuse(mutate(chance.choice(small), chance))
