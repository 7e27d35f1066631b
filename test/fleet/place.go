package fleet

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"text/template"
)

//go:embed conf
var conf embed.FS

// Sizes are the N of /bytes/N and /chunked/N that members with files have.
var Sizes = []int{0, 1, 1000, 65536, 1 << 20, 100 << 20}

// source is the folder of this package's sources, where the applications are run from.
func source() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// configure fills in a configuration and gives the path of the result.
func configure(name string, m *Member, values map[string]any) (string, error) {
	t, err := template.ParseFS(conf, "conf/"+name)
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, values); err != nil {
		return "", err
	}
	path := filepath.Join(m.Dir, name)
	return path, os.WriteFile(path, text.Bytes(), 0o644)
}

// extra gives the port of another listener of the member, the same for the same name.
func (m *Member) extra(name string) int {
	path := filepath.Join(m.Dir, name+".port")
	if text, err := os.ReadFile(path); err == nil {
		port, _ := strconv.Atoi(string(text))
		return port
	}
	port, err := freePort()
	if err != nil {
		return 0
	}
	os.WriteFile(path, []byte(strconv.Itoa(port)), 0o644)
	return port
}

// writeFiles makes the bodies of the static servers: files named by their size, and the same under chunked/.
func writeFiles(dir string) (string, error) {
	if err := os.MkdirAll(filepath.Join(dir, "chunked"), 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "hello"), []byte("hello\n"), 0o644); err != nil {
		return "", err
	}
	for _, size := range Sizes {
		name := strconv.Itoa(size)
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte("x"), size), 0o644); err != nil {
			return "", fmt.Errorf("write body: %w", err)
		}
		if err := os.Link(filepath.Join(dir, name), filepath.Join(dir, "chunked", name)); err != nil {
			return "", fmt.Errorf("write body: %w", err)
		}
	}
	return dir, nil
}
