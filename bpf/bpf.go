// Package bpf owns the kernel side: the programs in C, their generated objects and the Go types of what crosses
// the boundary. It loads nothing by itself.
package bpf

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64,arm64 -go-package bpf -output-stem weft -type record_kind -type direction -type message_flag -type unread_reason -type socket_origin -type piece_flag -type count -type cost -type choice -type message_record -type socket_record -type close_record -type handover_record -type machine -type heap -type jobs -type job_place -type job_kind -type tasks_of -type holder -type relay -type runtime -type glance -type hand -type stream_record -type session_record -type waiter -type waiters_record -type held_record -type thread_record -type deed -type process_record -type tally -type forgetful Weft weft.bpf.c -- -O2 -g -Wall -Werror -Wno-unused-function -Wno-address-of-packed-member

// The same programs for kernels, and hooks, that give no socket a storage of its own: see reach.h.
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-14 -strip llvm-strip-14 -target amd64,arm64 -go-package bpf -output-stem weft_address -no-global-types ByAddress weft.bpf.c -- -DSOCKETS_BY_ADDRESS -O2 -g -Wall -Werror -Wno-unused-function -Wno-address-of-packed-member
