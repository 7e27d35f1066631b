package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"weft/correlate/propagation"
	"weft/correlate/route"
)

// setting is one key: how texts become its value in a Config, and back.
type setting struct {
	key     string
	allowed string // what a value must be, for people
	list    bool
	secret  bool
	set     func(*Config, []string) (bad int) // replaces the value, or gives the index of the text that is not allowed
	valid   func(*Config) bool
	text    func(*Config) string // as a variable or flag would give it
}

// allRight is what setting.set gives when every text is allowed.
const allRight = -1

// variable is the environment variable of the setting.
func (s *setting) variable() string { return prefix + nameReplacer("_", strings.ToUpper(s.key)) }

// flag is the command-line flag of the setting, without dashes.
func (s *setting) flag() string { return nameReplacer("-", s.key) }

func nameReplacer(mark, key string) string { return strings.ReplaceAll(key, ".", mark) }

func (s *setting) fault(where, value string) *Error {
	if where == "" {
		where = s.key
	}
	if s.secret {
		value = hidden
	}
	return &Error{Where: where, Value: value, Allowed: s.allowed}
}

const (
	globAllowed      = "a pattern in which * stands for any characters and ? for one"
	ruleAllowed      = "one or more of exe, command, cgroup, namespace, pod, owner, image, label and env, each =PATTERN, and pid=NUMBER, joined by &, or port=NUMBER alone"
	treatmentAllowed = "conditions as in trace.include, but for port, and at least one of sample=SHARE, headers.request=NAMES, headers.response=NAMES, redact=NAMES and query=WORD, joined by &"
	headerAllowed    = "the name of a header"
	nameAllowed      = "a name of at most 253 bytes without blanks"
)

