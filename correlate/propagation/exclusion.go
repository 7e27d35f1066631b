package propagation

import (
	"fmt"
	"strings"

	"weft/correlate/flow"
)

// exclusion is a rule by which an outgoing request is no matter of propagation.
type exclusion struct {
	name    string
	why     string
	matches func(c *candidate) bool // tells whether the rule takes the pair out
}

// candidate is an outgoing request and what it is part of; of a crowd one of it.
type candidate struct {
	in, out         *flow.Exchange
	inPath, outPath string
}

// exclusions are all rules, in the order in which they are tried.
var exclusions = [...]exclusion{
	{"telemetry_export", "spans, metrics and logs on their way to a collector are sent without a context by design",
		func(c *candidate) bool { return exporterOf(c.out, c.outPath) != "" }},
	{"health_check", "probes ask whether a service lives; what it does to find out is nobody's request",
		func(c *candidate) bool { return isHealthCheck(c.in, c.inPath) || isHealthCheck(c.out, c.outPath) }},
	{"scrape", "a scraper collects metrics; it follows no request",
		func(c *candidate) bool { return isScrape(c.in, c.inPath) || isScrape(c.out, c.outPath) }},
	{"metadata", "metadata services of clouds are asked for the machine, not for a request",
		func(c *candidate) bool { return isMetadata(c.out.Host) }},
	{"token", "tokens and keys are fetched once for many requests",
		func(c *candidate) bool { return isToken(c.outPath) }},
	{"preflight", "a CORS preflight is sent by the browser and carries no headers of the program",
		func(c *candidate) bool { return isPreflight(c.in) || isPreflight(c.out) }},
	{sharedRule, "a refresh of a cache that other requests waited for belongs to none of them alone",
		func(*candidate) bool { return false }}, // seen afterwards, see waits.go
	{asideRule, "the request was answered before, and nothing shows that the call is its own",
		func(c *candidate) bool { return aside(c.in, c.out) }},
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

// isHealthPath tells the path of a probe, as frameworks and Kubernetes name them.
func isHealthPath(path string) bool {
	switch path {
	case "/health", "/healthz", "/livez", "/readyz", "/healthcheck", "/health/live", "/health/ready", "/-/healthy", "/-/ready",
		"/actuator/health", "/actuator/health/liveness", "/actuator/health/readiness", "/ping", "/status/health":
		return true
	}
	return false
}

// healthAgents open the User-Agent of a prober.
var healthAgents = [...]string{"kube-probe/", "ELB-HealthChecker/", "GoogleHC/", "Consul Health Check", "Envoy/HC", "Amazon-Route53-Health-Check"}

// tokenPaths end the path of a request for tokens or keys: RFC 6749, OpenID Connect Discovery, RFC 7517, Vault, AWS STS.
var tokenPaths = [...]string{"/oauth/token", "/oauth2/token", "/oauth2/v2.0/token", "/protocol/openid-connect/token",
	"/.well-known/openid-configuration", "/.well-known/jwks.json", "/oauth2/v1/certs", "/v1/auth/kubernetes/login", "/auth/token"}

func isHealthCheck(x *flow.Exchange, path string) bool {
	return x.Method != "POST" && isHealthPath(path) || opens(healthAgents[:], x.UserAgent)
}

func isScrape(x *flow.Exchange, path string) bool {
	return x.Method == "GET" && (path == "/metrics" || strings.HasPrefix(x.UserAgent, "Prometheus/"))
}

func isToken(path string) bool {
	if path == "" || path[len(path)-1] != 'n' && path[len(path)-1] != 's' {
		return false // tokenPaths end so
	}
	for _, end := range tokenPaths {
		if strings.HasSuffix(path, end) {
			return true
		}
	}
	return false
}

// isMetadata looks at a Host with or without port.
func isMetadata(host string) bool {
	host = strings.TrimPrefix(host, "[")
	for _, name := range metadataHosts {
		if rest, ok := strings.CutPrefix(host, name); ok && (rest == "" || rest[0] == ':' || rest[0] == ']') {
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

func opens(names []string, text string) bool {
	if text == "" {
		return false
	}
	for i := range names {
		if strings.HasPrefix(text, names[i]) {
			return true
		}
	}
	return false
}
