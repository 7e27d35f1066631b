package endtoend

import (
	"net/url"
	"strings"
	"testing"

	"weft/test/fleet"
)

// rounds is how often each chain is called; half of the calls are alone, which is twice what is asked of a process until its threads are believed
// (see ownLeast in correlate/link), the rest at the same time.
const rounds = 32

// TestChainWithHeader calls three services in a row that carry traceparent, by hand: with a new parent id, as an SDK
// does, and as it came. Each call is one trace with each span under the one that caused it.
func TestChainWithHeader(t *testing.T) {
	w := startWeft(t)
	b := newBook()
	for _, trace := range []string{"new", "pass"} {
		for _, chain := range []string{
			"go > node > jdk", "http.server > express > tomcat", "flask-gthread > fastapi > netty", "puma > hyper > flask-sync",
			"jdk > go > http.server", "netty > puma > node", "fastapi > hyper > go-b", "express > go-c > puma",
		} {
			b.chain(t, trace+"/"+chain, trace, strings.Split(chain, " > "))
		}
	}
	b.verify(t, stopWeft(t, w))
}

// TestChainWithoutHeader calls three services in a row that send no header: where one thread, or one goroutine and
// its descendants, serves a request to its end, the call is one trace all the same.
func TestChainWithoutHeader(t *testing.T) {
	w := startWeft(t)
	b := newBook()
	for _, chain := range []string{
		"go > go-b > go-c", "flask-sync > jdk > puma-threads", "flask-gthread > tomcat > http.server", "http.server > puma-threads > jdk",
		"go > flask-sync > tomcat", "puma-threads > go-b > flask-gthread", "tomcat > http.server > go-c", "jdk > flask-gthread > go",
	} {
		b.chain(t, chain, "", strings.Split(chain, " > "))
	}
	b.verify(t, stopWeft(t, w))
}

// chain calls the members in a row, each of which calls the next one.
func (b *book) chain(t *testing.T, group, trace string, names []string) {
	t.Helper()
	var alone, together []call
	for i := range rounds {
		c := newCall(group, trace, names)
		if i < rounds/2 {
			alone = append(alone, c)
		} else {
			together = append(together, c)
		}
	}
	for i, part := range [][]call{alone, together} {
		jobs := make([]fleet.Job, len(part))
		for j, c := range part {
			jobs[j] = c.job
		}
		results, err := fleet.Clients["go"].Run(world.cache, jobs, []int{1, 8}[i], true)
		if err != nil {
			t.Errorf("%s: %v", group, err)
			return
		}
		for j, c := range part {
			if results[j].Error != "" || results[j].Status != 200 || results[j].Size != 6 {
				t.Errorf("%s: %s: the client got %+v", group, c.job.URL, results[j])
				continue
			}
			b.call(c, results[j])
		}
	}
}

// call is one request to the first of some members and the requests that follow from it.
type call struct {
	job   fleet.Job
	wants []*want
}

func newCall(group, trace string, names []string) call {
	c := call{job: fleet.Job{Method: "GET", Headers: map[string]string{}}}
	caller, client := "", fleet.Clients["go"].Service
	for i, name := range names {
		m := world.fleet.Members[name]
		w := &want{
			group: group, token: newToken(), method: "GET", path: "/call/", status: 200, reply: 6,
			caller: caller, linked: i > 0, hops: hops(client, m),
		}
		if i == len(names)-1 {
			w.path = "/hello/"
		}
		w.path += w.token
		c.wants = append(c.wants, w)
		caller, client = w.token, m.Service
	}
	c.job.URL = target(trace, names, c.wants)
	if trace != "" {
		c.wants[0].traceID, c.wants[0].parentID = ids()
		c.job.Headers["traceparent"] = "00-" + c.wants[0].traceID + "-" + c.wants[0].parentID + "-01"
	}
	return c
}

// target nests the addresses of the calls in each other.
func target(trace string, names []string, wants []*want) string {
	address := world.fleet.Members[names[0]].URL(wants[0].path)
	if len(names) == 1 {
		return address
	}
	return address + "?trace=" + trace + "&url=" + url.QueryEscape(target(trace, names[1:], wants[1:]))
}

func (b *book) call(c call, r fleet.Result) {
	for _, w := range c.wants {
		w.start, w.end = r.Start, r.End
		b.add(w)
	}
}
