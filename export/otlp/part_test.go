package otlp

import (
	"net/netip"
	"reflect"
	"testing"

	"weft/correlate/span"
)

// TestPartsAreOfTheirFacts changes one field of a span at a time: what the encoder remembers of the span before must not be
// taken for the other one's.
func TestPartsAreOfTheirFacts(t *testing.T) {
	for i := range 2 {
		for _, host := range []string{"shop.example", ""} {
			enc, m := newEncoder(""), newMessage()
			base := *sample(i)
			base.Host, base.Verdict = host, "dropped"
			kind := reflect.TypeOf(base)
			for f := range kind.NumField() {
				other := base
				if !change(reflect.ValueOf(&other).Elem().Field(f)) {
					continue
				}
				for _, s := range []span.Span{base, other, base} {
					m.begin()
					enc.add(m, &s)
					check(t, decode(t, m.finish())[0].ScopeSpans[0].Spans[0], &s)
				}
				if t.Failed() {
					t.Fatalf("the field is %s, the host %q", kind.Field(f).Name, host)
				}
			}
		}
	}
}

// change gives the field another value, if it is of a type that attributes are made of.
func change(v reflect.Value) bool {
	switch old := v.Interface().(type) {
	case string:
		v.SetString(old + "x")
	case bool:
		v.SetBool(!old)
	case uint8, uint16, uint32, uint64:
		v.SetUint(v.Uint() ^ 1)
	case span.Kind:
		v.SetUint(uint64(span.Server+span.Client) - v.Uint())
	case netip.AddrPort:
		v.Set(reflect.ValueOf(netip.AddrPortFrom(old.Addr().Next(), old.Port())))
	default:
		return false
	}
	return true
}
