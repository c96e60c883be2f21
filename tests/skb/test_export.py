"""Settings for real machines, held to the tools themselves where they are, else to their formats' readers."""

from __future__ import annotations

import argparse
import ast
import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from skb.export import FORMATS
from skb.knowledge import KnowledgeBase
from skb.placement import BestEffort, Hard, Soft
from skb.taking_home import ExportError, Job, numbers, ranges

HOST = tuple(sorted(os.sched_getaffinity(0)))
WHERE = (sys.executable, "-c", "import os; print(sorted(os.sched_getaffinity(0)))")
"""A command that tells the CPUs it may run on."""


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


def job(cpus: Sequence[int], command: Sequence[str] = (), **changed: object) -> Job:
    plain = Job(
        name="barrier", machine="here", cpus=tuple(cpus), memory=tuple(0 for _ in cpus), all_cpus=tuple(range(64)),
        numbered_by="kernel", renumbered=False, parameters=tuple(BestEffort(1) for _ in cpus), phase=0, phases=1,
        priority=0, command=tuple(command) or ("barrier",), placeholder=not command,
    )
    return replace(plain, **changed)  # type: ignore[arg-type]


WORDS = st.text("ab $%\"'\\*;é-", min_size=1, max_size=6)
JOBS = st.builds(
    lambda cpus, memory, words, parameters: job(
        cpus, ["/bin/echo", *words], memory=tuple(memory[i % len(memory)] for i in range(len(cpus))),
        parameters=tuple(parameters for _ in cpus), priority=2 if isinstance(parameters, Hard) else 0,
    ),
    st.lists(st.integers(0, 62), min_size=1, max_size=12), st.lists(st.integers(0, 7), min_size=1, max_size=3),
    st.lists(WORDS, max_size=3),
    st.one_of(
        st.builds(BestEffort, st.integers(1, 500)), st.just(Hard(80, 160, 160, 0, gang=True)),
        st.builds(Soft, st.integers(1_000, 10**8), st.integers(10**8, 10**10)),
    ),
)


