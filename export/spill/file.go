package spill

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A file is one message on disk. Its name says all that must be known of it even if its contents are damaged: its number, by which
// it is ordered, when it was written, and how many spans it holds.
type file struct {
	number uint64
	millis int64 // Unix time
	spans  uint32
	size   uint64    // bytes of disk
	since  time.Time // when it began to wait
}

const (
	partPrefix = "part-" // of a file that is being written
	suffix     = ".otlp.zst"
)

func (f *file) name() string {
	return fmt.Sprintf("%016x-%d-%d%s", f.number, f.millis, f.spans, suffix)
}

// parseName reads the name of a file; ours is false for one that no Store writes.
func parseName(name string) (f file, whole, ours bool) {
	name, part := strings.CutPrefix(name, partPrefix)
	name, ours = strings.CutSuffix(name, suffix)
	fields := strings.Split(name, "-")
	if !ours || len(fields) != 3 {
		return file{}, false, false
	}
	var errs [3]error
	f.number, errs[0] = strconv.ParseUint(fields[0], 16, 63)
	f.millis, errs[1] = strconv.ParseInt(fields[1], 10, 64)
	spans, err := strconv.ParseUint(fields[2], 10, 32)
	errs[2], f.spans = err, uint32(spans)
	for _, err := range errs {
		if err != nil {
			return file{}, false, false
		}
	}
	return f, !part, true
}

// block is what the smallest file takes.
const block = 4096

func onDisk(size int64) uint64 { return uint64(size+block-1) / block * block }
