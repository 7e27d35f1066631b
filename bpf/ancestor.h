/* Which goroutine that reads requests a goroutine descends from. Go keeps the parent of each, not its ancestors, and those in between
 * need not have done any socket operation: they are looked up in the runtime's list of all goroutines, each once. */
#pragma once
#include "state.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

struct goroutine_key {
	__u32 pid;
	__u32 pad;
	__u64 id;
};

struct goroutine_value {
	__u64 parent;
	__u32 known;  /* the parent was looked for; 0 if it was not found */
	__u16 serves; /* it has read a request */
	__u16 called; /* it has made a call */
};

/* What is known of goroutines. Key: process and goroutine id, which Go never uses again. Born when one reads a request or is looked
 * up as an ancestor; the one that was not used for the longest time goes first. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct goroutine_key);
	__type(value, struct goroutine_value);
} goroutines SEC(".maps");

enum {
	GENERATIONS = 4,   /* that are climbed for one request */
	LIST_CHUNK = 8,	   /* entries of the list that are read at a time */
	LIST_MAX = 1 << 12 /* entries of a list that is looked through; longer ones cost too much */
};

/* Notes that a goroutine has read a request. */
static __noinline int note_serving(__u32 pid, __u64 id)
{
	struct goroutine_key key = {.pid = pid, .id = id};
	struct goroutine_value *known = bpf_map_lookup_elem(&goroutines, &key);

	if (known) {
		known->serves = 1;
	} else {
		struct goroutine_value value = {.serves = 1};
		remember(&goroutines, FORGETFUL_GOROUTINES, &key, &value);
	}
	return 0;
}

struct search {
	__u64 list, length;
	__u64 id, parent;
	__u32 goid, parent_goid;
	__u32 found;
};

static long look_at_chunk(__u32 index, struct search *s)
{
	__u64 list[LIST_CHUNK] = {};
	__u64 at = (__u64)index * LIST_CHUNK;

	if (at >= s->length || bpf_probe_read_user(list, sizeof(list), (void *)(s->list + at * 8)))
		return 1;
	for (int i = 0; i < LIST_CHUNK; i++) {
		__u64 id = 0;

		if (at + i >= s->length || bpf_probe_read_user(&id, sizeof(id), (void *)(list[i] + s->goid)) || id != s->id)
			continue;
		s->found = !bpf_probe_read_user(&s->parent, sizeof(s->parent), (void *)(list[i] + s->parent_goid));
		return 1;
	}
	return 0;
}

/* What the loop is in the kernel's type information. Where sockets are by address, kernels are meant that refuse a program in which
 * a function is as much as named. */
enum bpf_func_id___loop {
	BPF_FUNC_loop___loop = 181,
};
#if !defined(SOCKETS_BY_ADDRESS)
#define KERNEL_LOOPS bpf_core_enum_value_exists(enum bpf_func_id___loop, BPF_FUNC_loop___loop)
#define LOOP(turns, function, argument) bpf_loop(turns, function, argument, 0)
#else
#define KERNEL_LOOPS false
#define LOOP(turns, function, argument)
#endif

/* The parent of a goroutine of the current process, 0 if it is not found. */
static __always_inline __u64 parent_of(const struct process *p, __u64 id)
{
	struct search s = {.id = id, .goid = p->goid, .parent_goid = p->parent_goid};
	__u64 slice[2] = {};

	/* Kernels before 5.17 do not have the loop. */
	if (!KERNEL_LOOPS || bpf_probe_read_user(slice, sizeof(slice), (void *)p->all_goroutines))
		return 0;
	if (slice[1] > LIST_MAX)
		return 0;
	s.list = slice[0];
	s.length = slice[1];
	LOOP(LIST_MAX / LIST_CHUNK, look_at_chunk, &s);
	return s.found ? s.parent : 0;
}

/* The nearest ancestor of a goroutine that has read a request; its parent if none is found. */
static __always_inline __u64 serving_ancestor(const struct process *p, __u32 pid, __u64 id, __u64 parent)
{
	struct goroutine_key key = {.pid = pid, .id = id};
	struct goroutine_value *known = bpf_map_lookup_elem(&goroutines, &key);

	if (!p->all_goroutines || (known && known->serves))
		return parent;
	key.id = parent;
	for (int i = 0; i < GENERATIONS && key.id; i++) {
		struct goroutine_value value = {.known = 1};

		known = bpf_map_lookup_elem(&goroutines, &key);
		if (known && known->serves)
			return key.id;
		if (known && known->known) {
			key.id = known->parent;
			continue;
		}
		value.parent = parent_of(p, key.id);
		remember_last(&goroutines, FORGETFUL_GOROUTINES, &key, &value);
		key.id = value.parent;
	}
	return parent;
}
