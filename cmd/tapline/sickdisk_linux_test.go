package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"tapline/internal/testenv"
)

// programs are those that this binary is when scripts and tests run it by their names.
func programs() map[string]func() { return map[string]func(){"tapline": main, "sickdisk": sickDisk} }

// sickDisk mounts a file system in namespaces of its own, and makes it fail as it is told, line by line:
//
//	sickdisk tmpfs FOLDER BYTES   fill: nothing is left of its space; free: what was filled is free again
//	sickdisk fuse FOLDER BEHIND   eio, erofs: writing and syncing fails so; well: no more
//
// It says "done" after each, and ends with its input; the file system ends with its namespaces.
func sickDisk() {
	if err := runSickDisk(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func runSickDisk(kind, dir, how string) error {
	obey, err := map[string]func(dir, how string) (func(string) error, error){"tmpfs": mountTmpfs, "fuse": mountFUSE}[kind](dir, how)
	if err != nil {
		return fmt.Errorf("mounting %s: %w", kind, err)
	}
	fmt.Println("done")
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		if err := obey(orders.Text()); err != nil {
			return err
		}
		fmt.Println("done")
	}
	return nil
}

func mountTmpfs(dir, size string) (func(string) error, error) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		return nil, err
	}
	return func(order string) error {
		name := filepath.Join(dir, "filler")
		if order == "free" {
			return os.Remove(name)
		}
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		for block := make([]byte, 4096); err == nil; {
			_, err = f.Write(block)
		}
		if closed := f.Close(); !errors.Is(err, syscall.ENOSPC) || closed != nil {
			return fmt.Errorf("filling the disk: %w", errors.Join(err, closed))
		}
		return nil
	}, nil
}

// sickness is what writing fails with, 0 if it does not.
var sickness atomic.Uint32

func mountFUSE(dir, behind string) (func(string) error, error) {
	root := &fs.LoopbackRoot{Path: behind}
	root.NewNode = func(of *fs.LoopbackRoot, _ *fs.Inode, _ string, _ *syscall.Stat_t) fs.InodeEmbedder {
		return &sickNode{fs.LoopbackNode{RootData: of}}
	}
	node := root.NewNode(root, nil, "", nil)
	root.RootNode = node
	if _, err := fs.Mount(dir, node, &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true}}); err != nil {
		return nil, err
	}
	return func(order string) error {
		sickness.Store(map[string]uint32{"eio": uint32(syscall.EIO), "erofs": uint32(syscall.EROFS)}[order])
		return nil
	}, nil
}

// sickNode is a file or folder that cannot be written while there is sickness.
type sickNode struct{ fs.LoopbackNode }

func sick() syscall.Errno { return syscall.Errno(sickness.Load()) }

// Write writes.
func (n *sickNode) Write(ctx context.Context, f fs.FileHandle, data []byte, at int64) (uint32, syscall.Errno) {
	if e := sick(); e != 0 {
		return 0, e
	}
	return f.(fs.FileWriter).Write(ctx, data, at)
}

// Fsync syncs.
func (n *sickNode) Fsync(ctx context.Context, f fs.FileHandle, flags uint32) syscall.Errno {
	if e := sick(); e != 0 {
		return e
	}
	if syncer, ok := f.(fs.FileFsyncer); ok {
		return syncer.Fsync(ctx, flags)
	}
	return 0
}

// Create makes a file.
func (n *sickNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if e := sick(); e != 0 {
		return nil, nil, 0, e
	}
	return n.LoopbackNode.Create(ctx, name, flags, mode, out)
}

// Open opens a file.
func (n *sickNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if e := sick(); e == syscall.EROFS && flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		return nil, 0, e
	}
	return n.LoopbackNode.Open(ctx, flags)
}

// disk is such a file system.
type disk struct {
	*testing.T
	dir     string
	process *os.Process
	orders  io.Writer
	answers *bufio.Scanner
}

// newDisk mounts one for a test.
func newDisk(t *testing.T, kind, how string) *disk {
	t.Helper()
	d := &disk{T: t, dir: t.TempDir()}
	cmd := exec.Command("sickdisk", kind, d.dir, how)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	cmd.Stderr = os.Stderr
	orders, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.orders, d.answers = orders, bufio.NewScanner(answers)
	if err := cmd.Start(); err != nil {
		testenv.Require(t, kind, false, fmt.Sprintf("no namespaces of one's own: %v", err))
	}
	d.process = cmd.Process
	t.Cleanup(func() {
		_ = orders.Close()
		_ = cmd.Wait() // with its input it ends, and with it the mount
	})
	if d.answers.Scan(); d.answers.Text() != "done" {
		testenv.Require(t, kind, false, d.answers.Text())
	}
	return d
}

// order tells the disk how to be.
func (d *disk) order(how string) {
	d.Helper()
	if _, err := fmt.Fprintln(d.orders, how); err != nil {
		d.Fatal(err)
	}
	if d.answers.Scan(); d.answers.Text() != "done" {
		d.Fatalf("the disk, told %q: %q", how, d.answers.Text())
	}
}

