package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"weft/agent/config"
	"weft/correlate"
	"weft/correlate/event"
	"weft/correlate/propagation"
	"weft/correlate/span"
	"weft/export/report"
	"weft/export/terminal"
)

// The ends of weft check.
const (
	exitBroken    = 1
	exitWrongUse  = 2
	exitNotEnough = 3
)

// checkCommand judges what happens on this machine for a while, or what a recording holds, and tells by its exit code whether
// contexts go on: 0 healthy, 1 broken, 2 wrong use, 3 not enough data. It looks itself, whether or not another weft is
// running, so that nothing counts but what happens in its time.
func checkCommand(ctx context.Context, args []string) error {
	var length time.Duration
	var service config.Glob
	var format string
	c, rest, err := config.Load(args, os.Environ(), formatFlag(&format, report.Table), func(f *flag.FlagSet) {
		length = 30 * time.Second
		f.Func("for", "", func(text string) (err error) {
			if length, err = time.ParseDuration(text); err != nil || length <= 0 {
				return errors.New("it must be a time above 0, like 30s")
			}
			return nil
		})
		f.Func("service", "", func(text string) error { service = config.Glob(text); return nil })
	})
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	switch {
	case err != nil:
	case len(rest) > 1:
		err = errors.New("usage: weft check [--for TIME] [--min-rate RATE] [--service PATTERN] [--format table|json|markdown|junit|sarif] [FILE]")
	case !report.IsFormat(format):
		err = report.UnknownFormat(format)
	}
	if err != nil {
		return &exit{exitWrongUse, err}
	}
	var p *correlate.Pipeline
	if len(rest) == 1 {
		p, err = judgeFile(ctx, &c, rest[0])
	} else {
		p, err = judgeNow(ctx, &c, length)
	}
	if err != nil {
		return &exit{exitWrongUse, err}
	}
	j := judgement(p, service)
	out := bufio.NewWriter(os.Stdout)
	if err := report.WriteJudgement(out, j, format, terminal.Color(os.Stdout)); err != nil {
		return &exit{exitWrongUse, err}
	}
	if err := out.Flush(); err != nil {
		return &exit{exitWrongUse, fmt.Errorf("write the report: %w", err)}
	}
	return verdictOf(j.Health)
}

// proofsMax bounds the faults that are told with their evidence.
const proofsMax = 20

// judgement gives the answer for the services that match, and its proofs: nobody can ask for them when the check has ended.
func judgement(p *correlate.Pipeline, service config.Glob) *report.Judgement {
	r := p.Report().Only(func(name string) bool { return service == "" || service.Match(name) })
	j := &report.Judgement{Health: r.Health(), Report: r, Proofs: []propagation.Explanation{}}
	for i := range r.Edges {
		if r.Edges[i].Health != propagation.Broken {
			continue
		}
		for _, f := range r.Edges[i].Findings {
			if f.Severity != propagation.Fault.String() || len(f.Examples) == 0 || len(j.Proofs) == proofsMax {
				continue
			}
			if e, ok := p.Explain(f.Examples[0]); ok {
				j.Proofs = append(j.Proofs, e)
			}
		}
	}
	return j
}

// verdictOf gives the end of the check.
func verdictOf(health propagation.Health) error {
	switch health {
	case propagation.Broken:
		return &exit{code: exitBroken}
	case propagation.NotEnough:
		return &exit{exitNotEnough, fmt.Errorf("not enough data to say whether contexts go on: let it run longer, or send more requests with a context")}
	}
	return nil
}

// judgeNow watches this machine for a time.
func judgeNow(ctx context.Context, c *config.Config, length time.Duration) (*correlate.Pipeline, error) {
	log, err := newLog(c)
	if err != nil {
		return nil, err
	}
	s := new(span.Span)
	p, err := correlate.New(pipelineOptions(c), func() *span.Span { return s }, func(*span.Span) {})
	if err != nil {
		return nil, err
	}
	pods, err := openPods(ctx, c, log)
	if err != nil {
		return nil, err
	}
	a, _, err := openAgent(c, pods, nil, log)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	watch, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		tellReady(a)
		select {
		case <-time.After(length):
		case <-watch.Done():
		}
		stop()
	}()
	err = a.Run(watch, func(ev *event.Event) error {
		p.Feed(ev)
		return nil
	})
	p.Close()
	if err == nil && ctx.Err() != nil {
		err = fmt.Errorf("interrupted before the %v of --for had passed: nothing is judged", length)
	}
	return p, err
}
