package conformance

import "strings"

// traceparentCases are the cases 1 to 23.
var traceparentCases = []Case{
	{"both_traceparent_and_tracestate_missing", []Request{{"", 1, nil, anew}}},
	{"traceparent_included_tracestate_missing", []Request{one("", "00-"+id+"-"+parent+"-01", same)}},
	{"traceparent_duplicated", []Request{
		{"", 1, []string{valid, "traceparent: 00-" + id2 + "-" + parent + "-01"}, anew},
	}},
	{"traceparent_header_name", []Request{
		{"trace-parent", 1, []string{"trace-parent: 00-" + id + "-" + parent + "-01"}, anew},
		{"trace.parent", 1, []string{"trace.parent: 00-" + id + "-" + parent + "-01"}, anew},
	}},
	{"traceparent_header_name_valid_casing", []Request{
		{"TraceParent", 1, []string{"TraceParent: 00-" + id + "-" + parent + "-01"}, same},
		{"TrAcEpArEnT", 1, []string{"TrAcEpArEnT: 00-" + id + "-" + parent + "-01"}, same},
		{"TRACEPARENT", 1, []string{"TRACEPARENT: 00-" + id + "-" + parent + "-01"}, same},
	}},
	{"traceparent_version_0x00", []Request{
		one("dot behind", "00-"+id+"-"+parent+"-01.", anew),
		one("field behind", "00-"+id+"-"+parent+"-01-what-the-future-will-be-like", anew),
	}},
	{"traceparent_version_0xcc", []Request{
		one("nothing behind", "cc-"+id+"-"+parent+"-01", same),
		one("field behind", "cc-"+id+"-"+parent+"-01-what-the-future-will-be-like", same),
		one("dot behind", "cc-"+id+"-"+parent+"-01.what-the-future-will-be-like", anew),
	}},
	{"traceparent_version_0xff", []Request{one("", "ff-"+id+"-"+parent+"-01", anew)}},
	{"traceparent_version_illegal_characters", []Request{
		one("first", ".0-"+id+"-"+parent+"-01", anew),
		one("second", "0.-"+id+"-"+parent+"-01", anew),
	}},
	{"traceparent_version_too_long", []Request{
		one("3", "000-"+id+"-"+parent+"-01", anew),
		one("4", "0000-"+id+"-"+parent+"-01", anew),
	}},
	{"traceparent_version_too_short", []Request{one("", "0-"+id+"-"+parent+"-01", anew)}},
	{"traceparent_trace_id_all_zero", []Request{one("", "00-"+strings.Repeat("0", 32)+"-"+parent+"-01", anew)}},
	{"traceparent_trace_id_illegal_characters", []Request{
		one("first", "00-."+id[1:]+"-"+parent+"-01", anew),
		one("last", "00-"+id[:31]+".-"+parent+"-01", anew),
	}},
	{"traceparent_trace_id_too_long", []Request{one("", "00-"+id+"3-"+parent+"-01", anew)}},
	{"traceparent_trace_id_too_short", []Request{one("", "00-"+id[:31]+"-"+parent+"-01", anew)}},
	{"traceparent_parent_id_all_zero", []Request{one("", "00-"+id+"-"+strings.Repeat("0", 16)+"-01", anew)}},
	{"traceparent_parent_id_illegal_characters", []Request{
		one("first", "00-"+id+"-."+parent[1:]+"-01", anew),
		one("last", "00-"+id+"-"+parent[:15]+".-01", anew),
	}},
	{"traceparent_parent_id_too_long", []Request{one("", "00-"+id+"-"+parent+"7-01", anew)}},
	{"traceparent_parent_id_too_short", []Request{one("", "00-"+id+"-"+parent[:15]+"-01", anew)}},
	{"traceparent_trace_flags_illegal_characters", []Request{
		one("first", "00-"+id+"-"+parent+"-.0", anew),
		one("last", "00-"+id+"-"+parent+"-0.", anew),
	}},
	{"traceparent_trace_flags_too_long", []Request{one("", "00-"+id+"-"+parent+"-001", anew)}},
	{"traceparent_trace_flags_too_short", []Request{one("", "00-"+id+"-"+parent+"-1", anew)}},
	{"traceparent_ows_handling", []Request{
		{"spaces before", 1, []string{"traceparent:     00-" + id + "-" + parent + "-01"}, same},
		{"tab before", 1, []string{"traceparent:\t00-" + id + "-" + parent + "-01"}, same},
		{"space behind", 1, []string{valid + " "}, same},
		{"tab behind", 1, []string{valid + "\t"}, same},
		{"both", 1, []string{"traceparent:\t 00-" + id + "-" + parent + "-01 \t"}, same},
	}},
}

// advancedCases are the cases 38 to 41.
var advancedCases = []Case{
	{"multiple_requests_with_valid_traceparent", []Request{{"", 3, []string{valid}, same}}},
	{"multiple_requests_without_traceparent", []Request{{"", 3, nil, anew}}},
	{"multiple_requests_with_illegal_traceparent", []Request{
		{"", 3, []string{"traceparent: 00-" + id + "-" + strings.Repeat("0", 16) + "-01"}, anew},
	}},
	{"traceparent_random_flag", []Request{one("", "00-"+id+"-"+parent+"-02", Want{Trace: Same, Random: true})}},
}

// Beyond are rules that none of the 41 cases looks at; in the suite all ids are of digits, and all flags are 00, 01 or 02. Of a
// traceparent that comes twice with one value the specification says as little as of two values; the suite wants a new trace.
var Beyond = []Case{
	{"upper_case", []Request{
		one("trace id", "00-"+strings.ToUpper(id)+"-"+parent+"-01", anew),
		one("parent id", "00-"+id+"-"+strings.ToUpper(parent)+"-01", anew),
	}},
	{"unknown_flags", []Request{
		one("04", "00-"+id+"-"+parent+"-04", same),
		one("09", "00-"+id+"-"+parent+"-09", same),
		one("81", "00-"+id+"-"+parent+"-81", same),
		one("ff", "00-"+id+"-"+parent+"-ff", Want{Trace: Same, Random: true}),
	}},
	{"version_0x00_hyphen_behind", []Request{one("", "00-"+id+"-"+parent+"-01-", anew)}},
	{"joined_by_a_proxy", []Request{
		one("", "00-"+id+"-"+parent+"-01, 00-"+id2+"-"+parent+"-01", anew),
	}},
	{"same_twice", []Request{{"", 1, []string{valid, valid}, anew}}},
	{"tracestate_empty_member", []Request{state("", kept("foo=1,bar=2"), "tracestate: foo=1, ,bar=2")}},
	{"tracestate_key_of_level_2", []Request{state("", kept("0a=1,bar=2"), "tracestate: 0a=1,bar=2")}},
}
