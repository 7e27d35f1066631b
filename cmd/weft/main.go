// Command weft watches the unmodified programs of a Linux node and tells their requests as spans.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"weft/agent/config"
)

// version is set by the build.
var version = "devel"

// command is one word behind weft.
type command struct {
	name, does string
	run        func(ctx context.Context, args []string) error
	flags      string // what its own flags mean, beside those of the settings
}

var commands = []command{
	{"run", "trace this machine", runCommand, ""},
	{"record", "write what the kernel tells to a file: weft record -o FILE", recordCommand, recordFlags},
	{"replay", "make the spans of a recorded file: weft replay FILE", replayCommand, replayFlags},
	{"report", "tell which services break the propagation of trace contexts: weft report [FILE]", reportCommand, reportFlags},
	{"explain", "show the evidence of a verdict or a link: weft explain ID [FILE]", explainCommand, explainFlags},
	{"check", "judge the propagation for a while, for a pipeline: weft check --for 30s", checkCommand, checkFlags},
	{"doctor", "tell what this kernel and these permissions allow, and the counters of a running weft", doctorCommand, ""},
	{"version", "print the version", versionCommand, ""},
}

// What the commands' own flags mean, for --help.
const (
	recordFlags = `  -o FILE
      The recording to write. One that is there already is written over.
`
	reportFlags = `  --format table|json|markdown|junit|sarif
      How the report is written. Default: table.
`
	replayFlags = `  --report
      Write what the recording tells of the propagation of contexts in place of its spans.
` + reportFlags
	explainFlags = `  --format table|json
      How the evidence is written. Default: table.
`
	checkFlags = `  --for TIME
      How long to look, like 30s or 5m. Default: 30s.
  --service PATTERN
      Judge only services whose name matches; * stands for any characters and ? for one. Default: all.
` + reportFlags
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends at once.
	context.AfterFunc(ctx, stop)
	if err := dispatch(ctx, os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		var ended *exit
		if !errors.As(err, &ended) {
			ended = &exit{code: 1, cause: err}
		}
		if ended.cause != nil {
			fmt.Fprintln(os.Stderr, "weft:", ended.cause)
		}
		os.Exit(ended.code)
	}
}

// exit ends the program with a code of its own. cause is told to the standard error; nil: all was said.
type exit struct {
	code  int
	cause error
}

// Error tells the cause.
func (e *exit) Error() string { return fmt.Sprintf("exit %d: %v", e.code, e.cause) }

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(os.Stdout)
		return nil
	}
	if args[0] == "--version" {
		return versionCommand(ctx, nil)
	}
	for _, c := range commands {
		if c.name == args[0] {
			err := c.run(ctx, args[1:])
			if errors.Is(err, flag.ErrHelp) {
				fmt.Printf("weft %s: %s\n\n", c.name, c.does)
				if c.flags != "" {
					fmt.Printf("Flags of this command.\n\n%s\n", c.flags)
				}
				config.Usage(os.Stdout)
			}
			return err
		}
	}
	return fmt.Errorf("unknown command %q: run weft help", args[0])
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "weft watches unmodified programs through eBPF and tells their requests as spans.\n\nusage: weft COMMAND [flags]")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.does)
	}
	fmt.Fprintln(w, "\nweft run --help lists all settings.")
}

func versionCommand(context.Context, []string) error {
	if _, err := fmt.Println("weft", version); err != nil {
		return fmt.Errorf("write the version: %w", err)
	}
	return nil
}
