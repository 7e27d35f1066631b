package propagation_test

import (
	"fmt"
	"strings"
	"testing"

	"weft/correlate/propagation"
)

// TestMakers: who made the ids is said of what all of them have, and of a UUID not of the first that looks like one.
func TestMakers(t *testing.T) {
	const uuid, other = "f47ac10b58cc4372a5670e02b2c3d4%02x", "f47ac10b58cc1372a5670e02b2c3d4%02x"
	for _, test := range []struct {
		ids  []string
		want string
	}{
		{[]string{uuid, uuid}, ""},
		{[]string{uuid, uuid, uuid}, "uuid"},
		{[]string{uuid, uuid, other, uuid}, ""},
		{[]string{other, uuid, uuid, uuid, uuid}, ""},
	} {
		n := newNode(t, propagation.Options{})
		var script strings.Builder
		script.WriteString("in a : traceparent: $W\n")
		for i, id := range test.ids {
			fmt.Fprintf(&script, "call x%d : traceparent: 00-%s-00f067aa0ba902%02x-01\n", i, fmt.Sprintf(id, i), i+1)
		}
		n.play(script.String())
		_, r := n.end()
		if len(r.Edges) != 1 || len(r.Edges[0].Findings) != 1 || r.Edges[0].Findings[0].Fingerprint != test.want {
			t.Errorf("%v: %+v, want the fingerprint %q", test.ids, r.Edges, test.want)
		}
	}
}