def run(script: str) -> str:
    done = subprocess.run(["sh", "-e"], input=script, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- the tools themselves ------------------------------------------------------------------------------


@needs("taskset")
def test_taskset_starts_a_program_on_the_cpus_of_its_dispatchers() -> None:
    for cpus in (HOST, HOST[:1], HOST[-1:], (*HOST, HOST[0])):
        assert ast.literal_eval(run(FORMATS["taskset"](job(cpus, WHERE)).text)) == sorted(set(cpus))


@needs("taskset")
def test_the_loop_told_beside_gives_each_thread_the_cpu_of_its_dispatcher(tmp_path: Path) -> None:
    """Two threads that wait, bound the other way round."""
    if len(HOST) < 2:
        pytest.skip("needs two CPUs")
    cpus = (HOST[1], HOST[0])
    waits = subprocess.Popen(
        [sys.executable, "-c",
         "import sys, threading as t; t.Thread(target=t.Event().wait, daemon=True).start();"
         "print(flush=True); sys.stdin.read()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert waits.stdout is not None
        waits.stdout.readline()
        loop = re.search(r"#   (set -- .*)", FORMATS["taskset"](job(cpus)).text)
        assert loop is not None
        run(loop[1].replace("PID", str(waits.pid)))
        threads = sorted(int(name) for name in os.listdir(f"/proc/{waits.pid}/task"))
        assert [os.sched_getaffinity(thread) for thread in threads] == [{cpu} for cpu in cpus]
    finally:
        waits.communicate(timeout=30)


@needs("numactl")
def test_numactl_binds_cpus_and_memory() -> None:
    shown = run(FORMATS["numactl"](job(HOST, ["numactl", "--show"])).text)
    told = dict(re.findall(r"^(\w+): (.*?) ?$", shown, re.MULTILINE))
    assert [int(word) for word in told["physcpubind"].split()] == list(HOST)
    assert (told["policy"], told["membind"]) == ("bind", "0")


OPENMP = """
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <omp.h>
int main(void)
{
    int cpu[64];
    #pragma omp parallel
    {
        cpu_set_t set;
        sched_getaffinity(0, sizeof set, &set);
        cpu[omp_get_thread_num()] = -1;
        for (int i = 0; i < CPU_SETSIZE; i++)
            if (CPU_ISSET(i, &set) && CPU_COUNT(&set) == 1)
                cpu[omp_get_thread_num()] = i;
        #pragma omp barrier
        #pragma omp single
        for (int i = 0; i < omp_get_num_threads(); i++)
            printf("%d\\n", cpu[i]);
    }
}
"""


@needs("gcc")
def test_openmp_runs_each_thread_on_the_cpu_of_its_dispatcher(tmp_path: Path) -> None:
    """Two orders and a CPU with two dispatchers, through libgomp."""
    (tmp_path / "where.c").write_text(OPENMP)
    made = subprocess.run(["gcc", "-fopenmp", "-o", "where", "where.c"], cwd=tmp_path, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"gcc makes no OpenMP program: {made.stderr.strip()[:80]}")
    for cpus in (HOST, HOST[::-1], (*HOST[::-1], HOST[0])):
        told = run(FORMATS["omp"](job(cpus, [str(tmp_path / "where")])).text)
        assert tuple(map(int, told.split())) == cpus


@needs("systemd-analyze")
def test_systemd_takes_every_drop_in(tmp_path: Path) -> None:
    unit = "[Unit]\nDescription=b\n[Service]\nExecStart=/bin/true\n"

    def complaints(drop_in: str) -> list[str]:
        (tmp_path / "barrier.service").write_text(unit)
        (tmp_path / "barrier.service.d").mkdir(exist_ok=True)
        (tmp_path / "barrier.service.d" / "placement.conf").write_text(drop_in)
        done = subprocess.run(
            ["systemd-analyze", "--man=no", "verify", str(tmp_path / "barrier.service")],
            capture_output=True, text=True, timeout=60, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        )  # fmt: skip
        return [line for line in (done.stdout + done.stderr).splitlines() if "placement.conf" in line]

    assert complaints("[Service]\nCPUAffinity=none\n"), "this systemd-analyze reads no drop-in: it proves nothing"
    for parameters in (BestEffort(7), BestEffort(1000), Hard(80, 160, 160, 0), Soft(3 * 10**6, 10**8)):
        for command in ((), ("/bin/echo", 'a "b" $HOME 100%', "c\\d")):
            made = job((0, 2, 3), command, parameters=(parameters,) * 3, priority=1)
            assert complaints(FORMATS["systemd"](made).text) == []


@needs("sbatch")
def test_slurm_reads_every_option(tmp_path: Path) -> None:
    """No controller listens: a script that is read gets as far as that, one that is not does not."""
    conf = tmp_path / "slurm.conf"
    conf.write_text(
        "ClusterName=test\nSlurmctldHost=localhost(127.0.0.1)\nSlurmctldPort=1\nAuthType=auth/none\nCredType=cred/none\n"
        "TaskPlugin=task/affinity\nNodeName=localhost CPUs=64\nPartitionName=p Nodes=ALL Default=YES\n"
        "MessageTimeout=1\n"
    )

    def said(*command: str) -> str:
        environment = {**os.environ, "SLURM_CONF": str(conf), "SLURMCTLD_TIMEOUT": "1"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, env=environment)
        return done.stderr

    script = FORMATS["slurm"](job((4, 0, 4), ["/bin/true"], memory=(1, 0, 1))).text
    commented = [line.removeprefix("#").strip() for line in script.splitlines() if line.startswith("#   srun")]
    for text, good in ((script, True), (script.replace("--exclusive", "--exclusively"), False)):
        (tmp_path / "job.sh").write_text(text)
        assert ("contact slurm controller" in said("sbatch", "job.sh")) == good
    for line in (script.splitlines()[-1], *commented):
        assert "contact slurm controller" in said(*shlex.split(line))
        assert "contact slurm controller" not in said(*shlex.split(re.sub("bind=m[a-z]+_", "bind=by_", line)))


# -- their formats, of any job --------------------------------------------------------------------------


def last_line(setting: str) -> list[str]:
    return shlex.split(setting.splitlines()[-1])


@given(JOBS)
def test_lists_of_cpus_name_each_once(made: Job) -> None:
    words = last_line(FORMATS["taskset"](made).text)
    assert words[:2] == ["taskset", "-c"]
    assert listed(words[2]) == set(made.cpus)
    words = last_line(FORMATS["numactl"](made).text)
    assert listed(words[1].removeprefix("--physcpubind=")) == set(made.cpus)
    assert listed(words[2].removeprefix("--membind=")) == set(made.memory)
    assert tuple(words[3:]) == made.command


def listed(text: str) -> set[int]:
    ends = [[int(end) for end in part.split("-")] for part in text.split(",")]
    return {number for part in ends for number in range(part[0], part[-1] + 1)}


@given(JOBS)
def test_openmp_gets_its_places_in_the_order_of_dispatchers(made: Job) -> None:
    said = run(FORMATS["omp"](made).text.rsplit("\n", 2)[0] + '\nprintf "%s\\n" "$OMP_PLACES" "$OMP_NUM_THREADS"')
    places, threads = said.split()
    assert tuple(int(place.strip("{}")) for place in places.split(",")) == made.cpus
    assert int(threads) == len(made.cpus)


@given(JOBS)
def test_a_drop_in_is_an_ini_file_of_one_section(made: Job) -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    text = FORMATS["systemd"](made).text
    parser.read_string(text)
    assert parser.sections() == ["Service"]
    found = dict(parser["Service"])
    assert listed(found["CPUAffinity"].replace(" ", ",")) == set(made.cpus)
    assert listed(found["NUMAMask"].replace(" ", ",")) == set(made.memory)
    match made.parameters[0]:
        case BestEffort(weight):
            assert int(found["CPUWeight"]) == min(100 * weight, 10_000)
        case Hard():
            assert (found["CPUSchedulingPolicy"], found["CPUSchedulingPriority"]) == ("fifo", "2")
        case Soft(wcet, period):
            share = 100 * len(made.cpus) * wcet / period
            assert int(found["CPUQuota"].rstrip("%")) == pytest.approx(share, abs=1)
            assert 1_000 <= int(found["CPUQuotaPeriodSec"].removesuffix("us")) <= 1_000_000


@given(JOBS)
def test_a_batch_script_maps_each_task(made: Job) -> None:
    text = FORMATS["slurm"](made).text
    batch = argparse.ArgumentParser(exit_on_error=False)
    for name in ("--job-name", "--nodes", "--ntasks"):
        batch.add_argument(name, required=True)
    for name in ("--exclusive", "--overcommit"):
        batch.add_argument(name, action="store_true")
    script = batch.parse_args([line.split()[1] for line in text.splitlines() if line.startswith("#SBATCH")])
    step = argparse.ArgumentParser(exit_on_error=False)
    for name in ("--ntasks", "--distribution", "--cpu-bind", "--mem-bind"):
        step.add_argument(name, required=True)
    step.add_argument("--overcommit", action="store_true")
    step.add_argument("command", nargs=argparse.REMAINDER)
    words = step.parse_args(last_line(text)[1:])
    assert script.ntasks == words.ntasks == str(len(made.cpus))
    assert script.overcommit == words.overcommit == (len(set(made.cpus)) < len(made.cpus))
    assert words.cpu_bind == f"map_cpu:{','.join(map(str, made.cpus))}"
    assert words.mem_bind == f"map_mem:{','.join(map(str, made.memory))}"
    assert tuple(words.command) == made.command


@settings(max_examples=30, deadline=None)
@given(JOBS)
def test_a_pod_is_one_by_the_schema_and_guaranteed(made: Job) -> None:
    setting = FORMATS["kubernetes"](made)
    pod = yaml.safe_load(setting.text)
    assert pod == setting.fields
    kubernetes_validate.validate(pod, "1.32", strict=True)
    (container,) = pod["spec"]["containers"]
    assert tuple(container["command"]) == made.command
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert container["resources"]["limits"]["cpu"] == str(len(set(made.cpus)))


@given(JOBS)
def test_a_kubelet_has_the_jobs_cpus_alone_to_give(made: Job) -> None:
    setting = FORMATS["kubelet"](made)
    configuration = yaml.safe_load(setting.text)
    assert configuration == setting.fields
    assert set(made.all_cpus) - listed(configuration["reservedSystemCPUs"]) == set(made.cpus)
    single = configuration["topologyManagerPolicy"] == "single-numa-node"
    assert single == (len(set(made.memory)) == 1)


@given(st.sets(st.integers(0, 5000), min_size=1))
def test_ranges_are_read_as_what_they_were_made_of(cpus: set[int]) -> None:
    assert listed(ranges(cpus)) == cpus


# -- what cannot be said --------------------------------------------------------------------------------


def test_what_linux_cannot_be_told_is_told_to_the_reader() -> None:
    gang = Hard(80_000_000, 160_000_000, 160_000_000, 0, gang=True)
    for name in ("taskset", "numactl", "omp", "systemd", "slurm", "kubernetes"):
        notes = "\n".join(FORMATS[name](job((1, 2), parameters=(gang, gang), priority=1, phases=3)).notes)
        assert "its gang starts together" in notes
        assert "80 ms every 160 ms, deadline 160 ms" in notes
        assert "this is phase 0 of 3" in notes


def test_a_kubelet_cannot_give_all_cpus_away() -> None:
    with pytest.raises(ExportError, match="barrier takes every CPU there is"):
        FORMATS["kubernetes"](job(range(64)))


def test_systemd_starts_nothing_by_a_path_from_here() -> None:
    with pytest.raises(ExportError, match=r"by their absolute path, not '\./mine'"):
        FORMATS["systemd"](job((0,), ["./mine"]))


# -- Linux's numbers --------------------------------------------------------------------------------------


def test_cores_of_a_machine_that_linux_runs_on_have_its_numbers(load: Callable[[str], KnowledgeBase]) -> None:
    found = numbers(load("amd-4x4"), (12, 0, 5))
    assert found == {"cpus": (12, 0, 5), "memory": (3, 0, 1), "all_cpus": tuple(range(16)), "numbered_by": "kernel",
                     "renumbered": False}


def test_a_core_of_the_scc_has_a_linux_of_its_own(load: Callable[[str], KnowledgeBase]) -> None:
    kb = load("scc")
    found = numbers(kb, (47,))
    assert (found["cpus"], found["all_cpus"], found["renumbered"]) == ((0,), (0,), True)
    with pytest.raises(ExportError, match="cores 4 and 5 have no coherent caches"):
        numbers(kb, (4, 5))


def test_a_host_has_a_linux_and_its_card_has_others(load: Callable[[str], KnowledgeBase]) -> None:
    kb = load("scc-host")
    assert numbers(kb, (7, 1))["all_cpus"] == tuple(range(8))
    with pytest.raises(ExportError, match="cores 0 and 8 have no coherent caches"):
        numbers(kb, (0, 8))
