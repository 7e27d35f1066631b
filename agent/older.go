package agent

import (
	"log/slog"

	"weft/agent/listener"
	"weft/correlate/event"
)

// older is what was there before weft: it tells the role of connections whose opening was not seen.
type older struct {
	listening map[listener.Key]struct{}
	unix      map[uint64]struct{}
}

// findOlder asks the kernel by sock_diag. What can't be asked costs the role of some old connections until their next
// message tells it.
func findOlder(log *slog.Logger) older {
	var o older
	var err error
	if o.listening, err = listener.Listening(); err != nil {
		log.Warn("not all listening sockets are known", "reason", err)
	}
	if o.unix, err = listener.Unix(); err != nil {
		log.Warn("not all unix sockets are known: none is joined with its other end", "reason", err)
		o.unix = nil
	}
	return o
}

func (o *older) describe(c *event.Conn) {
	if c.Family == familyUnix {
		_, mine := o.unix[c.NameLocal]
		_, others := o.unix[c.NamePeer]
		if o.unix != nil && !mine && !others {
			c.Origin = event.Opened
		}
		return
	}
	_, c.Listening = o.listening[listener.Key{NetNS: c.NetNS, Port: c.Local.Port()}]
}
