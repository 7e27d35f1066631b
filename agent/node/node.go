// Package node owns what weft must know of a Node.js process: where the code is by which its event loop goes on with what is no socket.
package node

import (
	"errors"
	"path"
	"strings"

	"weft/agent/library"
)

// ErrNotNode says that a process is no Node.js whose event loop can be followed.
var ErrNotNode = errors.New("not a Node.js process")

// What the event loop calls.
const (
	// node::Environment::RunTimers(uv_timer_t*) of src/env.cc, 11 and later: timers are due. Node exports it, with all else of its own, for the
	// add-ons; a distribution may have it in libnode.so.
	runTimers = "_ZN4node11Environment9RunTimersEP10uv_timer_s"
	// uv__work_done(uv_async_t*) of libuv's src/threadpool.c: what other threads have done is there: of files, names, compression, ciphers. It is
	// seen where the symbols were left in the file, as in the builds of the Node project.
	workDone = "uv__work_done"
)

// fileDone are for those without symbols: node::fs::FSReqAfterScope::FSReqAfterScope(FSReqBase*, uv_fs_t*) and node::fs::FileHandle::CloseReq::Resolve()
// of src/node_file.cc, which are exported. What other threads have done with a file is there, or it is closed.
var fileDone = []string{"_ZN4node2fs15FSReqAfterScopeC1EPNS0_9FSReqBaseEP7uv_fs_s", "_ZN4node2fs10FileHandle8CloseReq7ResolveEv"}

// Executable gives where in the file at path, which a process runs, Node's event loop goes on with what is no socket; timers first. The error is
// ErrNotNode, or says what could not be read. Of another file it reads some hundred bytes, of Node's up to some megabytes: not for the data path.
func Executable(path string) ([]uint64, error) {
	found, err := library.Named(path, append([]string{runTimers, workDone}, fileDone...)...)
	at, runs := found[runTimers]
	switch {
	case errors.Is(err, library.ErrNone), err == nil && !runs:
		return nil, ErrNotNode
	case err != nil:
		return nil, err
	}
	all := []uint64{at}
	if at, there := found[workDone]; there {
		return append(all, at), nil
	}
	for _, name := range fileDone {
		if at, there := found[name]; there {
			all = append(all, at)
		}
	}
	return all, nil
}

// Library does so for the library of a process that has Node's event loop in one. name: as the process sees it.
func Library(pid uint32) (name string, at []uint64, err error) {
	files, err := library.Mappings(pid, true)
	if err != nil {
		return "", nil, err
	}
	for _, f := range files {
		if strings.HasPrefix(path.Base(f.Name), "libnode.so") {
			at, err := Executable(f.Path)
			return f.Name, at, err
		}
	}
	return "", nil, ErrNotNode
}
