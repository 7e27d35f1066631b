package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"weft/agent"
	"weft/correlate/flow"
)

// sealed is what a running weft tells of TLS that it can't read.
type sealed struct {
	Processes   []agent.Unreadable
	Connections []flow.Sealed // that have ended
}

func tellSealed(ctx context.Context, l *ledger, d *desk) (s sealed, err error) {
	if l.agent != nil {
		s.Processes = l.agent.Unreadable()
	}
	s.Connections, err = d.sealed(ctx)
	return s, err
}

// lines gives it for a person: each process, why it can't be read, and what is seen of its connections all the same.
func (s *sealed) lines() string {
	var b strings.Builder
	for _, p := range s.Processes {
		fmt.Fprintf(&b, "  !!  TLS of %s (process %d) can't be read: %s\n", filepath.Base(p.Executable), p.PID, p.Reason)
		for _, c := range s.Connections {
			if c.PID != p.PID {
				continue
			}
			name := ""
			if c.ServerName != "" {
				name = " as " + c.ServerName
			}
			if c.Version != "" {
				name += ", TLS " + c.Version
			}
			fmt.Fprintf(&b, "        %d connections to %s%s: %d bytes sent, %d received, %s on average\n", c.Connections, c.Server, name, c.Sent, c.Received,
				(time.Duration(c.Time) / time.Duration(max(1, c.Connections))).Round(time.Microsecond))
		}
	}
	return b.String()
}
