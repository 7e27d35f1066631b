package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// target is a set of servers under load.
type target struct {
	url     string
	servers []int                  // processes whose CPU is the servers'
	served  func() (uint64, error) // requests that the first server has taken so far
	stop    func()
}

// workload is one of the two that peers were measured with.
type workload struct {
	start func(*bench) (*target, error)
	spans int      // that one request makes, those of wrk included
	ends  []string // whose spans they are, by the receiver's keys
}

// unnamed are the calls that wrk leaves open at its end: weft gives their spans when wrk is gone.
const unnamed = "unknown_service/client"

var (
	nginx = workload{startNginx, 2, []string{"nginx/server", "wrk/client", unnamed}}
	chain = workload{startChain, 4, []string{"front/server", "front/client", "back/server", "wrk/client", unnamed}}
)

const nginxConf = `worker_processes 1; daemon off; user root; pid %[1]s/nginx.pid; error_log %[1]s/error.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
  client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  server { listen 127.0.0.1:%[2]d; root %[1]s; location = /status { stub_status; } }
}
`

// startNginx starts one worker that serves a file of 1 KiB by open, pread and writev, the default without `sendfile on`.
func startNginx(b *bench) (*target, error) {
	dir := filepath.Join(b.dir, "nginx")
	os.MkdirAll(dir, 0o755)
	port := freePort()
	if err := os.WriteFile(dir+"/nginx.conf", fmt.Appendf(nil, nginxConf, dir, port), 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(dir+"/1k", []byte(strings.Repeat("x", 1024)), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command("nginx", "-e", dir+"/error.log", "-p", dir, "-c", dir+"/nginx.conf")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	t := &target{url: base + "/1k"}
	asked := uint64(0)
	t.served = func() (uint64, error) {
		n, err := nginxRequests(base + "/status")
		if err == nil {
			asked++
		}
		return n - asked, err
	}
	t.stop = func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := t.served(); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.stop()
			return nil, fmt.Errorf("start nginx: %w", err)
		}
	}
	t.servers = append(childrenOf(cmd.Process.Pid), cmd.Process.Pid)
	return t, nil
}

// nginxRequests reads how many requests have come, this one included.
func nginxRequests(url string) (uint64, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	reply, err := client.Get(url)
	if err != nil {
		return 0, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return 0, err
	}
	words := strings.Fields(string(body))
	if len(words) < 10 {
		return 0, fmt.Errorf("read the status of nginx: %q", body)
	}
	return strconv.ParseUint(words[9], 10, 64)
}

func childrenOf(pid int) (pids []int) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, word := range strings.Fields(string(b)) {
		n, _ := strconv.Atoi(word)
		pids = append(pids, n)
	}
	return pids
}

func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// startChain starts two Go servers; each request to the first makes one GET to the second.
func startChain(*bench) (*target, error) {
	var back, front listening
	second, err := startRole("back", &back, "server")
	if err != nil {
		return nil, err
	}
	first, err := startRole("front", &front, "server", "http://"+back.Address+"/")
	if err != nil {
		second.stop()
		return nil, err
	}
	return &target{
		url: "http://" + front.Address + "/", servers: []int{first.pid(), second.pid()},
		served: func() (n uint64, err error) {
			err = first.ask(&n)
			return n, err
		},
		stop: func() { first.stop(); second.stop() },
	}, nil
}

// serve is a net/http server that answers with 1 KiB, or with what the next server answers.
func serve(args []string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var served atomic.Uint64
	answer := []byte(strings.Repeat("x", 1024))
	handle := func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		w.Write(answer)
	}
	if len(args) > 0 {
		client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
		handle = func(w http.ResponseWriter, _ *http.Request) {
			served.Add(1)
			// Not with the context of r: a call given up with its caller would make the number of calls uncertain.
			reply, err := client.Get(args[0])
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			defer reply.Body.Close()
			body, _ := io.ReadAll(reply.Body)
			w.Write(body)
		}
	}
	go http.Serve(l, http.HandlerFunc(handle))
	return obey(listening{l.Addr().String()}, func() any { return served.Load() })
}
