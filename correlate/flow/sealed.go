package flow

import (
	"cmp"
	"net/netip"
	"slices"

	"weft/correlate/event"
)

// Sealed is what is known of the TLS connections of a process, toward one peer under one name, whose plaintext was never seen. Sizes are
// bytes of ciphertext.
type Sealed struct {
	PID            uint32
	Server         netip.AddrPort // the end that listens
	ServerName     string         // of the ClientHello
	Version        string
	Connections    uint64
	Sent, Received uint64
	Time           uint64 // ns, of all connections together, from the first bytes to the last
}

type sealedKey struct {
	pid        uint32
	server     netip.AddrPort
	serverName string
	version    string
}

type sealedTable struct {
	rows   map[sealedKey]*Sealed
	missed uint64 // connections for which there was no row
}

// sealedMax bounds the rows.
const sealedMax = 512

// seal notes the end of a connection of which nothing could be read.
func (t *Table) seal(c *Conn, e *event.Close) {
	if c.TLS == nil || c.order.requests > 0 || c.role != unknown || c.TLS.plain {
		return
	}
	key := sealedKey{c.pid, c.Peer, c.TLS.ServerName, c.TLS.Version}
	if c.TLS.client == event.Receive && c.TLS.Version != "" {
		key.server = c.Local
	}
	row := t.sealed.rows[key]
	if row == nil {
		if len(t.sealed.rows) >= sealedMax {
			t.sealed.missed++
			return
		}
		if t.sealed.rows == nil {
			t.sealed.rows = make(map[sealedKey]*Sealed)
		}
		row = &Sealed{PID: key.pid, Server: key.server, ServerName: key.serverName, Version: key.version}
		t.sealed.rows[key] = row
	}
	row.Connections++
	row.Sent += e.Sent
	row.Received += e.Received
	row.Time += max(e.Previous, c.First) - c.First
}

// Sealed lists the TLS connections that have ended and of which nothing could be read, by process.
func (t *Table) Sealed() []Sealed {
	list := make([]Sealed, 0, len(t.sealed.rows))
	for _, row := range t.sealed.rows {
		list = append(list, *row)
	}
	slices.SortFunc(list, func(a, b Sealed) int {
		return cmp.Or(cmp.Compare(a.PID, b.PID), a.Server.Compare(b.Server), cmp.Compare(a.ServerName, b.ServerName), cmp.Compare(a.Version, b.Version))
	})
	return list
}

// unseal forgets a process that is gone.
func (t *Table) unseal(pid uint32) {
	for key := range t.sealed.rows {
		if key.pid == pid {
			delete(t.sealed.rows, key)
		}
	}
}
