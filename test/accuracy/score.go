package main

import "weft/correlate/span"

// score is how a linker has done on the calls of a recording.
type score struct {
	calls, right, wrong int
	later, laterRight   int // of the calls for requests that came when weft had seen learning others in the process
	ambiguous           int // without a link, and the span says among how many
	byEvidence          [32]struct{ right, wrong int }
	reliability         reliability
}

func (s *score) precision() float64 { return share(s.right, s.right+s.wrong) }
func (s *score) recall() float64    { return share(s.right, s.calls) }

// learned is the recall once weft knows the process.
func (s *score) learned() float64 { return share(s.laterRight, s.later) }

// learning is how many requests weft may need to see how a process works.
const learning = 100

func share(part, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(part) / float64(of)
}

// bounds are the lower ends of the classes of confidence.
var bounds = [...]float64{0, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999}

// reliability counts links by what they said of themselves.
type reliability [len(bounds)]struct {
	links, right int
	said         float64 // sum
}

func (r *reliability) add(confidence float64, right bool) {
	class := 0
	for i, b := range bounds {
		if confidence >= b {
			class = i
		}
	}
	r[class].links++
	r[class].said += confidence
	if right {
		r[class].right++
	}
}

func (r *reliability) join(o *reliability) {
	for i := range r {
		r[i].links += o[i].links
		r[i].right += o[i].right
		r[i].said += o[i].said
	}
}

// servers gives the requests that the processes have served.
func servers(all []exchange) map[key]*exchange {
	m := make(map[key]*exchange)
	for i := range all {
		if x := &all[i]; x.server {
			m[key{x.pid, x.name.tree, x.name.node}] = x
		}
	}
	return m
}

// latecomers gives the requests before which weft had seen learning others in the same process.
func latecomers(all []exchange) map[span.ID]bool {
	late := make(map[span.ID]bool)
	for _, one := range byProcess(all) {
		n := 0
		for i := range one {
			if one[i].server {
				n++
				late[one[i].id] = n > learning
			}
		}
	}
	return late
}

// judge holds weft's links against the truth.
func judge(all []exchange, proxy bool) (s score) {
	served := servers(all)
	late := latecomers(all)
	for i := range all {
		x := &all[i]
		from := served[x.cause(proxy)]
		if x.server || from == nil {
			continue
		}
		s.calls++
		if late[from.id] {
			s.later++
			if x.parent == from.id {
				s.laterRight++
			}
		}
		if x.parent == (span.ID{}) {
			if x.alternates > 0 {
				s.ambiguous++
			}
			continue
		}
		right := x.parent == from.id
		s.reliability.add(x.confidence, right)
		by := &s.byEvidence[x.evidence]
		if right {
			s.right++
			by.right++
		} else {
			s.wrong++
			by.wrong++
		}
	}
	return s
}
