package flow

import (
	"bytes"

	"weft/correlate/event"
)

// A WebSocket is the exchange that asked for it, as long as its connection, with the messages that the kernel has counted. The end
// of one over AF_UNIX is not told, so it is the first request alone.

// asksFor tells whether the reply in t.message changes the connection to a protocol.
func (t *Table) asksFor(protocol string) (found bool) {
	t.message.ForEach("upgrade", func(value []byte) { found = found || string(bytes.ToLower(value)) == protocol })
	return found
}

// becomesSocket keeps an exchange until its connection ends.
func (t *Table) becomesSocket(c *Conn, x *Exchange, ev *event.Event) {
	x.Upgraded, c.tunnel = true, true
	c.remove(x)
	c.socket = x
	t.observer.Touched(x, Touch{TID: ev.TID, Time: ev.Time, Sent: ev.Message.Direction == event.Send, Upgraded: true})
}

// socketEnds ends a WebSocket at a time, with what is known of it then.
func (t *Table) socketEnds(c *Conn, end uint64) {
	if x := c.socket; x != nil {
		c.socket = nil
		t.finish(c, x, end)
	}
}

// socketCloses ends a WebSocket with its connection.
func (t *Table) socketCloses(c *Conn, e *event.Close) {
	if x := c.socket; x != nil {
		x.RequestMessages, x.ReplyMessages = e.SentMessages, e.ReceivedMessages
		if x.Server {
			x.RequestMessages, x.ReplyMessages = e.ReceivedMessages, e.SentMessages
		}
		t.socketEnds(c, e.Previous)
	}
}
