package propagation_test

import (
	"slices"
	"strings"
	"testing"

	"weft/correlate/propagation"
)

// exclusions has for each rule calls that it takes out, or that look like it and stay. Where it is switched off all are dropped.
var exclusions = []struct{ rule, name, script, want string }{
	{"telemetry_export", "spans by OTLP", `
		in a : traceparent: $W
		call x to=collector:4318 post=/v1/traces`, "x excluded"},
	{"telemetry_export", "metrics and logs by OTLP, stats of Datadog, Prometheus, Loki", `
		in a : traceparent: $W
		call x to=collector:4318 post=/v1/metrics
		call y to=collector:4318 post=/v1/logs
		call z to=agent:8126 post=/v0.6/stats
		call u to=prometheus:9090 post=/api/v1/write
		call v to=loki:3100 post=/loki/api/v1/push`, "x excluded; y excluded; z excluded; u excluded; v excluded"},
	{"telemetry_export", "spans by Zipkin, Jaeger, Datadog, SkyWalking, New Relic, Elastic, Instana", `
		in a : traceparent: $W
		call x to=zipkin:9411 post=/api/v2/spans
		call y to=jaeger:14268 post=/api/traces?format=jaeger.thrift
		call z to=agent:8126 post=/v0.4/traces
		call u to=oap:12800 post=/v3/segments
		call v to=trace-api.newrelic.com post=/trace/v1
		call w to=apm:8200 post=/intake/v2/events
		call s to=agent:42699 post=/com.instana.plugin.golang.8/traces.7`,
		"x excluded; y excluded; z excluded; u excluded; v excluded; w excluded; s excluded"},
	{"telemetry_export", "a tracer asks its agent what it can", `
		in a : traceparent: $W
		call x to=agent:8126 get=/info`, "x excluded"},
	{"telemetry_export", "somebody asks for traces, or for information", `
		in a : traceparent: $W
		call x to=jaeger:16686 get=/api/traces
		call y get=/info
		call z get=/v1/metrics`, "x dropped; y dropped; z dropped"},
	{"health_check", "what is asked for while a probe is answered", `
		in a get=/healthz : traceparent: $W
		call x`, "x excluded"},
	{"health_check", "a probe by its agent", `
		in a get=/ agent=kube-probe/1.33 : traceparent: $W
		call x`, "x excluded"},
	{"health_check", "the health of another service", `
		in a : traceparent: $W
		call x get=/actuator/health
		call y get=/readyz?verbose`, "x excluded; y excluded"},
	{"health_check", "health is somebody's business", `
		in a : traceparent: $W
		call x get=/patients/7/health-records
		call y post=/health`, "x dropped; y dropped"},
	{"scrape", "by path and by agent", `
		in a get=/metrics : traceparent: $W
		call x
		reply a
		in b get=/probe agent=Prometheus/3.0 : traceparent: $W
		call y`, "x excluded; y excluded"},
	{"scrape", "metrics are posted", `
		in a post=/metrics : traceparent: $W
		call x`, "x dropped"},
	{"metadata", "of the clouds", `
		in a : traceparent: $W
		call x to=169.254.169.254 get=/latest/meta-data/
		call y to=metadata.google.internal:80 get=/computeMetadata/v1/
		call z to=[fd00:ec2::254]:80`, "x excluded; y excluded; z excluded"},
	{"token", "by path", `
		in a : traceparent: $W
		call x to=sso:80 post=/realms/shop/protocol/openid-connect/token
		call y to=sso:80 get=/.well-known/jwks.json`, "x excluded; y excluded"},
	{"token", "tokens are what the shop sells", `
		in a : traceparent: $W
		call x get=/tokens/7`, "x dropped"},
	{"preflight", "before and behind", `
		in a options=/cart : traceparent: $W
		call x
		reply a
		in b : traceparent: $W
		call y options=/cart`, "x excluded; y excluded"},
	{"cache_refresh", "two requests for the same wait for what a third one fetches", `
		in a get=/price : traceparent: $W
		send x
		in b get=/price : traceparent: 00-$U-$P-01
		in c get=/price : traceparent: 00-$V-$P-01
		answer x
		reply a
		reply b
		reply c`, "x dropped; later: excluded cache_refresh 1"},
	{"cache_refresh", "the others ask for something else", `
		in a get=/price : traceparent: $W
		send x
		in b get=/stock : traceparent: 00-$U-$P-01
		in c get=/stock : traceparent: 00-$V-$P-01
		answer x
		reply a
		reply b
		reply c`, "x dropped"},
	{"cache_refresh", "the others have called for themselves", `
		in a at=go-shop g=1 get=/price : traceparent: $W
		send x at=go-shop g=1
		in b at=go-shop g=2 get=/price : traceparent: 00-$U-$P-01
		call y at=go-shop g=2
		in c at=go-shop g=3 get=/price : traceparent: 00-$V-$P-01
		call z at=go-shop g=3
		answer x
		reply a
		reply b
		reply c`, "y dropped; z dropped; x dropped"},
	{"cache_refresh", "the others were answered long after", `
		in a get=/price : traceparent: $W
		send x
		in b get=/price : traceparent: 00-$U-$P-01
		in c get=/price : traceparent: 00-$V-$P-01
		answer x
		reply a
		wait 100ms
		reply b
		reply c`, "x dropped"},
	{"after_reply", "by the child of a goroutine that has answered one request and works on the next", `
		in a at=go-shop g=5 : traceparent: $W
		reply a
		call w at=go-shop g=7 pg=5
		in b at=go-shop g=5 : traceparent: 00-$U-$P-01
		call x at=go-shop g=9 pg=5`, "w dropped; x excluded"},
	{"after_reply", "by the child of a goroutine that has answered its only request", `
		in a at=go-shop g=5 : traceparent: $W
		reply a
		call x at=go-shop g=9 pg=5`, "x dropped"},
	{"after_reply", "by the child of a goroutine that has answered one request and works on the next, with a carrier that tells", `
		in a at=go-shop g=5 : traceparent: $W
		reply a
		call w at=go-shop g=7 pg=5 : traceparent: 00-$T-$Q-01
		in b at=go-shop g=5 : traceparent: 00-$U-$P-01
		call x at=go-shop g=9 pg=5 : traceparent: 00-$U-$Q-01`, "w propagated; x propagated"},
}

