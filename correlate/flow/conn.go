package flow

import (
	"weft/correlate/event"
)

// role says which end of its exchanges a connection is; content decides it, not ports.
type role uint8

const (
	unknown role = iota
	server
	client
)

// Conn is one end of a connection.
type Conn struct {
	event.Conn
	Socket uint64
	First  uint64 // boot time of the first event
	Reader uint32 // of link: the thread that has read the last request, 0: not known
	Writer uint64 // of link: the goroutine that has sent the last request, 0: not known
	Under  uint64 // of a TLS session: the socket that carries it; 0: none, or not known

	announced   bool // Conn is known
	tunnel      bool // changed its protocol: nothing more is read
	fastCGI     bool // requests and answers come as records of FastCGI
	ended       bool // the peer has shut its direction down
	role        role
	pid         uint32 // the last process that used it
	rtt         uint32
	retransmits uint32
	last        uint64 // time of the last event with data
	streams     [2]stream
	TLS         *TLS        // nil: not of a TLS session, as far as is known; never changed once it has a Version
	open        []*Exchange // oldest first
	order       order
	mux         *mux      // of HTTP/2
	socket      *Exchange // that made it a WebSocket, and ends with it

	previous, next *Conn
}

// stream is one direction.
type stream struct {
	head      []byte    // an open head, as far as it was seen
	holed     bool      // records were lost since it was opened
	offset    uint64    // of its first byte
	start     uint64    // time of its first byte
	wire      uint64    // see event.Message
	at        place     // of the message that was read last or is open
	follows   uint64    // offset at which the next message starts, or nowhere
	remaining *Exchange // whose request body goes on
}

// nowhere is an offset that is not known.
const nowhere = ^uint64(0)

// FastCGI tells that requests and answers come as its records.
func (c *Conn) FastCGI() bool { return c.fastCGI }

// Multiplexes tells that the connection is one of HTTP/2.
func (c *Conn) Multiplexes() bool { return c.mux != nil }

func (c *Conn) unlink() {
	if c.next == nil {
		return
	}
	c.previous.next, c.next.previous = c.next, c.previous
	c.previous, c.next = nil, nil
}

func (c *Conn) remove(x *Exchange) {
	for i, o := range c.open {
		if o == x {
			copy(c.open[i:], c.open[i+1:])
			c.open[len(c.open)-1] = nil
			c.open = c.open[:len(c.open)-1]
			break
		}
	}
	for i := range c.streams {
		if c.streams[i].remaining == x {
			c.streams[i].remaining = nil
		}
	}
}

// announce takes what is known of the connection. It is told once; a second time would rename exchanges that are under way.
func (c *Conn) announce(conn *event.Conn) {
	if c.announced {
		return
	}
	c.Conn = *conn
	c.announced = true
	if c.Origin != event.Found && c.First == 0 {
		c.streams[0].follows, c.streams[1].follows = 0, 0
	}
}

// isRequest tells whether bytes in this direction are of requests. Before anything is known the bytes decide.
func (c *Conn) isRequest(d event.Direction, data []byte) bool {
	switch c.role {
	case server:
		return d == event.Receive
	case client:
		return d == event.Send
	}
	if c.Listening && len(data) < len("HTTP/") {
		return d == event.Receive
	}
	return !(len(data) >= len("HTTP/") && string(data[:len("HTTP/")]) == "HTTP/")
}
