package flow

import (
	"weft/correlate/event"
	"weft/correlate/proto"
)

// TLS is what is known of the TLS session that a connection carries. What is not known is empty.
type TLS struct {
	Version    string // as in tls.protocol.version: "1.2", "1.3"
	ServerName string // that the client has asked for
	Protocol   string // by ALPN, as far as it is told in clear: up to TLS 1.2
	Handshake  uint64 // ns, from the first record of the handshake to the end of it at this end

	hello   [2][]byte // first records, by direction, as far as they were seen
	offset  [2]uint64 // of their first bytes
	client  event.Direction
	greeted [2]bool
	plain   bool // plaintext was seen
}

// helloMax bounds what is kept of a direction's first record.
const helloMax = 4 << 10

// greet takes bytes of a handshake.
func (t *Table) greet(ev *event.Event) {
	c := t.conn(ev.Socket)
	if c.First == 0 {
		c.First = ev.Time
	}
	t.use(c, ev.PID)
	if c.TLS == nil {
		c.TLS = &TLS{}
	}
	c.TLS.greet(&ev.Message)
}

func (s *TLS) greet(m *event.Message) {
	d := m.Direction & 1
	if len(s.hello[d]) == 0 {
		s.offset[d] = m.Offset
	}
	if s.greeted[d] || m.Offset != s.offset[d]+uint64(len(s.hello[d])) || len(s.hello[d])+len(m.Payload) > helloMax {
		s.greeted[d], s.hello[d] = true, nil
		return
	}
	s.hello[d] = append(s.hello[d], m.Payload...)
	h, whole, err := proto.ParseHello(s.hello[d])
	if err == nil && !whole {
		return
	}
	s.greeted[d], s.hello[d] = true, nil
	switch {
	case err != nil:
	case h.Client:
		s.ServerName, s.client = h.ServerName, d
	default:
		s.Version, s.Protocol, s.client = h.Version, h.Protocol, d^1
	}
}

// session takes what the kernel knows of a TLS session.
func (t *Table) session(ev *event.Event) {
	c := t.conn(ev.Socket)
	if c.First == 0 {
		c.First = ev.Time
	}
	if under := t.conns[ev.Session.Under]; under != nil && under.TLS != nil {
		c.TLS = under.TLS
	}
	if c.TLS == nil {
		c.TLS = &TLS{}
	}
	c.TLS.plain, c.Under = true, ev.Session.Under
	c.TLS.time(&ev.Session)
	if ev.Session.Offset == event.NoOffset {
		return
	}
	for _, x := range c.open {
		if x.asked && !x.Server && x.Wire == 0 && x.Offset == ev.Session.Offset {
			x.Wire = ev.Session.Wire + 1
			t.observer.Placed(x)
		}
	}
	if c.mux == nil {
		return
	}
	for _, s := range c.mux.streams {
		if s.x.asked && !s.x.Server {
			t.observer.Placed(s.x)
		}
	}
}

// time finds how long the handshake took. In TLS 1.3 it ends with the client's Finished, which looks like data and is the first of
// its direction; before, with the last record that is of the handshake by its type.
func (s *TLS) time(e *event.Session) {
	end := max(e.Handshake[0], e.Handshake[1])
	if s.Version == "1.3" {
		end = e.Data[s.client]
	}
	if s.Version != "" && e.Hello != 0 && end > e.Hello && s.Handshake == 0 {
		s.Handshake = end - e.Hello
	}
}
