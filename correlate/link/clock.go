package link

// clock turns boot time into Unix time. What it is told was read from two clocks, the Unix one first: when the reader was
// held up in between, the difference comes out too small. So the largest of the last second counts, and a clock that was
// set back is believed after that time.
type clock struct {
	offset, best int64 // Unix time less boot time, ns
	below        int   // how many differences in sequence were smaller
}

// patience is how many ticks make a second, roughly.
const patience = 50

func (c *clock) tick(offset int64) {
	if offset < c.offset {
		if c.below == 0 || offset > c.best {
			c.best = offset
		}
		if c.below++; c.below < patience {
			return
		}
		offset = c.best
	}
	c.offset, c.below = offset, 0
}