// settings is every key, in the order of the documentation.
var settings = []setting{
	choice("output", func(c *Config) *string { return &c.Output }, OutputAuto, OutputOTLP, OutputTree, OutputJSON, OutputNone),
	many("exe", globAllowed, func(c *Config) *[]Glob { return &c.Exe }, parseGlob, isGlob),
	many("command", globAllowed, func(c *Config) *[]Glob { return &c.Command }, parseGlob, isGlob),
	many("pid", "a process id", func(c *Config) *[]uint32 { return &c.PID }, parseNumber[uint32], isPositive),
	many("cgroup", globAllowed, func(c *Config) *[]Glob { return &c.Cgroup }, parseGlob, isGlob),
	many("port", "a number from 1 to 65535", func(c *Config) *[]uint16 { return &c.Port }, parseNumber[uint16], isPositive),
	many("trace.include", ruleAllowed, func(c *Config) *[]Rule { return &c.TraceInclude }, parseRule, isRule),
	many("trace.exclude", ruleAllowed, func(c *Config) *[]Rule { return &c.TraceExclude }, parseRule, isRule),
	many("trace.rules", treatmentAllowed, func(c *Config) *[]Treatment { return &c.TraceRules }, parseTreatment, isTreatment),
	many("headers.request", headerAllowed, func(c *Config) *[]string { return &c.HeadersRequest }, parseHeader, isHeader),
	many("headers.response", headerAllowed, func(c *Config) *[]string { return &c.HeadersResponse }, parseHeader, isHeader),
	choice("query", func(c *Config) *string { return &c.Query }, QueryDrop, QueryRedact, QueryKeep),
	many("route.patterns", "a path that begins with a slash and has braces only around whole segments, like /users/{id}",
		func(c *Config) *[]string { return &c.RoutePatterns }, parseText, isRoute),
	choice("kubernetes.watch", func(c *Config) *string { return &c.KubernetesWatch }, Auto, On, Off),
	one("kubernetes.config", "an absolute path", func(c *Config) *string { return &c.KubernetesConfig }, parseText, isPath),
	one("kubernetes.node", nameAllowed, func(c *Config) *string { return &c.KubernetesNode }, parseText, isName),
	one("kubernetes.cluster", nameAllowed, func(c *Config) *string { return &c.KubernetesCluster }, parseText, isName),
	many("kubernetes.labels", globAllowed, func(c *Config) *[]Glob { return &c.KubernetesLabels }, parseGlob, isGlob),
	many("kubernetes.annotations", globAllowed, func(c *Config) *[]Glob { return &c.KubernetesAnnotations }, parseGlob, isGlob),
	choice("kubernetes.label.names", func(c *Config) *string { return &c.KubernetesLabelNames }, On, Off),
	one("nat.namespace", "an absolute path", func(c *Config) *string { return &c.NATNamespace }, parseText, isPath),
	many("carriers", headerAllowed, func(c *Config) *[]string { return &c.Carriers }, parseHeader, isHeader),
	one("min.rate", "a number above 0 and below 1, like 0.99", func(c *Config) *float64 { return &c.MinRate }, parseFloat,
		func(p float64) bool { return p > 0 && p < 1 }),
	one("breaks.window", "a time from 1m to 168h, like 1h", func(c *Config) *time.Duration { return &c.BreaksWindow }, parseDuration,
		func(d time.Duration) bool { return d >= time.Minute && d <= 168*time.Hour }),
	one("breaks.edges", "a number from 100 to 1000000", func(c *Config) *int { return &c.BreaksEdges }, parseInt,
		func(n int) bool { return n >= 100 && n <= 1_000_000 }),
	many("exclusions.off", "one of "+strings.Join(propagation.ExclusionNames(), ", "),
		func(c *Config) *[]string { return &c.ExclusionsOff }, parseText, isExclusion),
	choice("repair", func(c *Config) *string { return &c.Repair }, On, Off),
	one("hold", "a time from 0s to 1m, like 200ms", func(c *Config) *time.Duration { return &c.Hold }, parseDuration,
		func(d time.Duration) bool { return d >= 0 && d <= time.Minute }),
	secret(one("id.key", "32 hexadecimal digits", func(c *Config) *Secret { return &c.IDKey }, parseSecret,
		func(s Secret) bool { return len(s) == 0 || len(s) == 16 })),
	choice("go.handover", func(c *Config) *string { return &c.GoHandover }, HandoverAuto, HandoverOn, HandoverOff),
	choice("python.tasks", func(c *Config) *string { return &c.PythonTasks }, TasksAuto, TasksOff),
	choice("java.threads", func(c *Config) *string { return &c.JavaThreads }, ThreadsAuto, ThreadsOff),
	choice("node.timers", func(c *Config) *string { return &c.NodeTimers }, TimersAuto, TimersOff),
	choice("rust.tasks", func(c *Config) *string { return &c.RustTasks }, TasksAuto, TasksOff),
	choice("tls", func(c *Config) *string { return &c.TLS }, On, Off),
	choice("hook", func(c *Config) *string { return &c.Hook }, HookAuto, HookTracepoint, HookFexit, HookKretprobe),
	choice("probes", func(c *Config) *string { return &c.Probes }, ProbesAuto, ProbesMulti, ProbesSingle),
	one("watchdog.cpu", "a number from 0 to 1, like 0.5", func(c *Config) *float64 { return &c.WatchdogCPU }, parseFloat,
		func(p float64) bool { return p >= 0 && p <= 1 }),
	one("watchdog.operation", "a time from 0s to 1s, like 50us", func(c *Config) *time.Duration { return &c.WatchdogOperation }, parseDuration,
		func(d time.Duration) bool { return d >= 0 && d <= time.Second }),
	one("watchdog.window", "a time from 100ms to 10m, like 10s", func(c *Config) *time.Duration { return &c.WatchdogWindow }, parseDuration,
		func(d time.Duration) bool { return d >= 100*time.Millisecond && d <= 10*time.Minute }),
	one("watchdog.pause", "a time from 1s to 24h, like 1m", func(c *Config) *time.Duration { return &c.WatchdogPause }, parseDuration,
		func(d time.Duration) bool { return d >= time.Second && d <= 24*time.Hour }),
	one("spill.dir", "an absolute path", func(c *Config) *string { return &c.SpillDir }, parseText, isPath),
	one("spill.size", "a size of at least 1MiB, like 1GiB", func(c *Config) *Size { return &c.SpillSize }, parseSize,
		func(s Size) bool { return s >= 1<<20 }),
	one("spill.age", "a time from 1m to 8760h, like 24h", func(c *Config) *time.Duration { return &c.SpillAge }, parseDuration,
		func(d time.Duration) bool { return d >= time.Minute && d <= 8760*time.Hour }),
	one("ring.size", "a power of two from 64KiB to 1GiB, like 8MiB", func(c *Config) *Size { return &c.RingSize }, parseSize,
		func(s Size) bool { return s >= 64<<10 && s <= 1<<30 && s&(s-1) == 0 }),
	one("sockets.max", "a number from 1024 to 4194304", func(c *Config) *int { return &c.SocketsMax }, parseInt,
		func(n int) bool { return n >= 1024 && n <= 4<<20 }),
	many("record.redact", headerAllowed, func(c *Config) *[]string { return &c.RecordRedact }, parseHeader, isHeader),
	one("metrics.listen", "HOST:PORT, like 127.0.0.1:9464, or a port alone", func(c *Config) *string { return &c.MetricsListen }, parseAddress, isAddress),
	one("health.listen", "HOST:PORT, like 127.0.0.1:9465, or a port alone", func(c *Config) *string { return &c.HealthListen }, parseAddress, isAddress),
	one("listen.certificate", "an absolute path", func(c *Config) *string { return &c.ListenCertificate }, parseText, isPath),
	one("listen.key", "an absolute path", func(c *Config) *string { return &c.ListenKey }, parseText, isPath),
	one("listen.token.file", "an absolute path", func(c *Config) *string { return &c.ListenTokenFile }, parseText, isPath),
	choice("listen.open", func(c *Config) *string { return &c.ListenOpen }, On, Off),
	one("metrics.edges", "a number from 10 to 100000", func(c *Config) *int { return &c.MetricsEdges }, parseInt,
		func(n int) bool { return n >= 10 && n <= 100_000 }),
	one("control", "an absolute path of at most 107 bytes", func(c *Config) *string { return &c.Control }, parseText,
		func(s string) bool { return strings.HasPrefix(s, "/") && len(s) <= 107 }),
	choice("log.level", func(c *Config) *string { return &c.LogLevel }, "debug", "info", "warn", "error"),
	choice("log.format", func(c *Config) *string { return &c.LogFormat }, "text", "json"),
}

