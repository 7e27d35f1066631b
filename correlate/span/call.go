package span

import "strings"

// RPC is a way of calling procedures over HTTP.
type RPC uint8

// The ways that are told apart.
const (
	NoRPC RPC = iota
	GRPC
	GRPCWeb
	Connect
)

// callStatuses are the names of gRPC's status codes: https://grpc.github.io/grpc/core/md_doc_statuscodes.html.
var callStatuses = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
	"UNAUTHENTICATED",
}

// serverFaults are the codes that are errors of the server that gives them, by bit; the others are its answer.
const serverFaults = 1<<2 | 1<<4 | 1<<12 | 1<<13 | 1<<14 | 1<<15

// callFailed tells whether the status of a call is an error in the eyes of this side.
func (s *Span) callFailed() bool {
	if s.RPC == NoRPC || !s.HasRPCStatus || s.RPCStatus == 0 {
		return false
	}
	return s.Kind == Client || s.RPCStatus > 31 || serverFaults>>s.RPCStatus&1 != 0
}

// CallStatus names the status of a call, if HasRPCStatus.
func (s *Span) CallStatus() string {
	if int(s.RPCStatus) < len(callStatuses) {
		return callStatuses[s.RPCStatus]
	}
	return "_OTHER"
}

// appendCall names the procedure that is called:
// https://github.com/open-telemetry/semantic-conventions/blob/v1.37.0/docs/rpc/rpc-spans.md
func (s *Span) appendCall(dst []Attribute) []Attribute {
	system := "grpc"
	if s.RPC == Connect {
		system = "connect_rpc"
	}
	dst = appendString(dst, "rpc.system", system)
	path := strings.TrimPrefix(s.Path, "/")
	if at := strings.LastIndexByte(path, '/'); at >= 0 {
		dst = appendString(dst, "rpc.service", path[:at])
		path = path[at+1:]
	}
	dst = appendString(dst, "rpc.method", path)
	return appendString(dst, "user_agent.original", s.UserAgent)
}

// appendOutcome tells how a call has ended, and what it was made of.
func (s *Span) appendOutcome(dst []Attribute) []Attribute {
	if s.HasRPCStatus && s.RPC != Connect {
		dst = appendInt(dst, "rpc.grpc.status_code", int64(s.RPCStatus))
	}
	dst = appendInt(dst, "weft.rpc.request_messages", int64(s.RequestMessages))
	dst = appendInt(dst, "weft.rpc.response_messages", int64(s.ReplyMessages))
	if s.Timeout != 0 {
		dst = appendDouble(dst, "weft.rpc.timeout", float64(s.Timeout)/1e9)
	}
	return dst
}
