package agent

import "testing"

func TestTouches(t *testing.T) {
	ports := Choice{IncludePorts: []uint16{80}}
	for _, c := range []struct {
		choice Choice
		v      Verdict
		want   bool
	}{
		{Choice{}, Traced, true}, {Choice{}, Excluded, false}, {Choice{}, Other, false},
		{ports, Traced, true}, {ports, Excluded, false}, {ports, Other, true}, // of its connections with the port something is traced
	} {
		if got := c.choice.touches(c.v); got != c.want {
			t.Errorf("%+v, verdict %d: %v", c.choice, c.v, got)
		}
	}
}
