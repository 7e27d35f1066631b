package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// title opens a section and says how busy the machine was with other work just before it.
func (b *bench) title(name string) {
	fmt.Fprintf(b.out, "\n### %s\n\nOther work on the machine just before: %.2f cores.%s\n\n", name, otherWork(), otherPrograms())
}

func (b *bench) text(format string, args ...any) { fmt.Fprintf(b.out, format+"\n", args...) }

// table writes rows of equal length under a header, as markdown.
func (b *bench) table(header []string, rows [][]string) {
	fmt.Fprintf(b.out, "| %s |\n|%s\n", strings.Join(header, " | "), strings.Repeat("---|", len(header)))
	for _, row := range rows {
		fmt.Fprintf(b.out, "| %s |\n", strings.Join(row, " | "))
	}
	fmt.Fprintln(b.out)
}

func writeMachine(b *bench) {
	var u unix.Utsname
	unix.Uname(&u)
	version, _ := exec.Command(b.weft, "version").Output()
	b.text("%s, %s kernel %s, %s. %s.", time.Now().UTC().Format("2006-01-02 15:04 MST"), unix.ByteSliceToString(u.Machine[:]),
		unix.ByteSliceToString(u.Release[:]), processors(), strings.TrimSpace(string(version)))
	b.text("Pairs of %v; medians, with least and most in brackets.", b.run)
}

func processors() string {
	model, n := "unknown processor", 0
	for line := range lines("/proc/cpuinfo") {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "processor":
			n++
		case "model name":
			model = strings.TrimSpace(value)
		}
	}
	return fmt.Sprintf("%d x %s", n, model)
}

// lines gives the lines of a file, none if it can't be read.
func lines(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		file, err := os.Open(path)
		if err != nil {
			return
		}
		defer file.Close()
		for s := bufio.NewScanner(file); s.Scan() && yield(s.Text()); {
		}
	}
}

// otherWork is how many cores are busy while the benchmark does nothing, over a second.
func otherWork() float64 {
	busy, start := busyTicks(), time.Now()
	time.Sleep(time.Second)
	return (busyTicks() - busy) / 100 / time.Since(start).Seconds()
}

// busyTicks sums user, nice, system, irq, softirq and steal of /proc/stat, in hundredths of a second.
func busyTicks() (busy float64) {
	for line := range lines("/proc/stat") {
		var user, nice, system, idle, iowait, irq, softirq, steal float64
		if n, _ := fmt.Sscanf(line, "cpu %f %f %f %f %f %f %f %f", &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal); n == 8 {
			return user + nice + system + irq + softirq + steal
		}
	}
	return 0
}

// otherPrograms tells of captures that others have attached: they tax the runs without weft too.
func otherPrograms() string {
	n := 0
	for id, err := ebpf.ProgramGetNextID(0); err == nil; id, err = ebpf.ProgramGetNextID(id) {
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue
		}
		if info, err := p.Info(); err == nil && strings.HasPrefix(info.Name, "sock_send_lengt") {
			n++
		}
		p.Close()
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" %d other captures were attached and taxed the runs without weft too.", n)
}

// spread is the median, with the least and the most.
type spread []float64

func (s spread) median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// text formats the median and, in brackets, least and most with the given number of digits.
func (s spread) text(digits int) string {
	if len(s) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.*f (%.*f-%.*f)", digits, s.median(), digits, slices.Min(s), digits, slices.Max(s))
}

// gather maps a slice to a spread.
func gather[T any](all []T, value func(T) float64) spread {
	s := make(spread, 0, len(all))
	for _, one := range all {
		s = append(s, value(one))
	}
	return s
}

// sorted orders rows by their first cell.
func sorted(rows [][]string) [][]string {
	slices.SortFunc(rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	return rows
}
