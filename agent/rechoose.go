package agent

// Rechoose has every process decided on anew by another choice, soon. Ports stay as they were when the agent was opened. It may be
// called from any goroutine; of several calls in a row the last one counts.
func (a *Agent) Rechoose(c Choice) { a.pending.Store(&c) }

// reconsider takes up a choice that Rechoose has left.
func (a *Agent) reconsider() error {
	c := a.pending.Swap(nil)
	if c == nil {
		return nil
	}
	a.options.Choice.Decide = c.Decide
	for _, pid := range processIDs() {
		v := a.options.Choice.of(pid)
		if was, ok := a.chosen[pid]; ok && was == v {
			continue
		}
		if _, known := a.known[pid]; known {
			a.known[pid] = v
		}
		if err := a.choose(pid, v); err != nil {
			return err
		}
		if a.options.Choice.touches(v) {
			a.scout.look(pid)
		}
	}
	return nil
}
