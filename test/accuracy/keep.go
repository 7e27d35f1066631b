package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/klauspost/compress/zstd"

	"weft/correlate/event"
)

// told are the attributes of a process that a kept recording may hold.
var told = []string{"process.executable.name", "process.pid", "process.runtime.name", "service.name"}

// keepAll copies recordings without what tells of the machine that they were made on.
func keepAll(o options) error {
	for _, s := range scenarios {
		for _, n := range o.inFlight {
			from := o.path(s, n)
			if _, err := os.Stat(from); err != nil || !o.chooses(s) {
				continue
			}
			if err := keep(from, filepath.Join(o.keep, filepath.Base(from))); err != nil {
				return fmt.Errorf("keep %s: %w", from, err)
			}
		}
	}
	return nil
}

func keep(from, to string) error {
	talks := map[uint32]bool{}
	err := each(from, func(ev *event.Event) error {
		if ev.Kind == event.KindMessage {
			talks[ev.PID] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	defer file.Close()
	w, err := event.NewWriter(file, event.Redaction{})
	if err != nil {
		return err
	}
	err = each(from, func(ev *event.Event) error {
		if (ev.Kind == event.KindProcess || ev.Kind == event.KindExit || ev.Kind == event.KindFork) && !talks[ev.PID] {
			return nil
		}
		ev.Conn.Cgroup = 0
		if ev.Process != nil {
			p := *ev.Process
			p.Attributes = slices.DeleteFunc(slices.Clone(p.Attributes), func(a event.Attribute) bool { return !slices.Contains(told, a.Key) })
			ev.Process = &p
		}
		return w.Write(ev)
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return repack(to)
}

// headSize is what stands before the compressed part of a recording.
const headSize = len("weftrec") + 1

// repack compresses a recording as well as can be.
func repack(path string) error {
	file, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	r, err := zstd.NewReader(nil)
	if err != nil {
		return err
	}
	defer r.Close()
	events, err := r.DecodeAll(file[headSize:], nil)
	if err != nil {
		return err
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(256<<10))
	if err != nil {
		return err
	}
	return os.WriteFile(path, w.EncodeAll(events, file[:headSize:headSize]), 0o644)
}
