package agent

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"weft/bpf"
)

// Some maps of the kernel side are forgetful: when they are full, what was not used for the longest time makes room for what is new
// (BPF_MAP_TYPE_LRU_HASH). The kernel takes their memory when they are made, so they are as large as the machine is.

// usualMemory is that of a machine, in bytes, for which the sizes in bpf/ are meant.
const usualMemory = 16 << 30

// sold is how far, in powers of two, a machine may be below what it is sold as: the kernel keeps some of its memory.
const sold = 0.25

// The bounds of how much larger or smaller they are elsewhere.
const (
	leastPart = 1.0 / 8
	mostTimes = 4.0
)

// leastEntries is the least for each CPU: it takes 128 free entries at a time (LOCAL_FREE_TARGET of kernel/bpf/bpf_lru_list.c).
const leastEntries = 256

// ofCapability are the forgetful maps that nobody writes to while a capability is off.
var ofCapability = map[string]func(*Options) bool{
	"given":   func(o *Options) bool { return o.Handover },
	"workers": func(o *Options) bool { return o.Handover },
	"tasks":   func(o *Options) bool { return o.Tasks },
	"futures": func(o *Options) bool { return o.Tokio },
	"written": func(o *Options) bool { return o.Tasks },
	"threads": func(o *Options) bool { return o.TLS },
}

// fitMaps sizes the forgetful maps for a machine with so many bytes of memory and CPUs.
func fitMaps(maps map[string]*ebpf.MapSpec, o *Options, memory uint64, cpus int) {
	times := math.Exp2(math.Floor(math.Log2(float64(memory)/usualMemory) + sold))
	times = min(max(times, leastPart), mostTimes)
	for name, m := range maps {
		if m.Type != ebpf.LRUHash {
			continue
		}
		usual := float64(m.MaxEntries)
		m.MaxEntries = uint32(max(usual*times, min(usual, 1024), float64(leastEntries*cpus)))
		if needed := ofCapability[name]; needed != nil && !needed(o) {
			m.MaxEntries = 1
		}
	}
}

// memoryOf is the memory of this machine, in bytes.
func memoryOf() (uint64, error) {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0, fmt.Errorf("ask how much memory the machine has: %w", err)
	}
	return info.Totalram * uint64(info.Unit), nil
}

// Forgetful is how full a map is that forgets what is old, and how many entries it has forgotten: those that were put in, less those
// that were taken out, less those that are there (the kernel does not count them).
type Forgetful struct {
	Map       string
	Used, Max uint32
	Forgotten uint64
}

// forgetful are the names of these maps, by where their entries are counted.
var forgetful = map[string]bpf.WeftForgetful{
	"own":           bpf.WeftForgetfulFORGETFUL_OWN,
	"goroutines":    bpf.WeftForgetfulFORGETFUL_GOROUTINES,
	"given":         bpf.WeftForgetfulFORGETFUL_GIVEN,
	"workers":       bpf.WeftForgetfulFORGETFUL_WORKERS,
	"hands":         bpf.WeftForgetfulFORGETFUL_HANDS,
	"cradles":       bpf.WeftForgetfulFORGETFUL_CRADLES,
	"crews":         bpf.WeftForgetfulFORGETFUL_CREWS,
	"words":         bpf.WeftForgetfulFORGETFUL_WORDS,
	"tasks":         bpf.WeftForgetfulFORGETFUL_TASKS,
	"futures":       bpf.WeftForgetfulFORGETFUL_FUTURES,
	"written":       bpf.WeftForgetfulFORGETFUL_WRITTEN,
	"streams":       bpf.WeftForgetfulFORGETFUL_STREAMS,
	"threads":       bpf.WeftForgetfulFORGETFUL_THREADS,
	"rust_programs": bpf.WeftForgetfulFORGETFUL_RUST_PROGRAMS,
	"sockets":       bpf.WeftForgetfulFORGETFUL_SOCKETS,
}

// Forgets tells whether it is as good as full, so that what is new makes what is old go.
func (f *Forgetful) Forgets() bool { return f.Max > 1 && uint64(f.Used)*20 >= uint64(f.Max)*19 }

// Forgetful tells how full the kernel side's maps are that forget, by their names, and what they have forgotten since the probes were put
// on. It counts what is there, which takes milliseconds; what comes and goes meanwhile is as many entries as the number may be wrong by.
func (a *Agent) Forgetful() (all []Forgetful, err error) {
	a.guard.mu.Lock()
	defer a.guard.mu.Unlock()
	if a.guard.kernel == nil {
		return nil, nil
	}
	kept, err := a.guard.kernel.kept()
	if err != nil {
		return nil, err
	}
	each := reflect.ValueOf(a.guard.kernel.objects.WeftMaps)
	for i := range each.NumField() {
		m, ok := each.Field(i).Interface().(*ebpf.Map)
		if !ok || m.Type() != ebpf.LRUHash {
			continue
		}
		used, err := entriesOf(m)
		if err != nil {
			return nil, err
		}
		name := each.Type().Field(i).Tag.Get("ebpf")
		gone := kept[forgetful[name]] - int64(used)
		all = append(all, Forgetful{name, used, m.MaxEntries(), uint64(max(gone, 0))})
	}
	slices.SortFunc(all, func(x, y Forgetful) int { return int(y.Used) - int(x.Used) })
	return all, nil
}

// kept is how many entries were put into each map that forgets, less those taken out.
func (k *kernel) kept() (sums [bpf.WeftForgetfulFORGETFULS]int64, err error) {
	if err := k.objects.Kept.Get(&sums); err != nil {
		return sums, fmt.Errorf("read how many entries were put into maps: %w", err)
	}
	return sums, nil
}

// entriesOf counts the entries of a map while others write to it: no more than it has room for.
func entriesOf(m *ebpf.Map) (n uint32, err error) {
	var next []byte
	key := make([]byte, m.KeySize())
	for err = m.NextKey(nil, &next); err == nil && n < m.MaxEntries(); err = m.NextKey(key, &next) {
		copy(key, next)
		n++
	}
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return 0, fmt.Errorf("count the entries of %s: %w", m, err)
	}
	return n, nil
}
