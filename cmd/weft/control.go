package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// serveControl answers each connection on a unix socket with the account, as one JSON object.
func serveControl(path string, l *ledger) (closeControl func(), err error) {
	closeControl = func() {}
	if path == "" {
		return closeControl, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return closeControl, fmt.Errorf("make the folder of the control socket: %w", err)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return closeControl, fmt.Errorf("another weft answers on %s: set control to another path", path)
	}
	// A weft that was killed leaves its socket behind.
	os.Remove(path)
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", path)
	if err != nil {
		return closeControl, fmt.Errorf("listen on the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return closeControl, fmt.Errorf("protect the control socket: %w", err)
	}
	go answer(listener, l)
	return func() { listener.Close() }, nil
}

func answer(listener net.Listener, l *ledger) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		// Without a deadline a client that does not read would stop the answers to all others.
		if err := conn.SetDeadline(time.Now().Add(time.Second)); err == nil {
			l.print(conn)
		}
		conn.Close()
	}
}

// askControl reads the account of a running weft.
func askControl(path string) (a account, err error) {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return a, fmt.Errorf("ask a running weft: %w", err)
	}
	defer conn.Close()
	if err := json.NewDecoder(conn).Decode(&a); err != nil {
		return a, fmt.Errorf("read the answer of a running weft: %w", err)
	}
	return a, nil
}

func sortedKeys(m map[string]uint64) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
