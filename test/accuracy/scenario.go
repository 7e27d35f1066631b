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
}

var (
	fans     = shape{calls: [2]int{2, 5}, parallel: true}
	thinks   = shape{calls: [2]int{2, 5}, think: true}
	cancels  = shape{calls: [2]int{2, 5}, parallel: true, cancel: true}
	fanThink = shape{calls: [2]int{2, 5}, parallel: true, think: true}
)

// scenarios are all of them. The floor is the recall that the recordings in testdata must reach.
var scenarios = []scenario{
	{name: "go-same", command: goService("same"), shape: thinks, floor: 0.97},
	{name: "go-fresh", command: goService("fresh"), shape: fanThink, floor: 0.93},
	{name: "go-nested", command: goService("nested"), shape: fanThink, floor: 0.93},
	{name: "go-cancel", command: goService("fresh"), shape: cancels},
	{name: "go-errgroup", command: goService("errgroup"), shape: fanThink},
	{name: "go-pool", command: goService("pool"), shape: fanThink},
	{name: "go-queue", command: goService("queue"), shape: thinks, late: true},
	{name: "go-flight", command: goService("flight"), shape: fanThink},
	{name: "go-timer", command: goService("timer"), shape: fanThink},
	{name: "go-stripped", command: goBinary("service-stripped", "fresh"), shape: fanThink},
	{name: "go-old", command: goBinary("service-old", "same"), shape: thinks},
	{name: "go-old-fresh", command: goBinary("service-old", "fresh"), shape: fanThink},
	{name: "go-fasthttp", command: fasthttp, shape: fanThink},
	{name: "gunicorn-sync", command: gunicorn("sync", "4", "1"), shape: thinks},
	{name: "gunicorn-gthread", command: gunicorn("gthread", "2", "32"), shape: thinks, floor: 0.99},
	{name: "gunicorn-cancel", command: gunicorn("gthread", "2", "32"), shape: cancels},
	{name: "jdk", command: java("jdk", "url"), shape: thinks, floor: 0.99},
	{name: "jdk-async", command: java("jdk-async"), shape: fanThink},
	{name: "jdk-virtual", command: newJava("jdk-virtual", "url"), shape: thinks},
	{name: "jdk-virtual-fan", command: newJava("jdk-virtual", "http", "virtual"), shape: fanThink},
	{name: "tomcat", command: java("tomcat", "url"), shape: thinks},
	{name: "tomcat-future", command: java("tomcat", "okhttp", "pool"), shape: fanThink},
	{name: "tomcat-cancel", command: java("tomcat", "apache"), shape: cancels},
	{name: "jetty", command: java("jetty", "apache"), shape: thinks},
	{name: "jetty-http", command: java("jetty", "http"), shape: thinks},
	{name: "undertow", command: java("undertow", "okhttp"), shape: thinks},
	{name: "netty", command: java("netty"), shape: fans},
	{name: "netty-think", command: java("netty"), shape: fanThink},
	{name: "vertx", command: java("vertx"), shape: fans},
	{name: "vertx-think", command: java("vertx"), shape: fanThink},
	{name: "webflux", command: java("webflux"), shape: fans},
	{name: "webflux-think", command: java("webflux"), shape: fanThink},
	{name: "puma", command: puma("off"), shape: thinks, floor: 0.99},
	{name: "puma-reactor", command: puma("on"), shape: thinks, floor: 0.9},
	{name: "node-http", command: node("http"), shape: fans, floor: 0.95},
	{name: "node-fetch", command: node("fetch"), shape: fans, floor: 0.9},
	{name: "node-limited", command: node("limited"), shape: fans},
	{name: "node-think", command: node("http"), shape: fanThink},
	{name: "node-cancel", command: node("http"), shape: cancels},
	{name: "fastapi-httpx", command: uvicorn, shape: fans, floor: 0.85},
	{name: "fastapi-think", command: uvicorn, shape: fanThink},
	{name: "aiohttp", command: aiohttp("asyncio"), shape: fans, floor: 0.9},
	{name: "aiohttp-cancel", command: aiohttp("asyncio"), shape: cancels},
	{name: "aiohttp-uvloop", command: aiohttp("uvloop"), shape: fans},
	{name: "aiohttp-think", command: aiohttp("asyncio"), shape: fanThink},
	{name: "hyper", command: hyper, shape: fans},
	{name: "hyper-think", command: hyper, shape: fanThink},
	{name: "nginx", command: nginx, proxy: true, floor: 0.93},
	{name: "nginx-alike", command: nginx, proxy: true, alike: true, floor: 0.65},
	{name: "haproxy", command: haproxy, proxy: true, floor: 0.94},
	{name: "haproxy-alike", command: haproxy, proxy: true, alike: true, floor: 0.8},
	{name: "apache", command: apache, proxy: true},
}
