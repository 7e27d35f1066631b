package node

import (
	"fmt"
	"os/exec"
	"runtime"
	"testing"

	"github.com/vishvananda/netns"
)

// The network of the tests: one namespace for each container and one for the client, each joined to a router in a namespace of its
// own, which also translates addresses as kube-proxy does. The host's own network has no part in it.
const (
	router  = "weft-test-r"
	cluster = "10.202.0.1" // the address of a Service, that no interface has
)

func space(n int) string   { return fmt.Sprint("weft-test-", n) }
func address(n int) string { return fmt.Sprintf("10.201.%d.2", n) }

// connect makes the network for containers 1 to n; the client is 0.
func connect(t testing.TB, n int) {
	t.Helper()
	remove := func() { _ = exec.Command("ip", "netns", "delete", router).Run() }
	remove() // what a test that was killed has left
	t.Cleanup(remove)
	command(t, "ip", "netns", "add", router)
	inSpace(t, router, "ip", "link", "set", "lo", "up")
	inSpace(t, router, "sysctl", "-qw", "net.ipv4.ip_forward=1")
	for i := range n + 1 {
		join(t, i)
	}
}

// join adds one namespace to the network.
func join(t testing.TB, i int) {
	t.Helper()
	_ = exec.Command("ip", "netns", "delete", space(i)).Run()
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "delete", space(i)).Run() })
	command(t, "ip", "netns", "add", space(i))
	inner, outer := fmt.Sprint("w", i), fmt.Sprint("r", i)
	command(t, "ip", "-n", space(i), "link", "add", inner, "type", "veth", "peer", "name", outer, "netns", router)
	inSpace(t, space(i), "ip", "link", "set", "lo", "up")
	inSpace(t, space(i), "ip", "addr", "add", address(i)+"/24", "dev", inner)
	inSpace(t, space(i), "ip", "link", "set", inner, "up")
	inSpace(t, router, "ip", "addr", "add", fmt.Sprintf("10.201.%d.1/24", i), "dev", outer)
	inSpace(t, router, "ip", "link", "set", outer, "up")
	inSpace(t, space(i), "ip", "route", "add", "default", "via", fmt.Sprintf("10.201.%d.1", i))
}

// within does something in a network namespace: sockets that it opens stay there. What it calls must not leave it to another goroutine.
func within(t testing.TB, space string, do func() error) {
	t.Helper()
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	there, err := netns.GetFromName(space)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := netns.Set(there); err != nil {
		t.Fatal(err)
	}
	err = do()
	if back := netns.Set(home); back != nil {
		t.Fatal(back) // on a thread that nobody else gets
	}
	runtime.UnlockOSThread() // the thread must live on: processes that it has started die with it
	if err != nil {
		t.Fatal(err)
	}
}

// serveAs makes the address of the Service stand for a container, and hides from it who asks.
func serveAs(t *testing.T, n int) {
	t.Helper()
	inSpace(t, router, "iptables", "-t", "nat", "-A", "PREROUTING", "-d", cluster, "-p", "tcp", "--dport", "80",
		"-j", "DNAT", "--to-destination", address(n)+":8080")
	inSpace(t, router, "iptables", "-t", "nat", "-A", "POSTROUTING", "-d", address(n), "-p", "tcp", "-j", "MASQUERADE")
}
