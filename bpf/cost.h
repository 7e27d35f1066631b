/* What an operation costs: one of many is timed, so that the others pay a comparison for it. */
#pragma once
#include "state.h"

enum { COST_EVERY = 256 };

/* Counts an operation on a followed socket; true for the one of COST_EVERY on this CPU whose time is to be taken. */
static __always_inline bool count_operation(void)
{
	__u32 zero = 0;
	struct tally *t = bpf_map_lookup_elem(&tallies, &zero);

	return t && t->counts[COUNT_OPERATIONS]++ % COST_EVERY == 0;
}

/* verifier: a function of its own, verified once. */
__noinline int note_cost(__u64 since)
{
	__u64 ns = bpf_ktime_get_boot_ns() - since, at = 0;
	__u32 zero = 0;
	struct tally *t = bpf_map_lookup_elem(&tallies, &zero);

	for (__u32 i = 1; i < COSTS; i++)
		at += ns >> i != 0;
	if (t && at < COSTS)
		t->costs[at]++;
	return 0;
}
