package node

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"weft/agent"
	"weft/test/collector"
	"weft/test/tracer"
)

// behind serves OTLP where the manifests say that it is: at weft-collector, which the bundle knows as the router.
func behind(t *testing.T) (c *collector.Collector) {
	t.Helper()
	within(t, router, func() error {
		l, err := net.Listen("tcp", collectorAddress+":4317")
		if err == nil {
			c = collector.Serve(l, "grpc")
			t.Cleanup(c.Close)
		}
		return err
	})
	return c
}

// arrived gives the spans of a collector as those of weft's JSON.
func arrived(c *collector.Collector) (list []*tracer.Span) {
	plain := func(values map[string]any) tracer.Attributes {
		for key, v := range values {
			if n, ok := v.(int64); ok {
				values[key] = float64(n) // as JSON has it
			}
		}
		return values
	}
	for _, s := range c.Spans() {
		list = append(list, &tracer.Span{
			TraceID: hex.EncodeToString(s.TraceId), SpanID: hex.EncodeToString(s.SpanId), ParentID: hex.EncodeToString(s.ParentSpanId),
			Name: s.Name, Kind: int(s.Kind), Attr: plain(collector.Values(s.Attributes)), Resource: plain(s.Resource),
		})
	}
	return list
}

// TestImage runs the image as a kubelet runs the pod of the manifests: its root file system read-only, the runtime's seccomp profile,
// the capabilities, volumes and variables that the manifests name, a network and cgroups of its own. It answers the probes, traces other
// containers, and finds nothing amiss.
func TestImage(t *testing.T) {
	containers := chain(t)
	join(t, 4)
	c := behind(t)
	b := unpack(t, "")
	b.spec.Process.Env = append(b.spec.Process.Env, "WEFT_NAT_NAMESPACE="+routerNamespace(t))
	w := b.start(t)
	for _, path := range []string{"/livez", "/readyz"} {
		if status, body := b.probe(t, path); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	b.confined(t)
	served := send(t, "http://"+address(1)+":8080", 10, "t-image")
	if len(served) != 10 {
		t.Errorf("%d of 10 requests were answered", len(served))
	}
	var groups map[string][]*tracer.Span
	await(t, "all spans", func() bool {
		groups = byToken(arrived(c))
		return !slices.ContainsFunc(served, func(token string) bool { return len(groups[token]) < spansEach })
	})
	for _, token := range served {
		if !whole(t, token, groups[token], containers) {
			break
		}
	}
	out, err := exec.Command("runc", "exec", b.name, "/weft", "doctor").CombinedOutput()
	if err != nil || strings.Contains(string(out), "!!") || strings.Contains(string(out), "none answers") {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	if e := stop(t, w); e.Exported != e.Put || int(e.Put) != len(c.Spans()) {
		t.Errorf("%d spans arrived: %+v", len(c.Spans()), e)
	}
	if strings.Contains(w.Log(), "permi") {
		t.Errorf("weft is refused something: %s", w.Log())
	}
}

// TestImageLacksACapability leaves out one at a time, as somebody might in the manifests: what is missing is named, and what does not
// need it goes on.
func TestImageLacksACapability(t *testing.T) {
	chain(t)
	join(t, 4)
	c := behind(t)
	for _, lacking := range agent.Capabilities {
		b := unpack(t, lacking.Name)
		out, err := b.run(t, "doctor")
		if !strings.Contains(out, lacking.Name+" ("+lacking.Use+")") || (err != nil) != lacking.Essential {
			t.Errorf("without %s doctor ends with %v and says\n%s", lacking.Name, err, out)
		}
		if lacking.Essential {
			out, err := b.run(t, "run", "--config", "/etc/weft/weft.yaml")
			if said := "this process lacks " + lacking.Name + " ("; err == nil || !strings.Contains(out, said) {
				t.Errorf("without %s weft ends with %v and says\n%s", lacking.Name, err, out)
			}
			continue
		}
		w := b.start(t)
		before := len(c.Spans())
		served := send(t, "http://"+address(1)+":8080", 5, "t-"+lacking.Name)
		await(t, "spans without "+lacking.Name, func() bool { return len(c.Spans())-before >= spansEach*len(served) })
		stop(t, w)
		if status := len(served); status != 5 {
			t.Errorf("%d of 5 requests were answered", status)
		}
	}
}

// routerNamespace names the router's network as weft sees it from its container, by a process in it: as that of the node's first process,
// which is the one that is asked for translated addresses if nothing else is said.
func routerNamespace(t *testing.T) string {
	t.Helper()
	p := exec.Command("ip", "netns", "exec", router, "sleep", "600")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	return fmt.Sprintf("/proc/%d/ns/net", p.Process.Pid)
}

// probe asks as the kubelet does. What asks must not be another goroutine, which would be in another network.
func (b *bundle) probe(t *testing.T, path string) (status int, body string) {
	t.Helper()
	within(t, router, func() error {
		conn, err := net.DialTimeout("tcp", address(4)+":9465", 5*time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, address(4))
		reply, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return err
		}
		defer reply.Body.Close()
		text, err := io.ReadAll(reply.Body)
		status, body = reply.StatusCode, string(text)
		return err
	})
	return status, body
}

// confined fails unless weft has just what the manifests give it.
func (b *bundle) confined(t *testing.T) {
	t.Helper()
	pid, err := os.ReadFile(b.dir + "/pid")
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%s/status", pid))
	mounts, mountsErr := os.ReadFile(fmt.Sprintf("/proc/%s/mountinfo", pid))
	if err := errors.Join(err, mountsErr); err != nil {
		t.Fatal(err)
	}
	var set uint64
	for _, c := range agent.Capabilities {
		set |= 1 << c.Number
	}
	// The filter of the runtime and no new privileges; the latter weft takes on itself, for the manifests have to allow them beside CAP_SYS_ADMIN.
	for _, want := range []string{fmt.Sprintf("CapEff:\t%016x", set), fmt.Sprintf("CapPrm:\t%016x", set), "Seccomp:\t2", "NoNewPrivs:\t1"} {
		if !strings.Contains(string(status), want+"\n") {
			t.Errorf("not %q:\n%s", want, status)
		}
	}
	readOnly := func(line string) bool {
		f := strings.Fields(line)
		return len(f) > 5 && f[4] == "/" && strings.HasPrefix(f[5], "ro")
	}
	if !slices.ContainsFunc(strings.Split(string(mounts), "\n"), readOnly) {
		t.Errorf("the root file system can be written:\n%s", mounts)
	}
}
