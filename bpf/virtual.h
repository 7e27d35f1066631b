/* Which virtual thread of Java a thread runs. HotSpot keeps the number of it, which is that of java.lang.Thread, in its own structure of
 * the thread, and the address of that structure in thread-local memory of libjvm. agent/java finds out where; x86-64 only. */
#pragma once
#include "operation.h"

/* What leads to the virtual thread, in bytes. */
struct machine {
	__u32 slot;    /* in the thread's vector of modules: of the address of libjvm's memory; 0: it is no Java, or not understood */
	__u32 current; /* in that: of the address of the thread's structure */
	__u32 system;  /* in that: of the address of what is known of the system's thread */
	__u32 pointer; /* in that: of its thread pointer */
	__u32 mounted; /* in the thread's structure: of the byte that is not 0 while it runs a virtual thread */
	__u32 number;  /* in the thread's structure: of the number of the virtual thread; 0: this Java has none */
};

/* What tells who has allocated an object. */
struct heap {
	__u64 base;	   /* of references of 32 bits */
	__u64 collections; /* address of the number of collections so far */
	__u64 entry;	   /* where what Java's outermost method returns to is */
	__u64 low, high;   /* of the buffers that were seen */
	__u32 shift;	   /* of references of 32 bits */
	__u32 buffer;	   /* in the thread's structure: of its allocation buffer; 0: not understood */
	__u32 stack;	   /* in the thread's structure: of the address of the outermost end of its stack */
	__u32 cradles;	   /* entries of the process in the map of that name */
};

enum { THREAD_VECTOR = 8 }; /* behind the thread pointer: the address of the vector of the modules' memory for this thread */

static __always_inline bool read_word(__u64 *word, __u64 at)
{
	return !bpf_probe_read_user(word, sizeof(*word), (void *)at);
}

enum { NO_STRUCTURE = 1 }; /* it is no address */

/* The address of the machine's structure of the current thread, which has to name its thread pointer; 0 if it has none, NO_STRUCTURE if
 * that can't be told. words: room for two. */
static __always_inline __u64 own_structure(const struct machine *m, __u64 *words)
{
#if defined(__TARGET_ARCH_x86)
	__u64 base = FIELD(current_task(), thread.fsbase);

	if (!read_word(words, base + THREAD_VECTOR) || !read_word(words, words[0] + m->slot) || !read_word(words, words[0] + m->current))
		return 0; /* a thread that has never called the machine has no memory of it */
	if (!words[0])
		return 0;
	if (read_word(words + 1, words[0] + m->system) && read_word(words + 1, words[1] + m->pointer) && words[1] == base)
		return words[0];
#endif
	return NO_STRUCTURE;
}

/* The number of the virtual thread that the current thread runs; 0 if it runs none, or if that can't be told. words: room for two. */
static __always_inline __u64 running_virtual(const struct machine *m, __u64 *words)
{
	__u64 structure;
	__u8 mounted = 0;

	if (!m->number)
		return 0; /* this Java has none */
	structure = own_structure(m, words);
	if (!structure)
		return 0;
	if (structure == NO_STRUCTURE || bpf_probe_read_user(&mounted, sizeof(mounted), (void *)(structure + m->mounted)))
		goto unknown;
	if (!mounted)
		return 0;
	if (read_word(words, structure + m->number) && words[0])
		return words[0];
unknown:
	count_add(COUNT_TASK_UNREAD, 1);
	return 0;
}
