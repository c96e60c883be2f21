/* What saving and restoring the floating-point registers costs, in cycles of the time-stamp counter: the source of the
 * costs fpu_save and fpu_restore (rules/costs.pl).
 *
 *     gcc -O2 -mfxsr -o /tmp/fpu_save benchmarks/fpu_save.c && /tmp/fpu_save
 *
 * Medians of 20,001 readings, each fenced, less the median of empty ones. On the machine that the costs are of, the counter
 * moves in steps of 26.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <x86intrin.h>

enum { READINGS = 20001 };

static char area[512] __attribute__((aligned(64)));
static uint64_t empty[READINGS], saved[READINGS], restored[READINGS];

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t median(uint64_t *readings)
{
    qsort(readings, READINGS, sizeof *readings, ascending);
    return readings[READINGS / 2];
}

#define CYCLES(WORK) \
    ({ unsigned aux; _mm_lfence(); uint64_t start = __rdtscp(&aux); WORK; _mm_lfence(); __rdtscp(&aux) - start; })

int main(void)
{
    for (int i = 0; i < READINGS; i++) {
        empty[i] = CYCLES((void)0);
        saved[i] = CYCLES(__builtin_ia32_fxsave64(area));
        restored[i] = CYCLES(__builtin_ia32_fxrstor64(area));
    }
    uint64_t nothing = median(empty);
    printf("FXSAVE64 %lu cycles, FXRSTOR64 %lu cycles\n", median(saved) - nothing, median(restored) - nothing);
    return 0;
}
