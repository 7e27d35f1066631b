package propagation_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

var marks = strings.NewReplacer(
	"$W", "00-$T-$P-01", "$T", "4bf92f3577b34da6a3ce929d0e0e4736", "$U", "1111111111111111aaaaaaaaaaaaaaaa", "$V", "22222222222222222222222222222222",
	"$P", "00f067aa0ba902b7", "$Q", "00000000000000aa", "$R", "00000000000000bb", "$L", "a3ce929d0e0e4736", "$H", "4bf92f3577b34da6",
	"$t", "11803532876627986230", "$p", "67667974448284343",
)

// headOf writes a request.
func headOf(name string, options map[string]string, fields string) string {
	method, target := "GET", "/"+name
	for _, m := range []string{"get", "post", "options"} {
		if at, ok := options[m]; ok {
			method, target = strings.ToUpper(m), at
		}
	}
	host, agent := options["to"], options["agent"]
	if host == "" {
		host = "payments:8080"
	}
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nX-Name: %s\r\n", method, target, host, name)
	if agent != "" {
		head += "User-Agent: " + agent + "\r\n"
	}
	for _, field := range strings.Split(fields, "|") {
		if field = strings.TrimSpace(field); field != "" {
			head += strings.ReplaceAll(marks.Replace(marks.Replace(field)), `\r\n`, "\r\n") + "\r\n"
		}
	}
	return head + "\r\n"
}

// addressOf gives hosts addresses of their own.
func addressOf(host string) netip.AddrPort {
	a := [4]byte{10, 9, 0, byte(len(host))}
	for i := range len(host) {
		a[2] = a[2]*31 + host[i]
	}
	_, text, _ := strings.Cut(host, ":")
	port, _ := strconv.ParseUint(text, 10, 16)
	return netip.AddrPortFrom(netip.AddrFrom4(a), uint16(port))
}
