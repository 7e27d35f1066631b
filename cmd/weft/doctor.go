package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"weft/agent"
	"weft/agent/config"
)

// errUnfit ends doctor with a failure when weft could not trace here.
var errUnfit = errors.New("weft can't trace here, see what is marked above")

// doctorCommand tells what works here and what a running weft counts.
func doctorCommand(ctx context.Context, args []string) error {
	c, rest, err := config.Load(args, os.Environ())
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return fmt.Errorf("weft doctor takes no argument, got %q", rest)
	}
	fit := true
	fmt.Println("this machine")
	for _, f := range append(agent.Survey(uint64(c.RingSize), hookOf(&c), probesOf(&c)), surveyPods(ctx, &c), surveyTranslation(&c)) {
		mark := "ok"
		if !f.OK {
			mark = "!!"
			fit = fit && f.What != "capture"
		}
		fmt.Printf("  %s  %-18s %s\n", mark, f.What, f.Detail)
	}
	tellRunning(&c)
	if !fit {
		return errUnfit
	}
	return nil
}

func tellRunning(c *config.Config) {
	fmt.Println("running weft")
	var a account
	if err := askControl(c.Control, "account", &a); err != nil {
		fmt.Printf("  none answers on %s (%v)\n", c.Control, err)
		return
	}
	fmt.Print(a.lines())
	var full forgetful
	if err := askControl(c.Control, "forgetful", &full); err != nil {
		fmt.Printf("  how full the kernel's maps are is not told: %v\n", err)
		return
	}
	fmt.Print(full.lines())
	var s sealed
	if err := askControl(c.Control, "sealed", &s); err != nil {
		fmt.Printf("  what TLS can't be read is not told: %v\n", err)
		return
	}
	fmt.Print(s.lines())
}
