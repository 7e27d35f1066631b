// Package event owns what the kernel and the agent tell about the machine: the only input of correlate.
//
// An event is self-contained, so that a recorded sequence of events can be replayed anywhere. Events of one
// socket are in the order in which its operations ended; events of different sockets are in ring order.
package event

import "net/netip"

// Kind says which part of an Event is set.
type Kind uint8

// The kinds of events. The numbers are part of the recording format.
const (
	KindMessage Kind = 1 // Message is set
	KindSocket  Kind = 2 // Conn is set
	KindClose   Kind = 3 // Close is set
	// KindProcess: Process is set: the process was started, found or has executed another program. Time is that from which on
	// nothing that it did was missed; it may lie before that of other events.
	KindProcess  Kind = 4
	KindFork     Kind = 5 // Parent is set: PID was forked from it and is the same service until it executes
	KindExit     Kind = 6 // the thread group PID is gone
	KindHandover Kind = 7 // the goroutine Message.Work hands its next request to the connection Socket
	KindClock    Kind = 8 // Wall is set; also the tick that lets waiting decisions expire
	KindLoss     Kind = 9 // Loss is set: what the kernel refused since the last one
	// KindRename: Process is set: it describes the program that runs in PID better than before, as when its pod has become known.
	KindRename Kind = 10
	// KindHello: Message.Payload holds bytes of the first TLS record of that direction, from stream offset Message.Offset on.
	KindHello Kind = 12
	// KindWaiters: Waiters is set: who waits for the goroutine that has made the call on Socket, before the reply to it; or of Java who has
	// allocated what the thread holds that is about to make it.
	KindWaiters Kind = 16
	// KindHeld: Held is set: the thread TID has read from Socket, or is about to make a call on it. Only of threads of Java that work on
	// several requests.
	KindHeld    Kind = 22
	KindThread  Kind = 21 // Thread is set: what the thread TID does to another one of its process, or to the connection Socket
	KindPause   Kind = 19 // nothing was seen from the event before on; what is still open has no end
	KindSession Kind = 13 // Session is set: what is known of the TLS session whose plaintext is told under Socket
	// KindStream: the goroutine Message.Work, started by Message.Origin, works on the request of Stream in Message.Direction: it has
	// begun to handle one that was received, or has opened the stream for one that is sent, on the connection Socket; 0: not known.
	KindStream Kind = 14
)

// Direction is seen from the process that owns the socket.
type Direction uint8

// The directions of an operation.
const (
	Receive Direction = 0
	Send    Direction = 1
)

// Flags of a message event; the meanings are those of enum message_flag in bpf/wire.h.
type Flags uint16

// The flags of a message event.
const (
	Start  Flags = 1 << 0 // a message starts with the payload's first byte
	Open   Flags = 1 << 1 // the head goes on in the next event of this direction
	Cut    Flags = 1 << 2 // the head was too long, its rest was not copied
	End    Flags = 1 << 3 // a message ends at Through
	EOF    Flags = 1 << 4 // the peer shut its direction down
	Lost   Flags = 1 << 5 // events of this socket were lost before this one
	Unread Flags = 1 << 6 // needed bytes could not be read
	ByPort Flags = 1 << 8 // the connection was chosen by its port
	Tunnel Flags = 1 << 7 // the connection carries another protocol from here on
	// Frame: of HTTP/2. Start, Open and Cut are of a frame, whose header of nine bytes opens the payload. With Cut and without a
	// payload: frames of this direction are missing before it.
	Frame Flags = 1 << 9
	// FastCGI: the payload is of the parameters of a request, behind which comes the header of the record that ends them; or the head of an
	// answer.
	FastCGI Flags = 1 << 11
	InTask  Flags = 1 << 10 // Work and Origin are tasks
	TLS     Flags = 1 << 12 // the bytes are the plaintext of a TLS session: offsets count plaintext
	// Pieces: Messages counts what the body came in, chunks or frames of DATA. Other: with Frame, Body and Messages are those of the
	// other direction than the one whose frame gives the stream up.
	Pieces Flags = 1 << 13
	Other  Flags = 1 << 14
)

