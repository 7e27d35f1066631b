package link

var scripts = []struct{ name, script, want string }{
	{"wire, client first", "c client 1 1 A; s server 2 2 A; end s; end c", `c < -
		s < c wire`},
	{"wire, server first", "s server 2 2 A; c client 1 1 A; end s; end c", `c < -
		s < c wire`},
	{"wire, server over before its client is seen", "s server 2 2 A; end s; c client 1 1 A; end c", `c < -
		s < c wire`},
	{"wire, client gone", "c client 1 1 A; s server 2 2 A; drop c; end s", `s < ~? wire`},
	{"wire, client is told of when the call for its request has ended", `s server 2 2 A; d client 2 2 B; r server 3 3 B; end r; end d
		c client 1 1 A; end s; end c; tick`, `c < -
		d < s thread
		r < d wire
		s < c wire`},
	{"wire, client has given up before its server reads", "c client 1 1 A; gone c; tick; s server 2 2 A; end s", `c < -
		s < c wire`},
	{"wire, client has given up, with a parent", "a server 1 1 A; c client 1 1 B; gone c; end a; tick; s server 2 2 B; end s", `a < -
		c < a thread
		s < c wire`},
	{"wire, client over before its server is seen", "c client 1 1 A kind=unix; end c; tick; s server 2 2 A kind=unix; end s", `c < -
		s < c wire`},
	{"wire, client over long before", "c client 1 1 A; gone c; long; s server 2 2 A; end s; tick", `c < -
		s < -`},
	{"wire, another request on the connection", "c client 1 1 A; s server 2 2 A at=1; end s; end c; tick", `c < -
		s < -`},
	{"wire, another target", "c client 1 1 A; s server 2 2 A target=x; end s; end c; tick", `c < -
		s < -`},
	{"wire, unix", "c client 1 1 A kind=unix; s server 2 2 A kind=unix; end s; end c", `c < -
		s < c wire`},
	{"wire, unix and tcp with the same numbers", "c client 1 1 A kind=unix; s server 2 2 A; end s; end c; tick", `c < -
		s < -`},
	{"wire, unix and older than weft", "c client 1 1 A kind=older; s server 2 2 A kind=older; end s; end c; tick", `c < -
		s < -`},
	{"wire, names unknown", "c client 1 1 A kind=noname; s server 2 2 B kind=noname; end s; end c; tick", `c < -
		s < -`},
	{"header", "s server 1 1 A head=T:P; end s; tick", `s < ~P header`},
	{"header of another trace than the wire", "c client 1 1 A head=T:P; s server 2 2 A head=U:Q; end s; end c", `c < -
		s < c wire`},
	{"client with a carrier of its own", "s1 server 1 1 A head=T:P; c client 1 1 B head=T:C; s2 server 2 2 B head=T:C; end s2; end c; end s1; tick", `c < s1 header
		s1 < ~P header
		s2 < c wire`},
	{"pass-through", "s1 server 1 1 A head=T:P; c client 1 2 B head=T:P; s2 server 2 2 B head=T:P; end s2; end c; end s1; tick", `c < s1 header
		s1 < ~P header
		s2 < c wire`},
	{"pass-through among several requests of a trace", `s1 server 1 1 A head=T:P; s2 server 1 2 B head=T:Q; c client 1 9 C head=T:Q
		end c; end s1; end s2; tick`, `c < s2 header
		s1 < ~P header
		s2 < ~Q header`},
	{"two requests with one carrier", `threads; s1 server 1 1 A head=T:P; s2 server 1 2 B head=T:P; c client 1 2 C head=T:P
		end c; end s1; end s2; tick`, `c < s2 thread
		s1 < ~P header
		s2 < ~P header`},
	{"two requests with one carrier and nothing to tell them apart", `s1 server 1 1 A head=T:P; s2 server 1 2 B head=T:P
		c client 1 3 C head=T:P; end c; end s1; end s2; tick`, `c < - of 2
		s1 < ~P header
		s2 < ~P header`},
	{"retries with the same carrier", `s server 1 1 A head=T:P; c1 client 1 1 B head=T:C; r1 server 2 2 B head=T:C; end r1; end c1
		c2 client 1 1 D head=T:C; r2 server 2 2 D head=T:C; end r2; end c2; end s; tick`, `c1 < s header
		c2 < s header
		r1 < c1 wire
		r2 < c2 wire
		s < ~P header`},
	{"trace started anew", "s1 server 1 1 A head=T:P; c client 1 1 B head=U:C; s2 server 2 2 B head=U:C; end s2; end c; end s1; tick", `c < s1 thread
		s1 < ~P header
		s2 < c wire`},
	{"thread", "s1 server 1 1 A; c client 1 1 B; s2 server 2 2 B; end s2; end c; end s1; tick", `c < s1 thread
		s1 < -
		s2 < c wire`},
	{"thread, several calls", "s1 server 1 1 A; c1 client 1 1 B; end c1; c2 client 1 1 C; end c2; end s1; tick", `c1 < s1 thread
		c2 < s1 thread
		s1 < -`},
	{"threads side by side, of which nothing is known", `s1 server 1 1 A; s2 server 1 2 B; c2 client 1 2 C; c1 client 1 1 D; end c1; end c2; end s1; end s2; tick`,
		`c1 < -
		c2 < -
		s1 < -
		s2 < -`},
	{"threads side by side, after one call in solitude", `x server 1 8 X; y client 1 8 Y; end y; end x; s1 server 1 1 A; s2 server 1 2 B; c2 client 1 2 C
		c1 client 1 1 D; end c1; end c2; end s1; end s2; tick`, `c1 < -
		c2 < -
		s1 < -
		s2 < -
		x < -
		y < x thread`},
	{"threads side by side", "threads; s1 server 1 1 A; s2 server 1 2 B; c2 client 1 2 C; c1 client 1 1 D; end c1; end c2; end s1; end s2; tick", `c1 < s1 thread
		c2 < s2 thread
		s1 < -
		s2 < -`},
	{"thread that is answering", "s1 server 1 1 A; replies s1; c client 1 1 B; end c; end s1; tick", `c < -
		s1 < -`},
	{"thread after the reply", "s1 server 1 1 A; end s1; c client 1 1 B; end c; tick", `c < -
		s1 < -`},
	{"thread with lost records", "s1 server 1 1 A; lost s1; c client 1 1 B; end c; end s1; tick", `c < -
		s1 < -`},
	{"request whose reply was lost, and the next one of its connection", "loss; s1 server 1 1 A; c client 1 1 B; s2 server 2 2 B; end s2; end c; lost s1; drop s1; tick", `c < -
		s2 < c wire`},
	{"request that ends while records are missing elsewhere", "loss; s1 server 1 1 A; c client 1 1 B; s2 server 2 2 B; end s2; end c; end s1; tick", `c < s1 thread
		s1 < -
		s2 < c wire`},
	{"child of a goroutine that has answered", "go 1; s1 server 1 1 A g=5; end s1; c client 1 2 C g=7 pg=5; end c; tick", `c < s1 goroutine
		s1 < -`},
	{"child of a goroutine that has answered, while records are missing", "go 1; loss; s1 server 1 1 A g=5; end s1; c client 1 2 C g=7 pg=5; end c; tick", `c < -
		s1 < -`},
	{"event loop", "s1 server 1 1 A; s2 server 1 1 B; c client 1 1 C; end c; end s1; end s2; tick", `c < - of 2
		s1 < -
		s2 < -`},
	{"event loop that passes the carrier on", `s1 server 1 1 A head=T:P; s2 server 1 1 B head=U:Q; c client 1 1 C head=U:Q
		end c; end s1; end s2; tick`, `c < s2 header
		s1 < ~P header
		s2 < ~Q header`},
	{"connection that was opened for the only request, after the answer", `s1 server 1 1 A; opens C 1; end s1; c client 1 1 C; end c
		s2 server 1 1 B; opens D 1; s3 server 1 1 E; end s2; d client 1 1 D; end d; end s3; tick`, `c < s1 thread
		d < -
		s1 < -
		s2 < -
		s3 < -`},
	{"connection that another thread has opened", `s1 server 1 1 A; opens C 2; end s1; c client 1 1 C; end c; tick`, `c < -
		s1 < -`},
	{"connection that was opened for the only request, and used long after", `s1 server 1 1 A; opens C 1; end s1; long; c client 1 1 C; end c; tick`, `c < -
		s1 < -`},
	{"connection that was opened in place of one that was refused", `s1 server 1 1 A; opens B 1; refused B; opens C 1; end s1; c client 1 1 C; end c; tick`, `c < -
		s1 < -`},
	{"event loop, later alone", `s1 server 1 1 A; s2 server 1 1 B; end s1; end s2
		s3 server 1 1 A at=1; c client 1 1 C; end c; end s3; tick`, `c < s3 order
		s1 < -
		s2 < -
		s3 < -`},
	{"event loop, call behind the reply of one and in the time of another", `s1 server 1 1 A; end s1; c0 client 1 1 C; end c0
		s2 server 1 1 B; c client 1 1 C at=1; end c; end s2; tick`, `c < -
		c0 < -
		s1 < -
		s2 < -`},
	{"hands requests on", `s1 server 1 1 A; c1 client 1 2 C; end c1; end s1
		s2 server 1 1 B; s3 server 1 2 D; c2 client 1 2 C at=1; end c2; end s2; end s3; tick`, `c1 < s1 order
		c2 < -
		s1 < -
		s2 < -
		s3 < -`},
	{"pipelined, threads unknown", "s1 server 1 1 A; s2 server 1 1 A at=1; c client 1 1 B; end c; end s1; end s2; tick", `c < - of 2
		s1 < -
		s2 < -`},
	{"pipelined, thread per connection", `threads; s1 server 1 1 A; s2 server 1 1 A at=1; c1 client 1 1 B; end c1; end s1
		c2 client 1 1 B at=1; end c2; end s2; tick`, `c1 < s1 thread
		c2 < s2 thread
		s1 < -
		s2 < -`},
	{"given up, by an event loop", `s1 server 1 1 A; c1 client 1 1 C; gone s1; s2 server 1 1 B; c2 client 1 1 D; end c1; end c2; end s2; tick`, `c1 < s1 thread
		c2 < -
		s1 < -
		s2 < -`},
	{"given up, nothing known of the thread", `s1 server 1 1 A; c1 client 1 1 C; end c1; gone s1; s2 server 1 1 B; c2 client 1 1 D; end c2; end s2; tick`, `c1 < s1 thread
		c2 < -
		s1 < -
		s2 < -`},
	{"given up, threads side by side", `x server 1 8 X; y server 1 9 Y; end x; end y
		s1 server 1 1 A; c1 client 1 1 C; gone s1; end c1; s2 server 1 1 B; c2 client 1 1 D; end c2; end s2; tick`, `c1 < s1 thread
		c2 < s2 thread
		s1 < -
		s2 < -
		x < -
		y < -`},
	{"given up, by a thread that waits for its calls", `s1 server 1 1 A; c1 client 1 1 C; gone s1; end c1
		s2 server 1 1 A at=1; c2 client 1 1 C at=1; gone s2; end c2
		s3 server 1 1 A at=2; c3 client 1 1 C at=2; gone s3; end c3
		s4 server 1 1 A at=3; c4 client 1 1 C at=3; gone s4; end c4
		s5 server 1 1 A at=4; c5 client 1 1 C at=4; gone s5; end c5
		s6 server 1 1 A at=5; c6 client 1 1 C at=5; gone s6; end c6
		s7 server 1 1 A at=6; c7 client 1 1 C at=6; gone s7; end c7
		s8 server 1 1 A at=7; c8 client 1 1 C at=7; gone s8; end c8
		s9 server 1 1 B; c9 client 1 1 D; end c9; end s9; tick`, `c1 < s1 thread
		c2 < -
		c3 < -
		c4 < -
		c5 < -
		c6 < -
		c7 < -
		c8 < -
		c9 < s9 thread
		s1 < -
		s2 < -
		s3 < -
		s4 < -
		s5 < -
		s6 < -
		s7 < -
		s8 < -
		s9 < -`},
	{"goroutine", "go 1; s1 server 1 1 A g=5; s2 server 1 1 B g=6; c client 1 2 C g=5; end c; end s1; end s2; tick", `c < s1 goroutine
		s1 < -
		s2 < -`},
	{"goroutine, pipelined", "go 1; s1 server 1 1 A g=5; s2 server 1 1 A g=5 at=1; c client 1 2 C g=5; end c; end s1; end s2; tick", `c < s1 goroutine
		s1 < -
		s2 < -`},
	{"child of a goroutine on a connection of its own", "go 1; s1 server 1 1 A g=5; c client 1 2 C g=7 pg=5; end c; end s1; tick", `c < s1 goroutine
		s1 < -`},
	{"child of a goroutine on a pooled connection", "go 1; s1 server 1 1 A g=5; c client 1 2 C g=7 pg=5 at=9; end c; end s1; tick", `c < -
		s1 < -`},
	{"child of a goroutine on a connection that others have written on", `go 1; s1 server 1 1 A g=5; c0 client 1 2 C g=6 at=9; end c0
		c1 client 1 2 C g=7 pg=5 at=10; end c1; c2 client 1 2 C g=7 pg=5 at=11; end c2; end s1; tick`, `c0 < -
		c1 < s1 goroutine
		c2 < -
		s1 < -`},
	{"first call on an older connection, on which another goroutine writes the next one", `go 1; s1 server 1 1 A g=5; s2 server 1 1 B g=6
		c1 client 1 2 C g=7 pg=5 at=9; end c1; c2 client 1 2 C g=8 pg=6 at=10; end c2; end s1; end s2; tick`, `c1 < s1 goroutine
		c2 < s2 goroutine
		s1 < -
		s2 < -`},
	{"first call on an older connection, on which the same goroutine writes the next one", `go 1; s1 server 1 1 A g=5; s2 server 1 1 B g=6
		c1 client 1 2 C g=7 pg=5 at=9; end c1; c2 client 1 2 C g=7 pg=5 at=10; end c2; c3 client 1 2 D g=8 pg=6 at=9; end c3; end s1; end s2; tick`, `c1 < -
		c2 < -
		c3 < -
		s1 < -
		s2 < -`},
	{"worker that a request has started", `go 1; s1 server 1 1 A g=5; c1 client 1 2 C g=7 pg=5; end c1; end s1
		s2 server 1 1 A g=5 at=1; c2 client 1 2 D g=7 pg=5; end c2
		c5 client 1 2 G g=8 pg=5; end c5; c6 client 1 2 H g=8 pg=5; end c6; c7 client 1 2 I g=7 pg=5; end c7; c8 client 1 2 J g=7 pg=5; end c8
		c3 client 1 2 E g=9 pg=5; end c3; c4 client 1 2 F g=9 pg=5; end c4; end s2; tick`, `c1 < s1 goroutine
		c2 < -
		c3 < s2 goroutine
		c4 < -
		c5 < s2 goroutine
		c6 < s2 goroutine
		c7 < -
		c8 < -
		s1 < -
		s2 < -`},
	{"goroutine over", "go 1; s1 server 1 1 A g=5; end s1; c client 1 1 C g=5; end c; tick", `c < -
		s1 < -`},
	{"threads of Go mean nothing", "go 1; s1 server 1 1 A; c client 1 1 C; end c; end s1; tick", `c < -
		s1 < -`},
	{"handover", `go 1; s1 server 1 1 A g=5; s2 server 1 1 B g=6; hand C 6; c1 client 1 1 C g=9; hand C 5; c2 client 1 1 C g=9 at=1
		end c1; end c2; end s1; end s2; tick`, `c1 < s2 handover
		c2 < s1 handover
		s1 < -
		s2 < -`},
	{"handover is for one request", `go 1; s1 server 1 1 A g=5; hand C 5; c1 client 1 1 C g=9; c2 client 1 1 C g=9 at=1
		end c1; end c2; end s1; tick`, `c1 < s1 handover
		c2 < -
		s1 < -`},
	{"chain without headers", `c0 client 9 9 A; s1 server 1 1 A; c1 client 1 1 B; s2 server 2 2 B; c2 client 2 2 C; s3 server 3 3 C
		end s3; end c2; end s2; end c1; end s1; end c0`, `c0 < -
		c1 < s1 thread
		c2 < s2 thread
		s1 < c0 wire
		s2 < c1 wire
		s3 < c2 wire`},
	{"abandoned in the middle of a chain", `s1 server 1 1 A head=T:P; c1 client 1 1 B; s2 server 2 2 B; drop c1; drop s1; end s2`,
		`s2 < ~? wire`},
	{"process gone before its exchanges", "s1 server 1 1 A; c client 1 1 B; exit 1; end c; end s1; tick", `c < s1 thread
		s1 < -`},
}
