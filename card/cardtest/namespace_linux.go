package cardtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// dialByThread moves one thread into the namespace and connects there. It needs root.
func (r *Reader) dialByThread(ctx context.Context, addr string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result, 1)
	go func() {
		runtime.LockOSThread() // and never unlock unless the thread is back: it ends with this goroutine
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			results <- result{nil, err}
			return
		}
		defer home.Close()
		there, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", r.pid))
		if err != nil {
			results <- result{nil, err}
			return
		}
		defer there.Close()
		if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			results <- result{nil, fmt.Errorf("enter the reader's network namespace: %w", err)}
			return
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		results <- result{conn, err}
	}()
	got := <-results
	return got.conn, got.err
}

// helperScript connects to host $1, port $2 and keeps the connection until its input ends.
const helperScript = `exec 3<>"/dev/tcp/$1/$2" && echo connected && read -r _`

// dialByHelper lets a process in the namespace connect and takes over its connection. A program with several threads
// cannot enter a user namespace itself (setns(2)).
func (r *Reader) dialByHelper(ctx context.Context, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	helper := exec.CommandContext(ctx, "nsenter", "--preserve-credentials", "-U", "-n", "-t", strconv.Itoa(r.pid),
		"bash", "-c", helperScript, "bash", host, port)
	helper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := helper.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := helper.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := helper.Start(); err != nil {
		return nil, fmt.Errorf("nsenter and bash are needed without root: %w", err)
	}
	defer helper.Wait()
	defer input.Close()
	if line, err := bufio.NewReader(output).ReadString('\n'); line != "connected\n" {
		return nil, fmt.Errorf("connect to %s from within the reader's namespace: %w", addr, err)
	}
	process, err := unix.PidfdOpen(helper.Process.Pid, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_open(2): %w", err)
	}
	defer unix.Close(process)
	fd, err := unix.PidfdGetfd(process, 3, 0)
	if err != nil {
		return nil, fmt.Errorf("pidfd_getfd(2): %w", err)
	}
	socket := os.NewFile(uintptr(fd), addr)
	defer socket.Close()
	return net.FileConn(socket)
}
