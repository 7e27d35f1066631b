package flow

type reasons = [Reasons]uint64

type side uint8

const (
	both side = iota
	onlyServer
	onlyClient
)

// scripts are played at both ends of a connection if nothing else is said.
var scripts = []struct {
	name    string
	only    side
	found   bool
	unix    bool
	script  string
	want    string
	reasons reasons
}{
	{name: "keep-alive", script: `
		> GET /1
		< 200 /1 5
		> GET /2
		< 404 /2 0
		close`, want: `GET /1 200 <5
		GET /2 404`},
	{name: "pipelined in one payload", script: `
		> GET /1 | GET /2 | GET /3
		< 200 /1 5
		< 200 /2 6
		< 500 /3 0`, want: `GET /1 200 <5
		GET /2 200 <6
		GET /3 500`},
	{name: "pipelined one by one", script: `
		> GET /1
		> POST /2 7
		< 200 /1 5
		> GET /3
		< 200 /2 6
		< 200 /3 0`, want: `GET /1 200 <5
		POST /2 200 >7 <6
		GET /3 200`},
	{name: "heads in pieces", script: `
		> GET /1 pieces=40
		< 200 /1 5 pieces=17
		> GET /2 pieces=2
		< 200 /2 chunked pieces=3
		<. 9`, want: `GET /1 200 <5
		GET /2 200 <9`},
	{name: "bodies that end later", script: `
		> POST /1 500+
		>. 500
		< 200 /1 700+
		<. 700
		> POST /2 chunked
		>. 33
		< 200 /2 chunked
		<. 44`, want: `POST /1 200 >500 <700
		POST /2 200 >33 <44`},
	{name: "reply before the body of the request", script: `
		> POST /1 chunked
		< 413 /1 0
		>. 33
		> GET /2
		< 200 /2 0`, want: `POST /1 413
		GET /2 200`},
	{name: "cut heads", script: `
		> GET /1 cut
		< 200 /1 5
		> GET /2
		< 200 /2 5 cut
		> GET /3
		< 200 /3 5`, want: `GET /1 200 <5 cut
		GET /2 200 <5 cut lost
		GET /3 200 <5`},
	{name: "informational replies", script: `
		> POST /1 5+
		< 100
		>. 5
		< 200 /1 0
		> GET /2
		< 102
		< 103
		< 200 /2 0`, want: `POST /1 200 >5
		GET /2 200`},
	{name: "no body", script: `
		> HEAD /1
		< 200 /1 0
		> GET /2
		< 204
		> GET /3
		< 304
		> HEAD /4
		< 200 /4 0`, want: `HEAD /1 200
		GET /2 204
		GET /3 304
		HEAD /4 200`},
	{name: "upgrade", script: `
		> GET /1
		< 101 /1
		noise> "\x81\x05hello"
		raw< "HTTP/1.1\x20200\x20no\r\n\r\n"
		close`, want: `GET /1 101 upgraded`},
	{name: "connect", script: `
		> CONNECT h:443
		< 200 h:443
		noise> "\x16\x03\x01"
		close`, want: `CONNECT h:443 200 upgraded`},
	{name: "connect refused", script: `
		> CONNECT h:443
		< 502 h:443 3
		> GET /2
		< 200 /2 0`, want: `CONNECT h:443 502 <3
		GET /2 200`},
	{name: "ended by the end of the stream", only: onlyClient, script: `
		> GET /1
		< 200 /1
		<~ 20
		eof
		close`, want: `GET /1 200 <20`},
	{name: "ended by close", only: onlyServer, script: `
		> GET /1
		< 200 /1
		<~ 20
		close`, want: `GET /1 200 <20`},
	{name: "truncated", script: `
		> GET /1
		< 200 /1 50+
		close`, want: `GET /1 200 <50 truncated`},
	{name: "truncated chunks", script: `
		> GET /1
		< 200 /1 chunked
		close`, want: `GET /1 200 truncated`},
	{name: "reset in the reply", script: `
		> GET /1
		< 200 /1 50+
		reset`, want: `GET /1 200 <50 reset`},
	{name: "reset before the reply", script: `
		> GET /1
		reset`, want: `GET /1 0 reset`},
	{name: "closed before the reply", script: `
		> GET /1
		> GET /2
		close`, want: `GET /1 0 closed
		GET /2 0 closed`},
	{name: "half a request", script: `
		> GET /1
		< 200 /1 0
		> GET /2 pieces=3 half
		close`, want: `GET /1 200`},
	{name: "reply overtakes its request", only: onlyClient, script: `
		> GET /1
		< 200 /1 0
		< 200 /2 5
		> GET /2
		> GET /3
		< 200 /3 0`, want: `GET /1 200
		GET /2 200 <5
		GET /3 200`},
	{name: "first reply overtakes its request", only: onlyClient, script: `
		< 200 /1 5+
		> GET /1
		<. 5
		> GET /2
		< 200 /2 0`, want: `GET /1 200 <5
		GET /2 200`},
	{name: "older than weft", found: true, script: `
		< 200 /0 5
		> GET /1
		< 200 /1 0`, want: `GET /1 200`, reasons: reasons{Orphans: 1}},
	{name: "older than weft and pipelined", found: true, script: `
		> GET /1 | GET /2
		< 200 /0 0
		< 200 /1 0
		< 200 /2 0
		> GET /3
		< 200 /3 0`, want: ``, reasons: reasons{Unpaired: 3, Orphans: 4}},
	{name: "lost request", script: `
		> GET /1
		< 200 /1 0
		!> GET /2
		< 200 /2 0
		> GET /3
		< 200 /3 0`, want: `GET /1 200
		GET /3 200`},
	{name: "lost request on a new connection", script: `
		!> GET /1
		< 200 /1 0
		> GET /2
		< 200 /2 0`, want: `GET /2 200`},
	{name: "lost reply", script: `
		> GET /1
		!< 200 /1 0
		> GET /2
		< 200 /2 0`, want: `GET /2 200`, reasons: reasons{LostRecords: 1}},
	{name: "lost end of a reply", script: `
		> GET /1
		< 200 /1 50+
		!<. 50
		> GET /2
		< 200 /2 0`, want: `GET /1 200 <50 lost
		GET /2 200`},
	{name: "lost end of a chunked reply", script: `
		> GET /1
		< 200 /1 chunked
		!<. 50
		> GET /2
		< 200 /2 0
		> GET /3
		< 200 /3 chunked
		!<. 50
		close`, want: `GET /1 200 lost
		GET /2 200
		GET /3 200 lost`},
	{name: "lost end before close", script: `
		> GET /1
		< 200 /1 50+
		!<. 50
		close`, want: `GET /1 200 <50 lost`},
	{name: "lost end of a request", script: `
		> POST /1 chunked
		!>. 50
		< 200 /1 0
		> GET /2
		< 200 /2 0`, want: `POST /1 200 lost
		GET /2 200`},
	{name: "lost 100", only: onlyServer, script: `
		> POST /1 5+
		!< 100
		>. 5
		< 200 /1 0`, want: `POST /1 200 >5 lost`},
	{name: "lost 100, or the reply to a request that comes later", only: onlyClient, script: `
		> POST /1 5+
		!< 100
		>. 5
		< 200 /1 0
		> GET /2
		< 200 /2 0`, want: `GET /2 200`, reasons: reasons{LostRecords: 1, Orphans: 1}},
	{name: "reply that overtakes its request behind a lost reply", only: onlyClient, script: `
		> GET /1
		!< 200 /1 0
		< 200 /2 0
		> GET /2
		> GET /3
		< 200 /3 0`, want: ``, reasons: reasons{LostRecords: 1, Unpaired: 2, Orphans: 2}},
	{name: "lost reply before its end", script: `
		> GET /1
		!< 200 /1 chunked
		<. 5
		> GET /2
		< 200 /2 0`, want: `GET /2 200`, reasons: reasons{LostRecords: 1}},
	{name: "lost piece of a request", script: `
		> GET /1 pieces=4 gone=3
		< 200 /1 0
		> GET /2
		< 200 /2 0`, want: `GET /2 200`, reasons: reasons{LostRecords: 1, Orphans: 1}},
	{name: "lost piece of a reply", script: `
		> GET /1
		< 200 /1 5 pieces=3 gone=2
		> GET /2
		< 200 /2 0`, want: `GET /2 200`, reasons: reasons{LostRecords: 1}},
	{name: "lost last piece of a reply", script: `
		> GET /1
		< 200 /1 5 pieces=3 gone=3
		> GET /2
		< 200 /2 0`, want: `GET /2 200`, reasons: reasons{LostRecords: 1}},
	{name: "lost reply before close", script: `
		> GET /1
		!< 200 /1 0
		close`, want: ``, reasons: reasons{LostRecords: 1}},
	{name: "lost exchange between others", script: `
		> GET /1
		!< 200 /1 0
		!> GET /2
		< 200 /2 0
		> GET /3
		< 200 /3 0`, want: `GET /3 200`, reasons: reasons{LostRecords: 1}},
	{name: "pipelined with a lost reply", script: `
		> GET /1 | GET /2 | GET /3
		!< 200 /1 0
		< 200 /2 0
		< 200 /3 0
		> GET /4
		< 200 /4 0`, want: ``, reasons: reasons{LostRecords: 4, Orphans: 3}},
	{name: "pipelined with a lost request", script: `
		> GET /1
		!> GET /2
		> GET /3
		< 200 /1 0
		< 200 /2 0
		< 200 /3 0
		> GET /4
		< 200 /4 0`, want: ``, reasons: reasons{LostRecords: 3, Orphans: 4}},
	{name: "pipelined behind a lost request", script: `
		> GET /1
		< 200 /1 0
		!> GET /2
		> GET /3
		< 200 /2 0
		< 200 /3 0`, want: `GET /1 200`, reasons: reasons{Unpaired: 1, Orphans: 2}},
	{name: "pipelined with the loss of an end only", script: `
		> POST /1 50
		> GET /2
		< 200 /1 50+
		!<. 50
		< 200 /2 0
		> GET /3
		< 200 /3 0`, want: `POST /1 200 >50 <50 lost
		GET /2 200 lost
		GET /3 200`},
	{name: "unread reply", script: `
		> GET /1
		<?
		> GET /2
		< 200 /2 0`, want: `GET /2 200`, reasons: reasons{UnreadReply: 1}},
	{name: "unread request", script: `
		> GET /0
		< 200 /0 0
		>?
		< 200 /1 0
		> GET /2
		< 200 /2 0`, want: `GET /0 200
		GET /2 200`, reasons: reasons{UnreadRequest: 1, Orphans: 1}},
	{name: "unread on both sides", script: `
		> GET /1
		< 200 /1 0
		>?
		<?
		> GET /3
		< 200 /3 0`, want: `GET /1 200
		GET /3 200`, reasons: reasons{UnreadRequest: 1}},
	{name: "pipelined behind an unread request", script: `
		> GET /1
		< 200 /1 0
		>?
		> GET /3
		< 200 /2 0
		< 200 /3 0`, want: `GET /1 200`, reasons: reasons{UnreadRequest: 1, Unpaired: 1, Orphans: 2}},
	{name: "malformed request", script: `
		> GET /1
		< 200 /1 0
		raw> "GET\x20/2\x20HTTP/1.1\r\n:\x20x\r\n\r\n"
		< 400 /2 0
		> GET /3
		< 200 /3 0`, want: `GET /1 200
		GET /3 200`, reasons: reasons{BadRequest: 1, Orphans: 1}},
	{name: "pipelined behind a malformed request", script: `
		> GET /1
		< 200 /1 0
		raw> "GET\x20/2\x20HTTP/1.1\r\n:\x20x\r\n\r\n"
		> GET /3
		< 400 /2 0
		< 200 /3 0`, want: `GET /1 200`, reasons: reasons{BadRequest: 1, Unpaired: 1, Orphans: 2}},
	{name: "malformed reply", script: `
		> GET /1
		raw< "HTTP/1.1\x20abc\r\n\r\n"
		> GET /2
		< 200 /2 0`, want: `GET /2 200`, reasons: reasons{BadReply: 1}},
	{name: "unix owner ends", unix: true, script: `
		> GET /1
		< 200 /1 0
		> GET /2
		exit`, want: `GET /1 200`, reasons: reasons{Gone: 1}},
	{name: "the watchdog takes the probes off", script: `
		> GET /1
		< 200 /1 0
		> GET /2
		pause`, want: `GET /1 200`, reasons: reasons{Paused: 1}},
	{name: "and inside a reply", script: `
		> GET /1
		< 200 /1 50+
		pause`, want: `GET /1 200 <50 lost`},
	{name: "unix server closes", unix: true, only: onlyClient, script: `
		> GET /1
		< 200 /1
		<~ 20
		eof`, want: `GET /1 200 <20`},
	{name: "unix server closes without a reply", unix: true, only: onlyClient, script: `
		> GET /1
		eof`, want: `GET /1 0 closed`},
	{name: "unfinished", script: `
		> GET /1
		< 200 /1 0
		> GET /2`, want: `GET /1 200`, reasons: reasons{Unfinished: 1}},
}
