package cardtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"tapline/card/pcsc"
)

const (
	vpcdConfig   = "/etc/reader.conf.d/vpcd"
	startTimeout = 10 * time.Second
	stopTimeout  = 2 * time.Second
	startPoll    = 10 * time.Millisecond // pcscd gives no signal when it is ready
)

// startScript runs in namespaces of its own. A private /run keeps pcscd's socket away from the system's pcscd and from
// other readers; the empty driver folder keeps it away from the machine's real readers. $1 is vpcd's configuration,
// the rest are pcscd and its options.
const startScript = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir /run/pcscd /run/drivers /run/config
cp "$1" /run/config/vpcd
shift
ip link set lo up
export PCSCLITE_HP_DROPDIR=/run/drivers
exec "$@" --foreground --config /run/config
`

// Reader is a real pcscd with a virtual reader, in a private network and mount namespace: vpcd listens on all
// addresses, so it never runs outside of one. Its methods may be called by several goroutines.
type Reader struct {
	pid    int
	port   int
	user   bool          // the namespaces belong to a user namespace: started without root
	exited chan struct{} // closed when pcscd has ended
	output *tail

	mu    sync.Mutex
	cards [Slots]*inserted
}

// inserted is a card in a slot.
type inserted struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the card is out
}

// StartReader starts a pcscd with a virtual reader and waits until it is ready. Close ends it; it also ends with this
// process, however that ends. It needs pcscd, vpcd, and either root or the permission to make user namespaces; if one
// is missing, the error is an *UnavailableError.
func StartReader(ctx context.Context) (*Reader, error) {
	port, daemon, err := findParts(ctx)
	if err != nil {
		return nil, err
	}
	r := &Reader{port: port, user: os.Geteuid() != 0, exited: make(chan struct{}), output: &tail{}}
	command := exec.Command("sh", append([]string{"-c", startScript, "sh", vpcdConfig}, daemon...)...)
	command.Stdout, command.Stderr = r.output, r.output
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Setpgid: true, Pdeathsig: syscall.SIGKILL,
	}
	if r.user {
		command.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	if err := r.start(command); err != nil {
		return nil, &UnavailableError{Reason: "private namespaces are not permitted here; run as root", Cause: err}
	}
	if err := r.ready(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// findParts looks for pcscd, vpcd and the tools of startScript.
func findParts(ctx context.Context) (port int, daemon []string, err error) {
	path := "/usr/sbin/pcscd"
	if _, err := os.Stat(path); err != nil {
		if path, err = exec.LookPath("pcscd"); err != nil {
			return 0, nil, &UnavailableError{Reason: "pcscd is not installed; try: apt-get install pcscd", Cause: err}
		}
	}
	config, err := os.ReadFile(vpcdConfig)
	if err != nil {
		return 0, nil, &UnavailableError{Reason: "vpcd is not installed; try: apt-get install vsmartcard-vpcd", Cause: err}
	}
	channel := regexp.MustCompile(`(?m)^CHANNELID\s+(\S+)`).FindSubmatch(config)
	if channel == nil {
		return 0, nil, &UnavailableError{Reason: vpcdConfig + " has no CHANNELID"}
	}
	number, err := strconv.ParseUint(string(channel[1]), 0, 16)
	if err != nil {
		return 0, nil, &UnavailableError{Reason: vpcdConfig + " has a CHANNELID that is no port", Cause: err}
	}
	for _, tool := range []string{"sh", "mount", "ip", "cp", "mkdir"} {
		if _, err := exec.LookPath(tool); err != nil {
			return 0, nil, &UnavailableError{Reason: tool + " is not installed; try: apt-get install iproute2 mount", Cause: err}
		}
	}
	daemon = []string{path}
	help, _ := exec.CommandContext(ctx, path, "--help").CombinedOutput()
	if bytes.Contains(help, []byte("--disable-polkit")) {
		daemon = append(daemon, "--disable-polkit") // there is no D-Bus in the private /run
	}
	return int(number), daemon, nil
}

// start starts the process and waits for it on one locked thread: the parent-death signal goes by thread (prctl(2)).
func (r *Reader) start(command *exec.Cmd) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		if err == nil {
			r.pid = command.Process.Pid
		}
		started <- err
		if err == nil {
			command.Wait() // how it ended does not matter: Close killed it or output tells
			close(r.exited)
		}
	}()
	return <-started
}

// ready waits until pcscd lists its reader.
func (r *Reader) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(startPoll)
	defer tick.Stop()
	for {
		if client, err := pcsc.Dial(ctx, r.Socket()); err == nil {
			readers, err := client.Readers(ctx)
			client.Close()
			if err == nil && len(readers) == Slots {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-r.exited:
			return &UnavailableError{Reason: "pcscd did not start: " + r.output.String()}
		case <-ctx.Done():
			return &UnavailableError{Reason: "pcscd did not become ready: " + r.output.String(), Cause: context.Cause(ctx)}
		}
	}
}

// Socket is the path of pcscd's socket, for pcsc.Dial or PCSCLITE_CSOCK_NAME. It works for processes that may look
// into this one's children: the same user and root.
func (r *Reader) Socket() string { return fmt.Sprintf("/proc/%d/root/run/pcscd/pcscd.comm", r.pid) }

// PID is the process id of pcscd.
func (r *Reader) PID() int { return r.pid }

// Insert puts a card into the first slot. Until Remove, the card belongs to the Reader. It is an error if another is
// there. pcscd notices the card within half a second.
func (r *Reader) Insert(ctx context.Context, c Card) error { return r.InsertAt(ctx, 0, c) }

// InsertAt is Insert into a slot, 0 or 1.
func (r *Reader) InsertAt(ctx context.Context, slot int, c Card) error {
	if slot < 0 || slot >= Slots {
		return fmt.Errorf("the virtual reader has slots 0 to %d, not %d", Slots-1, slot)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if present := r.cards[slot]; present != nil {
		select {
		case <-present.done: // pcscd threw it out
		default:
			return errors.New("there is a card in the virtual reader; remove it first")
		}
	}
	conn, err := r.dial(ctx, fmt.Sprintf("127.0.0.1:%d", r.port+slot))
	if err != nil {
		return fmt.Errorf("insert a card into the virtual reader: %w", err)
	}
	serving, cancel := context.WithCancel(context.Background())
	card := &inserted{cancel, make(chan struct{})}
	r.cards[slot] = card
	go func() {
		defer close(card.done)
		serve(serving, conn, c) // ends by Remove, or with pcscd, which its clients notice
	}()
	return nil
}

// Remove takes the card out of the first slot, if one is there, and waits until it is out. pcscd notices within half
// a second, or at the next command.
func (r *Reader) Remove() { r.RemoveAt(0) }

// RemoveAt is Remove for a slot, 0 or 1.
func (r *Reader) RemoveAt(slot int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if card := r.cards[slot]; card != nil {
		card.cancel()
		<-card.done
		r.cards[slot] = nil
	}
}

// Close removes the cards, ends pcscd and waits for its end. Nothing is left of it.
func (r *Reader) Close() error {
	for slot := range Slots {
		r.RemoveAt(slot)
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		select {
		case <-r.exited:
			return nil
		default:
		}
		syscall.Kill(-r.pid, signal)
		select {
		case <-r.exited:
			return nil
		case <-time.After(stopTimeout):
		}
	}
	return fmt.Errorf("pcscd (process %d) does not end", r.pid)
}

// dial connects within the network namespace of the reader. The connection can be used from anywhere.
func (r *Reader) dial(ctx context.Context, addr string) (conn net.Conn, err error) {
	if r.user {
		return r.dialByHelper(ctx, addr)
	}
	return r.dialByThread(ctx, addr)
}

// tail keeps the last output of a process.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	const most = 1000
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-most):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
