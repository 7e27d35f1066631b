package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestHelpNamesOwnFlags holds that --help tells the flags that only one command has, besides the settings.
func TestHelpNamesOwnFlags(t *testing.T) {
	for command, flags := range map[string][]string{
		"run": nil, "record": {"-o FILE"}, "replay": {"--report", "--format"}, "report": {"--format"}, "explain": {"--format"},
		"check": {"--for TIME", "--service PATTERN", "--format"}, "doctor": nil,
	} {
		out, messages, code := weft(t, command, "--help")
		own, _, _ := strings.Cut(out, "\nSettings.")
		if code != 0 || !strings.Contains(out, "--ring-size, WEFT_RING_SIZE") || (flags != nil) != strings.Contains(own, "Flags of this command") {
			t.Errorf("%s: exit %d, %s\n%s", command, code, messages, own)
		}
		for _, flag := range flags {
			if !strings.Contains(own, "\n  "+flag) {
				t.Errorf("%s: no %q in\n%s", command, flag, own)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	for _, word := range []string{"version", "--version"} {
		if out, _, code := weft(t, word); code != 0 || !regexp.MustCompile("^weft .+\n$").MatchString(out) {
			t.Errorf("%s: exit %d, %q", word, code, out)
		}
	}
}

// TestWrongUseIsTold holds that a wrong value is told with what is allowed.
func TestWrongUseIsTold(t *testing.T) {
	for want, args := range map[string][]string{
		"it must be a time above 0":      {"check", "--for", "soon"},
		"weft record of this version":    {"replay", os.Args[0]},
		"and with the same --control?":   {"report", "--control", filepath.Join(t.TempDir(), "none")},
		"there are --breaks-edges":       {"report", "--nothing"},
		"unknown command \"trace\"":      {"trace"},
		"weft run takes no argument, go": {"run", "now"},
	} {
		if out, messages, code := weft(t, args...); code == 0 || out != "" || !strings.Contains(messages, want) || strings.Count(messages, "\n") != 1 {
			t.Errorf("%v: exit %d, no %q in %q", args, code, want, messages)
		}
	}
}

// TestTornRecording holds that what is whole of a recording that was never closed is told, and that no gate lets it pass.
func TestTornRecording(t *testing.T) {
	whole, err := os.ReadFile(recordShop(t, 20000, never))
	if err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(t.TempDir(), "torn.weft")
	if err := os.WriteFile(torn, whole[:len(whole)*9/10], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"report", torn}, {"replay", torn, "--report"}, {"replay", torn, "--output", "json"}} {
		out, messages, code := weft(t, args...)
		if code != 1 || !strings.Contains(out, "checkout") || !strings.Contains(messages, "ends in the middle") {
			t.Errorf("%v: exit %d, %d bytes, %s", args, code, len(out), messages)
		}
	}
	if _, messages, code := weft(t, "check", torn); code != exitWrongUse || !strings.Contains(messages, "ends in the middle") {
		t.Errorf("exit %d: %s", code, messages)
	}
}

// TestControlKeepsFiles holds that a wrong path of the control socket costs nobody a file.
func TestControlKeepsFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	end, err := serveControl(path, nil, nil)
	end()
	if content, _ := os.ReadFile(path); err == nil || !strings.Contains(err.Error(), "set control") || !bytes.Equal(content, []byte("kept")) {
		t.Errorf("error %v, the file holds %q", err, content)
	}
}
