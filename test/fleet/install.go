package fleet

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Cache gives the folder in which everything that the tests build is kept from run to run.
func Cache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache: %w", err)
	}
	return filepath.Join(dir, "weft-test"), nil
}

// Root is the top of the module.
func Root() string { return filepath.Join(source(), "..", "..") }

// Install brings the packages and builds that the fleet needs, and the agent itself, and gives the cache. All but
// the Go programs are only compared when they are there.
func Install() (cache string, err error) {
	if cache, err = Cache(); err != nil {
		return "", err
	}
	if err := script("packages.sh"); err != nil {
		return "", err
	}
	if err := script("fleet.sh", cache); err != nil {
		return "", err
	}
	for _, program := range []string{"./test/fleet/goserver", "./test/fleet/goclient"} {
		if err := build(cache, program); err != nil {
			return "", err
		}
	}
	return cache, buildAgent(cache)
}

// InstallPackages brings the packages alone.
func InstallPackages() error { return script("packages.sh") }

// InstallAgent builds the agent alone, and gives the cache.
func InstallAgent() (cache string, err error) {
	if cache, err = Cache(); err != nil {
		return "", err
	}
	return cache, buildAgent(cache)
}

// InstallBackend brings the collector and Jaeger into the cache.
func InstallBackend(cache string) error { return script("backend.sh", cache) }

// InstallKubernetes brings an API server and etcd into the cache.
func InstallKubernetes(cache string) error { return script("kubernetes.sh", cache) }

func script(name string, args ...string) error {
	path := filepath.Join(Root(), "test", "install", name)
	out, err := exec.Command("bash", append([]string{path}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("install by %s: %w: %s", name, err, out)
	}
	return nil
}

// buildAgent builds weft as `make build` does, without C: it can give up capabilities in all of its threads only then.
func buildAgent(cache string) error { return build(cache, "./cmd/weft", "CGO_ENABLED=0") }

func build(cache, program string, env ...string) error {
	cmd := exec.Command("go", "build", "-o", filepath.Join(cache, "bin", filepath.Base(program)), program)
	cmd.Dir = Root()
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", program, err, out)
	}
	return nil
}