// find gives the setting of a key, nil for none.
func find(key string) *setting {
	for i := range settings {
		if settings[i].key == key {
			return &settings[i]
		}
	}
	return nil
}

// one makes a setting that has a single value.
func one[T any](key, allowed string, at func(*Config) *T, parse func(string) (T, error), valid func(T) bool) setting {
	return setting{
		key: key, allowed: allowed,
		set: func(c *Config, texts []string) int {
			v, err := parse(strings.TrimSpace(texts[0]))
			if err != nil || !valid(v) {
				return 0
			}
			*at(c) = v
			return allRight
		},
		valid: func(c *Config) bool { return valid(*at(c)) },
		text:  func(c *Config) string { return fmt.Sprint(*at(c)) },
	}
}

// many makes a setting that has a list of values.
func many[T any](key, allowed string, at func(*Config) *[]T, parse func(string) (T, error), valid func(T) bool) setting {
	invalid := func(v T) bool { return !valid(v) }
	return setting{
		key: key, allowed: allowed, list: true,
		set: func(c *Config, texts []string) int {
			var list []T
			for i, text := range texts {
				v, err := parse(text)
				if err != nil || invalid(v) {
					return i
				}
				list = append(list, v)
			}
			*at(c) = list
			return allRight
		},
		valid: func(c *Config) bool { return !slices.ContainsFunc(*at(c), invalid) },
		text: func(c *Config) string {
			var texts []string
			for _, v := range *at(c) {
				texts = append(texts, escape(fmt.Sprint(v), ','))
			}
			return strings.Join(texts, ",")
		},
	}
}

// choice makes a setting that is one of a few words.
func choice(key string, at func(*Config) *string, words ...string) setting {
	allowed := strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	return one(key, allowed, at, parseText, func(s string) bool { return slices.Contains(words, s) })
}

func secret(s setting) setting {
	s.secret = true
	return s
}

func parseText(text string) (string, error) { return text, nil }

func parseGlob(text string) (Glob, error) { return Glob(text), nil }

// parseHeader gives the name in the lower case in which the semantic conventions write it.
func parseHeader(text string) (string, error) { return strings.ToLower(text), nil }

func parseDuration(text string) (time.Duration, error) { return time.ParseDuration(text) }

func parseInt(text string) (int, error) {
	n, err := parseNumber[uint32](text)
	return int(n), err
}

func parseFloat(text string) (float64, error) { return strconv.ParseFloat(text, 64) }

// parseAddress puts a port alone on the loopback.
func parseAddress(text string) (string, error) {
	if port := strings.TrimPrefix(text, ":"); port != "" && !strings.Contains(port, ":") {
		if _, err := strconv.ParseUint(port, 10, 16); err == nil {
			return "127.0.0.1:" + port, nil
		}
	}
	return text, nil
}

// isAddress holds an address to a host and a port; empty is none.
func isAddress(text string) bool {
	if text == "" {
		return true
	}
	host, port, err := net.SplitHostPort(text)
	n, bad := strconv.ParseUint(port, 10, 16)
	return err == nil && bad == nil && n > 0 && host != "" && !strings.ContainsAny(host, " /")
}

// isPath tells whether a file is named wherever weft runs; nothing is no file.
func isPath(text string) bool { return text == "" || strings.HasPrefix(text, "/") }

// isName holds a name to the bounds of Kubernetes.
func isName(text string) bool { return len(text) <= 253 && !strings.ContainsAny(text, " \t\r\n") }

func isExclusion(name string) bool { return slices.Contains(propagation.ExclusionNames(), name) }

func isGlob(g Glob) bool { return g != "" }

// isRule tells whether the kernel can apply the rule: a port belongs to a connection, the other conditions to a process.
func isRule(r Rule) bool {
	port := r.Port
	r.Port = 0
	return r.IsZero() != (port == 0)
}

func isPositive[T uint16 | uint32](n T) bool { return n > 0 }

// isHeader holds a name to the token of RFC 9110 5.6.2, in lower case.
func isHeader(name string) bool {
	const others = "!#$%&'*+-.^_`|~"
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(others, r)
	})
}

// isRoute asks the one reader of templates.
func isRoute(pattern string) bool {
	_, err := route.New([]string{pattern}, 1)
	return err == nil
}