// within makes a command see the disk.
func (d *disk) within() []string {
	return []string{"nsenter", "--preserve-credentials", "-U", "-m", "-t", strconv.Itoa(d.process.Pid)}
}

// outside is the name by which this process sees a file of the disk.
func (d *disk) outside(name string) string {
	return filepath.Join("/proc", strconv.Itoa(d.process.Pid), "root", name)
}

// startOn starts a service on a disk, with a payee and a card that pays.
func startOn(t *testing.T, k *disk) (*purchase, *hammer) {
	t.Helper()
	d := &daemon{T: t, address: lastingAddress(t), db: filepath.Join(k.dir, "tapline.db"), within: k.within(), flags: []string{
		"--policy", "tap", "--allow-identified-tap", "--tap-limit", "1000000", "--tap-daily-limit", "1000000000"}}
	d.start()
	t.Cleanup(func() {
		if d.process != nil {
			d.kill()
		}
	})
	p := newPurchase(d)
	token, err := os.ReadFile(k.outside(strings.TrimSuffix(d.db, ".db") + ".first-token"))
	if err == nil {
		_, err = p.operator.EnrolFirst(p.ctx, string(token), "Olga")
	}
	if err != nil {
		t.Fatal(err)
	}
	p.run(p.preparing()[1])
	return p, p.newHammer(0)
}

// TestADiskThatFails wants a service whose disk cannot be written to answer 503 and to log why, to acknowledge nothing that
// it has not kept, to go on reading, and to recover by itself.
func TestADiskThatFails(t *testing.T) {
	for _, c := range []struct{ name, kind, how, ill, well, log string }{
		{"full", "tmpfs", "32m", "fill", "free", "full"},
		{"broken", "fuse", "", "eio", "well", "disk I/O error"},
		{"read-only", "fuse", "", "erofs", "well", "disk I/O error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.how == "" {
				c.how = t.TempDir()
			}
			k := newDisk(t, c.kind, c.how)
			p, h := startOn(t, k)
			for range 20 {
				if !h.pay() {
					t.Fatal("no payment")
				}
			}
			k.order(c.ill)
			refused := h.untilRefused()
			before := len(h.acked)
			if there := h.payments(); len(there) != before {
				t.Errorf("while nothing can be written %d payments can be read, of %d", len(there), before)
			}
			k.order(c.well)
			for _, sent := range refused {
				status, answer, replayed, err := h.post(sent.compact)
				if err != nil || status != 201 || replayed {
					t.Errorf("what was refused, again: %d %s (replayed: %v) %v", status, answer, replayed, err)
				}
				sent.answer = answer
				h.acked = append(h.acked, sent)
			}
			for range 5 {
				if !h.pay() {
					t.Fatal("it does not recover")
				}
			}
			h.recount()
			p.balanced([]*hammer{h})
			log := p.log
			p.crash()
			h.recount()
			p.balanced([]*hammer{h})
			p.check()
			p.kill()
			line := ""
			for one := range strings.Lines(log.String()) {
				if strings.Contains(one, `"msg":"the database is not available"`) && strings.Contains(one, c.log) {
					line = one
				}
			}
			if line == "" || !strings.Contains(line, `"level":"ERROR"`) {
				t.Errorf("no line of the log says why:\n%s", log)
			}
			t.Logf("%d payments were refused; the log said: %s", len(refused), line)
		})
	}
}

// untilRefused pays until ten payments in a row were refused with 503, and returns these.
func (h *hammer) untilRefused() (refused []sentPayment) {
	h.Helper()
	for range 5000 {
		sent := h.sign()
		status, answer, _, err := h.post(sent.compact)
		switch {
		case err != nil:
			h.Fatal(err)
		case status == 201:
			sent.answer = answer
			h.acked = append(h.acked, sent)
			if len(refused) > 0 {
				h.Logf("one was taken after %d were refused", len(refused)) // of the space that is left a smaller one may still have some
			}
		case status != 503 || !strings.Contains(answer, `"code":"unavailable"`) || !strings.Contains(answer, `"retryable":true`):
			h.Fatalf("a payment: %d %s", status, answer)
		default:
			if refused = append(refused, sent); len(refused) == 10 {
				return refused
			}
		}
	}
	h.Fatal("nothing was refused")
	return nil
}

// TestADatabaseThatCannotBeWrittenDoesNotStart wants a start on such a disk to say so.
func TestADatabaseThatCannotBeWrittenDoesNotStart(t *testing.T) {
	k := newDisk(t, "fuse", t.TempDir())
	p, _ := startOn(t, k)
	p.kill()
	k.order("erofs")
	out, err := p.command("serve", "--listen", p.address, "--db", p.db).CombinedOutput()
	ended, ok := errors.AsType[*exec.ExitError](err)
	if !ok || ended.ExitCode() != 1 || !strings.Contains(string(out), "read-only") {
		t.Errorf("%v, and it says:\n%s", err, out)
	}
	k.order("well")
	p.start()
	p.check()
}
