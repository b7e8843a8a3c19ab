package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"tapline/consent"
)

// receiptCmd is "tapline receipt".
type receiptCmd struct {
	Verify receiptVerifyCmd `cmd:"" help:"Check a receipt's signature offline and show what it says."`
}

// receiptVerifyCmd is "tapline receipt verify".
type receiptVerifyCmd struct {
	File string `arg:"" help:"The receipt: a compact JWS, or - for standard input." placeholder:"FILE"`
	Keys string `required:"" help:"The service's public keys, as served at /.well-known/jwks.json." type:"existingfile" placeholder:"FILE"`
	JSON bool   `help:"Print the receipt's facts as JSON."`
}

// Help is what the command's --help says.
func (receiptVerifyCmd) Help() string {
	return `Needs no network. A receipt says what was settled when it was settled: later refunds do not show in it. Take the keys
from the service over TLS, once:

  curl -o jwks.json https://pay.example/.well-known/jwks.json`
}

// maxReceipt bounds what is read as a receipt.
const maxReceipt = 64 << 10

// Run verifies the receipt.
func (c *receiptVerifyCmd) Run(a *app) error {
	keys, err := os.ReadFile(c.Keys)
	if err != nil {
		return err
	}
	text, err := c.read(a.stdin)
	if err != nil {
		return err
	}
	r, err := consent.VerifyReceipt(keys, strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%s is not a receipt signed with these keys: %w", c.File, err)
	}
	if c.JSON {
		return json.NewEncoder(a.stdout).Encode(r)
	}
	fmt.Fprintf(a.stdout, "genuine: signed by %s (%s)\n", r.Issuer, r.Environment)
	for _, line := range [][2]string{
		{"payment", string(r.Payment)}, {"amount", r.Amount.String()},
		{"payee", r.PayeeName + " (" + r.PayeeHandle + "), account " + r.PayeeAccount},
		{"card account", r.CardAccount}, {"order", r.OrderNumber},
		{"settled", r.SettledAt.String()}, {"first confirmation", r.FirstDigest}, {"second confirmation", r.SecondDigest},
		{"took", fmt.Sprintf("%d ms", r.Stages.Total)},
	} {
		if line[1] != "" {
			fmt.Fprintf(a.stdout, "  %-20s %s\n", line[0], line[1])
		}
	}
	return nil
}

func (c *receiptVerifyCmd) read(stdin io.Reader) ([]byte, error) {
	if c.File == "-" {
		return io.ReadAll(io.LimitReader(stdin, maxReceipt))
	}
	return os.ReadFile(c.File)
}
