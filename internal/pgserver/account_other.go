//go:build !linux

package pgserver

import "syscall"

// account is whom a server runs as: whoever runs this program.
type account struct{}

func (account) attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func (account) own(string) error { return nil }

// endWithThread does nothing: there is no such signal here.
func endWithThread(*syscall.SysProcAttr) {}

func unprivileged() (account, error) { return account{}, nil }
