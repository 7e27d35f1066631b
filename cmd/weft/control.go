package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// serveControl answers requests on a unix socket: one line with a word and its argument, answered by one JSON object. The words
// are account, sealed, report and explain ID; an answer with the member "error" says what was wrong.
func serveControl(path string, l *ledger, d *desk) (closeControl func(), err error) {
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
	// A weft that was killed leaves its socket behind. Whatever else has this name belongs to somebody.
	if there, err := os.Lstat(path); err == nil {
		if there.Mode().Type() != os.ModeSocket {
			return closeControl, fmt.Errorf("%s is there and no socket: set control to another path", path)
		}
		os.Remove(path)
	}
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", path)
	if err != nil {
		return closeControl, fmt.Errorf("listen on the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		listener.Close()
		return closeControl, fmt.Errorf("protect the control socket: %w", err)
	}
	go answer(listener, l, d)
	return func() { listener.Close() }, nil
}

// Bounds of one request: time, bytes, and how many are answered at a time.
const (
	controlTime  = 2 * time.Second
	requestMax   = 256
	controlLimit = 8
)

func answer(listener net.Listener, l *ledger, d *desk) {
	slots := make(chan struct{}, controlLimit)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			defer conn.Close()
			// Without a deadline clients that neither write nor read would stop the answers to all others.
			if err := conn.SetDeadline(time.Now().Add(controlTime)); err != nil {
				return
			}
			// Nobody is left to be told that an answer could not be written.
			_ = json.NewEncoder(conn).Encode(reply(conn, l, d))
		}()
	}
}

// failure is the answer to a request that has none.
type failure struct {
	Error string `json:"error"`
}

// reply reads one request and gives its answer.
func reply(conn net.Conn, l *ledger, d *desk) any {
	line, err := bufio.NewReader(io.LimitReader(conn, requestMax)).ReadString('\n')
	if err != nil {
		return failure{"no request: send one line with account, forgetful, sealed, report or explain ID"}
	}
	ctx, cancel := context.WithTimeout(context.Background(), controlTime)
	defer cancel()
	var out any
	switch word, argument, _ := strings.Cut(strings.TrimSpace(line), " "); word {
	case "account":
		out, err = l.account()
	case "forgetful":
		out, err = l.forgetful()
	case "sealed":
		out, err = tellSealed(ctx, l, d)
	case "report":
		out, err = d.report(ctx)
	case "explain":
		out, err = d.explain(ctx, argument)
	default:
		return failure{fmt.Sprintf("unknown request %q: there are account, forgetful, sealed, report and explain ID", word)}
	}
	if err != nil {
		return failure{err.Error()}
	}
	return out
}

// askControl sends a request to a running weft and reads the answer.
func askControl(path, request string, answer any) error {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		hint := "is one running, and with the same --control?"
		if errors.Is(err, fs.ErrPermission) {
			hint = "only root and the user that runs it may ask"
		}
		return fmt.Errorf("ask a running weft: %w (%s)", err, hint)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * controlTime)); err != nil {
		return fmt.Errorf("ask a running weft: %w", err)
	}
	if _, err := fmt.Fprintln(conn, request); err != nil {
		return fmt.Errorf("ask a running weft: %w", err)
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		return fmt.Errorf("read the answer of a running weft: %w", err)
	}
	var refused failure
	if err := json.Unmarshal(text, &refused); err != nil {
		return fmt.Errorf("read the answer of a running weft: %w", err)
	}
	if refused.Error != "" {
		return fmt.Errorf("a running weft answers: %s", refused.Error)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("read the answer of a running weft: %w", err)
	}
	return nil
}

func sortedKeys(m map[string]uint64) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
