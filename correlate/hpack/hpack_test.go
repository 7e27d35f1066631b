package hpack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// show gives fields as text.
func show(fields []Field) string {
	var out strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&out, "%s: %s\n", f.Name, f.Value)
	}
	return out.String()
}

// decode reads one block.
func decode(t testing.TB, d *Decoder, block []byte) (string, int) {
	t.Helper()
	fields, missing, err := d.Decode(block, nil)
	if err != nil {
		t.Fatal(err)
	}
	return show(fields), missing
}

// author writes blocks whose fields come again in part.
type author struct {
	*rand.Rand
	bytes.Buffer
	encoder *hpack.Encoder
}

func newAuthor(seed uint64) *author {
	a := &author{Rand: rand.New(rand.NewPCG(seed, 1))}
	a.encoder = hpack.NewEncoder(&a.Buffer)
	a.encoder.SetMaxDynamicTableSizeLimit(TableMax)
	return a
}

func (a *author) block() (block []byte, text string) {
	a.Reset()
	if a.IntN(9) == 0 {
		a.encoder.SetMaxDynamicTableSize(uint32(a.IntN(3) * a.IntN(9000)))
	}
	var want strings.Builder
	for range a.IntN(12) {
		f := hpack.HeaderField{Name: fmt.Sprint("name-", a.IntN(9)), Value: strings.Repeat("v", a.IntN(1+a.IntN(700))) + fmt.Sprint(a.IntN(6))}
		switch a.IntN(6) {
		case 0:
			f.Name, f.Value = ":method", "GET"
		case 1:
			f.Name = ":path"
		case 2:
			f.Sensitive = true
		case 3:
			f.Value = string([]byte{byte(a.Uint32()) | 0x80, 0, '\r', 200})
		}
		if err := a.encoder.WriteField(f); err != nil {
			panic(err)
		}
		fmt.Fprintf(&want, "%s: %s\n", f.Name, f.Value)
	}
	return bytes.Clone(a.Bytes()), want.String()
}

func TestDecode(t *testing.T) {
	for seed := range uint64(50) {
		a, d := newAuthor(seed), &Decoder{}
		d.Start()
		for i := range 200 {
			block, want := a.block()
			if got, missing := decode(t, d, block); got != want || missing != 0 {
				t.Fatalf("seed %d, block %d: %d missing,\n%s\nwant\n%s", seed, i, missing, got, want)
			}
		}
	}
}

// TestJoin: whoever comes later knows nothing that is wrong, and all that was written since.
func TestJoin(t *testing.T) {
	for seed := range uint64(200) {
		a, d := newAuthor(seed), &Decoder{}
		for range a.IntN(40) {
			a.block()
		}
		d.Lose()
		known := 0
		for i := range 100 {
			block, want := a.block()
			fields, missing, err := d.Decode(block, nil)
			if err != nil {
				t.Fatalf("seed %d, block %d: %v", seed, i, err)
			}
			lines := strings.SplitAfter(want, "\n")
			if len(fields)+missing != len(lines)-1 {
				t.Fatalf("seed %d, block %d: %d fields and %d missing of %d", seed, i, len(fields), missing, len(lines)-1)
			}
			at := 0
			for _, f := range fields {
				for at < len(lines) && lines[at] != show([]Field{f}) {
					at++
				}
				at++
			}
			if at > len(lines) {
				t.Fatalf("seed %d, block %d: %q is not in order in %q", seed, i, show(fields), want)
			}
			known += len(fields)
		}
		if known == 0 {
			t.Errorf("seed %d: nothing is known", seed)
		}
	}
}

// TestRelearn: a field that was sent once is unknown to whoever comes later, until it is sent again or the table is emptied.
func TestRelearn(t *testing.T) {
	a, d := newAuthor(1), &Decoder{}
	write := func(name, value string) []byte {
		a.Reset()
		if err := a.encoder.WriteField(hpack.HeaderField{Name: name, Value: value}); err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(a.Bytes())
	}
	write("traceparent", "00-1")
	d.Lose()
	for range 3 {
		if got, missing := decode(t, d, write("traceparent", "00-1")); got != "" || missing != 1 {
			t.Errorf("%q, %d missing", got, missing)
		}
	}
	if got, missing := decode(t, d, write("traceparent", "00-2")); got != "" || missing != 1 {
		t.Errorf("a value of an unknown name: %q, %d missing", got, missing)
	}
	if got, missing := decode(t, d, write("other", "x")); got != "other: x\n" || missing != 0 {
		t.Errorf("%q, %d missing", got, missing)
	}
	if got, missing := decode(t, d, write("other", "x")); got != "other: x\n" || missing != 0 {
		t.Errorf("%q, %d missing", got, missing)
	}
	if got, missing := decode(t, d, write("traceparent", "00-2")); got != "" || missing != 1 {
		t.Errorf("%q, %d missing", got, missing)
	}
	a.encoder.SetMaxDynamicTableSize(0)
	a.encoder.SetMaxDynamicTableSize(4096)
	if got, missing := decode(t, d, write("traceparent", "00-2")); got != "traceparent: 00-2\n" || missing != 0 {
		t.Errorf("%q, %d missing", got, missing)
	}
	if d.partial {
		t.Error("partial although the table was emptied")
	}
}

