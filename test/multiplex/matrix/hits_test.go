package matrix

import (
	"flag"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

var countHits = flag.Bool("hits", false, "tell how often the probes on TLS libraries are hit for each request: where the server cannot be read, by the client")

// hits are how often programs have run where functions of TLS libraries begin, where they return, and where objects are freed.
type hits struct{ entries, returns, ends uint64 }

// Programs by how their names begin; the kernel cuts them.
var (
	atEntries = []string{"ssl_read", "ssl_write", "ssl_sendfile", "nspr_call", "go_tls_read", "go_tls_write", "rustls_function"}
	atReturns = []string{"ssl_ends", "go_tls_returns"}
	atEnds    = []string{"tls_object_ends"}
)

// runs counts them from the first call on, if that is asked for.
func runs(t *testing.T) (h hits) {
	t.Helper()
	if !*countHits {
		return h
	}
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	check(t, err)
	t.Cleanup(func() { stats.Close() })
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if err != nil {
			return h
		}
		id = next
		name, n := runsOf(id)
		for sum, begins := range map[*uint64][]string{&h.entries: atEntries, &h.returns: atReturns, &h.ends: atEnds} {
			if slices.ContainsFunc(begins, func(b string) bool { return strings.HasPrefix(name, b) }) {
				*sum += n
			}
		}
	}
}

func runsOf(id ebpf.ProgramID) (name string, n uint64) {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return "", 0
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return "", 0
	}
	stats, err := p.Stats()
	if err != nil {
		return "", 0
	}
	return info.Name, stats.RunCount
}

// tell logs what came since, for each request of the loads.
func (h hits) tell(t *testing.T, name string, loads []*load) {
	t.Helper()
	if !*countHits {
		return
	}
	now, requests := runs(t), 0.0
	for _, l := range loads {
		requests += float64(l.n)
	}
	t.Logf("%s: for each of %.0f requests %.2f hits where functions begin, %.2f where they return, %.2f where objects are freed", name, requests,
		float64(now.entries-h.entries)/requests, float64(now.returns-h.returns)/requests, float64(now.ends-h.ends)/requests)
}
