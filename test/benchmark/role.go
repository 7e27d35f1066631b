package main

// roles are the parts that this program plays when it is started again.
var roles = map[string]func(args []string) error{
	"receiver":  receive,
	"server":    serve,
	"pace":      pace,
	"bystander": standBy,
	"accept":    acceptConnections,
	"hold":      holdConnections,
	"secure":    speakSecurely,
}
