// Command gotest runs go test with the given arguments and lets nothing pass unseen: it fails when a test fails, when
// one is skipped, when a package ends without a result, and when no test ran at all. It prints the output of failed and
// skipped tests, go test's closing line of each package, and one line of totals.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
}

// run runs go test and writes its report to w.
func run(args []string, w io.Writer) error {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	r := newReport(w)
	if err := r.readAll(events); err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	testErr := cmd.Wait()
	if err := r.close(); err != nil {
		return err
	}
	return testErr
}
