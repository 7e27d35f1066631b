package matrix

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// server is one row of the table of servers.
type server struct {
	name      string
	part      string   // of matrix.sh that it needs besides Go's
	protocols []string // that a client may speak with it
	open      bool     // whether it serves without TLS, too
	back      string   // the protocol of the Go server behind it, if it is a proxy
	sealed    bool     // its TLS cannot be read
	upgrades  bool     // takes Upgrade: h2c
	argv      func(t *testing.T, p *place, s site) []string
}

// site is one server that runs.
type site struct {
	server  *server
	address string
	secure  bool
	behind  string // address of the server behind
	group   int    // of processes
}

var (
	one  = []string{"http/1.1"}
	both = []string{"http/1.1", "h2"}
	two  = []string{"h2"}
	call = []string{"grpc"}
)

// servers is every server. Those in Go are peers, too; see app.
var servers = []*server{
	{name: "go", protocols: both, open: true, argv: goPeer("h2")},
	{name: "nginx", protocols: both, open: true, argv: nginx},
	{name: "nginx, h1 behind", protocols: both, open: true, back: "http/1.1", argv: nginx},
	{name: "haproxy, h2 behind", protocols: both, open: true, back: "h2", argv: haproxy},
	{name: "haproxy, gRPC behind", protocols: call, open: true, back: "grpc", argv: haproxy},
	{name: "apache", protocols: both, open: true, upgrades: true, argv: apache},
	{name: "node http", part: "node", protocols: one, open: true, argv: nodePeer("http/1.1")},
	{name: "node http2", part: "node", protocols: two, open: true, argv: nodePeer("h2")},
	{name: "gunicorn", part: "python", protocols: one, open: true, argv: gunicorn},
	{name: "aiohttp", part: "python", protocols: one, open: true, argv: pythonPeer("aiohttp")},
	{name: "netty", part: "java", protocols: one, open: true, argv: javaPeer("netty")},
	{name: "jsse", part: "java", protocols: one, sealed: true, argv: javaPeer("jsse")},
	{name: "hyper", part: "rust", protocols: both, open: true, argv: rustPeer("h2")},
	{name: "grpc-go", protocols: call, open: true, argv: goPeer("grpc")},
	{name: "connect-go", protocols: []string{"grpc", "grpcweb", "connect"}, open: true, argv: goPeer("connect")},
	{name: "grpc-js", part: "node", protocols: call, open: true, argv: nodePeer("grpc")},
	{name: "grpcio", part: "python", protocols: call, open: true, argv: pythonPeer("grpc")},
	{name: "grpc-java", part: "java", protocols: call, open: true, argv: javaPeer("grpc")},
	{name: "tonic", part: "rust", protocols: call, open: true, argv: rustPeer("grpc")},
}

func goPeer(protocol string) func(*testing.T, *place, site) []string {
	return func(_ *testing.T, p *place, s site) []string {
		return []string{p.built("matrix-go", "peer"), "serve", protocol, s.address, p.tag}
	}
}

func nodePeer(protocol string) func(*testing.T, *place, site) []string {
	return func(_ *testing.T, p *place, s site) []string {
		return []string{"node", p.built("matrix-node", "peer.js"), "serve", protocol, s.address, p.tag}
	}
}

func (p *place) python(parts ...string) []string {
	return append([]string{p.built("matrix-python", "venv", "bin", "python")}, parts...)
}

func pythonPeer(kind string) func(*testing.T, *place, site) []string {
	return func(_ *testing.T, p *place, s site) []string {
		return p.python(p.built("matrix-python", "peer.py"), "serve", kind, s.address, p.tag)
	}
}

func gunicorn(_ *testing.T, p *place, s site) []string {
	argv := p.python("-m", "gunicorn", "--chdir", p.built("matrix-python"), "--bind", s.address, "--threads", "160", "--keep-alive", "60",
		"--backlog", "512", "--name", p.tag)
	if s.secure {
		argv = append(argv, "--certfile", p.cert, "--keyfile", p.key)
	}
	return append(argv, "peer:app")
}

func (p *place) java(args ...string) []string {
	jars := p.built("matrix-java", "target", "peer.jar") + ":" + p.built("matrix-java", "target", "lib") + "/*"
	return append([]string{"java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", jars, "Peer"}, args...)
}

func javaPeer(kind string) func(*testing.T, *place, site) []string {
	return func(_ *testing.T, p *place, s site) []string { return p.java("serve", kind, s.address, p.tag) }
}

func rustPeer(protocol string) func(*testing.T, *place, site) []string {
	return func(_ *testing.T, p *place, s site) []string {
		return []string{p.built("matrix-rust", "target", "release", "peer"), "serve", protocol, s.address, p.tag}
	}
}

const nginxConf = `
worker_processes 2; daemon off; pid %[1]s/nginx.%[2]s.pid; error_log %[1]s/nginx.%[2]s.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 100000; client_body_temp_path %[1]s/tmp; proxy_temp_path %[1]s/tmp; fastcgi_temp_path %[1]s/tmp;
  uwsgi_temp_path %[1]s/tmp; scgi_temp_path %[1]s/tmp; ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem;
  http2_max_concurrent_streams 256;
  %[3]s
}`

