package main

// scenario is one kind of service under one kind of load.
type scenario struct {
	name    string
	command func(place) ([]string, error)
	shape   shape
	proxy   bool // it calls nobody by itself
	late    bool // it works on when it has answered
	alike   bool // of a proxy: the requests have few targets, and the word is in a field past what is looked at
	floor   float64
}

// place is what a service is started from.
type place struct {
	cache string // of what was built
	app   string // the sources
	dir   string // of the service's own
	port  int
	last  int // port of the terminal service
	flaky int // port of one that does not answer every request
}

var (
	fans     = shape{calls: [2]int{2, 5}, parallel: true}
	thinks   = shape{calls: [2]int{2, 5}, think: true}
	cancels  = shape{calls: [2]int{2, 5}, parallel: true, cancel: true}
	fanThink = shape{calls: [2]int{2, 5}, parallel: true, think: true}
	mixes    = shape{calls: [2]int{2, 5}, parallel: true, think: true, cancel: true, headers: true, retries: true, slow: true}
	restarts = shape{calls: [2]int{2, 5}, parallel: true, think: true, cancel: true, headers: true, retries: true, slow: true, restart: true}
)

// scenarios are all of them. The floor is the recall that the recordings in testdata must reach.
var scenarios = []scenario{
	{name: "go-same", command: goService("same"), shape: thinks, floor: 0.97},
	{name: "go-fresh", command: goService("fresh"), shape: fanThink, floor: 0.93},
	{name: "go-nested", command: goService("nested"), shape: fanThink, floor: 0.93},
	{name: "go-cancel", command: goService("fresh"), shape: cancels},
	{name: "go-errgroup", command: goService("errgroup"), shape: fanThink},
	{name: "go-pool", command: goService("pool"), shape: fanThink, floor: 0.99},
	{name: "go-queue", command: goService("queue"), shape: thinks, late: true},
	{name: "go-flight", command: goService("flight"), shape: fanThink},
	{name: "go-timer", command: goService("timer"), shape: fanThink, floor: 0.88},
	{name: "go-stripped", command: goBinary("service-stripped", "fresh"), shape: fanThink},
	{name: "go-old", command: goBinary("service-old", "same"), shape: thinks},
	{name: "go-old-fresh", command: goBinary("service-old", "fresh"), shape: fanThink},
	{name: "go-fasthttp", command: fasthttp, shape: fanThink, floor: 0.98},
	{name: "gunicorn-sync", command: gunicorn("sync", "4", "1", ""), shape: thinks},
	{name: "gunicorn-gthread", command: gunicorn("gthread", "2", "32", ""), shape: thinks, floor: 0.99},
	{name: "gunicorn-cancel", command: gunicorn("gthread", "2", "32", ""), shape: cancels},
	{name: "gunicorn-fan", command: gunicorn("gthread", "2", "32", "fan"), shape: fanThink, floor: 0.95},
	{name: "gunicorn-queue", command: gunicorn("gthread", "2", "32", "queue"), shape: fanThink},
	{name: "gunicorn-pool", command: gunicorn("gthread", "2", "32", "pool"), shape: fanThink, floor: 0.8},
	{name: "gevent", command: gunicorn("gevent", "2", "1", ""), shape: thinks},
	{name: "gevent-fan", command: gunicorn("gevent", "2", "1", "fan"), shape: fans},
	{name: "eventlet", command: gunicorn("eventlet", "2", "1", ""), shape: thinks},
	{name: "eventlet-fan", command: gunicorn("eventlet", "2", "1", "fan"), shape: fans},
	{name: "apache-php", command: apachePHP, shape: fanThink},
	{name: "php-fpm", command: phpFPM, shape: fanThink},
	{name: "jdk", command: java("jdk", "url"), shape: thinks, floor: 0.99},
	{name: "jdk-async", command: java("jdk-async"), shape: fanThink},
	{name: "jdk-virtual", command: newJava("jdk", "jdk-virtual", "url"), shape: thinks},
	{name: "jdk-virtual-fan", command: newJava("jdk", "jdk-virtual", "http", "virtual"), shape: fanThink},
	{name: "jdk21-virtual", command: newJava("jdk21", "jdk-virtual", "url"), shape: thinks},
	{name: "tomcat-virtual", command: newJava("jdk", "tomcat-virtual", "okhttp"), shape: thinks, floor: 0.99},
	{name: "tomcat-virtual-cancel", command: newJava("jdk", "tomcat-virtual", "apache"), shape: cancels},
	{name: "tomcat", command: java("tomcat", "url"), shape: thinks},
	{name: "tomcat-future", command: java("tomcat", "okhttp", "pool"), shape: fanThink},
	{name: "tomcat-common", command: java("tomcat", "okhttp", "common"), shape: fanThink, floor: 0.95},
	{name: "tomcat-cancel", command: java("tomcat", "apache"), shape: cancels},
	{name: "jetty", command: java("jetty", "apache"), shape: thinks},
	{name: "jetty-http", command: java("jetty", "http"), shape: thinks, floor: 0.8},
	{name: "undertow", command: java("undertow", "okhttp"), shape: thinks},
	{name: "netty", command: java("netty"), shape: fans},
	{name: "netty-think", command: java("netty"), shape: fanThink, floor: 0.28},
	{name: "vertx", command: java("vertx"), shape: fans},
	{name: "vertx-think", command: java("vertx"), shape: fanThink},
	{name: "webflux", command: java("webflux"), shape: fans},
	{name: "webflux-think", command: java("webflux"), shape: fanThink},
	{name: "puma", command: puma("off"), shape: thinks, floor: 0.99},
	{name: "puma-fan", command: pumaFan, shape: fanThink},
	{name: "puma-reactor", command: puma("on"), shape: thinks, floor: 0.9},
	{name: "node-http", command: node("http"), shape: fans, floor: 0.95},
	{name: "node-fetch", command: node("fetch"), shape: fans, floor: 0.9},
	{name: "node-limited", command: node("limited"), shape: fans},
	{name: "node-queue", command: node("queue"), shape: fans},
	{name: "node-think", command: node("http"), shape: fanThink, floor: 0.28},
	{name: "node-postgres", command: stored("postgres"), shape: fans, floor: 0.8},
	{name: "node-redis", command: stored("redis"), shape: fans},
	{name: "node-cancel", command: node("http"), shape: cancels},
	{name: "fastapi-httpx", command: uvicorn("uvloop", ""), shape: fans, floor: 0.85},
	{name: "fastapi-think", command: uvicorn("uvloop", ""), shape: fanThink},
	{name: "fastapi-asyncio", command: uvicorn("asyncio", ""), shape: fans},
	{name: "fastapi-threads", command: uvicorn("uvloop", "threads"), shape: thinks, floor: 0.98},
	{name: "fastapi-to-thread", command: uvicorn("uvloop", "to-thread"), shape: fanThink},
	{name: "hypercorn", command: hypercorn, shape: fans},
	{name: "aiohttp", command: aiohttp("asyncio"), shape: fans, floor: 0.9},
	{name: "aiohttp-cancel", command: aiohttp("asyncio"), shape: cancels},
	{name: "aiohttp-uvloop", command: aiohttp("uvloop"), shape: fans},
	{name: "aiohttp-think", command: aiohttp("asyncio"), shape: fanThink},
	{name: "hyper", command: rust("hyper"), shape: fans, floor: 0.78},
	{name: "hyper-think", command: rust("hyper"), shape: fanThink},
	{name: "axum", command: rust("axum"), shape: fans},
	{name: "axum-unordered", command: rust("axum", "FuturesUnordered"), shape: fans},
	{name: "axum-think", command: rust("axum"), shape: fanThink},
	{name: "axum-cancel", command: rust("axum"), shape: cancels},
	{name: "nginx", command: nginx("nginx.conf"), proxy: true, floor: 0.98},
	{name: "nginx-alike", command: nginx("nginx.conf"), proxy: true, alike: true, floor: 0.65},
	{name: "nginx-retry", command: nginx("nginx-retry.conf"), proxy: true},
	{name: "nginx-mirror", command: nginx("nginx-mirror.conf"), proxy: true, floor: 0.99},
	{name: "nginx-auth", command: nginx("nginx-auth.conf"), proxy: true, alike: true, floor: 0.99},
	{name: "haproxy", command: haproxy("haproxy.cfg"), proxy: true, floor: 0.98},
	{name: "haproxy-alike", command: haproxy("haproxy.cfg"), proxy: true, alike: true, floor: 0.98},
	{name: "haproxy-retry", command: haproxy("haproxy-retry.cfg"), proxy: true},
	{name: "apache", command: apache("apache.conf"), proxy: true},
	{name: "apache-worker", command: apache("apache-worker.conf"), proxy: true},
	{name: "mix-go", command: goService("fresh"), shape: mixes},
	{name: "mix-gunicorn", command: gunicorn("gthread", "2", "32", ""), shape: mixes},
	{name: "mix-pool", command: gunicorn("gthread", "2", "32", "pool"), shape: mixes},
	{name: "mix-node", command: node("http"), shape: mixes},
	{name: "mix-aiohttp", command: aiohttp("asyncio"), shape: mixes},
	{name: "restart-go", command: goService("fresh"), shape: restarts},
	{name: "restart-gunicorn", command: gunicorn("gthread", "2", "32", ""), shape: restarts},
	{name: "restart-node", command: node("http"), shape: restarts},
	{name: "restart-aiohttp", command: aiohttp("asyncio"), shape: restarts},
}
