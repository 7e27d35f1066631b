package terminal

import (
	"os"

	"golang.org/x/sys/unix"
)

// Color tells whether f wants colours: it is a terminal, and NO_COLOR (https://no-color.org) is not set.
func Color(f *os.File) bool {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// shade is how a part of a line stands out; the text is the ANSI sequence that begins it.
type shade string

const (
	plain  shade = ""
	dim    shade = "\x1b[2m"
	bold   shade = "\x1b[1m"
	red    shade = "\x1b[31m"
	green  shade = "\x1b[32m"
	yellow shade = "\x1b[33m"
	cyan   shade = "\x1b[36m"
)

const shadeEnd = "\x1b[0m"

// style draws in colour or not.
type style struct{ color bool }

// append appends text in a shade.
func (y style) append(dst []byte, s shade, text []byte) []byte {
	if !y.color || s == plain {
		return append(dst, text...)
	}
	dst = append(dst, s...)
	dst = append(dst, text...)
	return append(dst, shadeEnd...)
}

// appendPadding appends spaces up to n characters.
func appendPadding(dst []byte, n int) []byte {
	for ; n > 0; n-- {
		dst = append(dst, ' ')
	}
	return dst
}
