// Command accuracy measures how often weft names the right request as the cause of a call, in real unmodified services
// that pass no trace context on. It records the events of each scenario once, replays the recording, and compares weft's
// links, and those of simpler ways to link, with the truth, which only the harness can read in the paths.
//
//	accuracy record -weft bin/weft -out DIR [-only REGEXP] [-in-flight 1,8,64,256]
//	accuracy score -out DIR [-o docs/ACCURACY.md]
//	accuracy keep -out DIR -keep test/accuracy/testdata
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(1)
	}
}

type options struct {
	weft, cache, dir, table, keep string
	only                          *regexp.Regexp // held against the whole name of a scenario
	inFlight                      []int
	trees                         int
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: accuracy record|score|keep [flags]")
	}
	var o options
	var counts, only string
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	f.StringVar(&o.weft, "weft", "bin/weft", "the agent; empty: the load without it")
	f.StringVar(&o.cache, "cache", "", "folder of what was built")
	f.StringVar(&o.dir, "out", "bin/accuracy", "folder of the recordings")
	f.StringVar(&only, "only", ".*", "scenarios: a regular expression for the whole name")
	f.StringVar(&counts, "in-flight", "1,8,64,256", "requests under way")
	f.StringVar(&o.table, "o", "", "file to write the tables to")
	f.StringVar(&o.keep, "keep", "", "copy the recordings to this folder, without what tells of the machine")
	f.IntVar(&o.trees, "trees", 0, "requests of the load; 0: by how many are under way")
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	var err error
	if o.only, err = regexp.Compile("^(?:" + only + ")$"); err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	for _, text := range strings.Split(counts, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("-in-flight: %w", err)
		}
		o.inFlight = append(o.inFlight, n)
	}
	switch args[0] {
	case "record":
		return recordAll(o)
	case "keep":
		return keepAll(o)
	case "score":
		return scoreAll(o)
	}
	return fmt.Errorf("unknown command %q", args[0])
}

func (o options) chooses(s scenario) bool { return o.only.MatchString(s.name) }

func (o options) path(s scenario, inFlight int) string {
	return filepath.Join(o.dir, fmt.Sprintf("%s-%d.weft", s.name, inFlight))
}
