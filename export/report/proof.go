package report

import (
	"io"

	"weft/correlate/propagation"
)

// answers say a judgement to a person.
var answers = map[propagation.Health]string{
	propagation.Broken:    "BROKEN: contexts do not go on",
	propagation.Healthy:   "healthy: contexts go on",
	propagation.NotEnough: "not enough data to say whether contexts go on",
}

// proofs writes the answer and the evidence behind the table.
func proofs(w io.Writer, j *Judgement) error {
	p := &page{w: w}
	for i := range j.Proofs {
		p.say("\nProof %d: ", i+1)
		if p.err == nil {
			p.err = explain(w, j.Proofs[i])
		}
	}
	p.say("\n%s\n", answers[j.Health])
	return p.err
}

func markdownProofs(w io.Writer, j *Judgement) error {
	p := &page{w: w}
	p.say("\n%s.\n", answers[j.Health])
	for i := range j.Proofs {
		p.say("\n    ")
		if p.err == nil {
			p.err = explain(indented{w}, j.Proofs[i])
		}
		p.say("\n")
	}
	return p.err
}

// indented makes the lines that are written a block of code: what stands in a head is no markup.
type indented struct{ w io.Writer }

// Write puts four blanks behind each line feed.
func (i indented) Write(b []byte) (int, error) {
	out := make([]byte, 0, len(b)+64)
	for _, c := range b {
		if out = append(out, c); c == '\n' {
			out = append(out, "    "...)
		}
	}
	if _, err := i.w.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}
