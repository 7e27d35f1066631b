package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/dchest/siphash"
)

// name is what a request is in its tree: the truth. It is spelled as a word in the path of the request that nobody can
// read without the key, so that the words of a request and of its calls have nothing in common.
type name struct {
	tree   uint32 // of the requests that follow from one of the load's
	node   uint8  // in its tree; the root is 1
	parent uint8  // the node whose work it is part of; 0 for the root
}

const (
	wordSize  = 6 // letters of five bits each
	halfBits  = 15
	halfMask  = 1<<halfBits - 1
	nodeBits  = 6
	letters   = "abcdefghijkmnpqrstuvwxyz23456789"
	mixRounds = 4
)

// mix is the round function of a Feistel network over 30 bits.
func mix(round, half uint32) uint32 {
	var b [8]byte
	binary.LittleEndian.PutUint32(b[:], round)
	binary.LittleEndian.PutUint32(b[4:], half)
	return uint32(siphash.Hash(0x7765667474727574, 0x6163637572616379, b[:])) & halfMask
}

func (n name) word() string {
	v := n.tree<<(2*nodeBits) | uint32(n.node)<<nodeBits | uint32(n.parent)
	left, right := v>>halfBits&halfMask, v&halfMask
	for r := range uint32(mixRounds) {
		left, right = right, left^mix(r, right)
	}
	v = left<<halfBits | right
	var word [wordSize]byte
	for i := range word {
		word[i] = letters[v>>(5*i)&31]
	}
	return string(word[:])
}

// nameIn reads the word at the end of a path; false if there is none.
func nameIn(path string) (name, bool) {
	at := strings.LastIndexByte(path, '/')
	word := path[at+1:]
	if at < 0 || len(word) != wordSize {
		return name{}, false
	}
	v := uint32(0)
	for i := range wordSize {
		digit := strings.IndexByte(letters, word[i])
		if digit < 0 {
			return name{}, false
		}
		v |= uint32(digit) << (5 * i)
	}
	left, right := v>>halfBits&halfMask, v&halfMask
	for r := mixRounds - 1; r >= 0; r-- {
		left, right = right^mix(uint32(r), left), left
	}
	v = left<<halfBits | right
	const nodeMask = 1<<nodeBits - 1
	return name{v >> (2 * nodeBits), uint8(v >> nodeBits & nodeMask), uint8(v & nodeMask)}, true
}

// shape says what trees of requests look like.
type shape struct {
	calls    [2]int // of a request to the first service, from and up to
	parallel bool   // some calls are made at the same time
	think    bool   // the services wait for a random time between their steps
	cancel   bool   // the client gives up one of eight requests after some milliseconds
	headers  bool   // every other request has a trace context, which goes on with two of three calls
	retries  bool   // one of four calls is given up after 20 ms, and made again
	slow     bool   // one of eight replies is long, and the client takes its time to read it
	restart  bool   // the first service is ended and started again under load
}

// tree is one request of the load with all that follows from it.
type tree struct {
	random *rand.Rand
	shape  shape
	number uint32
	nodes  uint8
	middle int // port of the second service
	last   int // port of the terminal service
	traced bool
}

var routes = []string{"/orders/", "/users/", "/cart/items/", "/stock/", "/price/eur/", "/search/"}

// request makes a request that is part of the work of a node, and gives its path and its program.
//
// A program is what the service has to do before it answers, one step a line: `w N` waits for N milliseconds;
// `c PORT PATH SIZE` sends a POST whose body, a program, is the SIZE bytes behind the line, and waits for its reply;
// `p PORT PATH SIZE` does so at the same time as the call before it. Behind SIZE may stand what not all services know: `h`, to
// hand on the trace context, and `t`, to give up after 20 ms and make the call again. `r SIZE` in the first line asks for
// a reply of that size.
func (t *tree) request(parent uint8, depth int) (path, program string) {
	t.nodes++
	node := t.nodes
	path = routes[t.random.IntN(len(routes))] + name{t.number, node, parent}.word()
	var b strings.Builder
	switch depth {
	case 0:
		t.steps(&b, node, depth, t.shape.calls[0]+t.random.IntN(t.shape.calls[1]-t.shape.calls[0]+1))
	case 1:
		t.steps(&b, node, depth, t.random.IntN(3))
	default:
		fmt.Fprintf(&b, "w %d\n", t.random.IntN(4))
	}
	return path, b.String()
}

func (t *tree) steps(b *strings.Builder, node uint8, depth, calls int) {
	for i := range calls {
		word := "c"
		if t.shape.parallel && i > 0 && t.random.IntN(2) == 0 {
			word = "p"
		}
		if t.shape.think && word == "c" && t.random.IntN(2) == 0 {
			fmt.Fprintf(b, "w %d\n", 1+t.random.IntN(5))
		}
		port, below := t.last, 2
		if depth == 0 && t.random.IntN(3) == 0 {
			port, below = t.middle, 1
		}
		path, program := t.request(node, below)
		fmt.Fprintf(b, "%s %d %s %d%s\n%s", word, port, path, len(program), t.flags(below), program)
	}
}

// flags of a call. What is made again has no calls of its own, for they could not be told apart.
func (t *tree) flags(below int) (f string) {
	if t.traced && t.random.IntN(3) > 0 {
		f += "h"
	}
	if t.shape.retries && below == 2 && t.random.IntN(4) == 0 {
		f += "t"
	}
	if f != "" {
		f = " " + f
	}
	return f
}