const nginxSelf = `location ~ /S404$ { return 404; } location ~ /S204$ { return 204; } location ~ /S503$ { return 503; }
  location ~ /D70000$ { alias %s; } location / { return 200 "ok"; }`

// nginx without TLS speaks HTTP/2 to those who know that it does on a port of its own, and then not HTTP/1.
func nginx(t *testing.T, p *place, s site) []string {
	port := portOf(s.address)
	inside, up := fmt.Sprintf(nginxSelf, p.path("D70000")), ""
	if s.behind != "" {
		up = fmt.Sprintf("upstream back { server %s; keepalive 64; keepalive_requests 100000; }\n", s.behind)
		inside = `location / { proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_max_temp_file_size 0; }`
	}
	text := up
	for _, protocol := range s.server.protocols {
		word := map[string]string{"http/1.1": "", "h2": "http2"}[protocol]
		if s.secure {
			word = "ssl http2"
		}
		text += fmt.Sprintf("server { listen %s %s backlog=512; %s }\n", s.at(protocol), word, inside)
		if s.secure {
			break
		}
	}
	conf := p.write(t, "nginx."+port+".conf", fmt.Sprintf(nginxConf, p.dir, port, text))
	return []string{"/usr/sbin/nginx", "-p", p.dir, "-e", p.path("nginx.log"), "-c", conf}
}

// at gives the address for a protocol: where one port has not both, HTTP/2 is on the next host of the loopback network.
func (s site) at(protocol string) string {
	if !s.secure && protocol == "h2" && len(s.server.protocols) == 2 && (strings.HasPrefix(s.server.name, "nginx") || strings.HasPrefix(s.server.name, "haproxy")) {
		return strings.Replace(s.address, "127.0.0.1", "127.0.0.2", 1)
	}
	return s.address
}

// With its usual buffers HAProxy 2.6 stops for ever when 128 calls of gRPC have bodies at a time.
const haproxyConf = `global
  maxconn 1024
  nbthread 2
  tune.bufsize 131072
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend front
%[1]s
  default_backend back
backend back
  server one %[2]s proto h2 %[3]s
`

func haproxy(t *testing.T, p *place, s site) []string {
	var binds []string
	for _, protocol := range s.server.protocols {
		bind := "  bind " + s.at(protocol) + " backlog 512"
		switch {
		case s.secure:
			bind += " ssl crt " + p.path("pair.pem") + " alpn h2,http/1.1"
		case protocol != "http/1.1":
			bind += " proto h2"
		}
		if !slices.Contains(binds, bind) {
			binds = append(binds, bind)
		}
	}
	to := ""
	if s.secure {
		to = "ssl verify none alpn h2"
	}
	name := fmt.Sprintf("haproxy.%s.cfg", portOf(s.address))
	return []string{"/usr/sbin/haproxy", "-db", "-f", p.write(t, name, fmt.Sprintf(haproxyConf, strings.Join(binds, "\n"), s.behind, to))}
}

// Each of Apache's processes has a thread for every connection: one without closes connections that wait for their next request.
const apacheConf = `ServerName 127.0.0.1
ServerRoot %[1]s
DefaultRuntimeDir %[1]s
PidFile apache.%[3]s.pid
ErrorLog apache.log
Listen %[2]s
ListenBackLog 512
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so
StartServers 2
ServerLimit 2
MinSpareThreads 1
MaxSpareThreads 400
ThreadsPerChild 200
ThreadLimit 200
MaxRequestWorkers 400
MaxKeepAliveRequests 0
KeepAliveTimeout 60
DocumentRoot %[1]s
Protocols h2 h2c http/1.1
H2MaxSessionStreams 256
RewriteEngine On
RewriteRule /S404$ - [L,R=404]
RewriteRule /S204$ - [L,R=204]
RewriteRule /S503$ - [L,R=503]
RewriteRule /D70000$ %[1]s/D70000 [L]
RewriteRule /D20000$ %[1]s/D20000 [L]
RewriteRule /S200$ %[1]s/ok [L]
%[4]s`

func apache(t *testing.T, p *place, s site) []string {
	port, more := portOf(s.address), ""
	if s.secure {
		more = fmt.Sprintf("SSLEngine On\nSSLCertificateFile %s\nSSLCertificateKeyFile %s\n", p.cert, p.key)
	}
	p.write(t, "ok", "ok")
	return []string{"/usr/sbin/apache2", "-DFOREGROUND", "-f", p.write(t, "apache."+port+".conf", fmt.Sprintf(apacheConf, p.dir, s.address, port, more))}
}

// serve starts a server, and the one behind it.
func (p *place) serve(t *testing.T, v *server, secure bool) site {
	t.Helper()
	l := &load{id: strings.Repeat("0", 16), protocol: v.protocols[0]}
	s := site{server: v, address: freeAddress(t), secure: secure}
	if v.back != "" {
		s.behind = freeAddress(t)
		p.start(t, p.command(secure && v.back != "http/1.1", l, p.built("matrix-go", "peer"), "serve", v.back, s.behind, p.tag))
		await(t, v.back, s.behind)
	}
	s.group = p.start(t, p.command(secure, l, v.argv(t, p, s)...))
	for _, protocol := range v.protocols {
		await(t, v.name, s.at(protocol))
	}
	return s
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
