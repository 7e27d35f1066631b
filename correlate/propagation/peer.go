package propagation

import (
	"strings"

	"weft/correlate/flow"
)

// peersMax bounds the addresses whose service is remembered.
const peersMax = 1 << 12

// peers remembers which service was found behind an address, for the calls of which the other end was not seen.
type peers struct {
	byAddress map[string]string
}

// name says who a call goes to: the service that was seen at the other end, else what the program calls it, else the address.
func (p *peers) name(x *flow.Exchange, seen string) string {
	address := clip(x.Host)
	if address == "" && x.Conn.Peer.IsValid() {
		address = x.Conn.Peer.String()
	}
	if seen == "" {
		if known, ok := p.byAddress[address]; ok {
			return known
		}
		return address
	}
	if p.byAddress[address] == seen {
		return seen
	}
	if p.byAddress == nil || len(p.byAddress) >= peersMax {
		p.byAddress = make(map[string]string)
	}
	p.byAddress[address] = seen
	return seen
}

// client gives the first product of a User-Agent: RFC 9110 section 10.1.5.
func client(agent string) string {
	agent = clip(agent)
	if i := strings.IndexByte(agent, ' '); i >= 0 {
		agent = agent[:i]
	}
	if len(agent) > clientMax {
		return strings.Clone(agent[:clientMax])
	}
	return agent
}

// nameMax bounds the text of a name that is kept, in bytes: payload may be of any length.
const nameMax = 256

func clip(name string) string {
	if len(name) > nameMax {
		return strings.Clone(name[:nameMax])
	}
	return name
}

// clientMax bounds the text of a client, in bytes.
const clientMax = 64