// Message is the result of one or more operations in one direction of a socket.
type Message struct {
	Direction Direction
	Flags     Flags
	Unread    uint8 // enum unread_reason of bpf/wire.h
	// Offset is the stream offset of Payload's first byte; Through the offset up to which the kernel has
	// followed the stream. Bytes between the end of Payload and Through were counted, not copied.
	Offset, Through uint64
	Body            uint64 // with End: body bytes of the message without chunk framing; with Frame, see Messages
	Messages        uint32 // with Frame, of the stream that the frame ends in this direction: gRPC messages in Body bytes of DATA; or Pieces
	Previous        uint64 // boot time, ns, of the operation before this one on the socket
	// Work is what the runtime of the program worked on: a goroutine of Go, or with InTask a task of an event loop; 0: not
	// known. Origin is the goroutine that started it, or the outermost task that it comes from: see bpf/task.h.
	Work, Origin uint64
	RTT          uint32 // smoothed, microseconds
	Retransmits  uint32 // of the connection so far
	Lost         uint32 // events of this socket lost since its last one
	Wire         uint64 // with TLS: 1 + offset in the socket's stream of the record that Payload begins; 0: not known
	Payload      []byte // valid until the next event is read
}

// Origin says how a connection came to be known.
type Origin uint8

// The origins of a connection.
const (
	Found     Origin = 0 // older than weft: of AF_UNIX, its offsets start at first sight, not at 0
	Connected Origin = 1
	Accepted  Origin = 2
	Opened    Origin = 3 // AF_UNIX: younger than weft; by which end is not told
)

// Conn names a connection as one of its ends sees it.
//
// For TCP the name is the pair of sequence numbers of the first bytes of both directions: the other end has
// the same pair turned around, whatever address translation lies between. For AF_UNIX it is the pair of inodes.
type Conn struct {
	Family      uint16 // AF_INET 2, AF_INET6 10, AF_UNIX 1
	Origin      Origin
	Local, Peer netip.AddrPort
	NameLocal   uint64
	NamePeer    uint64
	NetNS       uint64
	Cgroup      uint64
	ConnectNS   uint64 // SYN to established, for Connected
	Listening   bool   // the local port had a listener in this network namespace when weft started
}

// Close is the end of a TCP connection.
type Close struct {
	Sent, Received uint64 // final stream offsets
	Previous       uint64 // boot time, ns, of the last operation
	Retransmits    uint32
	Lost           uint32
	Reset          bool
	// Of WebSocket, in each direction; of HTTP/1, chunks of the body that is under way.
	SentMessages, ReceivedMessages uint32
}

// Attribute is one attribute of a resource, in the names of the OpenTelemetry semantic conventions.
type Attribute struct {
	Key   string
	Value string
}

// Process says what a thread group is. Attributes are final: they hold service.name, process.*, host.*, container.id.
type Process struct {
	Service    string
	Attributes []Attribute // sorted by key, service.name included; process.pid is given as a decimal string
	Exports    bool        // the process is known to export spans of its own
	Go         bool
	// Program is the same for processes that run the same executable with the same arguments in the same folder and container: workers of a
	// server, or one that was started again. 0: not known.
	Program uint64
}

// Waiters are the goroutines that wait for a result of one that has made a call. Of Java they are the threads that have allocated what
// the thread of a call holds, told before the call.
type Waiters struct {
	Worker uint64 // the goroutine that has made the call; 0: it is Java
	Count  uint8  // of the waiters that were found; those above WaitersMax are not in Of
	Of     [WaitersMax]Waiter
	Ready  bool // they do not wait yet, but were made ready where the worker was to make its call, and have the channel on their stacks
}

// WaitersMax is how many waiters are told.
const WaitersMax = 4

