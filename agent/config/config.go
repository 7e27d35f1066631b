// Package config owns the settings of weft: one struct, and the three ways in which each of its keys is given.
//
// The names follow from the key: ring.size in the YAML file is WEFT_RING_SIZE in the environment and --ring-size
// on the command line. A flag goes before a variable, a variable before the file, the file before the default.
// The comments of Config are the documentation: Usage and docs/CONFIGURATION.md are made from them.
package config

import (
	"errors"
	"fmt"
	"time"

	"weft/correlate/propagation"
)

// The values of Config.Output.
const (
	OutputAuto = "auto"
	OutputOTLP = "otlp"
	OutputTree = "tree"
	OutputJSON = "json"
	OutputNone = "none"
)

// The values of Config.Query.
const (
	QueryDrop   = "drop"
	QueryRedact = "redact"
	QueryKeep   = "keep"
)

// The values of Config.GoHandover.
const (
	HandoverAuto = "auto"
	HandoverOn   = "on"
	HandoverOff  = "off"
)

// The values of Config.PythonTasks and Config.RustTasks.
const (
	TasksAuto = "auto"
	TasksOff  = "off"
)

// The values of Config.JavaThreads.
const (
	ThreadsAuto = "auto"
	ThreadsOff  = "off"
)

// The values of Config.NodeTimers.
const (
	TimersAuto = "auto"
	TimersOff  = "off"
)

// The values of Config.Hook.
const (
	HookAuto       = "auto"
	HookTracepoint = "tracepoint"
	HookFexit      = "fexit"
	HookKretprobe  = "kretprobe"
)

// The values of Config.Probes.
const (
	ProbesAuto   = "auto"
	ProbesMulti  = "multi"
	ProbesSingle = "single"
)

// The values of Config.Repair and other switches.
const (
	Auto = "auto"
	On   = "on"
	Off  = "off"
)

