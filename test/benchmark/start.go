package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"weft/bpf"
)

const starts = 5

func writeStart(b *bench) error {
	b.title("Start-up")
	var took, used spread
	for range starts {
		a, err := startAgent(b, "run", "--output", "otlp")
		if err != nil {
			return err
		}
		took = append(took, float64(a.took)/float64(time.Millisecond))
		used = append(used, a.toReady*1000)
		if _, err := a.stop(); err != nil {
			return err
		}
	}
	b.text("From the start of the process until `weft: ready`: %s ms, of which it used the processor for %s ms.\n", took.text(0), used.text(0))
	return writeVerifier(b)
}

// writeVerifier loads the programs once more and asks the kernel's verifier what each has cost it.
func writeVerifier(b *bench) error {
	spec, err := bpf.LoadWeft()
	if err != nil {
		return err
	}
	if err := bpf.Tracepoint.Choose(spec); err != nil {
		return err
	}
	set, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogLevel: ebpf.LogLevelStats}})
	if err != nil {
		return fmt.Errorf("load the programs: %w", err)
	}
	defer set.Close()
	var rows [][]string
	sum := 0.0
	for name, p := range set.Programs {
		micros, instructions, err := verified(p)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		sum += micros
		rows = append(rows, []string{name, fmt.Sprintf("%.1f", micros/1000), fmt.Sprint(instructions)})
	}
	rows = append(rows, []string{"**all**", fmt.Sprintf("%.1f", sum/1000), ""})
	b.table([]string{"program", "verifier ms", "instructions verified"}, sorted(rows))
	return nil
}

// verified reads the verifier's statistics: "verification time 1234 usec" and "processed 1234 insns".
func verified(p *ebpf.Program) (micros float64, instructions int, err error) {
	_, after, found := strings.Cut(p.VerifierLog, "verification time ")
	if !found {
		return 0, 0, errors.New("the verifier does not tell its time")
	}
	fmt.Sscanf(after, "%f", &micros)
	_, after, _ = strings.Cut(after, "processed ")
	fmt.Sscanf(after, "%d", &instructions)
	return micros, instructions, nil
}
