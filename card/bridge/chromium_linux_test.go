package bridge_test

import (
	"os/exec"
	"syscall"
)

// ownGroup lets Chromium's processes end with the one that was started, and that one with this process.
func ownGroup(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
}
