// Command app is what runs in the containers of the tests: a server that asks the next one, or a client.
//
//	app                       serves :8080; with NEXT=URL it asks there before it answers
//	app URL N TOKEN           sends N requests, URL/TOKEN-0 and so on, and writes the status of each, 0 for none
//	app each URL N TOKEN      the same, each by a process of its own, several at a time
package main

import (
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
	next := os.Getenv("NEXT")
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if next != "" && get(client, next+r.URL.Path) != http.StatusOK {
			w.WriteHeader(http.StatusBadGateway)
		}
		io.WriteString(w, "hello\n")
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe(":8080", nil))
}

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
