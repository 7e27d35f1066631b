// Command app is what runs in the containers of the tests: a server that asks the next one, or a client.
//
//	app                       serves :8080; with NEXT=URL it asks there before it answers
//	app URL N TOKEN           sends N requests, URL/TOKEN-0 and so on, and writes the status of each, 0 for none
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
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
	next := os.Getenv("NEXT")
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if next != "" && get(client, next+r.URL.Path) != http.StatusOK {
			w.WriteHeader(http.StatusBadGateway)
		}
		io.WriteString(w, "hello\n")
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe(":8080", nil))
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
