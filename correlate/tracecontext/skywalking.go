package tracecontext

import (
	"bytes"
	"encoding/binary"

	"github.com/dchest/siphash"
)

// skyWalking is eight parts: {0|1}-{trace}-{segment}-{span number}-{service}-{instance}-{endpoint}-{address}, the texts in base64:
// https://skywalking.apache.org/docs/main/next/en/api/x-process-propagation-headers-v3/. The trace id is any text.
type skyWalking struct{}

// skyWalkingExtra is what stands in sw8-x and sw8-correlation.
const skyWalkingExtra = 1

const skyWalkingMax = 2 << 10 // characters of the field

func (skyWalking) read(v view) (c Carrier) {
	value := v.first(&c, mainField)
	if value == nil {
		return Carrier{State: Absent}
	}
	return v.judge(&c, c.Context.skyWalking(value))
}

func (c *Context) skyWalking(value []byte) Rule {
	if len(value) > skyWalkingMax {
		return RuleLength
	}
	var parts [8][]byte
	for i := range parts {
		var more bool
		parts[i], value, more = bytes.Cut(value, []byte("-"))
		if more != (i < len(parts)-1) {
			return RuleDelimiter
		}
	}
	for i, part := range parts {
		if i != 0 && i != 3 && !isBase64(part) {
			return RuleBase64
		}
	}
	segment := bytes.TrimRight(parts[2], "=")
	span, rule := decimal(parts[3])
	switch {
	case rule != "":
		return rule
	case string(parts[0]) != "0" && string(parts[0]) != "1":
		return RuleDecision
	}
	c.Decision = decide(parts[0][0] == '1')
	c.text(bytes.TrimRight(parts[1], "="))
	binary.BigEndian.PutUint64(c.ParentID[:], siphash.Hash(0, span, segment))
	return ""
}

// isBase64 tells whether a text of at least one character is in base64, by its characters.
func isBase64(text []byte) bool {
	text = bytes.TrimRight(text, "=")
	return len(text) > 0 && isAll(text, ofBase64)
}
