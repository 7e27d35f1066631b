package node

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// bundles is how many there were.
var bundles int

// buildImage builds the image once, for this machine alone.
var buildImage = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(filepath.Dir(world.weft), "image")
	build := exec.Command("../../deploy/image.sh", dir)
	build.Env = append(os.Environ(), "ARCHES="+runtime.GOARCH)
	out, err := build.CombinedOutput()
	if err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return dir, nil
})

// unpack lays out a bundle whose pod lacks a capability, or none.
func unpack(t *testing.T, leftOut string) *bundle {
	t.Helper()
	image, err := buildImage()
	if err != nil {
		t.Fatal(err)
	}
	bundles++
	b := &bundle{name: fmt.Sprint("weft-test-image-", bundles), id: fmt.Sprintf("%064x", 0xeeee0000+bundles), dir: t.TempDir()}
	var index, manifest struct {
		Manifests      []struct{ Digest string }
		Config, Layers json.RawMessage
	}
	read := func(digest string, into any) {
		text, err := os.ReadFile(blob(image, digest))
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(image, "index.json"))
	if err == nil {
		err = json.Unmarshal(text, &index)
	}
	if err != nil {
		t.Fatal(err)
	}
	read(index.Manifests[0].Digest, &index)
	read(index.Manifests[0].Digest, &manifest)
	var config struct {
		Digest string
		Config struct{ Entrypoint []string }
	}
	var layers []struct{ Digest string }
	if err := errors.Join(json.Unmarshal(manifest.Config, &config), json.Unmarshal(manifest.Layers, &layers)); err != nil {
		t.Fatal(err)
	}
	read(config.Digest, &config)
	b.entrypoint = config.Config.Entrypoint
	for _, l := range layers {
		if err := extract(blob(image, l.Digest), filepath.Join(b.dir, "rootfs")); err != nil {
			t.Fatal(err)
		}
	}
	b.describe(t, leftOut)
	t.Cleanup(b.remove)
	return b
}

func blob(image, digest string) string {
	return filepath.Join(image, "blobs", strings.Replace(digest, ":", "/", 1))
}

// extract unpacks a layer, which has folders and files alone.
func extract(layer, to string) error {
	file, err := os.Open(layer)
	if err != nil {
		return err
	}
	defer file.Close()
	plain, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Join(to, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = write(path, r, h.FileInfo().Mode())
		}
		if err != nil {
			return err
		}
	}
}

func write(path string, from io.Reader, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Close())
}
