package otlp

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// The field numbers of https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/trace/v1/trace.proto
// and common/v1/common.proto; TestEncode holds them to the generated descriptors.
const (
	fieldResourceSpans = 1 // of ExportTraceServiceRequest
	fieldSpans         = 2 // of ScopeSpans

	fieldTraceID      = 1
	fieldSpanID       = 2
	fieldTraceState   = 3
	fieldParentSpanID = 4
	fieldName         = 5
	fieldKind         = 6
	fieldStart        = 7
	fieldEnd          = 8
	fieldAttributes   = 9
	fieldEvents       = 11
	fieldStatus       = 15
	fieldFlags        = 16

	fieldStatusCode = 3

	fieldEventTime       = 1 // of Event
	fieldEventName       = 2
	fieldEventAttributes = 3

	fieldKey         = 1 // of KeyValue
	fieldValue       = 2
	fieldStringValue = 1 // of AnyValue
	fieldBoolValue   = 2
	fieldIntValue    = 3
	fieldDoubleValue = 4
	fieldArrayValue  = 5
	fieldValues      = 1 // of ArrayValue
)

// The bits of Span.flags.
const (
	flagSampled     = 0x001
	flagHasIsRemote = 0x100
	flagIsRemote    = 0x200
)

// appendKey appends an attribute up to its value, which has size bytes.
func appendKey(b []byte, key string, size int) []byte {
	all := sizeBytes(len(key)) + sizeBytes(size)
	if all < 0x80 { // so all lengths in it are one byte
		b = append(b, fieldAttributes<<3|byte(protowire.BytesType), byte(all), fieldKey<<3|byte(protowire.BytesType), byte(len(key)))
		b = append(b, key...)
		return append(b, fieldValue<<3|byte(protowire.BytesType), byte(size))
	}
	b = appendTag(b, fieldAttributes, protowire.BytesType)
	b = appendLength(b, all)
	b = appendTag(b, fieldKey, protowire.BytesType)
	b = appendLength(b, len(key))
	b = append(b, key...)
	b = appendTag(b, fieldValue, protowire.BytesType)
	return appendLength(b, size)
}

// roomLength is what is left free for the length of a field whose size is not known yet: enough for 128 to 16383.
const roomLength = 2

// closeField writes the length of a field that ends with b. Room for it starts at `at`, its bytes behind that.
func closeField(b []byte, at int) []byte {
	from := at + roomLength
	n := len(b) - from
	if need := protowire.SizeVarint(uint64(n)); need != roomLength {
		for range need - roomLength {
			b = append(b, 0)
		}
		copy(b[at+need:], b[from:from+n])
		b = b[:at+need+n]
	}
	binary.PutUvarint(b[at:], uint64(n))
	return b
}

// keep gives a copy of part in the room of old, or nothing if it is too long to be kept.
func keep(old, part []byte) []byte {
	if len(part) > partMax {
		return nil
	}
	return append(old[:0], part...)
}

// validUTF8 replaces what is not UTF-8: a receiver refuses a whole message for one such byte.
func validUTF8(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	return bytes.ToValidUTF8(b, []byte("\uFFFD"))
}

// sizeBytes is the size of a field of n bytes, with its tag and length.
func sizeBytes(n int) int { return 1 + protowire.SizeBytes(n) }

// appendTag is for fields below 16.
func appendTag(b []byte, field byte, kind protowire.Type) []byte {
	return append(b, field<<3|byte(kind))
}

func appendLength(b []byte, n int) []byte {
	if n < 0x80 {
		return append(b, byte(n))
	}
	return protowire.AppendVarint(b, uint64(n))
}

func appendBytes(b []byte, field byte, value []byte) []byte {
	b = appendTag(b, field, protowire.BytesType)
	b = appendLength(b, len(value))
	return append(b, value...)
}

func appendVarint(b []byte, field byte, value uint64) []byte {
	b = appendTag(b, field, protowire.VarintType)
	return protowire.AppendVarint(b, value)
}

func appendFixed64(b []byte, field byte, value uint64) []byte {
	b = appendTag(b, field, protowire.Fixed64Type)
	return binary.LittleEndian.AppendUint64(b, value)
}
