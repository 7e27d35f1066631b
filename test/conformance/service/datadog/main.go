// Command datadog is a service under Datadog's tracer for Go, version 2: its net/http integration on both sides, with the
// formats that it reads and writes by default. Nobody listens at the port that it sends its spans to.
//
//	PORT=8080 UPSTREAM=http://127.0.0.1:8081 go run .
//
// GET /call/TOKEN?n=3 calls $UPSTREAM/work/TOKEN three times, one after another, and answers "ok\n".
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"

	httptrace "github.com/DataDog/dd-trace-go/contrib/net/http/v2"
	"github.com/DataDog/dd-trace-go/v2/ddtrace/tracer"
)

func main() {
	if err := tracer.Start(tracer.WithService("datadog"), tracer.WithAgentAddr("127.0.0.1:9"), tracer.WithLogStartup(false)); err != nil {
		log.Fatal(err)
	}
	defer tracer.Stop()
	client := httptrace.WrapClient(&http.Client{Transport: http.DefaultTransport})
	mux := httptrace.NewServeMux()
	mux.HandleFunc("/call/{token}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		for range n {
			if err := work(r.Context(), client, r.PathValue("token")); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
		}
		fmt.Fprintln(w, "ok")
	})
	log.Print(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), mux))
}

func work(ctx context.Context, client *http.Client, token string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Getenv("UPSTREAM")+"/work/"+token, nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("call upstream: %w", err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}
