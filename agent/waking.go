package agent

import "github.com/cilium/ebpf/link"

// watchThreads has wakes of threads told from then on that a thread was seen which makes calls for others, see bpf/thread.h. Until then
// no wake on this machine costs anything.
func (a *Agent) watchThreads() {
	k := a.kernel
	if k == nil || k.waking {
		return
	}
	var crewed uint32
	if err := k.objects.Crewed.Get(&crewed); err != nil || crewed == 0 {
		return
	}
	a.guard.mu.Lock()
	defer a.guard.mu.Unlock()
	if k.detached {
		return
	}
	k.waking = true
	l, err := link.AttachTracing(link.TracingOptions{Program: k.objects.SchedWaking})
	if err != nil {
		a.options.Log.Warn("calls that threads make for each other are not linked: sched_waking can't be watched", "reason", err)
		return
	}
	k.links = append(k.links, l)
}
