package process

import (
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"weft/agent/container"
	"weft/correlate/event"
)

// The keys of https://opentelemetry.io/docs/specs/semconv/registry/attributes/ that weft finds out by itself.
const (
	keyService        = "service.name"
	keyPID            = "process.pid"
	keyExecutable     = "process.executable.name"
	keyPath           = "process.executable.path"
	keyCommand        = "process.command"
	keyRuntime        = "process.runtime.name"
	keyRuntimeVersion = "process.runtime.version"
	keyContainer      = "container.id"
	keyEngine         = "container.runtime.name"
	keyPodUID         = "k8s.pod.uid"
	keyQoS            = "k8s.pod.qos_class"
	keyHostName       = "host.name"
	keyHostID         = "host.id"
	keyHostArch       = "host.arch"
	keyOS             = "os.type"
)

func hostAttributes(o Options) []event.Attribute {
	list := []event.Attribute{{Key: keyHostArch, Value: runtime.GOARCH}, {Key: keyOS, Value: "linux"}}
	list = appendKnown(list, keyHostName, o.HostName)
	return appendKnown(list, keyHostID, o.HostID)
}

// appendKnown leaves an attribute without a value out.
func appendKnown(list []event.Attribute, key, value string) []event.Attribute {
	if value == "" {
		return list
	}
	return append(list, event.Attribute{Key: key, Value: bounded(value)})
}

// facts are what is told of a program in whatever process runs it, in the order in which they count.
type facts struct {
	service string            // as its environment or its arguments say; empty: they do not
	told    []event.Attribute // the same
	place   container.Place
	found   []event.Attribute // what weft finds out
	name    string            // the service's name for want of a better one
	isGo    bool
	program uint64 // see event.Process
}

// describe finds out what is told of a program. What its environment says counts more than what its pod says, and that more than
// what weft finds out, but for the process id, by which everything else of weft goes.
func (t *Table) describe(pid uint32, p *program, place container.Place) *facts {
	var build *executable
	if p.exe != "" {
		build = t.executables.read(string(t.proc(pid)) + "/exe")
	}
	found := slices.Grow(slices.Clone(t.host), 12)
	found = appendKnown(found, keyExecutable, executableName(p))
	found = appendKnown(found, keyPath, p.exe)
	found = appendKnown(found, keyCommand, command(p))
	found = appendKnown(found, keyContainer, place.ID)
	found = appendKnown(found, keyEngine, place.Runtime)
	found = appendKnown(found, keyPodUID, place.Pod)
	found = appendKnown(found, keyQoS, place.QoS)
	if build != nil {
		found = appendKnown(found, keyRuntime, "go")
		found = appendKnown(found, keyRuntimeVersion, build.Version)
	}
	f := &facts{place: place, found: found, isGo: build != nil, program: p.number(place)}
	if f.service, f.told = tells(p); f.service == "" {
		f.name = serviceName(p, build)
	}
	return f
}

// tells gives what a program says of itself, the service's name apart.
func tells(p *program) (service string, told []event.Attribute) {
	service = either(p.property("otel.service.name"), p.env.service)
	given := p.env.attributes
	if extra := parseAttributes(p.property("otel.resource.attributes")); extra != nil {
		given = append(extra, given...)
	}
	for _, a := range given {
		switch {
		case a.Key == keyPID || a.Value == "" || has(told, a.Key):
		case a.Key == keyService:
			service = either(service, a.Value)
		default:
			told = append(told, a)
		}
	}
	return service, told
}

// compose settles the service's name and puts the attributes in order.
func (t *Table) compose(f *facts, pid uint32) *event.Process {
	var pod []event.Attribute
	if t.options.Pods != nil && f.place.Pod != "" {
		pod = t.options.Pods.Attributes(f.place)
	}
	name := f.service
	list := make([]event.Attribute, 0, len(f.told)+len(pod)+len(f.found)+2)
	list = appendKnown(append(list, f.told...), keyPID, strconv.FormatUint(uint64(pid), 10))
	for _, more := range [][]event.Attribute{pod, f.found} {
		for _, a := range more {
			switch {
			case a.Key == keyService:
				name = either(name, a.Value)
			case !has(list, a.Key):
				list = append(list, a)
			}
		}
	}
	name = either(bounded(either(name, f.name)), "unknown_service") // a name need not be text
	list = append(list, event.Attribute{Key: keyService, Value: name})
	slices.SortFunc(list, func(a, b event.Attribute) int { return strings.Compare(a.Key, b.Key) })
	return &event.Process{Service: name, Attributes: list, Go: f.isGo, Program: f.program}
}

func has(list []event.Attribute, key string) bool {
	return slices.ContainsFunc(list, func(a event.Attribute) bool { return a.Key == key })
}

// command is the first argument. Where a title was written over the arguments it ends at the first blank, what
// follows may come from the arguments.
func command(p *program) string {
	if len(p.args) == 0 {
		return ""
	}
	first := p.args[0]
	if first == p.exe || path.Base(first) == path.Base(p.exe) {
		return first
	}
	first, _, _ = strings.Cut(first, " ")
	return strings.TrimSuffix(first, ":")
}
