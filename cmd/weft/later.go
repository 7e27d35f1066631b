package main

import "context"

func recordCommand(context.Context, []string) error { return nil }
func replayCommand(context.Context, []string) error { return nil }
func doctorCommand(context.Context, []string) error { return nil }
