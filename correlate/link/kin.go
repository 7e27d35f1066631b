package link

// kin are processes of one program: the workers of a server, or a service that was started again. Each of them is known by itself as soon as it
// has shown how it works. Until then the others stand for it: what one worker does with threads, its brothers do.
type kin struct {
	own, others, mixed, free uint64 // as in habits, of all of them
}

// kinMax bounds the programs that are remembered after their processes have ended.
const kinMax = 4096

// kinOf gives those that share a program's number; nobody's for 0.
func (t *processes) kinOf(program uint64) *kin {
	if program == 0 {
		return &kin{}
	}
	k := t.kin[program]
	if k == nil {
		if len(t.kin) >= kinMax {
			clear(t.kin) // those that run keep theirs
		}
		k = &kin{}
		t.kin[program] = k
	}
	return k
}

// keeps tells that the threads of such a process work on what they have read, as far as all of them have shown.
func (k *kin) keeps() bool {
	own := float64(k.own)
	return k.own >= ownLeast && k.mixed*mixedRate <= k.free && own/(own+1+float64(k.others*surprise)) >= threshold
}
