package library

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Names as they stand in programs with rustls 0.21.12, 0.22.4 and 0.23.46, the last of them mangled in both ways.
const (
	encrypt21 = "_ZN89_$LT$rustls..tls13..Tls13MessageEncrypter$u20$as$u20$rustls..cipher..MessageEncrypter$GT$7encrypt17h82d32745366f1d9dE"
	encrypt23 = "_ZN111_$LT$rustls..crypto..ring..tls13..Tls13MessageEncrypter$u20$as$u20$rustls..crypto..cipher..MessageEncrypter$GT$7encrypt17h11961912ab5a2b0dE"
	encryptV0 = "_RNvXs2_NtNtNtCs1DixaWRQdUt_6rustls6crypto4ring5tls13NtB5_21Tls13MessageEncrypterNtNtB9_6cipher16MessageEncrypter7encrypt"
	invalid   = "_ZN108_$LT$rustls..crypto..cipher..InvalidMessageEncrypter$u20$as$u20$rustls..crypto..cipher..MessageEncrypter$GT$7encrypt17hca9576adcd677335E.llvm.7632606530040540188"
	length    = "_ZN111_$LT$rustls..crypto..ring..tls13..Tls13MessageEncrypter$u20$as$u20$rustls..crypto..cipher..MessageEncrypter$GT$21encrypted_payload_len17h9543500de454c2afE"
	handle23  = "_ZN141_$LT$rustls..client..tls13..ExpectTraffic$u20$as$u20$rustls..common_state..State$LT$rustls..client..client_conn..ClientConnectionData$GT$$GT$6handle17h3e0097364a1576cdE"
	handleV0  = "_RNvXs7_NtNtCs1DixaWRQdUt_6rustls6server5tls13NtB5_13ExpectTrafficINtNtB9_12common_state5StateNtNtB7_11server_conn20ServerConnectionDataE6handle"
	ticketV0  = "_RNvXs8_NtNtCs1DixaWRQdUt_6rustls6server5tls13NtB5_13ExpectTrafficNtNtNtB9_4conn6kernel11KernelState25handle_new_session_ticket"
	quic23    = "_ZN145_$LT$rustls..client..tls13..ExpectQuicTraffic$u20$as$u20$rustls..common_state..State$LT$rustls..client..client_conn..ClientConnectionData$GT$$GT$6handle17h3e0097364a1576cdE"
)

// TestRustlsNames tells the two kinds of functions from all others.
func TestRustlsNames(t *testing.T) {
	for name, want := range map[string]string{
		encrypt21: RustlsEncrypt, encrypt23: RustlsEncrypt, encryptV0: RustlsEncrypt, encrypt23 + ".llvm.152904273856416117": RustlsEncrypt,
		handle23: RustlsHandle, handleV0: RustlsHandle, handleV0 + ".llvm.1": RustlsHandle,
		invalid: "", length: "", ticketV0: "", quic23: "", "_ZN": "", "_R": "", "_RNvX": "", "_ZN17hE": "",
		"_ZN4shop7encrypt17h82d32745366f1d9dE": "", strings.Repeat("_ZN", 1000): "",
	} {
		if got := rustls(append([]byte(name), 0)); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
		if got := rustls([]byte(name)); got != "" {
			t.Errorf("%q without an end: %q", name, got)
		}
	}
}

// buildNamed builds a program's library that has functions of these names.
func buildNamed(t *testing.T, names ...string) string {
	t.Helper()
	var source strings.Builder
	for i, name := range names {
		source.WriteString("int f" + string(rune('a'+i)) + "(int n) __asm__(\"" + name + "\");\n")
		source.WriteString("int f" + string(rune('a'+i)) + "(int n) { return n + " + string(rune('1'+i)) + "; }\n")
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "a.c"), filepath.Join(dir, "a.so")
	if err := os.WriteFile(in, []byte(source.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("gcc", "-shared", "-fPIC", "-fvisibility=hidden", "-o", out, in).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

// TestInspectRustls: both kinds are there, or none is told of; and not without symbols.
func TestInspectRustls(t *testing.T) {
	both := buildNamed(t, encrypt21, encrypt23, handle23, invalid, length)
	f, err := Inspect(both)
	if err != nil || len(f) != 3 || len(f.of(RustlsEncrypt)) != 2 || len(f.of(RustlsHandle)) != 1 {
		t.Errorf("%v %v", f, err)
	}
	for _, half := range [][]string{{encrypt21, encrypt23}, {handle23, handleV0}} {
		if f, err := Inspect(buildNamed(t, half...)); !errors.Is(err, ErrNone) {
			t.Errorf("%v: %v %v", half, f, err)
		}
	}
	if out, err := exec.Command("strip", both).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if f, err := Inspect(both); !errors.Is(err, ErrNone) {
		t.Errorf("stripped: %v %v", f, err)
	}
}

// TestRustlsVersion finds the version of rustls, also where it lies across two parts of what is read, and nothing in what only looks alike.
func TestRustlsVersion(t *testing.T) {
	const path = "/root/.cargo/registry/src/index.crates.io-0123456789abcdef/rustls-0.23.35/src/conn.rs"
	for at := range 200 {
		if got := rustlsIn(bytes.NewReader(append(make([]byte, 1<<20-150+at), path...))); got != "0.23.35" {
			t.Fatalf("%d bytes before the end of a part: %q", 150-at, got)
		}
	}
	if got := rustlsIn(strings.NewReader("/x/tokio-rustls-0.26.4/src/a.rs /rustls-webpki-0.103/src/ /rustls-/src/ /rustls-0.23")); got != "" {
		t.Errorf("%q", got)
	}
	if got := Rustls(t.TempDir()); got != "" {
		t.Errorf("a folder: %q", got)
	}
}
