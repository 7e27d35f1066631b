package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// driver asks many servers in turn.
type driver struct {
	mu       sync.Mutex
	urls     []string
	answered int
	failed   int
	client   *http.Client
}

// drive reads lines: +IP names a container that has just been started; each of its processes is asked again and again until it
// answers, which is told as "first URL BORN", and from then on in turn with all others, so many a second. -IP takes one out, and = begins to
// count anew. At the end of the input it tells "done ANSWERED FAILED".
func drive(rate, copies int) {
	d := &driver{client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConns: 4096, MaxIdleConnsPerHost: 1}}}
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() { d.turn(rate, stop) })
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch ip := lines.Text()[1:]; lines.Text()[0] {
		case '=':
			d.mu.Lock()
			d.answered, d.failed = 0, 0
			d.mu.Unlock()
		case '-':
			d.drop(ip)
		case '+':
			for i := range copies {
				all.Go(func() { d.first(fmt.Sprintf("http://%s:%d", ip, firstPort+i)) })
			}
		}
	}
	close(stop)
	all.Wait()
	fmt.Println("done", d.answered, d.failed)
}

// turn asks one after the other, without waiting for answers.
func (d *driver) turn(rate int, stop chan struct{}) {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	var under sync.WaitGroup
	defer under.Wait()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		d.mu.Lock()
		url := ""
		if len(d.urls) > 0 {
			url = d.urls[i%len(d.urls)]
		}
		d.mu.Unlock()
		if url != "" {
			under.Go(func() { d.count(get(d.client, url+"/turn")) })
		}
	}
}

func (d *driver) count(status int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if status == http.StatusOK {
		d.answered++
	} else {
		d.failed++
	}
}

// first asks a process that has just been started. Each attempt has a connection of its own; only one that was answered has been one
// of HTTP.
func (d *driver) first(url string) {
	once := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		reply, err := once.Get(url + "/born")
		if err != nil {
			continue
		}
		told, err := io.ReadAll(reply.Body)
		reply.Body.Close()
		if err != nil {
			continue
		}
		d.mu.Lock()
		d.answered++
		d.urls = append(d.urls, url)
		fmt.Println("first", url, string(told))
		d.mu.Unlock()
		return
	}
}

func (d *driver) drop(ip string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := d.urls[:0]
	for _, url := range d.urls {
		if !strings.HasPrefix(url, "http://"+ip+":") {
			kept = append(kept, url)
		}
	}
	d.urls = kept
}
