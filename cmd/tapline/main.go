// Command tapline is all of Tapline in one binary: the service, the devices that pay and approve, and what operators
// do. Every sub-command is in a file of its own name; `tapline --help` lists them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"tapline/consent"
	"tapline/device"
)

// version is stamped by the Makefile.
var version = "devel"

// root is the command line. Each command has a method Run(*app) error.
type root struct {
	Serve     serveCmd     `cmd:"" help:"Run the service."`
	Demo      demoCmd      `cmd:"" help:"See it all: a service, a card, two devices and three payments."`
	Pay       payCmd       `cmd:"" help:"Pay somebody by tapping a card."`
	Approve   approveCmd   `cmd:"" help:"Wait for second confirmations on this associated device, and decide them."`
	Device    deviceCmd    `cmd:"" help:"Make, show and register the key of this device."`
	Card      cardCmd      `cmd:"" help:"Read, issue, activate, freeze and rebind cards."`
	Reader    readerCmd    `cmd:"" help:"Let a web page wait for a tap on this computer's card reader."`
	Order     orderCmd     `cmd:"" help:"Make, show, list and cancel orders (payee)."`
	Payment   paymentCmd   `cmd:"" help:"Show a payment, and undo it before its money moves."`
	Webhook   webhookCmd   `cmd:"" help:"Have events sent to your programs (payee)."`
	Listen    listenCmd    `cmd:"" help:"Print events as they happen, and forward them to a program on this machine (payee)."`
	Trigger   triggerCmd   `cmd:"" help:"Make a test event, to try your programs with (payee)."`
	Refund    refundCmd    `cmd:"" help:"Give money of settled payments back (payee)."`
	Payee     payeeCmd     `cmd:"" help:"Look payees up, add and list them."`
	Fee       feeCmd       `cmd:"" help:"Set and list the operator's fees (operator)."`
	Account   accountCmd   `cmd:"" help:"Top accounts up and report their entries (operator)."`
	Payout    payoutCmd    `cmd:"" help:"Pay payees out: bank accounts, schedules, files for the bank (operator; payee)."`
	Close     closeCmd     `cmd:"" help:"Close a day, with its trial balance, or list closed days (operator)."`
	Operator  operatorCmd  `cmd:"" help:"Enrol and list operators."`
	Audit     auditCmd     `cmd:"" help:"List what operators did (operator)."`
	Reconcile reconcileCmd `cmd:"" help:"Compare a bank's statement with what came in and went out (operator)."`
	Receipt   receiptCmd   `cmd:"" help:"Fetch receipts, and check them offline."`
	Heads     headsCmd     `cmd:"" help:"Watch that a service's past stays as it is (anybody)."`
	Sandbox   sandboxCmd   `cmd:"" help:"Put a sandbox's clock forward, and pay with test cards (payee)."`
	Check     checkCmd     `cmd:"" help:"Prove the books of a database."`
	Backup    backupCmd    `cmd:"" help:"Copy a SQLite database while a service runs on it."`
	Restore   restoreCmd   `cmd:"" help:"Make a database of a backup that a service can go on with."`
	Note      noteCmd      `cmd:"" help:"Write and list notes about cards, accounts, payees and payments (operator)."`
	Notice    noticeCmd    `cmd:"" help:"Try how cardholders are told (operator)."`
	Keys      keysCmd      `cmd:"" help:"List, rotate, back up and restore the service's secret keys."`
	Migrate   migrateCmd   `cmd:"" help:"Bring a database to the schema of this release."`
	Bench     benchCmd     `cmd:"" help:"Measure how many payments a service of its own takes."`
	Version   versionCmd   `cmd:"" help:"Print the version."`

	BenchServe benchServeCmd `cmd:"" hidden:"" help:"What bench measures, in a process of its own."`
}

// app is what a command may use of the world.
type app struct {
	ctx            context.Context // ends with the first interrupt; a second one ends the program
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
	isTerminal     bool // standard input and error are a terminal: there is a person to ask
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	a := &app{
		ctx: ctx, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, now: time.Now,
		isTerminal: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())),
	}
	os.Exit(run(a, os.Args[1:]))
}

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// run runs the command of the arguments and returns the exit code.
func run(a *app, args []string) int {
	helped := false // kong goes on after printing help, if its Exit returns
	parser, err := newParser(a, &root{}, func(int) { helped = true })
	if err != nil {
		panic(err) // root is wrong
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	chosen, err := parser.Parse(args)
	if helped {
		return exitOK
	}
	if err != nil {
		return a.usage(err, args)
	}
	if err := chosen.Run(a); err != nil {
		return a.fail(err)
	}
	return exitOK
}

func newParser(a *app, r *root, exit func(int)) (*kong.Kong, error) {
	return kong.New(r,
		kong.Name("tapline"),
		kong.Description(description),
		kong.Vars{"url": defaultURL, "behaviours": behaviourWords},
		kong.NamedMapper("database", kong.MapperFunc(decodeDatabase)),
		kong.Writers(a.stdout, a.stderr),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
	)
}

const description = `Pay online by tapping the smart card you carry.

Commands that talk to a service find it by --url or TAPLINE_URL. Results go to standard output, questions and progress
to standard error; with --json the results are JSON. The exit code is 0 if all is well, 1 if not, 2 for a mistake in the
command line.`

// usage tells a mistake in the command line.
func (a *app) usage(err error, args []string) int {
	command := "tapline"
	if parse, ok := errors.AsType[*kong.ParseError](err); ok {
		if selected := parse.Context.Selected(); selected != nil {
			command = selected.FullPath()
		}
	}
	hint := fmt.Sprintf("run %q", command+" --help")
	for _, arg := range args {
		if id, dashed := strings.CutPrefix(arg, "-"); dashed && consent.DeviceID(arg).Check() == nil {
			hint = fmt.Sprintf("an id that begins with a dash is written like --to=-%s, or after --", id)
		}
	}
	fmt.Fprintf(a.stderr, "tapline: %s\nhint: %s\n", plain(err.Error()), plain(hint))
	return exitUsage
}

// fail tells an error, and what to do about it.
func (a *app) fail(err error) int {
	if usage, ok := errors.AsType[*usageError](err); ok {
		fmt.Fprintf(a.stderr, "tapline: %s\nhint: %s\n", plain(usage.text), plain(usage.hint))
		return exitUsage
	}
	fmt.Fprintf(a.stderr, "tapline: %s\n", plain(err.Error()))
	hint := hintFor(err)
	if a.ctx.Err() != nil && errors.Is(err, device.ErrNoAnswer) {
		hint = "this was interrupted before the answer came; what was asked may have been done"
	}
	if hint != "" {
		fmt.Fprintf(a.stderr, "hint: %s\n", plain(hint))
	}
	return exitFailed
}
