package agent

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
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

// Forgetful is how full a map is that forgets what is old.
type Forgetful struct {
	Map       string
	Used, Max uint32
}

// Forgets tells whether it is as good as full, so that what is new makes what is old go.
func (f *Forgetful) Forgets() bool { return f.Max > 1 && uint64(f.Used)*20 >= uint64(f.Max)*19 }

// Forgetful tells how full the kernel side's maps are that forget, by their names. It counts them, which takes milliseconds.
func (a *Agent) Forgetful() (all []Forgetful, err error) {
	a.guard.mu.Lock()
	defer a.guard.mu.Unlock()
	if a.guard.kernel == nil {
		return nil, nil
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
		all = append(all, Forgetful{each.Type().Field(i).Tag.Get("ebpf"), used, m.MaxEntries()})
	}
	slices.SortFunc(all, func(x, y Forgetful) int { return int(y.Used) - int(x.Used) })
	return all, nil
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