// Waiter is a goroutine, the one that has started it, 0 if that is not known, and where on the worker's stack the channel between the
// two was found: the same for all calls that come from the same place of the program. Of Java: a thread, the time of the head that it has
// read last, and in Place bytes from the lowest on: where on the stack objects of it
// were, the outermost first, 0 if there were no more, and in the highest 16 bits how deep the stack is.
type Waiter struct {
	Goroutine, Parent, Place uint64
}

// Held is what a thread of Java has allocated, and what it holds. It allocates from Top on, up to End, as long as it has the same buffer and
// there was no other collection: so an address tells between which two events of a thread an object was allocated.
type Held struct {
	Calls           bool // it makes a call; else it has read something
	Begins          bool // it has read the beginning of a request or of a reply
	Frame           bool // of HTTP/2
	Start, Top, End uint64
	Collections     uint32
	Depth           uint32   // of its stack, in words of Java; with Calls
	Of              []uint64 // what may be references on its stack, the outermost first: the address, and above HeldPlace which word it is
}

// HeldPlace is the lowest bit of the place in what is held, HeldMax how much of that is told.
const (
	HeldPlace = 48
	HeldMax   = 64
)

// Deed is what a thread does to another one.
type Deed uint8

// The deeds; the numbers are those of enum deed in bpf/wire.h, and part of the recording format.
const (
	Starts Deed = 1
	Wakes  Deed = 2
	Ends   Deed = 3 // the thread itself ends
	// Connects: it begins to open the connection Socket. Unused: such a connection is over before anything that is told has passed on it; TID
	// is not known.
	Connects Deed = 4
	Unused   Deed = 5
	// Turns: it runs timers, or reads from the connection Socket, whose messages are not told; Socket is 0 for timers. Asks: it writes to
	// such a connection. Neither is told twice in a row.
	Turns Deed = 6
	Asks  Deed = 7
)

// Thread is what a thread that serves requests or makes calls does to another one of its process, or to a connection.
type Thread struct {
	Deed  Deed
	Other uint32
	// Address is, of a wake, that of the word on which the other one waits, its lower half; with its lowest bit set it does so for a limited
	// time. Of a connection that is over unused: 1 if it was open, 0 if it never was. Of Turns and Asks the peer, whatever stands for it; of
	// Turns without a socket 1 if what follows is not told, until the thread reads something that is, and 2 if the thread goes on with nothing, but all
	// that it does is told from now on.
	Address uint64
}

// Session is what the kernel has seen of a TLS session.
type Session struct {
	Under     uint64    // the socket that carries it
	Hello     uint64    // boot time, ns, of the first record of the handshake; 0: not seen
	Handshake [2]uint64 // by direction: of the last record of the handshake before the first one of data
	Data      [2]uint64 // by direction: of the first record of data
	// Offset and Wire place a request that was told before it was on the wire: it begins at Offset of the plaintext that was sent,
	// and in the record at Wire of the socket's stream. NoOffset: none.
	Offset, Wire uint64
}

// NoOffset is the Offset of a Session that places no request.
const NoOffset = ^uint64(0)

// Loss is what the kernel side refused or could not see since the last loss event.
type Loss struct {
	LostServer, LostClient uint64 // requests whose first record was refused
	Records                uint64 // records of any kind that were refused
}

// Event is one fact. It is reused by its producer: a consumer copies what it keeps.
type Event struct {
	Kind     Kind
	Time     uint64 // boot time, ns
	Socket   uint64 // unique on this node as long as it runs
	PID, TID uint32
	Message  Message
	Conn     Conn
	Close    Close
	Process  *Process // never changed after it was handed over
	Parent   uint32
	Wall     int64 // with KindClock: Unix time, ns, at Time
	Loss     Loss
	Session  Session
	Stream   uint32 // with KindStream: its number
	Waiters  Waiters
	Thread   Thread
	Held     Held
}