// Config is every setting of weft. The tag `key` names the setting; the comment tells what it means.
type Config struct {
	// Where the spans go. otlp: to a collector, as the OTEL_EXPORTER_OTLP_* variables say. tree: to the
	// standard output, as trees for a person. json: to the standard output, one JSON object a line for each
	// span. none: nowhere, they are only counted. auto: otlp when OTEL_EXPORTER_OTLP_ENDPOINT or
	// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set, else tree.
	Output string `key:"output"`

	// Trace only processes whose executable matches. The pattern is held against the whole path, or against
	// the file name alone when it has no slash.
	Exe []Glob `key:"exe"`
	// Trace only processes whose command line, the arguments joined by blanks, matches.
	Command []Glob `key:"command"`
	// Trace only these processes, by process id.
	PID []uint32 `key:"pid"`
	// Trace only processes whose cgroup path matches.
	Cgroup []Glob `key:"cgroup"`
	// Trace only connections that have this port at one end.
	Port []uint16 `key:"port"`
	// Trace only what one of these rules matches. A rule has one or more conditions, and matches where all of them do: exe,
	// command, pid and cgroup as in the settings of those names, namespace, pod and label (KEY=VALUE) of the pod, owner, a
	// workload that it belongs to, image, that of the container without tag, and env (NAME=VALUE), a variable of the process. Or
	// it is a port alone. Each value of the settings exe, command, pid, cgroup and port is one more rule. Without any rule
	// everything is traced.
	TraceInclude []Rule `key:"trace.include"`
	// Do not trace what one of these rules matches, whatever the other rules say.
	TraceExclude []Rule `key:"trace.exclude"`

	// What is told of the requests of processes that a rule matches, in place of the settings that follow. To the conditions of
	// trace.include, but for port, a rule here adds what it says: sample, the share of traces that is kept, in place of the
	// ratio of OTEL_TRACES_SAMPLER; headers.request and headers.response, names joined by blanks, or none; redact, headers of which the
	// value is REDACTED; query, as the setting of that name. Of several rules that match the first one counts.
	TraceRules []Treatment `key:"trace.rules"`

	// Request headers that become attributes of the span, http.request.header.NAME, in any case of letters.
	HeadersRequest []string `key:"headers.request"`
	// Response headers that become attributes of the span, http.response.header.NAME.
	HeadersResponse []string `key:"headers.response"`
	// What becomes of the query of a URL. drop: nothing of it is told. redact: the keys are told, each value is
	// REDACTED. keep: all of it is told.
	Query string `key:"query"`
	// Templates for http.route, tried in this order before the route is inferred. A segment in braces matches
	// any one segment of the path: /users/{id}.
	RoutePatterns []string `key:"route.patterns"`
	// Whether the processes of pods are named by what Kubernetes says of them: pod, namespace, workload, labels. on: yes. off: by
	// what their cgroup tells alone. auto: if weft runs in a pod, or kubernetes.config is set.
	KubernetesWatch string `key:"kubernetes.watch"`
	// The file that says where the API server is and how to log in, as kubectl has it. Without it weft does as its own pod
	// may.
	KubernetesConfig string `key:"kubernetes.config"`
	// The name of this node in Kubernetes. Without it the host's name.
	KubernetesNode string `key:"kubernetes.node"`
	// The name of the cluster, which becomes k8s.cluster.name.
	KubernetesCluster string `key:"kubernetes.cluster"`
	// Labels of a pod that become attributes of its spans' resource, k8s.pod.label.KEY.
	KubernetesLabels []Glob `key:"kubernetes.labels"`
	// Annotations of a pod that become attributes, k8s.pod.annotation.KEY. Those that begin with resource.opentelemetry.io/
	// always name attributes, without it.
	KubernetesAnnotations []Glob `key:"kubernetes.annotations"`
	// Whether the labels app.kubernetes.io/instance, app.kubernetes.io/name and app.kubernetes.io/version name the service and
	// its version, before the workload does.
	KubernetesLabelNames string `key:"kubernetes.label.names"`

	// The network namespace that translates addresses, by a file: /proc/1/ns/net is that of the node, if weft sees the node's
	// processes. Its table is asked who is behind a translated address, once for a connection whose other end was not seen. Empty:
	// it is not asked.
	NATNamespace string `key:"nat.namespace"`

	// Header fields that carry a trace context of a kind of your own, besides the formats that weft reads. Their values
	// are compared as a whole.
	Carriers []string `key:"carriers"`
	// The share of requests whose trace has to go on: an edge whose rate is surely below it is broken, one whose rate
	// is surely above it is healthy.
	MinRate float64 `key:"min.rate"`
	// What the rates of the report are of: the last half to whole of this time.
	BreaksWindow time.Duration `key:"breaks.window"`
	// Edges (a service on a route toward a peer) that are remembered. The one that was not used for the longest time
	// is forgotten first, and counted.
	BreaksEdges int `key:"breaks.edges"`
	// Exclusions that do not apply: their pairs are judged like all others. weft report lists them all.
	ExclusionsOff []string `key:"exclusions.off"`
	// Whether spans are put together over a break whose two sides are known to belong together. off shows the traces as
	// they would be without weft.
	Repair string `key:"repair"`
	// How long a span waits for what decides its parent, such as the record of the connection's other end.
	Hold time.Duration `key:"hold"`
	// The secret from which the ids of spans without a header are made, in hexadecimal. Agents that share it
	// give the same id to the two ends of one connection. Without it each start draws its own.
	IDKey Secret `key:"id.key"`
	// Whether Go programs get a probe at the entry of their HTTP client's connection pool, which finds the
	// goroutine that a request on a pooled connection belongs to, and where HTTP/2 and gRPC start the handler of a
	// stream and open one. auto: where the program and the kernel allow it.
	GoHandover string `key:"go.handover"`
	// Whether the running task of Python's asyncio, greenlet of gevent and eventlet, or job of a pool of threads, is read from the
	// memory of the process, and where one is started, or put into a queue, gets a probe. It tells which request a call belongs to
	// where one thread works on many, or for another one. auto: where the program and the kernel allow it.
	PythonTasks string `key:"python.tasks"`
	// Whether the virtual thread that a thread of Java runs, 21 and later, is read from the memory of the process, and which thread has
	// allocated what another one, or an event loop, holds on its stack that makes a call: addresses, no contents. It tells which request a call belongs to
	// where one thread works on many, or for another one. No probe is put on. auto: where the program allows it.
	JavaThreads string `key:"java.threads"`
	// Whether Node.js gets a probe where it runs the timers that are due, so that what it sends then, or when a database has
	// answered, is not taken for part of the request that it has read last. auto: where the program and the kernel allow it.
	NodeTimers string `key:"node.timers"`
	// Whether the task of Rust's tokio that runs is read from the memory of the process, and which one waits for what it does:
	// addresses and numbers, no contents. It tells which request a call belongs to where threads work on many. No probe is put on. auto:
	// where the program and the kernel allow it.
	RustTasks string `key:"rust.tasks"`

	// Whether TLS is read where it is in clear: in the functions of TLS libraries, which get probes for that. off: what is
	// encrypted is left alone, and no program gets such a probe.
	TLS string `key:"tls"`
	// Where in the kernel weft sees the end of a socket operation. tracepoint: sock_send_length and sock_recv_length, Linux 6.3 and
	// later. fexit: the returns of the functions of TCP and AF_UNIX, for kernels without them. kretprobe: the same by probes, for kernels
	// without that. auto: the first of these that can be had; weft doctor says which and why.
	Hook string `key:"hook"`
	// How probes are put on functions of programs and TLS libraries. multi: those of one file together (uprobe.multi, Linux 6.6 and
	// later), which takes the kernel a small part of the time. single: one after the other. auto: multi where it can be had, else
	// single; weft doctor says which and why.
	Probes string `key:"probes"`
	// The share of all processors that weft and its kernel side may take together. Above it, over watchdog.window, weft takes its
	// probes off, says so, and tries again after watchdog.pause. 0: no limit. What traps of probes in programs cost, of TLS libraries
	// and Go, is not known to weft and not in it.
	WatchdogCPU float64 `key:"watchdog.cpu"`
	// How long the kernel side may take for a usual operation on a socket: the median of those that it has timed, one of 256.
	// Above it weft does as with watchdog.cpu. 0s: no limit.
	WatchdogOperation time.Duration `key:"watchdog.operation"`
	// What the watchdog measures over.
	WatchdogWindow time.Duration `key:"watchdog.window"`
	// For how long the probes stay off the first time. Each time that follows soon is twice as long, up to 64 times this.
	WatchdogPause time.Duration `key:"watchdog.pause"`
	// Where spans wait on disk, with output otlp, while the collector is away or too slow. The folder is made if it is not
	// there. Without it they wait in memory alone, and are given up sooner. A second weft with the same folder watches until the
	// first one ends, and tells what ends after that: so an upgrade leaves no gap.
	SpillDir string `key:"spill.dir"`
	// What waits on disk at most. Beyond it the oldest goes first, and is counted.
	SpillSize Size `key:"spill.size"`
	// How long a span waits on disk at most.
	SpillAge time.Duration `key:"spill.age"`

	// Size of the ring on which the kernel hands over its records.
	RingSize Size `key:"ring.size"`
	// Connections that are followed at the same time. Those beyond it are counted, not traced.
	SocketsMax int `key:"sockets.max"`
	// Headers whose values weft record blanks, besides those that are always blanked: authorization,
	// proxy-authorization, cookie and set-cookie.
	RecordRedact []string `key:"record.redact"`
	// Where a Prometheus server may fetch weft's metrics, at the path /metrics: HOST:PORT, or a port alone, which is then on
	// 127.0.0.1. Nowhere unless it is set, or OTEL_METRICS_EXPORTER is prometheus.
	MetricsListen string `key:"metrics.listen"`
	// Where /livez and /readyz answer, for the probes of a pod: HOST:PORT, or a port alone, which is then on 127.0.0.1. They say
	// one word each. Nowhere unless it is set.
	HealthListen string `key:"health.listen"`
	// The certificate of what listens beyond loopback, a file in PEM form.
	ListenCertificate string `key:"listen.certificate"`
	// Its key, a file in PEM form.
	ListenKey string `key:"listen.key"`
	// A file that holds the token which a client beyond loopback has to send, as Authorization: Bearer TOKEN.
	ListenTokenFile string `key:"listen.token.file"`
	// Whether anybody may read, in clear text, what listens beyond loopback. off: without a certificate and a token weft does
	// not listen there, but for the probes.
	ListenOpen string `key:"listen.open"`
	// Edges (a service on a route toward a peer) that have metrics of their own. Broken ones come first.
	MetricsEdges int `key:"metrics.edges"`
	// Unix socket on which a running agent answers weft doctor, weft report and weft explain.
	Control string `key:"control"`
	// The least severe messages of weft's own log, which goes to the standard error.
	LogLevel string `key:"log.level"`
	// How the log is written.
	LogFormat string `key:"log.format"`

	// File is the configuration file that was read; empty: none.
	File string
	// Sampler and SamplerArg are OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG as they were found.
	Sampler, SamplerArg string
	// PushMetrics and PushLogs tell whether metrics and log records go to a collector: see addStandard.
	PushMetrics, PushLogs bool
}

