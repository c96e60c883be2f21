"""Feature flags, named as in Linux' /proc/cpuinfo.

Names and bits are those of Linux' arch/x86/include/asm/cpufeatures.h and kernel/cpu/scattered.c, the
visible ones only; flags that Linux makes up itself (rep_good, nopl, pti, ...) are not the CPU's to state.
"""

from __future__ import annotations

from functools import lru_cache

from skb.readers.cpuid_dumps import DumpedCpu
from skb.readers.cpuid_identity import AMD_LIKE, max_basic, max_extended, vendor

_EAX, _EBX, _ECX, _EDX = range(4)

_DENSE: dict[tuple[int, int, int], str] = {  # "-" is a bit without a visible name
    (1, 0, _EDX): "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - "
    "dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe",
    (1, 0, _ECX): "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - "
    "pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - avx f16c rdrand hypervisor",
    (7, 0, _EBX): "fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx rdt_a "
    "avx512f avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd "
    "sha_ni avx512bw avx512vl",
    (7, 0, _ECX): "- avx512vbmi umip pku ospke waitpkg avx512_vbmi2 - gfni vaes vpclmulqdq avx512_vnni "
    "avx512_bitalg tme avx512_vpopcntdq - la57 - - - - - rdpid - bus_lock_detect cldemote - movdiri "
    "movdir64b enqcmd sgx_lc -",
    (7, 0, _EDX): "- - avx512_4vnniw avx512_4fmaps fsrm - - - avx512_vp2intersect - md_clear - - - "
    "serialize - tsxldtrk - pconfig arch_lbr ibt - amx_bf16 avx512_fp16 amx_tile amx_int8 - - flush_l1d "
    "arch_capabilities core_capabilities -",
    (0x80000001, 0, _ECX): "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch "
    "osvw ibs xop skinit wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb - bpext ptsc "
    "perfctr_llc mwaitx - -",
    (0x8000000A, 0, _EDX): "npt lbrv svm_lock nrip_save tsc_scale vmcb_clean flushbyasid decodeassists - - "
    "pausefilter - pfthreshold avic - v_vmsave_vmload vgif - x2avic - v_spec_ctrl - - - - vnmi",
    (0xC0000001, 0, _EDX): "- - rng rng_en - - ace ace_en ace2 ace2_en phe phe_en pmm pmm_en",
}

_SCATTERED: dict[tuple[int, int, int], dict[int, str]] = {
    (6, 0, _EAX): {0: "dtherm", 1: "ida", 2: "arat", 4: "pln", 6: "pts", 7: "hwp", 8: "hwp_notify",
                   9: "hwp_act_window", 10: "hwp_epp", 11: "hwp_pkg_req", 19: "hfi"},
    (6, 0, _ECX): {0: "aperfmperf", 3: "epb"},
    (7, 1, _EAX): {4: "avx_vnni", 5: "avx512_bf16", 17: "fred", 26: "lam"},
    (0xD, 1, _EAX): {0: "xsaveopt", 1: "xsavec", 2: "xgetbv1", 3: "xsaves"},
    (0xF, 0, _EDX): {1: "cqm_llc"},
    (0xF, 1, _EDX): {0: "cqm_occup_llc", 1: "cqm_mbm_total", 2: "cqm_mbm_local"},
    (0x10, 0, _EBX): {1: "cat_l3", 2: "cat_l2", 3: "mba"},
    (0x10, 1, _ECX): {2: "cdp_l3"},
    (0x10, 2, _ECX): {2: "cdp_l2"},
    (0x80000001, 0, _EDX): {11: "syscall", 19: "mp", 20: "nx", 22: "mmxext", 25: "fxsr_opt", 26: "pdpe1gb",
                            27: "rdtscp", 29: "lm", 30: "3dnowext", 31: "3dnow"},
    (0x80000007, 0, _EBX): {0: "overflow_recov", 1: "succor", 3: "smca"},
    (0x80000007, 0, _EDX): {7: "hw_pstate", 8: "constant_tsc nonstop_tsc", 9: "cpb", 11: "proc_feedback"},
    (0x80000008, 0, _EBX): {0: "clzero", 1: "irperf", 2: "xsaveerptr", 4: "rdpru", 9: "wbnoinvd",
                            23: "amd_ppin", 25: "virt_ssbd", 27: "cppc", 31: "brs"},
    (0x8000001F, 0, _EAX): {0: "sme", 1: "sev", 3: "sev_es", 4: "sev_snp", 14: "debug_swap"},
    (0x80000022, 0, _EAX): {0: "perfmon_v2", 1: "amd_lbr_v2"},
}  # fmt: skip

_NAMES: dict[tuple[int, int, int], dict[int, tuple[str, ...]]] = {
    **{
        place: {bit: (name,) for bit, name in enumerate(names.split()) if name != "-"}
        for place, names in _DENSE.items()
    },
    **{place: {bit: tuple(names.split()) for bit, names in bits.items()} for place, bits in _SCATTERED.items()},
}
_AMD_ONLY = frozenset({0x8000000A, 0x8000001F, 0x80000022})
_CENTAUR_ONLY = frozenset({0xC0000001})


@lru_cache(maxsize=4096)
def _named(place: tuple[int, int, int], value: int) -> tuple[str, ...]:
    return tuple(name for bit, names in _NAMES[place].items() if value >> bit & 1 for name in names)


def features(cpu: DumpedCpu) -> tuple[str, ...]:
    """The CPU's feature flags, each once, in the order of the leaves.

    A leaf beyond what the CPU states as its highest counts for nothing; so do other vendors' leaves.
    """
    maker = vendor(cpu)
    basic, highest = max_basic(cpu), max_extended(cpu)
    centaur = maker in ("centaur", "zhaoxin")
    found: dict[str, None] = {}
    for place in _NAMES:
        leaf, subleaf, register = place
        if leaf in _CENTAUR_ONLY:
            reached = centaur and 0xC0000001 <= cpu.leaf(0xC0000000)[_EAX] <= 0xC000FFFF
        elif leaf in _AMD_ONLY:
            reached = maker in AMD_LIKE and highest >= leaf
        else:
            reached = leaf <= (highest if leaf >= 0x80000000 else basic)
        if reached:
            found.update(dict.fromkeys(_named(place, cpu.leaf(leaf, subleaf)[register])))
    return tuple(found)
