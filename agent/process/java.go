package process

import (
	"path"
	"regexp"
	"strings"
)

const javaOptions = " -cp -classpath --class-path --module-path --add-modules --add-exports --add-opens --add-reads" +
	" --limit-modules --upgrade-module-path --patch-module --source --enable-native-access --describe-module -d "

// javaVersion is the version at the end of an artifact's name: -1.2.3, -2.0.0-SNAPSHOT, -1.0.0.RELEASE, -all.
var javaVersion = regexp.MustCompile(`-v?\d+(\.\d+)*([.\-+][0-9A-Za-z]+)*$`)

// javaName: what -Dspring.application.name says, `-jar shop-1.2.jar` is shop, `-m shop/com.acme.Main` and
// `com.acme.Cart` go by the class, Tomcat by the name of its instance.
func javaName(p *program, _ []string) string {
	if name := p.property("spring.application.name"); name != "" {
		return name
	}
	args := p.args[1:]
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-jar" || a == "-m" || a == "--module":
			if i+1 == len(args) {
				return ""
			}
			return artifactName(args[i+1], a != "-jar")
		case strings.HasPrefix(a, "--module="):
			return artifactName(a[len("--module="):], true)
		case a == "-p" || strings.Contains(javaOptions, " "+a+" "):
			i++
		case !strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "@"):
			return p.className(a)
		}
	}
	return ""
}

// artifactName names a jar by its file, a module by its main class or itself.
func artifactName(s string, module bool) string {
	if module {
		name, class, ok := strings.Cut(s, "/")
		if ok {
			return simpleClass(class)
		}
		return simpleClass(name)
	}
	return javaVersion.ReplaceAllString(stem(s), "")
}

// className names a main class, and the programs that are started by a class of a framework.
func (p *program) className(class string) string {
	switch {
	case class == "org.apache.catalina.startup.Bootstrap":
		name := path.Base("/" + p.property("catalina.base"))
		if name == "/" || strings.Contains(name, "tomcat") {
			return "tomcat" // a standard installation: /var/lib/tomcat10, /opt/apache-tomcat-10.1.5
		}
		return name
	case strings.HasPrefix(class, "org.springframework.boot.loader."):
		return either(p.workName(), simpleClass(class))
	case strings.HasSuffix(class, ".java"):
		return stem(class)
	}
	return simpleClass(class)
}

// simpleClass is the last part of a class's name: com.acme.Shop$Main and com/acme/Shop are Shop.
func simpleClass(class string) string {
	class = class[strings.LastIndexAny(class, "./")+1:]
	class, _, _ = strings.Cut(class, "$")
	return class
}

// property gives the value of a Java system property set on the command line, before the main class.
func (p *program) property(name string) string {
	for _, a := range p.args {
		if v, ok := strings.CutPrefix(a, "-D"+name+"="); ok {
			return v
		}
	}
	return ""
}
