package process

import (
	"strings"
	"testing"

	"weft/agent/golang"
)

// names are command lines as people start things; the first column is what they would call the service.
var names = []struct {
	want, exe, args string
}{
	{"app", "/usr/bin/python3.11", "python3 app.py"},
	{"app", "/usr/bin/python3.11", "python3 -u -X dev /srv/shop/app.py --port 80"},
	{"shop", "/usr/bin/python3.11", "python3 -m shop"},
	{"shop.web", "/usr/bin/python3.11", "python3 -um shop.web.__main__ x"},
	{"http.server", "/usr/bin/python3.11", "python3 -m http.server 8000"},
	{"python", "/usr/bin/python3.11", "python3 -c print(1)"},
	{"python", "/usr/bin/python3.11", "python3 -uc print(1)"},
	{"python", "/usr/bin/python3.11", "python3"},
	{"work", "/usr/bin/python3.11", "python3 manage.py runserver"},
	{"mysite", "/usr/bin/python3.11", "python3 /srv/mysite/manage.py runserver"},
	{"shop", "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/gunicorn -w 4 -b 0.0.0.0:8000 shop.wsgi:app"},
	{"shop", "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/gunicorn shop.wsgi:create_app() --threads 4"},
	{"shop", "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/gunicorn --bind=unix:/run/x.sock shop.wsgi"},
	{"gunicorn", "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/gunicorn -c conf.py -b localhost:8000"},
	{"shop", "/usr/bin/python3.11", "python3 -m gunicorn -k gthread shop:app"},
	{"main", "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/uvicorn main:app --host 127.0.0.1 --port 8000"},
	{"shop", "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/flask --app shop.web:create_app run -p 80"},
	{"app", "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/flask run"},
	{"shop", "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/celery -A shop worker"},
	{"main", "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/fastapi run main.py"},
	{"shop", "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/opentelemetry-instrument gunicorn shop:app"},
	{"cart", "/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/opentelemetry-instrument python cart.py"},
	{"shop", "/usr/bin/python3.11", "gunicorn:_master_[shop.wsgi:app]"},
	{"shop", "/usr/bin/uwsgi-core", "uwsgi --http :80 --module shop.wsgi:application"},
	{"server", "/usr/bin/node", "node server.js"},
	{"cart", "/usr/bin/node", "node --require dotenv/config -r ./x.js cart.js 80"},
	{"checkout", "/usr/bin/node", "node /srv/checkout/dist/index.js"},
	{"node", "/usr/bin/node", "node -e console.log(1)"},
	{"npm", "/usr/bin/node", "node /usr/bin/npm start"},
	{"work", "/usr/bin/ruby3.1", "puma_5.6.5_(tcp://0.0.0.0:9292)_[work]"},
	{"work", "/usr/bin/ruby3.1", "/usr/bin/ruby3.1 /usr/bin/puma -C config/puma.rb"},
	{"shop", "/usr/bin/ruby3.1", "ruby -Ilib shop.rb"},
	{"shop", "/usr/bin/perl", "perl -w shop.pl"},
	{"shop", "/usr/bin/perl", "/usr/bin/perl /usr/bin/starman --port 80 shop.psgi"},
	{"shop", "/usr/bin/php8.2", "php shop.php"},
	{"work", "/usr/bin/php8.2", "php -S 127.0.0.1:80 router.php"},
	{"php-fpm", "/usr/sbin/php-fpm8.2", "php-fpm:_pool_www"},
	{"uwsgi", "/usr/bin/uwsgi-core", "uwsgi --ini /etc/shop.ini"},
	{"shop", "/usr/lib/jvm/java-17/bin/java", "java -Xmx1g -cp /x.jar:/y.jar -jar /srv/shop-1.2.3-SNAPSHOT.jar --a=b"},
	{"Cart", "/usr/lib/jvm/java-17/bin/java", "java -cp /x.jar com.acme.Cart 80"},
	{"S", "/usr/lib/jvm/java-17/bin/java", "java S.java"},
	{"Main", "/usr/lib/jvm/java-17/bin/java", "java -p mods -m shop/com.acme.Main"},
	{"tomcat", "/usr/lib/jvm/java-17/bin/java", "java -Dcatalina.base=/var/lib/tomcat10 org.apache.catalina.startup.Bootstrap start"},
	{"orders", "/usr/lib/jvm/java-17/bin/java", "java -Dcatalina.base=/srv/orders org.apache.catalina.startup.Bootstrap start"},
	{"billing", "/usr/lib/jvm/java-17/bin/java", "java -Dspring.application.name=billing -jar x.jar"},
	{"backup", "/usr/bin/dash", "/bin/sh /usr/local/bin/backup.sh"},
	{"dash", "/usr/bin/dash", "sh -c curl_http://x/?token=secret"},
	{"bash", "/usr/bin/bash", "bash -lc curl_http://x/?token=secret"},
	{"backup", "/bin/busybox", "sh backup.sh"},
	{"Shop", "/usr/share/dotnet/dotnet", "dotnet /srv/Shop.dll"},
	{"nginx", "/usr/sbin/nginx", "nginx:_worker_process"},
	{"curl", "/usr/bin/curl", "curl http://x"},
	{"shop", "/srv/shop (deleted)", "./shop"},
}

