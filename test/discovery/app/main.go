// Command app asks a server over TLS, from its first moment on, with a new connection each time, for as long as TIME says. The
// path of each request is how many microseconds after START, in Unix nanoseconds, it was begun.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

func main() {
	start, err := strconv.ParseInt(os.Getenv("START"), 10, 64)
	if err != nil {
		panic(err)
	}
	lasts, err := time.ParseDuration(os.Getenv("TIME"))
	if err != nil {
		panic(err)
	}
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the server is the test's
	}}
	for begun := time.Unix(0, start); time.Since(begun) < lasts; time.Sleep(time.Millisecond) {
		r, err := c.Get(fmt.Sprintf("https://%s/%d", os.Args[1], time.Since(begun).Microseconds()))
		if err != nil {
			panic(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
}