func TestExclusions(t *testing.T) {
	for _, test := range exclusions {
		for _, off := range []bool{false, true} {
			o := propagation.Options{}
			want := strings.ReplaceAll(test.want, "excluded;", "excluded "+test.rule+";")
			if strings.HasSuffix(want, "excluded") {
				want += " " + test.rule
			}
			name := test.rule + ": " + test.name
			if off {
				o.Off, name = []string{test.rule}, name+", switched off"
				want = strings.ReplaceAll(strings.Split(want, "; later")[0], "excluded "+test.rule, "dropped")
			}
			testRules(t, o, []rule{{name, test.script, strings.ReplaceAll(want, "; ", "\n")}})
		}
	}
}

// TestExclusionNames holds the rules to be known by name, each to have a case, and a wrong name to be told with the right ones.
func TestExclusionNames(t *testing.T) {
	for _, name := range propagation.ExclusionNames() {
		has := slices.ContainsFunc(exclusions, func(e struct{ rule, name, script, want string }) bool { return e.rule == name })
		if !has {
			t.Errorf("%s has no case", name)
		}
	}
	_, err := propagation.New(propagation.Options{Off: []string{"healthcheck"}}, nil)
	if err == nil || !strings.Contains(err.Error(), `"healthcheck"`) || !strings.Contains(err.Error(), "health_check") {
		t.Error(err)
	}
	n := newNode(t, propagation.Options{Off: []string{"scrape"}})
	n.play(`
		in a get=/healthz : traceparent: $W
		call x`)
	_, r := n.end()
	for _, e := range r.Exclusions {
		if e.Enabled != (e.Name != "scrape") || e.Why == "" || (e.Count == 1) != (e.Name == "health_check") {
			t.Errorf("%+v", e)
		}
	}
	if len(r.Edges) != 1 || r.Edges[0].Excluded["health_check"] != 1 || r.Edges[0].Rate.N != 0 {
		t.Errorf("%+v", r.Edges)
	}
}
