package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// The system calls of a program that has nothing to do with sockets, and how the report names them.
var bystanderCalls = []string{"getppid", "lseek", "read /dev/zero", "pread /dev/zero", "write /dev/null"}

func writeBystander(b *bench) error {
	b.title("What a program without sockets pays")
	var ready string
	c, err := startRole("bystander", &ready, "bystander")
	if err != nil {
		return err
	}
	defer c.stop()
	without, with := map[string]spread{}, map[string]spread{}
	for i := range b.pairs {
		for turn := range 2 {
			if (turn+i)%2 == 0 {
				err = askBystander(c, without)
			} else {
				err = b.askTraced(c, with)
			}
			if err != nil {
				return err
			}
		}
	}
	rows := [][]string{{"without"}, {"with weft"}, {"ratio of pairs"}}
	for _, call := range bystanderCalls {
		ratios := make(spread, b.pairs)
		for i := range ratios {
			ratios[i] = with[call][i] / without[call][i]
		}
		for row, cell := range []string{without[call].text(0), with[call].text(0), ratios.text(2)} {
			rows[row] = append(rows[row], cell)
		}
	}
	b.text("Nanoseconds per call; each number is the median of %d blocks of %d calls.\n", bystanderBlocks, bystanderBlock)
	b.table(append([]string{""}, bystanderCalls...), rows)
	return nil
}

func (b *bench) askTraced(c *child, into map[string]spread) error {
	a, err := startAgent(b, "run", "--output", "otlp")
	if err != nil {
		return err
	}
	time.Sleep(500 * time.Millisecond)
	err = askBystander(c, into)
	if _, stopErr := a.stop(); err == nil {
		err = stopErr
	}
	return err
}

func askBystander(c *child, into map[string]spread) error {
	var answer map[string]float64
	if err := c.ask(&answer); err != nil {
		return fmt.Errorf("ask the bystander: %w", err)
	}
	for call, ns := range answer {
		into[call] = append(into[call], ns)
	}
	return nil
}

const (
	bystanderBlocks = 40
	bystanderBlock  = 20_000
)

// standBy is the role of the program without sockets. Raw system calls: Go's own way in would add to each.
func standBy([]string) error {
	zero, err := unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	null, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	calls, err := systemCalls(uintptr(zero), uintptr(null))
	if err != nil {
		return err
	}
	return obey("ready", func() any {
		lockThread()
		answer := map[string]float64{}
		for i, name := range bystanderCalls {
			blocks := make(spread, bystanderBlocks)
			for k := range blocks {
				start := monotonic()
				for range bystanderBlock {
					calls[i]()
				}
				blocks[k] = float64(monotonic()-start) / bystanderBlock
			}
			answer[name] = blocks.median()
		}
		return answer
	})
}
