/* Back pressure: when the ring fills, fewer new exchanges are let in, so that those that are can be told whole. */
#pragma once
#include "operation.h"

enum { PRESSURE_MAX = 64, PRESSURE_TOP = 62 };

/* How many of PRESSURE_MAX new exchanges are left out. Set by whoever weighs the ring; Go sets it to 0 when the ring is empty. */
__u32 pressure;

/* None up to half of the ring, then more the fuller it is. At the top a few are let in all the same, so that something is told of
 * every busy connection. verifier: a function of its own, verified once. */
__noinline int weigh_ring(void)
{
	__u64 held = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA), half = bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) / 2;
	__u64 now = 0;

	if (held > half && half)
		now = (held - half) * PRESSURE_MAX / half;
	if (now > PRESSURE_TOP)
		now = PRESSURE_TOP;
	if (now != *(volatile __u32 *)&pressure)
		*(volatile __u32 *)&pressure = now;
	return 0;
}

/* Whether the lot falls on an exchange. It is drawn from what both ends of its connection know alike, the connection's name and the
 * request's place in the stream, so that both leave out the same; and from nothing that its contents or its process have a part in. */
static __always_inline bool draws_lot(const struct socket_state *s, __u64 offset)
{
	__u64 name = (__u64)s->name_local + s->name_peer, x;

	if (!name)
		name = s->cookie;
	x = (name * 0x9e3779b97f4a7c15ULL) ^ offset;
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ULL;
	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ULL;
	return x >> 58 < *(volatile __u32 *)&pressure;
}

/* Whether the request that begins is to be left out, with all that belongs to it. One that comes while the reply to the one before
 * may still be under way shares that one's lot: replies are told apart by their order alone. single: there never is one under way. */
static __always_inline bool is_left_out(const struct operation *op, const struct socket_state *s, __u64 offset, bool single)
{
	if (single)
		return *(volatile __u32 *)&pressure && draws_lot(s, offset);
	if (s->last == op->direction + 1 || offset != op->first)
		return s->shed;
	return *(volatile __u32 *)&pressure && draws_lot(s, offset);
}
