package main

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// pace is the role of the open-loop client. Each connection has a thread of its own and blocks in the kernel: Go's timers
// would add up to a millisecond.
func pace(args []string) error {
	address, path, _ := strings.Cut(strings.TrimPrefix(args[0], "http://"), "/")
	d, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	rate, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	const conns = 16
	fds := make([]int, conns)
	for i := range fds {
		if fds[i], err = dialBlocking(address); err != nil {
			return err
		}
	}
	request := []byte("GET /" + path + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n")
	return obey("ready", func() any {
		var mu sync.Mutex
		var all []float64
		var threads sync.WaitGroup
		start := monotonic() + int64(50*time.Millisecond)
		for i, fd := range fds {
			threads.Go(func() {
				took := paceConnection(fd, request, schedule{start + int64(i)*int64(time.Second)/rate, conns * int64(time.Second) / rate, start + int64(d)})
				mu.Lock()
				defer mu.Unlock()
				all = append(all, took...)
			})
		}
		threads.Wait()
		return percentiles(all)
	})
}

func percentiles(all []float64) paced {
	if len(all) == 0 {
		return paced{}
	}
	slices.Sort(all)
	at := func(part float64) float64 { return all[int(part*float64(len(all)-1))] }
	return paced{Requests: len(all), P50: at(0.5), P90: at(0.9), P99: at(0.99)}
}

// schedule is when requests are due: from first on, every step, until end. Monotonic time, ns.
type schedule struct{ first, step, end int64 }

// paceConnection gives the times of its requests in µs. It ends early when the connection does.
func paceConnection(fd int, request []byte, s schedule) (took []float64) {
	lockThread()
	buffer := make([]byte, 16384)
	for due := s.first; due < s.end; due += s.step {
		until := unix.NsecToTimespec(due)
		for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &until, nil) == unix.EINTR {
		}
		if _, err := unix.Write(fd, request); err != nil {
			return took
		}
		if !readAnswer(fd, buffer) {
			return took
		}
		took = append(took, float64(monotonic()-due)/1000)
	}
	return took
}

// readAnswer reads one response with a Content-Length.
func readAnswer(fd int, buffer []byte) bool {
	for n, whole := 0, -1; whole < 0 || n < whole; {
		more, err := unix.Read(fd, buffer[n:])
		if err == unix.EINTR {
			continue
		}
		if err != nil || more <= 0 {
			return false
		}
		n += more
		if head := strings.Index(string(buffer[:n]), "\r\n\r\n"); whole < 0 && head > 0 {
			_, after, _ := strings.Cut(strings.ToLower(string(buffer[:head+2])), "content-length: ")
			digits, _, _ := strings.Cut(after, "\r\n")
			length, err := strconv.Atoi(digits)
			if err != nil {
				return false
			}
			whole = head + 4 + length
		}
	}
	return true
}

func dialBlocking(address string) (fd int, err error) {
	a, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return 0, err
	}
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, err
	}
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	return fd, unix.Connect(fd, &unix.SockaddrInet4{Port: a.Port, Addr: [4]byte(a.IP.To4())})
}
