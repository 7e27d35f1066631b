package process

import (
	"hash/fnv"
	"strings"

	"weft/agent/container"
)

// number gives the same value for processes that run the same program in the same way and place, see event.Process. Where a title was written
// over the arguments, its digits do not count: workers are numbered.
func (p *program) number(place container.Place) uint64 {
	if p.exe == "" || len(p.args) == 0 {
		return 0
	}
	args := p.args
	if len(args) == 1 {
		args = []string{strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return -1
			}
			return r
		}, args[0])}
	}
	h := fnv.New64a()
	for _, text := range append([]string{place.ID, p.exe, p.directory()}, args...) {
		_, _ = h.Write(append([]byte(text), 0)) // it cannot fail
	}
	return h.Sum64()
}
