package node

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"weft/test/collector"
	"weft/test/tracer"
)

const (
	crowdContainers = 100
	crowdCopies     = 5                // processes in each
	crowdRate       = 200              // requests a second, in turn over all processes
	crowdTime       = 20 * time.Second // of each of the two measured parts
)

// BenchmarkCrowd has 500 processes in 100 containers that are asked in turn over connections that stay: what weft costs with them, and
// what it costs while a container a second is ended and another one takes its place; and how long after its start the first request of a
// new process is told. It takes two minutes and counts once: -benchtime 1x.
func BenchmarkCrowd(b *testing.B) {
	for b.Loop() {
		connect(b, crowdContainers)
		list := make([]*container, crowdContainers)
		for i := range list {
			list[i] = crowdContainer(i, 0)
			list[i].start(b)
		}
		d := startDriver(b)
		for i := range list {
			d.say(b, "+"+address(i+1))
		}
		await(b, "all to answer", func() bool { return len(d.answering()) == crowdContainers*crowdCopies })
		c := receive(b)
		w := crowdWeft(b, c)
		d.say(b, "=")
		measurePart(b, w, "still", func(end time.Time) { time.Sleep(time.Until(end)) })
		replaced := 0
		measurePart(b, w, "churn", func(end time.Time) {
			for tick := time.NewTicker(time.Second); time.Now().Before(end); <-tick.C {
				i := replaced % crowdContainers
				d.say(b, "-"+address(i+1))
				list[i].kill()
				list[i] = crowdContainer(i, 1+replaced)
				list[i].start(b)
				d.say(b, "+"+address(i+1))
				replaced++
			}
		})
		answered, failed := d.end(b)
		await(b, "the last spans", func() bool { return len(c.Spans()) >= 2*answered })
		e := stop(b, w)
		if e.Dropped() > 0 || failed > replaced*crowdCopies || replaced == 0 {
			b.Errorf("%d requests were answered, %d failed, %d containers were replaced: %+v", answered, failed, replaced, e)
		}
		b.ReportMetric(float64(answered)/(2*crowdTime.Seconds()), "requests/s")
		b.ReportMetric(float64(replaced)/crowdTime.Seconds(), "new-containers/s")
		reportFirst(b, d.answering()[crowdContainers*crowdCopies:], c)
	}
}

// crowdContainer gives the one at a place, with an id that no other one has had.
func crowdContainer(at, generation int) *container {
	c := newContainer(at+1, space(at+1), fmt.Sprint("OTEL_SERVICE_NAME=s", at), fmt.Sprint("COPIES=", crowdCopies))
	c.id = fmt.Sprintf("%064x", 0xabcdef0000+at+1000*generation)
	return c
}

// crowdWeft traces the containers and their client.
func crowdWeft(b *testing.B, c *collector.Collector) *tracer.Tracer {
	b.Helper()
	w, err := tracer.Start(world.weft, tracer.Options{
		Output: "otlp", Args: []string{"--exe", "app", "--control", b.TempDir() + "/control"},
		Env: []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL, "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none"},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(w.Kill)
	return w
}

// measurePart tells what weft needs while something happens.
func measurePart(b *testing.B, w *tracer.Tracer, name string, happen func(end time.Time)) {
	b.Helper()
	before, began := spent(b, w.PID()), time.Now()
	happen(began.Add(crowdTime))
	b.ReportMetric(100*(spent(b, w.PID())-before).Seconds()/time.Since(began).Seconds(), name+"-%core")
	b.ReportMetric(float64(memory(b, w.PID(), "VmRSS:"))/(1<<20), name+"-RSS-MiB")
	b.ReportMetric(float64(memory(b, w.PID(), "RssAnon:"))/(1<<20), name+"-anon-MiB")
	b.ReportMetric(float64(maps(b, w.PID()))/(1<<20), name+"-maps-MiB")
}

// reportFirst tells how long after a process began the first request that it answered came, and how many of these requests are told.
func reportFirst(b *testing.B, births []birth, c *collector.Collector) {
	b.Helper()
	told := map[string][]int64{} // the starts of server spans, by the address asked
	for _, s := range c.Spans() {
		values := collector.Values(s.Attributes)
		if path, _ := values["url.path"].(string); path == "/born" {
			address, _ := values["server.address"].(string)
			port, _ := values["server.port"].(int64)
			at := fmt.Sprintf("http://%s:%d", address, port)
			told[at] = append(told[at], int64(s.StartTimeUnixNano))
		}
	}
	var waits []time.Duration
	missing := 0
	for _, one := range births {
		i := slices.IndexFunc(told[one.url], func(start int64) bool { return start >= one.born && start <= one.answered })
		if i < 0 {
			missing++
			continue
		}
		waits = append(waits, time.Duration(told[one.url][i]-one.born))
	}
	slices.Sort(waits)
	if len(waits) == 0 {
		b.Fatal("of no new process the first request is told")
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(waits[len(waits)/2]), "first-ms-median")
	b.ReportMetric(ms(waits[len(waits)*95/100]), "first-ms-p95")
	b.ReportMetric(float64(len(births)), "new-processes")
	b.ReportMetric(float64(missing), "first-not-told")
}
