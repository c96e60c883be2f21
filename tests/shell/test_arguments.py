"""Lists of cores as commands read and write them."""

from __future__ import annotations

import shutil
import subprocess
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shell.commands import arguments
from shell.errors import ShellError

SESSION = cast(Any, SimpleNamespace(kernel=SimpleNamespace(drivers=dict.fromkeys(range(256)))))


@pytest.mark.parametrize(
    ("numbers", "written"),
    [
        ([], ""), ([7], "7"), ([0, 1, 2, 3, 8], "0-3,8"), ([0, 2, 4], "0,2,4"), ([0, 2, 4, 6], "0-6:2"),
        ([0, 4, 8, 12, 13, 14, 15], "0-12:4,13-15"), ([3, 1, 2, 1], "1-3"), (range(1, 256, 2), "1-255:2"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_ranges_and_strides(numbers: list[int], written: str) -> None:
    assert arguments.ranges(numbers) == written


@given(st.sets(st.integers(0, 255), min_size=1))
def test_what_is_written_is_read_again(numbers: set[int]) -> None:
    assert arguments.cores(arguments.ranges(numbers), SESSION) == tuple(sorted(numbers))


def test_taskset_reads_it_alike() -> None:
    if shutil.which("taskset") is None:
        pytest.skip("taskset is not installed")
    asked = subprocess.run(["taskset", "-c", "0-6:2", "true"], capture_output=True, text=True)
    assert asked.stderr == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no list of cores; write 3, 0-3, 0-3,8 or 0-6:2"), ("a", "is no list of cores"),
        ("0-6:", "is no list of cores"), ("0:2", "is no list of cores"), ("0-6:0", "takes no steps; write 0-6:2"),
        ("6-0:2", "runs backwards; write 0-6"), ("0-300:100", "no core 300; cores are 0-255"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_cores_is_told_with_an_example(text: str, told: str) -> None:
    with pytest.raises(ShellError, match=told):
        arguments.cores(text, SESSION)
