package config

import (
	_ "embed" // usage.txt
	"fmt"
	"io"
)

// usage is made from the comments of Config by go test -update.
//
//go:embed usage.txt
var usage string

// Usage writes what every flag means.
func Usage(w io.Writer) { fmt.Fprint(w, usage) }
