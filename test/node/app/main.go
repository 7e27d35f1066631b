// Command app is what runs in the containers of the tests: a server that asks the next one, or a client.
//
//	app                       serves :8080; with NEXT=URL it asks there before it answers; with COPIES=N there are N such processes, on ports
//	                          from 8080 on
//	app URL N TOKEN           sends N requests, URL/TOKEN-0 and so on, and writes the status of each, 0 for none
//	app each URL N TOKEN      the same, each by a process of its own, several at a time
//	app drive RATE COPIES     asks the containers that the standard input names, see drive.go
package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	client := &http.Client{Timeout: 5 * time.Second}
	if len(os.Args) == 4 && os.Args[1] == "drive" {
		rate, _ := strconv.Atoi(os.Args[2])
		copies, _ := strconv.Atoi(os.Args[3])
		drive(rate, copies)
		return
	}
	if len(os.Args) == 4 {
		n, _ := strconv.Atoi(os.Args[2])
		for i := range n {
			fmt.Println(get(client, fmt.Sprintf("%s/%s-%d", os.Args[1], os.Args[3], i)))
		}
		return
	}
	if len(os.Args) == 5 {
		each(os.Args[2], os.Args[3], os.Args[4])
		return
	}
	port, _ := strconv.Atoi(os.Getenv("PORT"))
	port = cmp.Or(port, firstPort)
	if copies, _ := strconv.Atoi(os.Getenv("COPIES")); copies > 1 {
		again := exec.Command(os.Args[0])
		again.Env = append(os.Environ(), fmt.Sprint("COPIES=", copies-1), fmt.Sprint("PORT=", port+1))
		if err := again.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	next := os.Getenv("NEXT")
	http.HandleFunc("/born", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, born.UnixNano()) })
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if next != "" && get(client, next+r.URL.Path) != http.StatusOK {
			w.WriteHeader(http.StatusBadGateway)
		}
		io.WriteString(w, "hello\n")
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe(fmt.Sprint(":", port), nil))
}

const firstPort = 8080

// born is when this process began, but for what the runtime of Go does before.
var born = time.Now()

// abreast is how many processes run at a time.
const abreast = 16

// each writes the status that each process has written.
func each(url, count, token string) {
	n, _ := strconv.Atoi(count)
	told, next := make([]string, n), make(chan int)
	var all sync.WaitGroup
	for range abreast {
		all.Go(func() {
			for i := range next {
				out, _ := exec.Command(os.Args[0], fmt.Sprintf("%s/%s-%d", url, token, i), "1", "t").Output()
				told[i] = string(out)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	fmt.Print(strings.Join(told, ""))
}

// get gives the status of a reply that came to its end.
func get(client *http.Client, url string) int {
	reply, err := client.Get(url)
	if err != nil {
		return 0
	}
	defer reply.Body.Close()
	if _, err := io.Copy(io.Discard, reply.Body); err != nil {
		return 0
	}
	return reply.StatusCode
}
