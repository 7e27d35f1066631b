package endtoend

import (
	"fmt"
	"testing"

	"weft/test/fleet"
)

// TestMatrix makes the requests of every route from every client to every server, at 1, 16 and 128 connections that
// are kept alive and not.
func TestMatrix(t *testing.T) {
	w := startWeft(t)
	b := newBook()
	for _, m := range world.fleet.All() {
		if m.Unix {
			continue // reached through nginx-unix
		}
		for _, name := range []string{"curl", "requests", "node", "go"} {
			for _, connections := range []int{1, 16, 128} {
				for _, keepAlive := range []bool{true, false} {
					if connections == 128 && name != "go" && !whole() {
						continue // on two cores, hundreds of threads of an interpreter show nothing more
					}
					group := fmt.Sprintf("%s/%s/%d/keepalive=%v", m.Name, name, connections, keepAlive)
					b.exchange(t, group, fleet.Clients[name], m, mix(m, connections), connections, keepAlive)
				}
			}
		}
	}
	b.verify(t, stopWeft(t, w))
}

// mix gives routes for some requests on each connection: all of the member's routes in turn.
func mix(m *fleet.Member, connections int) []route {
	all := routes(m)
	n := max(len(all), 2*connections)
	list := make([]route, n)
	for i := range list {
		list[i] = all[i%len(all)]
	}
	return list
}

// routes gives every route of a member with bodies up to 64 KiB.
func routes(m *fleet.Member) []route {
	list := []route{
		{method: "GET", path: "/hello", status: 200, reply: 6},
		{method: "HEAD", path: "/hello", status: 200},
	}
	for _, n := range []int64{0, 1, 1000, 65536} {
		list = append(list,
			route{method: "GET", path: fmt.Sprintf("/bytes/%d", n), status: 200, reply: n},
			route{method: "GET", path: fmt.Sprintf("/chunked/%d", n), status: 200, reply: n})
	}
	for _, code := range []int{204, 404, 503} {
		list = append(list, route{method: "GET", path: fmt.Sprintf("/status/%d", code), status: code, reply: -1})
	}
	if m.Offer == fleet.Static {
		return list
	}
	for _, n := range []int64{0, 1, 1000, 65536} {
		reply := int64(len(fmt.Sprint(n)))
		list = append(list,
			route{method: "POST", path: "/echo-size", body: n, status: 200, reply: reply},
			route{method: "POST", path: "/echo-size", body: n, chunked: true, status: 200, reply: reply})
	}
	return list
}

// TestLarge moves bodies of 1 MiB and 100 MiB both ways through every server.
func TestLarge(t *testing.T) {
	w := startWeft(t)
	b := newBook()
	for _, m := range world.fleet.All() {
		if m.Unix {
			continue
		}
		for _, n := range []int64{1 << 20, 100 << 20} {
			list := []route{
				{method: "GET", path: fmt.Sprintf("/bytes/%d", n), status: 200, reply: n},
				{method: "GET", path: fmt.Sprintf("/chunked/%d", n), status: 200, reply: n},
			}
			if m.Offer != fleet.Static {
				reply := int64(len(fmt.Sprint(n)))
				list = append(list,
					route{method: "POST", path: "/echo-size", body: n, status: 200, reply: reply},
					route{method: "POST", path: "/echo-size", body: n, chunked: true, status: 200, reply: reply})
			}
			list = append(list, route{method: "GET", path: "/hello", status: 200, reply: 6})
			b.exchange(t, fmt.Sprintf("%s/%d", m.Name, n), fleet.Clients["go"], m, list, 1, true)
		}
	}
	b.verify(t, stopWeft(t, w))
}
