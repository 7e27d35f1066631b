package link

import "weft/correlate/flow"

// A thread of Python that works on a request may hand work to the threads of a pool. The kernel side names the job by the head of the
// request that the thread has read last, or, while it did not look for jobs yet, by the thread. That says which request it is for, where threads work on what they have read, one after the other.

// handsEnough is how often a thread has to have taken a request while only others were working, and none while it was working itself.
const handsEnough = 8

// handsOn tells that the threads of a process work side by side, each on what it has read. Where they have hardly ever done so, it is enough that
// all jobs of the times of one request were named by that, and that no thread took a request while it worked on another one.
func (p *Process) handsOn() bool {
	h, jobs := &p.habits, &p.tasks.jobs
	return h.free >= handsEnough && !h.mixes() || jobs.right >= handsEnough && jobs.wrong == 0 && h.mixed == 0
}

// learnsJob takes the name of a job whose call is sent while one request is under way.
func (p *Process) learnsJob(x *flow.Exchange) {
	if p.open != 1 || x.Task.Root == 0 || x.Task.Branch == x.Task.Root || p.habits.ghosts.walk(x.Start) {
		return
	}
	if y, _ := p.handedOn(x); y == nil || y.TID != x.TID {
		p.tasks.jobs.add(y == p.requests[0])
	}
}

// isJob tells that a call is made in work that another thread has handed on, as far as its names tell: those of the first task of a request
// are one. Tasks of event loops are made and run in one thread.
func isJob(x, y *flow.Exchange) bool {
	return x.Task.Branch != x.Task.Root && y.Task.Root == 0 && y.TID != x.TID && y.Stream == 0
}

// handedOn gives the request that was under way in the thread that has handed on what a call is made in.
func (p *Process) handedOn(x *flow.Exchange) (*flow.Exchange, float64) {
	y := p.tasks.begun[x.Task.Root]
	if x.Task.Root <= tidMax {
		y = p.readBy(uint32(x.Task.Root), x.Task.Branch)
	}
	switch {
	case y == nil || !isJob(x, y):
		return nil, 0
	case !p.handsOn():
		return y, 0.5
	}
	return y, reads
}

// tidMax bounds the numbers of threads; the times at which something began are larger.
const tidMax = 1 << 22

// readBy gives the request that a thread works on, if it is one, and was read before some time.
func (p *Process) readBy(tid uint32, before uint64) *flow.Exchange {
	g := p.threads[tid]
	if g == nil || g.first != g.last || g.first.Start > before {
		return nil
	}
	return g.first
}

// promiseHanded keeps that for later, while it is not known how the threads work.
func (l *Linker) promiseHanded(p *Process, call *flow.Exchange) {
	if y, sure := p.handedOn(call); y != nil && sure < threshold {
		l.promise(p, call, y, handedJob)
	}
}

// takesJobs makes the links that were kept, when a request is read that tells it.
func (l *Linker) takesJobs(p *Process) {
	if len(p.early) > 0 && p.tasks.seen && p.handsOn() {
		l.redeem(p, handedJob, func(*flow.Exchange) float64 { return reads })
	}
}