// Default gives the settings of a weft that was told nothing.
func Default() Config {
	return Config{
		Output:       OutputAuto,
		Query:        QueryRedact,
		Hold:         200 * time.Millisecond,
		MinRate:      propagation.DefaultMinRate,
		BreaksWindow: propagation.DefaultWindow,
		BreaksEdges:  propagation.DefaultEdges,
		Repair:       On,
		GoHandover:   HandoverAuto,
		PythonTasks:  TasksAuto,
		JavaThreads:  ThreadsAuto,
		NodeTimers:   TimersAuto,
		RustTasks:    TasksAuto,
		TLS:          On,
		Hook:         HookAuto,
		Probes:       ProbesAuto,
		WatchdogCPU:  0.5,
		SpillSize:    1 << 30,
		SpillAge:     24 * time.Hour,
		RingSize:     8 << 20,
		SocketsMax:   131072,
		MetricsEdges: 1000,
		Control:      "/run/weft/weft.sock",
		LogLevel:     "info",
		LogFormat:    "text",

		WatchdogOperation: 50 * time.Microsecond,
		WatchdogWindow:    10 * time.Second,
		WatchdogPause:     time.Minute,

		NATNamespace:         "/proc/1/ns/net",
		KubernetesWatch:      Auto,
		KubernetesLabelNames: Off,
		ListenOpen:           Off,
	}
}

