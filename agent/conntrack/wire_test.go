package conntrack

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// asked asks for 10.231.0.2:5555 to 10.232.0.1:80: struct nfgenmsg, then the tuple in the attributes of the kernel's
// uapi/linux/netfilter/nfnetlink_conntrack.h.
const asked = "02000000" + "34000180" +
	"14000180" + "080001000ae70002" + "080002000ae80001" +
	"1c000280" + "0500010006000000" + "0600020015b30000" + "0600030000500000"

func ends(t *testing.T, a, b string) (netip.AddrPort, netip.AddrPort) {
	t.Helper()
	return netip.MustParseAddrPort(a), netip.MustParseAddrPort(b)
}

func TestQuestion(t *testing.T) {
	local, peer := ends(t, "10.231.0.2:5555", "10.232.0.1:80")
	if got := hex.EncodeToString((question{local, peer}).Serialize()); got != asked {
		t.Errorf("got  %s\nwant %s", got, asked)
	}
}

// replied is the tuple of what comes back: 10.231.1.2:8080, which sees an address of the node, 10.231.1.1:5555.
const replied = "34000280" +
	"14000180" + "080001000ae70102" + "080002000ae70101" +
	"1c000280" + "0500010006000000" + "060002001f900000" + "0600030015b30000"

// row is an answer of the kernel, with its status and timeout behind the tuples.
func row(t *testing.T) []byte {
	t.Helper()
	b, err := hex.DecodeString(asked + replied + "0800030000000188" + "0800070000069775")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBehind(t *testing.T) {
	b := row(t)
	client, cluster := ends(t, "10.231.0.2:5555", "10.232.0.1:80")
	server, node := ends(t, "10.231.1.2:8080", "10.231.1.1:5555")
	if got, err := behind(b, client, cluster); got != server || err != nil {
		t.Errorf("the client's other end is %v, %v", got, err)
	}
	if got, err := behind(b, server, node); got != client || err != nil {
		t.Errorf("the server's other end is %v, %v", got, err)
	}
	if got, err := behind(b, cluster, client); got != client || !errors.Is(err, errRow) {
		t.Errorf("the answer to another question: %v, %v", got, err)
	}
}

// TestCutRows holds that what is not whole is no answer, and ends.
func TestCutRows(t *testing.T) {
	b := row(t)
	client, cluster := ends(t, "10.231.0.2:5555", "10.232.0.1:80")
	const whole = nfgenSize + 2*0x34 // both tuples
	for n := range whole {
		if got, err := behind(b[:n], client, cluster); err == nil {
			t.Fatalf("%d bytes give %v", n, got)
		}
	}
	for i := range b {
		torn := append([]byte(nil), b...)
		torn[i] = 0xff
		_, _ = behind(torn, client, cluster)
	}
}

func TestNoNamespace(t *testing.T) {
	if _, err := Open("/no/such/namespace"); err == nil || !strings.Contains(err.Error(), "/no/such/namespace") {
		t.Errorf("%v", err)
	}
}
