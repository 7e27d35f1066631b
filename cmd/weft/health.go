package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"weft/agent"
	"weft/agent/config"
	"weft/export/listen"
)

func door(c *config.Config) listen.Options {
	return listen.Options{
		Certificate: c.ListenCertificate, Key: c.ListenKey, TokenFile: c.ListenTokenFile, Open: c.ListenOpen == config.On,
	}
}

// stalled is for how long the data path may be silent: it ticks fifty times a second.
const stalled = 30 * time.Second

// serveHealth answers the probes of a pod: /livez while the data path moves, /readyz from when all processes were looked at,
// but while the watchdog has taken the probes off. They tell nothing of the traffic, and a kubelet that probes can't show a token, so that they are open where they listen.
func serveHealth(ctx context.Context, c *config.Config, l *ledger) (closeHealth func(), err error) {
	if c.HealthListen == "" {
		return func() {}, nil
	}
	d, err := listen.Options{Open: true}.Listen(ctx, c.HealthListen)
	if err != nil {
		return nil, fmt.Errorf("open the probes: %w: set health.listen to another address", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { tellHealth(w, isLive(l), "the data path stands still") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if rest := l.agent.Resting(); rest.Off {
			tellHealth(w, false, "the probes are off: "+rest.Why)
			return
		}
		tellHealth(w, isLive(l) && isReady(l.agent), "not all processes were looked at yet")
	})
	s := &http.Server{
		Handler: d.Guard(mux), ReadTimeout: controlTime, WriteTimeout: controlTime, IdleTimeout: time.Minute, MaxHeaderBytes: 8 << 10,
	}
	go func() { _ = s.Serve(d) }() // it ends when it is closed
	return func() { _ = s.Close() }, nil
}

func tellHealth(w http.ResponseWriter, ok bool, why string) {
	if !ok {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func isLive(l *ledger) bool { return time.Since(time.Unix(0, l.ticked.Load())) < stalled }

func isReady(a *agent.Agent) bool {
	select {
	case <-a.Ready():
		return true
	default:
		return false
	}
}
