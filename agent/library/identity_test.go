package library

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestIdentifyLayers: two file systems over the same layer show the same file, until one of them has a copy of it.
func TestIdentifyLayers(t *testing.T) {
	if os.Getenv("LAYERS") == "" {
		// Mounts need a namespace of their own, and another one where the test may be root.
		as := []string{"--mount"}
		if os.Geteuid() != 0 {
			as = append(as, "--user", "--map-root-user")
		}
		c := exec.Command("unshare", append(as, os.Args[0], "-test.run", "^TestIdentifyLayers$", "-test.v")...)
		c.Env = append(os.Environ(), "LAYERS="+t.TempDir())
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	dir := os.Getenv("LAYERS")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(unix.Mount("tmpfs", dir, "tmpfs", 0, "")) // what is below may be an overlay itself
	folder := func(name string) string {
		check(os.Mkdir(filepath.Join(dir, name), 0o755))
		return filepath.Join(dir, name)
	}
	layer := folder("layer")
	for _, name := range []string{"one", "other"} {
		check(os.WriteFile(filepath.Join(layer, name), []byte("text"), 0o600))
	}
	var roots []string
	for _, i := range []string{"1", "2"} {
		at := folder("root" + i)
		check(unix.Mount("overlay", at, "overlay", 0, "userxattr,lowerdir="+layer+",upperdir="+folder("upper"+i)+",workdir="+folder("work"+i)))
		roots = append(roots, at)
	}
	identify := func(root, name string) File {
		f, _, err := Identify(filepath.Join(root, name))
		check(err)
		return f
	}
	first := identify(roots[0], "one")
	if identify(roots[1], "one") != first || identify(roots[0], "other") == first || first.Device != 0 {
		t.Errorf("one file of a layer is %+v and %+v, another %+v", first, identify(roots[1], "one"), identify(roots[0], "other"))
	}
	check(os.Chmod(filepath.Join(roots[1], "one"), 0o700))
	if identify(roots[0], "one") != first || identify(roots[1], "one") == first {
		t.Errorf("a copy is %+v, its original %+v", identify(roots[1], "one"), identify(roots[0], "one"))
	}
}
