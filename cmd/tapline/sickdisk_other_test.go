//go:build !linux

package main

// programs are those that this binary is when scripts and tests run it by their names.
func programs() map[string]func() { return map[string]func(){"tapline": main} }