func TestServiceName(t *testing.T) {
	for _, c := range names {
		p := testProgram(c.exe, c.args)
		if got := serviceName(p, nil); got != c.want {
			t.Errorf("%s: %q, want %q", c.args, got, c.want)
		}
	}
}

// testProgram runs in /srv/work; a blank inside an argument is written as an underscore.
func testProgram(exe, args string) *program {
	p := &program{exe: exe, args: strings.Fields(args)}
	for i, a := range p.args {
		if strings.ContainsAny(a, "[:(") && !strings.Contains(a, "create_app") {
			p.args[i] = strings.ReplaceAll(a, "_", " ")
		}
	}
	p.directory = func() string { return "/srv/work" }
	p.content = func(path string) []byte {
		if path == "/srv/checkout/package.json" {
			return []byte(`{"name": "@acme/checkout"}`)
		}
		return nil
	}
	return p
}

func TestServiceNameOfGo(t *testing.T) {
	for _, c := range []struct{ want, pkg, module string }{
		{"checkout", "example.com/checkout", "example.com/checkout"},
		{"checkout", "example.com/checkout/v2", "example.com/checkout/v2"},
		{"checkout", "command-line-arguments", "example.com/checkout"},
		{"cart", "example.com/shop/cmd/cart", "example.com/shop"},
		{"shop", "example.com/shop/cmd/server", "example.com/shop"},
		{"yaml", "gopkg.in/yaml.v2", "gopkg.in/yaml.v2"},
		{"binary", "command-line-arguments", ""},
	} {
		p := testProgram("/srv/binary", "./binary")
		build := &executable{golang.Build{Package: c.pkg, Module: c.module}}
		if got := serviceName(p, build); got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.pkg, c.module, got, c.want)
		}
	}
}

func TestServiceNameWithoutExecutable(t *testing.T) {
	p := testProgram("", "/usr/bin/python3 /srv/shop.py")
	p.file = "/srv/shop.py"
	if got := serviceName(p, nil); got != "shop" {
		t.Errorf("script: %q", got)
	}
	if got := serviceName(&program{comm: "worker"}, nil); got != "worker" {
		t.Errorf("comm only: %q", got)
	}
	if got := serviceName(&program{}, nil); got != "unknown_service" {
		t.Errorf("nothing known: %q", got)
	}
}

// FuzzServiceName holds the naming to: a name always, and time linear in what is given.
func FuzzServiceName(f *testing.F) {
	for _, c := range names {
		f.Add(c.exe, strings.ReplaceAll(c.args, " ", "\x00"))
	}
	f.Add("/usr/bin/dash", "sh\x00/\x80\x00")
	f.Fuzz(func(t *testing.T, exe, args string) {
		p := testProgram(exe, "")
		p.args = arguments([]byte(args))
		if New(Options{}).compose(&facts{name: serviceName(p, nil)}, 1).Service == "" {
			t.Errorf("%q %q has no name", exe, args)
		}
	})
}
