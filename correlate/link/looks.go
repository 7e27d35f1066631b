package link

// looks is what has come of what was told of a process of Java: who has made what its threads hold. Finding that out is dear, see
// docs/ACCURACY.md, so that the kernel side is asked to do it seldom where nothing comes of it.
type looks struct {
	vain   uint32 // calls in a row of which it told nothing that is believed
	seldom bool   // it was asked
}

// looksVain is after how many calls in a row the kernel side is asked. What is proven later than that is proven more slowly, of the calls that it
// goes on to look at. It is asked again after as many, for it forgets when its programs are put on anew.
const looksVain = 1 << 12

// looked takes whether something is believed of what was told of a call.
func (l *Linker) looked(p *Process, believed bool) {
	s, ask := &p.looks, false
	if believed {
		ask, s.vain, s.seldom = s.seldom, 0, false
	} else if s.vain++; s.vain == looksVain {
		ask, s.vain, s.seldom = true, 0, true
	}
	if ask && l.options.Seldom != nil {
		l.options.Seldom(p.pid, s.seldom)
	}
}
