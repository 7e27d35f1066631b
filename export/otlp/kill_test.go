package otlp

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"weft/export/queue"
	"weft/export/spill"
)

// killedDir and killedRun, if set, make TestKilled the program that is killed.
const killedDir, killedRun = "WEFT_TEST_SPILL", "WEFT_TEST_RUN"

// putForEver puts spans while no collector is there, and tells how many are on disk, until it is killed.
func putForEver(t *testing.T, on *spill.Options) {
	var run byte
	if _, err := fmt.Sscan(os.Getenv(killedRun), &run); err != nil {
		t.Fatal(err)
	}
	e := start(t, Options{Protocol: HTTP, Endpoint: nobody(t), BatchSize: 20, Interval: time.Hour, Spill: on})
	before := e.Counts().Spilled
	for i := 0; ; i++ {
		s := sample(i)
		s.SpanID[0], s.SpanID[5] = run, byte(i>>16)
		e.Put(s)
		if i%20 == 19 {
			within(t, func() bool { return e.Counts().Waiting == 0 })
			fmt.Println(e.Counts().Spilled - before)
		}
	}
}

// TestKilled kills a program at random moments while spans go to its disk, as kill -9 does: all that it had settled arrives, and
// what was found on disk is either sent or counted.
func TestKilled(t *testing.T) {
	on := &spill.Options{Dir: os.Getenv(killedDir), Size: 1 << 30, Age: time.Hour}
	if on.Dir != "" {
		putForEver(t, on)
	}
	on.Dir = t.TempDir()
	settled := 0
	for run := range 8 {
		child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		child.Env = append(os.Environ(), killedDir+"="+on.Dir, fmt.Sprint(killedRun, "=", run))
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines, last, wanted := bufio.NewScanner(out), 0, 3+rand.N(30)
		for range wanted {
			if !lines.Scan() {
				t.Fatal("the program ended by itself")
			}
		}
		time.Sleep(time.Duration(rand.N(2000)) * time.Microsecond)
		_ = child.Process.Kill()
		for ok := true; ok; ok = lines.Scan() {
			if n, _ := fmt.Sscan(lines.Text(), &last); n != 1 {
				break
			}
		}
		_ = child.Wait()
		settled += last
	}
	r := &receiver{}
	e := start(t, Options{Protocol: HTTP, Endpoint: r.serve(t, HTTP), Interval: time.Hour, Spill: on})
	within(t, func() bool { return e.Counts().Spilled == 0 })
	c := finish(t, e)
	if want := (queue.Counts{Recovered: c.Recovered, Exported: c.Recovered - c.SpillCorrupt, SpillCorrupt: c.SpillCorrupt}); c != want {
		t.Errorf("counts %+v, want %+v", c, want)
	}
	seen := map[string]bool{}
	for _, s := range r.spans() {
		seen[string(s.SpanId)] = true
	}
	if len(seen) < settled || len(seen) != int(c.Exported) || c.SpillCorrupt > 8*20 {
		t.Errorf("%d spans were settled, %d arrived, counts %+v", settled, len(seen), c)
	}
}
