package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// Every character that a key and a value may have. A value may not end in a space.
const (
	keyCharacters   = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
	valueCharacters = "!\"#$%&'()*+-./0123456789:; <>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
)

// tracestateCases are the cases 24 to 37.
var tracestateCases = []Case{
	{"tracestate_included_traceparent_missing", []Request{
		{"one member", 1, []string{"tracestate: foo=1"}, Want{Trace: New, State: []string{""}}},
		{"two members", 1, []string{"tracestate: foo=1,bar=2"}, Want{Trace: New, State: []string{""}}},
	}},
	{"tracestate_included_traceparent_included", []Request{
		state("one member", kept("foo=1"), "tracestate: foo=1"),
		state("two members", kept("foo=1,bar=2"), "tracestate: foo=1,bar=2"),
	}},
	{"tracestate_header_name", []Request{
		state("trace-state", gone, "trace-state: foo=1"),
		state("trace.state", gone, "trace.state: foo=1"),
	}},
	{"tracestate_header_name_valid_casing", []Request{
		state("TraceState", kept("foo=1"), "TraceState: foo=1"),
		state("TrAcEsTaTe", kept("foo=1"), "TrAcEsTaTe: foo=1"),
		state("TRACESTATE", kept("foo=1"), "TRACESTATE: foo=1"),
	}},
	{"tracestate_empty_header", []Request{
		state("alone", gone, "tracestate: "),
		state("before another", kept("foo=1"), "tracestate: ", "tracestate: foo=1"),
		state("behind another", kept("foo=1"), "tracestate: foo=1", "tracestate: "),
	}},
	{"tracestate_multiple_headers_different_keys", []Request{
		state("", kept("foo=1,bar=2,rojo=1,congo=2,baz=3"), "tracestate: foo=1,bar=2", "tracestate: rojo=1,congo=2", "tracestate: baz=3"),
	}},
	{"tracestate_duplicated_keys", []Request{
		state("alike", kept("foo=1,foo=1", "foo=1"), "tracestate: foo=1,foo=1"),
		state("different", kept("foo=1,foo=2", "foo=1", "foo=2"), "tracestate: foo=1,foo=2"),
		state("alike in two fields", kept("foo=1,foo=1", "foo=1"), "tracestate: foo=1", "tracestate: foo=1"),
		state("different in two fields", kept("foo=1,foo=2", "foo=1", "foo=2"), "tracestate: foo=1", "tracestate: foo=2"),
	}},
	{"tracestate_all_allowed_characters", []Request{
		state("plain", kept(keyCharacters+"="+valueCharacters), "tracestate: "+keyCharacters+"="+valueCharacters),
		state("with @", kept(keyCharacters+"@a-z0-9_-*/="+valueCharacters), "tracestate: "+keyCharacters+"@a-z0-9_-*/="+valueCharacters),
	}},
	{"tracestate_ows_handling", []Request{
		state("between", kept("foo=1,bar=2,baz=3"), "tracestate: foo=1 \t , \t bar=2, \t baz=3"),
		state("tabs between", kept("foo=1,bar=2,baz=3"), "tracestate: foo=1\t \t,\t \tbar=2,\t \tbaz=3"),
		state("space before", kept("foo=1"), "tracestate:  foo=1"),
		state("tab before", kept("foo=1"), "tracestate:\tfoo=1"),
		state("space behind", kept("foo=1"), "tracestate: foo=1 "),
		state("tab behind", kept("foo=1"), "tracestate: foo=1\t"),
		state("around", kept("foo=1"), "tracestate:\t foo=1 \t"),
	}},
	{"tracestate_key_illegal_characters", []Request{
		state("space", gone, "tracestate: foo =1"),
		state("upper case", gone, "tracestate: FOO=1"),
		state("dot", gone, "tracestate: foo.bar=1"),
	}},
	{"tracestate_key_illegal_vendor_format", []Request{
		state("nothing behind @", kept("foo@=1,bar=2"), "tracestate: foo@=1,bar=2"),
		state("nothing before @", gone, "tracestate: @foo=1,bar=2"),
		state("two @ together", kept("foo@@bar=1,bar=2"), "tracestate: foo@@bar=1,bar=2"),
		state("two @", kept("foo@bar@baz=1,bar=2"), "tracestate: foo@bar@baz=1,bar=2"),
	}},
	{"tracestate_member_count_limit", []Request{
		state("32", kept(numbered(32)), "tracestate: "+numbered(32)),
		state("33", gone, "tracestate: "+numbered(33)),
		state("32 in four fields", kept(numbered(32)), inFields(numbered(32), 10)...),
		state("33 in four fields", gone, inFields(numbered(33), 10)...),
	}},
	{"tracestate_key_length_limit", []Request{
		state("256", kept("foo=1,"+long("z", 256)), "tracestate: foo=1,"+long("z", 256)),
		state("241@14", kept("foo=1,"+strings.Repeat("t", 241)+"@"+long("v", 14)), "tracestate: foo=1,"+strings.Repeat("t", 241)+"@"+long("v", 14)),
		state("257", gone, "tracestate: foo=1,"+long("z", 257)),
		state("242@1", kept(strings.Repeat("t", 242)+"@v=1"), "tracestate: "+strings.Repeat("t", 242)+"@v=1"),
		state("1@15", kept("t@"+long("v", 15)), "tracestate: t@"+long("v", 15)),
	}},
	{"tracestate_value_illegal_characters", []Request{
		state("equals sign", gone, "tracestate: foo=bar=baz"),
		state("empty", gone, "tracestate: foo=,bar=3"),
	}},
}

// numbered gives a list of n short members.
func numbered(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("bar%02d=%02d", i+1, i+1)
	}
	return strings.Join(list, ",")
}

// inFields spreads a list over fields of n members each, the last one of the rest.
func inFields(list string, n int) (lines []string) {
	for some := range slices.Chunk(strings.Split(list, ","), n) {
		lines = append(lines, "tracestate: "+strings.Join(some, ","))
	}
	return lines
}

// long gives a member with a key of n characters.
func long(c string, n int) string { return strings.Repeat(c, n) + "=1" }