// Rules gives all rules of inclusion: TraceInclude and one for each value of Exe, Command, PID, Cgroup and Port.
// No rule at all means that everything is traced.
func (c *Config) Rules() []Rule {
	rules := append([]Rule(nil), c.TraceInclude...)
	for _, exe := range c.Exe {
		rules = append(rules, Rule{Exe: exe})
	}
	for _, command := range c.Command {
		rules = append(rules, Rule{Command: command})
	}
	for _, pid := range c.PID {
		rules = append(rules, Rule{PID: pid})
	}
	for _, cgroup := range c.Cgroup {
		rules = append(rules, Rule{Cgroup: cgroup})
	}
	for _, port := range c.Port {
		rules = append(rules, Rule{Port: port})
	}
	return rules
}

// Changed gives the keys of the settings in which two configurations differ. A secret that was changed looks the same.
func Changed(a, b *Config) (keys []string) {
	for i := range settings {
		if s := &settings[i]; s.text(a) != s.text(b) {
			keys = append(keys, s.key)
		}
	}
	return keys
}

// Validate tells every setting whose value is not allowed, as joined errors of type *Error.
func (c *Config) Validate() error {
	var faults []error
	for _, s := range settings {
		if !s.valid(c) {
			faults = append(faults, s.fault("", s.text(c)))
		}
	}
	return errors.Join(faults...)
}

// Error is one setting that cannot be used.
type Error struct {
	Where   string // where it was set: "weft.yaml:3: ring.size", "WEFT_RING_SIZE" or "--ring-size"
	Value   string // as it was given; empty for a secret
	Allowed string // what may stand there
}

// Error names the place, the value and what is allowed.
func (e *Error) Error() string {
	if e.Value == hidden {
		return fmt.Sprintf("%s: this value is not allowed, it must be %s", e.Where, e.Allowed)
	}
	return fmt.Sprintf("%s: %q is not allowed, it must be %s", e.Where, e.Value, e.Allowed)
}
