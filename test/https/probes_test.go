package https

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"
)

// linksMax is how many links probes on one file take at most, where all places of a program are on one: those of a TLS library's
// functions and of rustls's, or those of a Go program, its calls of HTTP and gRPC included.
const linksMax = 8

// TestProbes reads TLS with probes put on in each way. Together, no file has more than a few links; one after the other, none has such a
// link.
func TestProbes(t *testing.T) {
	for _, way := range []string{"multi", "single"} {
		t.Run(way, func(t *testing.T) {
			w := trace(t, "--probes", way)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			var loads []load
			for _, client := range []string{"go", "python"} {
				l := load{world.ports["nginx"], fmt.Sprintf("/%s/%s/%s", filepath.Base(world.dir), way, client), 2, 4}
				if err := clients[client](ctx, l); err != nil {
					t.Fatal(err)
				}
				loads = append(loads, l)
			}
			checkLinks(t, w.PID(), way)
			checkAll(t, w, loads)
		})
	}
}

func checkLinks(t *testing.T, weft int, way string) {
	t.Helper()
	files, single := linksOf(t, weft)
	if way == "single" {
		if len(files) > 0 || single == 0 {
			t.Errorf("%d links of one probe, and of many: %v", single, files)
		}
		return
	}
	library := false
	for name, f := range files {
		library = library || strings.Contains(name, "libssl.so")
		if f.links > linksMax || f.places < f.links {
			t.Errorf("%s: %d links for %d places, want at most %d", name, f.links, f.places, linksMax)
		}
	}
	if !library || single > 0 {
		t.Errorf("%d links of one probe, and of many: %v", single, files)
	}
}

// held are the links of many probes on a file.
type held struct{ links, places int }

// linksOf gives those that a process holds, and counts its links of one probe.
func linksOf(t *testing.T, pid int) (files map[string]held, single int) {
	t.Helper()
	files = map[string]held{}
	names, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, _ := os.ReadFile(name) // it may be closed by now
		_, after, found := strings.Cut(string(text), "link_id:")
		if !found {
			continue
		}
		var id link.ID
		if _, err := fmt.Sscan(after, &id); err != nil {
			t.Fatal(err)
		}
		l, err := link.NewFromID(id)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		info, err := l.Info()
		l.Close()
		if err != nil {
			t.Fatal(err)
		}
		switch info.Type {
		case link.UprobeMultiType:
			multi := info.UprobeMulti()
			f := files[multi.File]
			files[multi.File] = held{f.links + 1, f.places + int(multi.Count)}
		case link.PerfEventType:
			single++
		}
	}
	return files, single
}
