"""A job (skb/taking_home.py) for Kubernetes: a pod, and the configuration of the node's kubelet.

A pod can ask for exclusive CPUs, not for which: the static CPU manager picks. It is left no choice by reserving all
others for the system (KubeletConfiguration, reservedSystemCPUs). The YAML's scalars are written as JSON where
they need quotes, which YAML 1.2 takes.
"""

from __future__ import annotations

import json
import re
from typing import Any

from skb.taking_home import ExportError, Job, Setting, commented, head, ranges, unsaid
from skb.writers.command_lines import omp_environment

_LONGEST_NAME = 63  # RFC 1123, which Kubernetes holds names to
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*\Z")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def pod(job: Job) -> Setting:
    """A pod of one container, with as many exclusive CPUs as the job has."""
    _some_left(job)
    name = _name(job.name)
    cpus = str(len(job.cpu_set))
    resources = {"cpu": cpus, "memory": "1Gi"}
    environment = [{"name": key, "value": value} for key, value in omp_environment(job).items()]
    container: dict[str, Any] = {"name": name, "image": f"{name}:latest"}
    if not job.placeholder:
        container["command"] = list(job.command)
    container |= {"env": environment, "resources": {"requests": resources, "limits": resources}}
    fields: dict[str, object] = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"nodeSelector": {"kubernetes.io/hostname": _name(job.machine)}, "containers": [container]},
    }
    notes = [
        "not said: which CPUs; a pod gets those, and no others, on a node whose kubelet is set by --as kubelet",
        *unsaid(job),
    ]
    lines = [
        *head(job), "requests equal to limits, in whole CPUs, make it Guaranteed: its CPUs are its own",
        "to be set: the image, the memory that it needs, and the name of the node",
        "env binds the threads of an OpenMP program, each to its CPU; another program must do so itself",
    ]
    return Setting(_text([*lines, *notes], fields), fields, tuple(notes))


def kubelet(job: Job) -> Setting:
    """The configuration by which the job's CPUs are the only ones that a node has to give."""
    others = _some_left(job)
    fields: dict[str, object] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "cpuManagerPolicy": "static",
        "reservedSystemCPUs": others,
        "topologyManagerPolicy": "single-numa-node" if len(job.nodes) == 1 else "best-effort",
    }
    notes = ["not said: which container gets which of the CPUs, if several ask; one that asks for all has them all"]
    lines = [
        *head(job), "in the kubelet's configuration of that node; all other CPUs are the system's and other pods'",
        "remove /var/lib/kubelet/cpu_manager_state, then restart the kubelet",
    ]
    return Setting(_text([*lines, *notes], fields), fields, tuple(notes))


def _some_left(job: Job) -> str:
    """The CPUs that the job leaves; ExportError where there is none."""
    others = ranges(set(job.all_cpus) - set(job.cpus))
    if not others:
        raise ExportError(
            f"{job.name} takes every CPU there is, and a kubelet that gives CPUs away keeps one at least; "
            f"spawn it on fewer"
        )
    return others


def _name(text: str) -> str:
    """A name as RFC 1123 has it: small letters, digits and dashes."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST_NAME].rstrip("-")
    return name or "job"


def _text(comments: list[str], fields: dict[str, object]) -> str:
    return "\n".join([*commented(comments), *_yaml(fields, "")]) + "\n"


def _yaml(value: dict[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines += [f"{indent}{key}:", *_yaml(item, indent + "  ")]
        elif isinstance(item, list):
            lines.append(f"{indent}{key}:")
            for each in item:
                if isinstance(each, dict):
                    first, *rest = _yaml(each, indent + "  ")
                    lines += [f"{indent}- {first.strip()}", *rest]
                else:
                    lines.append(f"{indent}- {_scalar(each)}")
        else:
            lines.append(f"{indent}{key}: {_scalar(item)}")
    return lines


def _scalar(value: object) -> str:
    text = str(value)
    return text if _PLAIN.match(text) and text.lower() not in _WORDS else json.dumps(text)
