package main

import (
	"fmt"
	"net/http"
	"path"
	"strconv"
)

// tellEvents answers with server-sent events where the last part of the path is E and their number, or F: then it goes on until the
// client leaves.
func tellEvents(w http.ResponseWriter, r *http.Request) bool {
	last := path.Base(r.URL.Path)
	n, err := strconv.Atoi(last[1:])
	if err != nil || last[0] != 'E' && last[0] != 'F' {
		return false
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	for i := range n {
		fmt.Fprintf(w, "id: %d\ndata: something has happened\n\n", i)
		_ = http.NewResponseController(w).Flush()
	}
	if last[0] == 'F' {
		<-r.Context().Done()
	}
	return true
}
