package propagation

import (
	"fmt"
	"strings"

	"weft/correlate/flow"
)

// exclusion is a rule by which an outgoing request is no matter of propagation.
type exclusion struct {
	name string
	why  string
	// matches tells whether the rule takes the pair out. in is what the call is part of; of a crowd one of it.
	matches func(in, out *flow.Exchange) bool
}

// exclusions are all rules, in the order in which they are tried.
var exclusions = [...]exclusion{
	{"telemetry_export", "spans, metrics and logs on their way to a collector are sent without a context by design",
		func(_, out *flow.Exchange) bool { return exporterOf(out) != "" }},
	{"health_check", "probes ask whether a service lives; what it does to find out is nobody's request",
		func(in, out *flow.Exchange) bool { return isHealthCheck(in) || isHealthCheck(out) }},
	{"scrape", "a scraper collects metrics; it follows no request",
		func(in, out *flow.Exchange) bool { return isScrape(in) || isScrape(out) }},
	{"metadata", "metadata services of clouds are asked for the machine, not for a request",
		func(_, out *flow.Exchange) bool { return hasName(metadataHosts[:], hostOf(out)) }},
	{"token", "tokens and keys are fetched once for many requests",
		func(_, out *flow.Exchange) bool { return isToken(out) }},
	{"preflight", "a CORS preflight is sent by the browser and carries no headers of the program",
		func(in, out *flow.Exchange) bool { return isPreflight(in) || isPreflight(out) }},
	{sharedRule, "a refresh of a cache that other requests waited for belongs to none of them alone",
		func(_, _ *flow.Exchange) bool { return false }}, // seen afterwards, see waits.go
	{asideRule, "the request was answered before, and nothing shows that the call is its own",
		func(in, out *flow.Exchange) bool { return aside(in, out) }},
}

// Rules that are named elsewhere.
const (
	sharedRule = "cache_refresh"
	asideRule  = "after_reply"
)

// rules is their number.
const rules = len(exclusions)

// sharedIndex is the place of sharedRule.
const sharedIndex = 6

// ExclusionNames gives the names of all rules, for the configuration.
func ExclusionNames() []string {
	var names []string
	for i := range exclusions {
		names = append(names, exclusions[i].name)
	}
	return names
}

func checkExclusions(off []string) ([rules]bool, error) {
	var disabled [rules]bool
	for _, name := range off {
		found := false
		for i := range exclusions {
			if exclusions[i].name == name {
				disabled[i], found = true, true
			}
		}
		if !found {
			return disabled, fmt.Errorf("no exclusion is named %q; there are %s", name, strings.Join(ExclusionNames(), ", "))
		}
	}
	return disabled, nil
}

// metadataHosts are asked by the libraries of cloud vendors.
var metadataHosts = [...]string{"169.254.169.254", "169.254.170.2", "metadata.google.internal", "fd00:ec2::254", "100.100.100.200"}

// healthPaths end the path of a probe, as frameworks and Kubernetes name them.
var healthPaths = [...]string{"/health", "/healthz", "/livez", "/readyz", "/healthcheck", "/health/live", "/health/ready", "/-/healthy",
	"/-/ready", "/actuator/health", "/actuator/health/liveness", "/actuator/health/readiness", "/ping", "/status/health"}

// healthAgents open the User-Agent of a prober.
var healthAgents = [...]string{"kube-probe/", "ELB-HealthChecker/", "GoogleHC/", "Consul Health Check", "Envoy/HC", "Amazon-Route53-Health-Check"}

// tokenPaths end the path of a request for tokens or keys: RFC 6749, OpenID Connect Discovery, RFC 7517, Vault, AWS STS.
var tokenPaths = [...]string{"/oauth/token", "/oauth2/token", "/oauth2/v2.0/token", "/protocol/openid-connect/token",
	"/.well-known/openid-configuration", "/.well-known/jwks.json", "/oauth2/v1/certs", "/v1/auth/kubernetes/login", "/auth/token"}

func isHealthCheck(x *flow.Exchange) bool {
	return x.Method != "POST" && hasName(healthPaths[:], pathOf(x)) || opens(healthAgents[:], x.UserAgent)
}

func isScrape(x *flow.Exchange) bool {
	return x.Method == "GET" && (strings.HasPrefix(x.UserAgent, "Prometheus/") || pathOf(x) == "/metrics")
}

func isToken(x *flow.Exchange) bool {
	path := pathOf(x)
	for _, end := range tokenPaths {
		if strings.HasSuffix(path, end) {
			return true
		}
	}
	return false
}

// isPreflight: OPTIONS of a browser; an API has little other use for it.
func isPreflight(x *flow.Exchange) bool { return x.Method == "OPTIONS" }

// aside: without a carrier that tells, only a goroutine of the request's own links a call behind the reply to it.
func aside(in, out *flow.Exchange) bool {
	return in.Ended() && in.End < out.Start && out.Cause.Parent == nil
}

// pathOf gives the target without scheme, authority and query.
func pathOf(x *flow.Exchange) string {
	path := x.Target
	if i := strings.IndexByte(path, '?'); i >= 0 {
		path = path[:i]
	}
	if strings.HasPrefix(path, "http://") {
		path = path[len("http://"):]
		if i := strings.IndexByte(path, '/'); i >= 0 {
			return path[i:]
		}
		return "/"
	}
	return path
}

// hostOf gives the Host without a port.
func hostOf(x *flow.Exchange) string {
	host := x.Host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host[i:], ']') < 0 {
		host = host[:i]
	}
	return strings.Trim(host, "[]")
}

func hasName(names []string, name string) bool {
	for i := range names {
		if names[i] == name {
			return true
		}
	}
	return false
}

func opens(names []string, text string) bool {
	for i := range names {
		if strings.HasPrefix(text, names[i]) {
			return true
		}
	}
	return false
}
