package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"weft/agent"
	"weft/agent/config"
	"weft/correlate"
	"weft/correlate/event"
	"weft/export/metrics"
)

// runCommand traces this machine until it is interrupted.
func runCommand(ctx context.Context, args []string) error {
	c, rest, err := config.Load(args, os.Environ())
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("weft run takes no argument, got %q", rest)
	}
	if len(c.IDKey) == 0 {
		c.IDKey = make([]byte, 16)
		rand.Read(c.IDKey)
	}
	return run(ctx, &c, args)
}

// garbage is how much the heap may grow before it is collected, in percent: what lives is small, so that time is worth more
// than this memory. GOGC overrules it.
const garbage = 150

// run is the wiring: kernel, agent, correlate, export.
func run(ctx context.Context, c *config.Config, args []string) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	log, err := newLog(c)
	if err != nil {
		return err
	}
	sampled, err := openGate(ctx, c, true, log)
	if err != nil {
		return err
	}
	notices, err := openNotices(ctx, c, log)
	if err != nil {
		return err
	}
	options := pipelineOptions(c).Disclosing(sampled.rooms.widest)
	options.Propagation.Health = notices.Put
	var a *agent.Agent
	options.Seldom = func(pid uint32, seldom bool) { a.LookSeldom(pid, seldom) }
	pipeline, err := correlate.New(options, takeSpan, sampled.Put)
	if err != nil {
		return err
	}
	a, reload, err := openMachine(ctx, c, sampled, log)
	if err != nil {
		return err
	}
	defer a.Close()
	ledger := newLedger(a, pipeline, sampled)
	ledger.notices = notices
	desk := newDesk(pipeline)
	meter, err := openMetrics(ctx, c, log, ledger, desk)
	if err != nil {
		return err
	}
	closeDoors, err := openDoors(ctx, c, log, ledger, desk)
	if err != nil {
		return err
	}
	defer closeDoors()
	for _, m := range a.Missing() {
		log.Warn("not seen on this kernel: "+m.Effect, "hook", m.Hook, "reason", m.Reason)
	}
	go tellReady(a)
	reload.args = args
	go reload.run(ctx)
	err = a.Run(sampled.bequeathed(ctx, c.SpillDir, log), func(ev *event.Event) error {
		pipeline.Feed(ev)
		if ev.Kind == event.KindClock {
			sampled.rooms.refresh(pipeline)
			sampled.tick()
			ledger.snapshot()
			desk.answer()
		}
		return nil
	})
	pipeline.Close()
	desk.end()
	return errors.Join(err, finish(log, ledger, meter))
}

// openMachine opens all that knows this machine, and lets the gate ask it.
func openMachine(ctx context.Context, c *config.Config, g *gate, log *slog.Logger) (*agent.Agent, *reloader, error) {
	pods, err := openPods(ctx, c, log)
	if err != nil {
		return nil, nil, err
	}
	a, reload, err := openAgent(c, pods, g.rooms, log)
	if err != nil {
		return nil, nil, err
	}
	if g.peers, err = openPeers(ctx, c, pods, log); err != nil {
		a.Close()
		return nil, nil, err
	}
	return a, reload, nil
}

// openDoors lets others ask, and then gives up what the start alone needed.
func openDoors(ctx context.Context, c *config.Config, log *slog.Logger, l *ledger, d *desk) (closeDoors func(), err error) {
	closeControl, err := serveControl(c.Control, l, d)
	if err != nil {
		log.Warn("weft doctor can't read the counters of this agent", "reason", err)
	}
	closeHealth, err := serveHealth(ctx, c, l)
	if err != nil {
		closeControl()
		return nil, err
	}
	if err := agent.DropCapabilities(); err != nil {
		log.Warn("capabilities that are not needed any more are kept", "reason", err)
	}
	return func() { closeHealth(); closeControl() }, nil
}

// finish sends what waits, and tells the last counts. meter may be nil.
func finish(log *slog.Logger, l *ledger, meter *metrics.Meter) error {
	flushing, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	err := l.gate.Close(flushing)
	l.snapshot()
	ends := []func(context.Context) error{l.notices.Close}
	if meter != nil {
		ends = append(ends, meter.Close)
	}
	closing(log, ends)
	l.print(os.Stderr)
	return err
}

// tellReady says once that everything that runs is traced; traffic may well come before that.
func tellReady(a *agent.Agent) {
	<-a.Ready()
	fmt.Fprintln(os.Stderr, "weft: ready")
}
