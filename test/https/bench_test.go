package https

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"weft/agent/library"
	"weft/test/tracer"
)

// round is how long each round of load lasts.
const round = "3s"

// BenchmarkThroughput compares what a server serves over TLS under weft, under empty programs on the same functions, and alone, round by
// round, so that the machine's other work meets all three. It reports medians of the ratios, and the probes hit for each request.
func BenchmarkThroughput(b *testing.B) {
	for _, server := range []string{"nginx", "node"} {
		b.Run(server, func(b *testing.B) {
			var toEmpty, toNone, hits, alone []float64
			for range max(b.N, 3) {
				none := ask(b, server)
				probes := emptyProbes(b, server)
				empty := ask(b, server)
				for _, l := range probes {
					l.Close()
				}
				traced, hit := askTraced(b, server)
				toEmpty, toNone = append(toEmpty, traced/empty), append(toNone, traced/none)
				alone, hits = append(alone, none), append(hits, hit)
				b.Logf("%s: alone %.0f/s, empty probes %.0f/s, weft %.0f/s, %.2f probes a request", server, none, empty, traced, hit)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(alone), "requests/s-alone")
			b.ReportMetric(median(toEmpty), "of-empty-probes")
			b.ReportMetric(median(toNone), "of-alone")
			b.ReportMetric(median(hits), "probes/request")
		})
	}
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

var perSecond = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)

// ask gives the requests per second that the server answers.
func ask(b *testing.B, server string) float64 {
	b.Helper()
	url := fmt.Sprintf("https://127.0.0.1:%d/%s", world.ports[server], filepath.Base(world.dir))
	out, err := exec.Command("wrk", "-t1", "-c16", "-d"+round, url).CombinedOutput()
	found := perSecond.FindSubmatch(out)
	if err != nil || found == nil || bytes.Contains(out, []byte("Non-2xx")) {
		b.Fatalf("%v: %s", err, out)
	}
	n, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// emptyProbes puts a program that does nothing where weft has its own: in the server, and in the library of wrk, which weft probes too
// although it does not trace wrk.
func emptyProbes(b *testing.B, server string) (links []link.Link) {
	b.Helper()
	if err := rlimit.RemoveMemlock(); err != nil {
		b.Log(err)
	}
	empty, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "empty", Type: ebpf.Kprobe, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer empty.Close()
	names := []string{"/usr/lib/x86_64-linux-gnu/libssl.so.3"}
	if server == "node" {
		node, err := exec.LookPath("node")
		if err != nil {
			b.Fatal(err)
		}
		names = append(names, node)
	}
	for _, name := range names {
		links = append(links, probeFile(b, name, empty)...)
	}
	return links
}

// probeFile puts a program at the functions of the TLS library in a file, and where they return.
func probeFile(b *testing.B, name string, program *ebpf.Program) (links []link.Link) {
	b.Helper()
	functions, err := library.Inspect(name)
	if err != nil {
		b.Fatal(err)
	}
	file, err := link.OpenExecutable(name)
	if err != nil {
		b.Fatal(err)
	}
	for function, at := range functions {
		if function != "SSL_free" {
			l, err := file.Uretprobe("", program, &link.UprobeOptions{Address: at})
			if err != nil {
				b.Fatal(err)
			}
			links = append(links, l)
		}
		l, err := file.Uprobe("", program, &link.UprobeOptions{Address: at})
		if err != nil {
			b.Fatal(err)
		}
		links = append(links, l)
	}
	return links
}

// askTraced gives the requests per second under weft, which traces the server and not wrk, and the probes hit for each.
func askTraced(b *testing.B, server string) (rate, hits float64) {
	b.Helper()
	args := []string{"--control", filepath.Join(b.TempDir(), "control")}
	for _, pid := range members() {
		args = append(args, "--pid", pid)
	}
	w, err := tracer.Start(world.weft, tracer.Options{Args: args, Output: "none"})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Kill()
	time.Sleep(200 * time.Millisecond)
	rate = ask(b, server)
	stats, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME))
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	before := hitCount(b)
	seconds, err := time.ParseDuration(round)
	if err != nil {
		b.Fatal(err)
	}
	served := ask(b, server) * seconds.Seconds()
	return rate, float64(hitCount(b)-before) / served
}

// hitCount sums how often the programs at the calls of TLS libraries have run.
func hitCount(b *testing.B) (n uint64) {
	b.Helper()
	names := []string{"ssl_read_begins", "ssl_write_begins", "ssl_read_ex_beg", "ssl_write_ex_be", "ssl_ends", "tls_object_ends"}
	id := ebpf.ProgramID(0)
	for {
		next, err := ebpf.ProgramGetNextID(id)
		if err != nil {
			return n
		}
		id = next
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue
		}
		info, err := p.Info()
		if err == nil && slices.Contains(names, info.Name) {
			if stats, err := p.Stats(); err == nil {
				n += stats.RunCount
			}
		}
		p.Close()
	}
}
