// Command goserver is the Go net/http member of the fleet: `goserver PORT`. The routes are those of every member,
// see package fleet.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello/", hello)
	mux.HandleFunc("/bytes/{n}/", bytes)
	mux.HandleFunc("/chunked/{n}/", chunked)
	mux.HandleFunc("/echo-size/", echoSize)
	mux.HandleFunc("/status/{code}/", status)
	mux.HandleFunc("/call/", call)
	mux.HandleFunc("/sleep/{ms}/", sleep)
	mux.HandleFunc("/upgrade/", upgrade)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			echo(w, "200 Connection Established\r\n\r\n")
			return
		}
		mux.ServeHTTP(w, r)
	})))
}

func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "6")
	io.WriteString(w, "hello\n")
}

func number(r *http.Request, name string) int {
	n, _ := strconv.Atoi(r.PathValue(name))
	return n
}

var block = []byte(strings.Repeat("x", 64<<10))

func fill(w io.Writer, n int) {
	for n > 0 {
		part := min(n, len(block))
		if _, err := w.Write(block[:part]); err != nil {
			return
		}
		n -= part
	}
}

func bytes(w http.ResponseWriter, r *http.Request) {
	n := number(r, "n")
	w.Header().Set("Content-Length", strconv.Itoa(n))
	fill(w, n)
}

func chunked(w http.ResponseWriter, r *http.Request) {
	w.(http.Flusher).Flush()
	fill(w, number(r, "n"))
}

func echoSize(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%d", n)
}

func status(w http.ResponseWriter, r *http.Request) { w.WriteHeader(number(r, "code")) }

func sleep(w http.ResponseWriter, r *http.Request) {
	time.Sleep(time.Duration(number(r, "ms")) * time.Millisecond)
	hello(w, r)
}

func call(w http.ResponseWriter, r *http.Request) {
	out, err := http.NewRequest("GET", r.URL.Query().Get("url"), nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if parent := r.Header.Get("Traceparent"); parent != "" {
		switch r.URL.Query().Get("trace") {
		case "pass":
			out.Header.Set("Traceparent", parent)
		case "new":
			out.Header.Set("Traceparent", fmt.Sprintf("%s%016x%s", parent[:36], time.Now().UnixNano(), parent[52:]))
		}
	}
	reply, err := http.DefaultClient.Do(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer reply.Body.Close()
	w.WriteHeader(reply.StatusCode)
	io.Copy(w, reply.Body)
}

func upgrade(w http.ResponseWriter, _ *http.Request) {
	echo(w, "101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
}

// echo answers with a head and from then on echoes bytes until the client closes.
func echo(w http.ResponseWriter, head string) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	buffered.WriteString("HTTP/1.1 " + head)
	buffered.Flush()
	io.Copy(conn, buffered)
}
