// Package python owns what weft must know of a CPython process to read, from outside, which task its event loop is running, or which
// greenlet or job a thread: where that is kept, how, and where the code is that starts one.
//
// Nothing is known by version. What is sought is found by what it is: the table of modules is a dictionary in which "sys" and
// "builtins" are modules, and so on from there; of what is read each step is checked, and what does not fit is an error, never a
// guess. Memory belongs to strangers: every read is bounded.
//
// The objects are those of CPython's Include/cpython: object.h, dictobject.h, moduleobject.c, unicodeobject.h, and
// Objects/dict-common.h, in the builds with a global interpreter lock, 3.8 to 3.13.
package python

import (
	"errors"
	"fmt"

	"weft/agent/memory"
)

// What Inspect can say of a process.
var (
	ErrNotPython = errors.New("not a CPython process")
	ErrNoTasks   = errors.New("the process has loaded neither asyncio nor greenlet")
	ErrLayout    = errors.New("the interpreter's memory is none of the known kinds")
)

// Interpreter is what the kernel side needs to read the running task of one process.
type Interpreter struct {
	Current   uint64 // address of the dictionary from event loop to running task; 0: asyncio is not loaded
	Size      uint32 // bytes of the keys of a dictionary up to their indices
	Logarithm bool   // the keys hold logarithms of their sizes, and the kind of their entries: 3.11 and later
	Init      Code   // that initialises a task; its first argument is the task
	Writes    []Code // of uvloop, that write to a stream: the first argument is the stream. None: uvloop is not loaded
	Greenlet  Greenlet
	Task      uint64 // address of the type of tasks
	Workers   Workers
}

// Code is a place in an executable file, for an uprobe.
type Code struct {
	Path   string // as the process sees it
	Offset uint64 // in the file
}

// Inspect looks into the memory of a process. The error is ErrNotPython, ErrNoTasks, ErrLayout, or says what could not be read.
// It reads up to some megabytes: not for the data path.
func Inspect(pid uint32) (Interpreter, error) {
	m, err := memory.Open(pid)
	if err != nil {
		return Interpreter{}, err
	}
	defer m.Close()
	r, err := find(m)
	if err != nil {
		return Interpreter{}, err
	}
	return r.inspect()
}

// runtime is the memory of a process in which an interpreter was found.
type runtime struct {
	*memory.Memory
	start, size                    uint64 // of _PyRuntime
	dictType, moduleType, typeType uint64 // the types of these objects
	codeType, tupleType            uint64
	layout                         layout
}

func (r *runtime) inspect() (i Interpreter, err error) {
	modules, ok := r.findModules()
	if !ok {
		return i, fmt.Errorf("%w: no table of modules was found", ErrLayout)
	}
	i.Greenlet, err = r.greenlet(modules)
	i.Workers = r.workers(modules)
	asyncio, ok := r.module(modules, "_asyncio")
	switch {
	case ok: // with greenlets that are not understood it is as without
		err = r.asyncio(&i, modules, asyncio)
	case err == nil && i.Greenlet.Module == 0 && !i.Workers.Possible:
		err = ErrNoTasks
	}
	return i, err
}

// asyncio adds what is known of the module, and of uvloop.
func (r *runtime) asyncio(i *Interpreter, modules, asyncio dictionary) error {
	var ok bool
	if i.Current, ok = r.get(asyncio, "_current_tasks"); !ok || r.Word(i.Current+objectType) != r.dictType {
		return fmt.Errorf("%w: asyncio tells no current tasks", ErrLayout)
	}
	task, ok := r.typeOf(asyncio, "Task", "_asyncio.Task")
	if !ok {
		return fmt.Errorf("%w: asyncio has no type of tasks", ErrLayout)
	}
	if i.Init, ok = r.code(r.Word(task + typeInit)); !ok {
		return fmt.Errorf("%w: tasks are initialised by no code in a file", ErrLayout)
	}
	i.Task = task
	i.Size, i.Logarithm = r.layout.header, r.layout.logarithm
	if loop, ok := r.module(modules, "uvloop.loop"); ok {
		i.Writes = r.streamWrites(loop)
	}
	return nil
}

// Offsets in PyTypeObject, and the size of a PyMethodDef: name, function, flags, documentation.
const (
	objectType  = 8
	typeName    = 24
	typeMethods = 232
	typeInit    = 296
	methodSize  = 32
	methodsMax  = 64
)

// typeOf gives a type that a module names, if it has the full name.
func (r *runtime) typeOf(names dictionary, name, full string) (uint64, bool) {
	t, ok := r.get(names, name)
	if !ok || r.Word(t+objectType) != r.typeType {
		return 0, false
	}
	return t, r.Text(r.Word(t+typeName), len(full)+1) == full+"\x00"
}

// streamWrites gives the code of uvloop's two ways to write to a stream.
func (r *runtime) streamWrites(names dictionary) (found []Code) {
	t, ok := r.typeOf(names, "UVStream", "uvloop.loop.UVStream")
	if !ok {
		return nil
	}
	for _, name := range [...]string{"write", "writelines"} {
		if c, ok := r.method(t, name); ok {
			found = append(found, c)
		}
	}
	return found
}

// method gives the code of a method of a type.
func (r *runtime) method(t uint64, name string) (Code, bool) {
	at := r.Word(t + typeMethods)
	for range methodsMax {
		n := r.Word(at)
		if n == 0 {
			break
		}
		if r.Text(n, len(name)+1) == name+"\x00" {
			return r.code(r.Word(at + 8))
		}
		at += methodSize
	}
	return Code{}, false
}
