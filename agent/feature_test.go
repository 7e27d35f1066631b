package agent

import "testing"

func TestLacksCall(t *testing.T) {
	for _, c := range []struct {
		line string
		want bool
	}{
		{"unknown func bpf_sk_storage_get#107", true},
		{"invalid func unknown#181", true},
		{"program of this type cannot use helper bpf_sk_storage_get#107", true},
		{"R1 !read_ok", false},
		{"R1 type=ctx expected=map_ptr", false},
	} {
		if got := lacksCall([]string{"0: (85) call", c.line, "processed 1 insns"}); got != c.want {
			t.Errorf("%q: %v", c.line, got)
		}
	}
}
