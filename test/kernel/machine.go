// Package kernel runs weft under the kernels that its users have: stock kernels of Debian's suites, in an emulator.
package kernel

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// machine is one guest: a kernel, and a file system in memory with nothing but what a command needs.
type machine struct {
	arm    bool     // an arm64 machine; its programs have no libraries
	kernel string   // the folder of test/install/kernel.sh
	start  string   // the program of test/kernel/start
	files  []string // files, folders and programs, at the same path in the guest; programs bring their libraries
	env    []string
	folder string // in which the command runs
}

var guestStatus = regexp.MustCompile(`guest ends with status (\d+)`)

// run boots the guest, runs the command and gives what it wrote. It is an error when the command fails, or the guest does not
// come to its end in time.
func (m *machine) run(ctx context.Context, argv ...string) (string, error) {
	dir, err := os.MkdirTemp("", "weft-guest")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	initramfs := filepath.Join(dir, "initramfs")
	if err := m.pack(filepath.Join(dir, "root"), initramfs, argv); err != nil {
		return "", err
	}
	// No KVM: a guest under it would need a machine that has it. The processor has what Go and the kernels ask for.
	emulator, console, processor := "qemu-system-x86_64", "ttyS0", []string{"-cpu", "qemu64"}
	if m.arm {
		emulator, console, processor = "qemu-system-aarch64", "ttyAMA0", []string{"-machine", "virt", "-cpu", "cortex-a72"}
	}
	cmd := exec.CommandContext(ctx, emulator, append(processor, "-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio",
		"-accel", "tcg,thread=multi", "-smp", "2", "-m", "2048", "-kernel", filepath.Join(m.kernel, "vmlinuz"), "-initrd", initramfs,
		"-append", "console="+console+" quiet loglevel=1 panic=-1 rdinit=/start")...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	text := strings.ReplaceAll(out.String(), "\r\n", "\n")
	found := guestStatus.FindStringSubmatch(text)
	switch {
	case found == nil && err == nil:
		return text, fmt.Errorf("the guest ended before its command")
	case found == nil:
		return text, fmt.Errorf("run the guest: %w", err)
	case found[1] != "0":
		return text, fmt.Errorf("the command ended with status %s", found[1])
	}
	return text, nil
}

// pack makes the guest's file system.
func (m *machine) pack(root, initramfs string, argv []string) error {
	for _, dir := range []string{"proc", "sys", "dev", "tmp", "run", "modules", "var/log/nginx", "var/lib/nginx", "etc"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	for name, lines := range map[string][]string{"command": argv, "environment": m.env, "folder": {m.folder}} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			return err
		}
	}
	modules, err := filepath.Glob(filepath.Join(m.kernel, "modules", "*.ko"))
	if err != nil {
		return err
	}
	copies := append([]string{"cp", "-t", filepath.Join(root, "modules")}, modules...)
	files := withLibraries(m.files)
	for _, argv := range [][]string{
		append([]string{"bash", "-c", `set -o pipefail; tar -chf - "$@" | tar -xf - -C "$0"`, root}, files...),
		{"cp", m.start, filepath.Join(root, "start")},
		copies,
		{"bash", "-c", `cd "$0" && find . | cpio --quiet -o -H newc >"$1"`, root, initramfs},
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("pack the guest's files: %s: %w: %s", argv[0], err, out)
		}
	}
	return nil
}

var library = regexp.MustCompile(`(/\S+) \(0x`)

// withLibraries adds the shared libraries of programs.
func withLibraries(files []string) []string {
	all := append([]string(nil), files...)
	for _, file := range files {
		// ldd fails for what has no libraries.
		out, _ := exec.Command("ldd", file).Output()
		for _, found := range library.FindAllStringSubmatch(string(out), -1) {
			all = append(all, found[1])
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
