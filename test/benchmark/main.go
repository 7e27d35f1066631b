// Command benchmark measures what weft costs: the programs that it traces, the node, and itself. It prints the tables of
// docs/BENCHMARKS.md.
//
// The same program plays every part that is no real server: started again with the name of a role as its first
// argument it is a receiver, a Go server, an open-loop client, a program without sockets or a holder of connections.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// section is one part of the report.
type section struct {
	name  string
	write func(*bench) error
}

var sections = []section{
	{"saturated", writeSaturated},
	{"paced", writePaced},
	{"kernel", writeKernel},
	{"bystander", writeBystander},
	{"memory", writeMemory},
	{"processes", writeProcesses},
	{"start", writeStart},
	{"probes", writeProbes},
	{"replay", writeReplay},
	{"go", writeGo},
}

// bench is what the sections share.
type bench struct {
	out      io.Writer
	dir      string // removed at the end
	weft     string
	receiver *receiver
	pairs    int
	run      time.Duration // of one measured run
	on       string        // part of the names of the workloads that are measured
	goOutput string        // file with the output of go test -bench; may be empty
	panels   []*panel      // how weft grows, as the sections have measured it
}

func main() {
	// A child dies with the thread that started it, so that thread must not end before this program.
	runtime.LockOSThread()
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			exit(role(os.Args[2:]))
		}
	}
	exit(measure())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func measure() (err error) {
	b := &bench{}
	path := flag.String("o", "", "also write the report to this file")
	only := flag.String("only", "", "sections to write, joined by commas: saturated, paced, kernel, bystander, memory, processes, start, probes, replay, go")
	flag.StringVar(&b.weft, "weft", "", "the weft to measure; without it one is built from this checkout")
	flag.StringVar(&b.on, "on", "", "measure only the workloads with this in their name")
	flag.IntVar(&b.pairs, "pairs", 5, "pairs of runs without and with weft")
	flag.DurationVar(&b.run, "run", 5*time.Second, "length of one run")
	flag.StringVar(&b.goOutput, "go", "", "output of go test -bench that is shown with the rest")
	drawing := flag.String("plot", "", "draw how weft grows to this file, as SVG: what of the sections paced, memory and processes was measured")
	flag.Parse()
	if os.Geteuid() != 0 {
		return errors.New("weft needs root, and so does this")
	}
	if err := b.open(*path); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.receiver, err = startReceiver(); err != nil {
		return err
	}
	defer b.receiver.stop()
	chosen := strings.Split(*only, ",")
	writeMachine(b)
	for _, s := range sections {
		if *only != "" && !slices.Contains(chosen, s.name) {
			continue
		}
		if err := s.write(b); err != nil {
			return fmt.Errorf("section %s: %w", s.name, err)
		}
	}
	if *drawing != "" {
		return plot(*drawing, b.panels)
	}
	return nil
}

// open makes the folder, a copy of weft that nobody builds anew meanwhile, and the report.
func (b *bench) open(path string) (err error) {
	if b.dir, err = os.MkdirTemp("", "weft-benchmark-"); err != nil {
		return err
	}
	b.out = os.Stdout
	if path != "" {
		file, err := os.Create(path)
		if err != nil {
			return fmt.Errorf("create the report: %w", err)
		}
		b.out = io.MultiWriter(os.Stdout, file)
	}
	copied := filepath.Join(b.dir, "weft")
	if b.weft == "" {
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", copied, "weft/cmd/weft")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build weft: %w: %s", err, out)
		}
	} else if out, err := exec.Command("cp", b.weft, copied).CombinedOutput(); err != nil {
		return fmt.Errorf("copy weft: %w: %s", err, out)
	}
	b.weft = copied
	return install("nginx", "nginx-light", "wrk", "wrk")
}

// install gets Debian packages whose program is missing; the arguments are pairs of a program and its package.
func install(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if _, err := exec.LookPath(pairs[i]); err == nil {
			continue
		}
		for _, step := range [][]string{{"update"}, {"install", "--no-install-recommends", pairs[i+1]}} {
			get := exec.Command("apt-get", append([]string{"-qq", "-y"}, step...)...)
			get.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
			if out, err := get.CombinedOutput(); err != nil {
				return fmt.Errorf("install %s: %w: %s", pairs[i+1], err, out)
			}
		}
	}
	return nil
}
