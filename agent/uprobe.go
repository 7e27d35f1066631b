package agent

import (
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"weft/bpf"
)

// placement is a program and where it is put in a file.
type placement struct {
	program *ebpf.Program
	at      uint64 // offset in the file
	cookie  uint64 // what the program is told
	returns bool   // where the function returns that is there, not where it begins
}

// batch is what one link holds: all places of one program in a file.
type batch struct {
	program     *ebpf.Program
	returns     bool
	at, cookies []uint64
}

// batches keeps the order in which the programs come.
func batches(all []placement) (grouped []*batch) {
	for _, p := range all {
		var b *batch
		for _, one := range grouped {
			if one.program == p.program && one.returns == p.returns {
				b = one
			}
		}
		if b == nil {
			b = &batch{program: p.program, returns: p.returns}
			grouped = append(grouped, b)
		}
		b.at, b.cookies = append(b.at, p.at), append(b.cookies, p.cookie)
	}
	return grouped
}

// chooseProbes tries whether the kernel has the better way, and says why not.
func chooseProbes() (bpf.Probes, error) {
	if err := features.HaveBPFLinkUprobeMulti(); err != nil {
		return bpf.Single, fmt.Errorf("try a link of many probes: %w", err)
	}
	return bpf.Multi, nil
}

// put puts programs on a file, in that order. An error says that not all could be put; those that could are given.
func (k *kernel) put(path string, all []placement) ([]link.Link, error) {
	file, err := link.OpenExecutable(path)
	if err != nil {
		return nil, fmt.Errorf("open the file: %w", err)
	}
	if k.probes == bpf.Multi {
		return putBatches(file, batches(all))
	}
	var links []link.Link
	var failed error
	for _, p := range all {
		l, err := attach(file, p)
		if err != nil {
			failed = err
			continue
		}
		links = append(links, l)
	}
	return links, failed
}

// putAll is put where all or none are wanted.
func (k *kernel) putAll(path string, all []placement) ([]link.Link, error) {
	links, err := k.put(path, all)
	if err != nil {
		takeOff(links...)
		return nil, err
	}
	return links, nil
}

// putBatches puts each batch on by one link.
func putBatches(file *link.Executable, all []*batch) (links []link.Link, failed error) {
	for _, b := range all {
		l, err := b.attach(file)
		if err != nil {
			failed = err
			continue
		}
		links = append(links, l)
	}
	return links, failed
}

func (b *batch) attach(file *link.Executable) (link.Link, error) {
	if err := roomForProbe(); err != nil {
		return nil, err
	}
	options := &link.UprobeMultiOptions{Addresses: b.at, Cookies: b.cookies}
	put := file.UprobeMulti
	if b.returns {
		put = file.UretprobeMulti
	}
	l, err := put(nil, b.program, options)
	if err != nil {
		return nil, fmt.Errorf("put %s on %d places: %w", b.program, len(b.at), err)
	}
	return l, nil
}

// attach puts one program at one place.
func attach(file *link.Executable, p placement) (link.Link, error) {
	if err := roomForProbe(); err != nil {
		return nil, err
	}
	options := &link.UprobeOptions{Address: p.at, Cookie: p.cookie}
	put := file.Uprobe
	if p.returns {
		put = file.Uretprobe
	}
	l, err := put("", p.program, options)
	if err != nil {
		return nil, fmt.Errorf("put %s at %#x: %w", p.program, p.at, err)
	}
	return l, nil
}

// closersMax is how many links are closed at a time: each waits for those who may be in one of its probes, and all wait for the same.
const closersMax = 64

// closeAll closes links, and returns when all are closed.
func closeAll(links []link.Link) {
	var closing sync.WaitGroup
	room := make(chan struct{}, closersMax)
	for _, l := range links {
		room <- struct{}{}
		closing.Go(func() {
			l.Close()
			<-room
		})
	}
	closing.Wait()
}

// takeOff closes probes beside whatever else is done: the kernel waits for those who may be in one.
func takeOff(probes ...link.Link) {
	if len(probes) > 0 {
		go closeAll(probes)
	}
}

// descriptorsKept is how many of the process's file descriptors probes leave for connections, spans that wait and /proc. A node may run
// programs without end.
const descriptorsKept = 40

// roomForProbe asks for the lowest free descriptor: as many are in use, or nearly.
func roomForProbe() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("look for a free file descriptor: %w", err)
	}
	_ = unix.Close(fd)
	if uint64(fd)+descriptorsKept >= limit.Cur {
		return fmt.Errorf("the last %d of %d file descriptors are kept for export: raise the limit of open files (LimitNOFILE, ulimit -n)",
			descriptorsKept, limit.Cur)
	}
	return nil
}
