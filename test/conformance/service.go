package conformance

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Service is a program under an SDK. Each has a folder of its own under service/, and answers GET /call/TOKEN?n=N by N calls to
// $UPSTREAM/work/TOKEN.
type Service struct {
	Name    string
	SDK     string
	Pins    []string // what is under test, as the file Pinned in its folder names it
	Pinned  string
	command []string // relative to where it was built
}

// Services are those that are measured.
var Services = []Service{
	{"otelgo", "OpenTelemetry Go with net/http", []string{
		"go.opentelemetry.io/otel v1.47.0", "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp v0.72.0",
	}, "go.mod", []string{"./service"}},
	{"python", "OpenTelemetry Python with Flask and requests", []string{
		"opentelemetry-sdk==1.45.1", "opentelemetry-instrumentation-flask==0.66b1", "opentelemetry-instrumentation-requests==0.66b1",
		"flask==3.1.3", "requests==2.34.2",
	}, "requirements.txt", []string{"venv/bin/python", "app.py"}},
	{"node", "OpenTelemetry JavaScript with Node's http", []string{
		`"@opentelemetry/sdk-node": "0.223.0"`, `"@opentelemetry/instrumentation-http": "0.223.0"`,
	}, "package.json", []string{"node", "app.js"}},
	{"java", "OpenTelemetry Java agent with the JDK's HTTP server and client", []string{"<version>2.33.1</version>"}, "pom.xml", []string{
		"java", "-javaagent:target/opentelemetry-javaagent.jar", "-Dotel.traces.exporter=none", "-Dotel.metrics.exporter=none",
		"-Dotel.logs.exporter=none", "-Xmx192m", "-XX:TieredStopAtLevel=1", "-cp", "target/classes", "Service",
	}},
	{"datadog", "Datadog's tracer for Go with net/http", []string{
		"github.com/DataDog/dd-trace-go/v2 v2.12.0", "github.com/DataDog/dd-trace-go/contrib/net/http/v2 v2.12.0",
	}, "go.mod", []string{"./service"}},
}

// Versions gives what is under test, for a person.
func (s *Service) Versions() string {
	plain := strings.NewReplacer(`"`, "", ": ", " ", "==", " ", "<version>", "opentelemetry-javaagent ", "</version>", "")
	return plain.Replace(strings.Join(s.Pins, ", "))
}

// Source is the folder of this package's sources.
func Source() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Install builds the service into the cache, unless what is there was made of the same sources.
func (s *Service) Install(cache string) error {
	out, err := exec.Command("bash", filepath.Join(Source(), "..", "install", "conformance.sh"), cache, s.Name).CombinedOutput()
	if err != nil {
		return fmt.Errorf("install %s: %w: %s", s.Name, err, out)
	}
	return nil
}

// Running is a service that listens.
type Running struct {
	Port int
	PID  int

	command *exec.Cmd
	log     strings.Builder
	exited  chan struct{}
}

// Start runs the service that was built and waits until it listens. It sends it nothing.
func (s *Service) Start(cache string, up *Upstream) (*Running, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	r := &Running{Port: port, command: exec.Command(s.command[0], s.command[1:]...), exited: make(chan struct{})}
	r.command.Dir = filepath.Join(cache, "conformance-"+s.Name)
	r.command.Stdout, r.command.Stderr = &r.log, &r.log
	r.command.Env = append(os.Environ(), "OTEL_SERVICE_NAME="+s.Name, fmt.Sprintf("PORT=%d", port),
		fmt.Sprintf("UPSTREAM=http://127.0.0.1:%d", up.Port), "PYTHONDONTWRITEBYTECODE=1")
	r.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := r.command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	r.PID = r.command.Process.Pid
	go func() {
		r.command.Wait()
		close(r.exited)
	}()
	if err := r.await(); err != nil {
		r.Stop()
		return nil, fmt.Errorf("start %s: %w; it says: %s", s.Name, err, r.log.String())
	}
	return r, nil
}

func (r *Running) await() error {
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", r.Port), time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-r.exited:
			return fmt.Errorf("it ended")
		default:
		}
	}
	return fmt.Errorf("it does not listen")
}

// Stop ends the service and waits for it.
func (r *Running) Stop() {
	syscall.Kill(-r.PID, syscall.SIGTERM)
	select {
	case <-r.exited:
	case <-time.After(5 * time.Second):
		syscall.Kill(-r.PID, syscall.SIGKILL)
		<-r.exited
	}
}

// freePort gives a loopback port outside the range that connections take theirs from.
func freePort() (int, error) {
	for port := 26000 + os.Getpid()%3000; port < 32000; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("no free port")
}
