package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// connectionsOf are the numbers of connections at which memory is measured.
var connectionsOf = []int{0, 100, 1000, 10_000, 100_000}

func writeMemory(b *bench) error {
	b.title("Memory by connections")
	b.text("Keep-alive HTTP/1.1 connections on loopback, each used for one request and then idle; both ends are traced, so each connection is two sockets. " +
		"`sockets.max` is 262144. Mapped: pages of the program file and of the ring, which is mapped twice and counted twice. Maps: the kernel's own account (memlock of each map, the ring included), which leaves socket-local storage out. " +
		"Socket storage: what the kernel's kmalloc caches get back when weft ends and the connections stay.\n")
	var rows [][]string
	for _, n := range connectionsOf {
		row, err := b.measureMemory(n)
		if err != nil {
			return fmt.Errorf("%d connections: %w", n, err)
		}
		rows = append(rows, row)
	}
	b.table([]string{"connections", "opened", "RSS MiB", "peak MiB", "anonymous MiB", "mapped MiB", "maps MiB",
		"socket storage MiB", "bytes per socket", "spans lost"}, rows)
	return nil
}

func (b *bench) measureMemory(n int) ([]string, error) {
	a, err := startAgent(b, "run", "--output", "otlp", "--sockets-max", "262144")
	if err != nil {
		return nil, err
	}
	h, err := holdMany(n)
	if err != nil {
		_, stopErr := a.stop()
		return nil, errors.Join(err, stopErr)
	}
	defer h.stop()
	time.Sleep(3 * time.Second)
	resident, maps, before := residenceOf(a.pid()), mapsOf(a.pid()), slabs()
	account, err := a.stop()
	if err != nil {
		return nil, err
	}
	time.Sleep(2 * time.Second)
	storage := max(before-slabs(), 0)
	perSocket := "-"
	if h.opened >= 1000 {
		perSocket = fmt.Sprintf("%.0f", storage/float64(2*h.opened))
	}
	p := b.growth("By open connections, both ends traced", "connections")
	p.add("memory, MiB", float64(n), resident.total)
	p.add("memory of its own, MiB", float64(n), resident.private)
	p.add("kernel's, MiB", float64(n), maps+storage/(1<<20))
	return []string{
		fmt.Sprint(n), fmt.Sprint(h.opened), fmt.Sprintf("%.1f", resident.total), fmt.Sprintf("%.1f", resident.peak), fmt.Sprintf("%.1f", resident.private),
		fmt.Sprintf("%.1f", resident.mapped), fmt.Sprintf("%.1f", maps), fmt.Sprintf("%.1f", storage/(1<<20)), perSocket, fmt.Sprint(account.losses()),
	}, nil
}

// mapsOf sums the memory of the maps that a process holds, in MiB.
func mapsOf(pid int) (sum float64) {
	for id, err := ebpf.MapGetNextID(0); err == nil; id, err = ebpf.MapGetNextID(id) {
		m, err := ebpf.NewMapFromID(id)
		if err != nil {
			continue
		}
		if info, err := m.Info(); err == nil && holds(pid, "map_id", uint32(id)) {
			bytes, _ := info.Memlock()
			sum += float64(bytes) / (1 << 20)
		}
		m.Close()
	}
	return sum
}

// slabs sums the objects in use of the general caches, in bytes.
func slabs() (sum float64) {
	for line := range lines("/proc/slabinfo") {
		words := strings.Fields(line)
		if len(words) < 4 || !strings.HasPrefix(words[0], "kmalloc") {
			continue
		}
		objects, _ := strconv.ParseFloat(words[1], 64)
		size, _ := strconv.ParseFloat(words[3], 64)
		sum += objects * size
	}
	return sum
}

// held are connections in processes of their own, in pairs of a server and a client.
type held struct {
	children []*child
	opened   int
}

// perProcess keeps below the usual hard limit of open files.
const perProcess = 15_000

// holdMany opens as many connections as it can, at most n.
func holdMany(n int) (*held, error) {
	h := &held{}
	for left := n; left > 0; left -= perProcess {
		var at listening
		server, err := startRole("accept", &at, "accept")
		if err != nil {
			return h, err
		}
		h.children = append(h.children, server)
		var opened int
		client, err := startRole("hold", &opened, "hold", at.Address, strconv.Itoa(min(left, perProcess)))
		if err != nil {
			return h, err
		}
		h.children = append(h.children, client)
		h.opened += opened
	}
	return h, nil
}

// stop ends the clients first, so that no server is left with a port in TIME_WAIT.
func (h *held) stop() {
	for i := len(h.children) - 1; i >= 0; i-- {
		h.children[i].stop()
	}
}

// acceptConnections is the role of a server that answers every request and closes nothing.
func acceptConnections([]string) error {
	if err := manyFiles(); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerForever(conn)
		}
	}()
	return obey(listening{l.Addr().String()}, func() any { return nil })
}

func answerForever(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, 512)
	for {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
		if _, err := conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")); err != nil {
			return
		}
	}
}

// holdConnections is the role of a client: it opens connections, uses each once and tells how many it has.
func holdConnections(args []string) error {
	if err := manyFiles(); err != nil {
		return err
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	conns := make([]net.Conn, n)
	var workers sync.WaitGroup
	const parallel = 16
	for w := range parallel {
		workers.Go(func() {
			for i := w; i < n; i += parallel {
				conns[i] = useOnce(args[0])
			}
		})
	}
	workers.Wait()
	opened := 0
	for _, conn := range conns {
		if conn != nil {
			opened++
		}
	}
	return obey(opened, func() any { return len(conns) })
}

// useOnce gives a connection that has carried one request, nil if there was none to be had.
func useOnce(address string) net.Conn {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil
	}
	buffer := make([]byte, 128)
	if _, err = fmt.Fprintf(conn, "GET /held HTTP/1.1\r\nHost: %s\r\n\r\n", address); err == nil {
		_, err = conn.Read(buffer)
	}
	if err != nil {
		conn.Close()
		return nil
	}
	return conn
}

// manyFiles raises the limit of open files as far as it goes.
func manyFiles() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}