// TestRewrite: blocks with other values are those of the same fields.
func TestRewrite(t *testing.T) {
	for seed := range uint64(50) {
		a, d, again, truth := newAuthor(seed), &Decoder{}, &Decoder{}, &Decoder{}
		d.Start()
		again.Start()
		truth.Start()
		for range 100 {
			block, _ := a.block()
			rewritten, err := d.Rewrite(nil, block, func(_, value []byte) []byte { return bytes.Repeat([]byte{'*'}, len(value)) })
			if err != nil {
				t.Fatal(err)
			}
			fields, _, err := truth.Decode(block, nil)
			if err != nil {
				t.Fatal(err)
			}
			blanked, missing, err := again.Decode(rewritten, nil)
			if err != nil || missing != 0 || len(blanked) != len(fields) {
				t.Fatalf("%d fields, %d missing, %v; want %d", len(blanked), missing, err, len(fields))
			}
			for i, f := range blanked {
				stars := strings.Trim(string(f.Value), "*") == ""
				if !bytes.Equal(f.Name, fields[i].Name) || len(f.Value) != len(fields[i].Value) || !stars && string(f.Value) != "GET" {
					t.Fatalf("%q: %q, was %q", f.Name, f.Value, fields[i].Value)
				}
			}
		}
	}
}

// TestBomb: what grows in a decoder is bounded in time and in memory.
func TestBomb(t *testing.T) {
	d := &Decoder{}
	d.Start()
	if _, _, err := d.Decode(appendInteger(nil, 0x20, 5, 1<<20), nil); err != nil {
		t.Fatal(err)
	}
	name := bytes.Repeat([]byte{'n'}, 30000)
	block := appendText(appendText([]byte{0x40}, name), []byte("v"))
	bomb := bytes.Repeat([]byte{0xbe}, 30000) // the same field, again and again
	fields, missing, err := d.Decode(append(bytes.Clone(block), bomb...), nil)
	if err != nil || len(fields) != FieldsMax || missing != 30001-FieldsMax {
		t.Errorf("%d fields, %d missing, %v", len(fields), missing, err)
	}
	again := bytes.Repeat([]byte{0x7e, 0}, 30000) // entries with that name, again and again
	if _, _, err := d.Decode(again, nil); err == nil {
		t.Error("entries of 900 MB are read")
	}
	for range 10000 {
		if _, _, err := d.Decode(block, nil); err != nil {
			t.Fatal(err)
		}
	}
	if room := cap(d.text) + cap(d.scratch) + 24*cap(d.entries); room > 8*TableMax {
		t.Errorf("a decoder takes %d bytes", room)
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	a, d := newAuthor(1), &Decoder{}
	d.Start()
	var fields []Field
	blocks := make([][]byte, 3000)
	for i := range blocks {
		blocks[i], _ = a.block()
	}
	i := 0
	run := func() {
		fields, _, _ = d.Decode(blocks[i%len(blocks)], fields[:0])
		i++
	}
	for range 1000 {
		run()
	}
	if n := testing.AllocsPerRun(1500, run); n > 0 {
		t.Errorf("%v allocations for each block", n)
	}
}

// FuzzDecode compares with the library: it reads what is read here, to the same fields.
func FuzzDecode(f *testing.F) {
	a := newAuthor(3)
	for range 20 {
		block, _ := a.block()
		f.Add(block)
	}
	f.Add([]byte{0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff})
	f.Add([]byte{0x3f, 0xe1, 0xff, 0x03, 0x40, 0x01, 'a', 0x01, 'b', 0xbe})
	f.Fuzz(func(t *testing.T, input []byte) {
		var want strings.Builder
		library := hpack.NewDecoder(tableSize, func(h hpack.HeaderField) { fmt.Fprintf(&want, "%s: %s\n", h.Name, h.Value) })
		library.SetAllowedMaxDynamicTableSize(TableMax)
		_, err := library.Write(input)
		if err == nil {
			err = library.Close()
		}
		d := &Decoder{}
		d.Start()
		fields, missing, mine := d.Decode(input, nil)
		if err == nil && (mine != nil || missing == 0 && show(fields) != want.String()) {
			t.Fatalf("%v, %q\nthe library: %q", mine, show(fields), want.String())
		}
		if d.size > TableMax || len(d.entries)-d.first > TableMax/entryCost {
			t.Fatalf("a table of %d bytes, %d entries", d.size, len(d.entries)-d.first)
		}
		d.Lose()
		before := len(fields)
		if fields, missing, mine = d.Decode(input, nil); err == nil && (mine != nil || len(fields)+missing < before) {
			t.Fatalf("with an unknown table %d of %d fields, %v", len(fields), before, mine)
		}
		d.Start()
		if _, err := d.Rewrite(nil, input, func(_, value []byte) []byte { return value }); (err == nil) != (mine == nil) && err == nil {
			t.Fatalf("rewritten: %v, read: %v", err, mine)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	a, d := newAuthor(1), &Decoder{}
	d.Start()
	a.Reset()
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", "/shop.Orders/Get"}, {":authority", "orders:9000"},
		{"content-type", "application/grpc"}, {"user-agent", "grpc-go/1.83"}, {"te", "trailers"}} {
		if err := a.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			b.Fatal(err)
		}
	}
	parent := hpack.HeaderField{Name: "traceparent", Value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
	if err := a.encoder.WriteField(parent); err != nil {
		b.Fatal(err)
	}
	block := bytes.Clone(a.Bytes())
	var fields []Field
	b.ReportAllocs()
	for b.Loop() {
		fields, _, _ = d.Decode(block, fields[:0])
	}
}
