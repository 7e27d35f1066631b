/* What is known of a goroutine that makes a call for another one, and the room in which its stack is looked at. */
#pragma once
#include "ancestor.h"
#include "operation.h"

/* Goroutines that have given a request to a connection, and of which it is not known for whom they work. Key: the socket's number.
 * Removed when the reply begins; the others fall out. */
struct worker {
	__u64 g; /* address of its struct g */
	__u64 id;
	__u64 depth;	/* of its stack where net/http begins: what is deeper is not the program's */
	__u64 ready;	/* address of the g of the goroutine that was made ready last on its processor, 0: none */
	__u64 ready_id; /* of that */
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct worker);
} workers SEC(".maps");

enum {
	STACK_WORDS = 256,  /* of the stack that are looked at: the outermost */
	JOB_STACK = 64,	    /* of these, which may point to a job */
	JOB_WORDS = 16,	    /* of a job */
	READY_WORDS = 128,  /* of the stack of the one that was made ready: the innermost */
	READY_PLACES = 256, /* a power of two */
};
#define HEAP_LOW (1ULL << 32)
#define HEAP_HIGH (1ULL << 47)

/* What one look needs; too much for the stack. One of each area on a CPU. */
struct look {
	__u64 words[STACK_WORDS];
	__u64 ready[READY_PLACES]; /* words of the one that was made ready, each at its place; of two with one place the last */
	__u64 job[JOB_WORDS];	   /* or a part of the stack of that one */
	__u64 low, high;	   /* of the worker's stack */
	__u64 worker;		   /* address of its g */
	__u64 from, to;		   /* of the stack of the one that was made ready */
	__u64 ready_id, ready_parent;
	__u64 told[WAITERS_MAX]; /* channels of that one */
	__u32 count;		 /* of words */
	__u32 goid, parent_goid, receivers, sudog_g, sudog_next, sudog_chan, has_parent;
	struct waiters_record record;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, AREA_SPARE);
	__type(key, __u32);
	__type(value, struct look);
} looks SEC(".maps");

static __always_inline bool in_heap(__u64 address)
{
	return !(address & 7) && address >= HEAP_LOW && address < HEAP_HIGH;
}

/* Where the channel is that the word at an index of the worker's stack leads to. */
static __always_inline __u32 place_on_stack(const struct look *l, __u32 index)
{
	return (l->count - index) * 2 * JOB_WORDS;
}
