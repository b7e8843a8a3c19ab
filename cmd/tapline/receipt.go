package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"tapline/consent"
)

// receiptCmd is "tapline receipt".
type receiptCmd struct {
	Get    receiptGetCmd    `cmd:"" help:"Fetch the receipt of a payment that this device takes part in."`
	Verify receiptVerifyCmd `cmd:"" help:"Check a receipt's signature offline and show what it says."`
}

// receiptGetCmd is "tapline receipt get".
type receiptGetCmd struct {
	deviceFlags
	Payment string `arg:"" help:"The payment's id."`
	Out     string `placeholder:"FILE" help:"Keep the receipt in a new file."`
}

// Help explains what it is good for.
func (receiptGetCmd) Help() string {
	return `The receipt's signature and facts are checked before it is written. "tapline receipt verify" checks it again, offline.`
}

// Run fetches the receipt.
func (cmd *receiptGetCmd) Run(a *app) (err error) {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	if cmd.Out == "" {
		receipt, err := client.Receipt(a.ctx, consent.PaymentID(cmd.Payment))
		if err != nil {
			return err
		}
		return a.print("%s", receipt.Compact)
	}
	file, err := newReceipt(cmd.Out)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, file.Close())
		if err != nil {
			os.Remove(cmd.Out) // it is not the receipt
		}
	}()
	receipt, err := client.Receipt(a.ctx, consent.PaymentID(cmd.Payment))
	if err != nil {
		return err
	}
	_, err = file.WriteString(receipt.Compact + "\n")
	return err
}

// newReceipt makes the file of a receipt, which must be new.
func newReceipt(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, withHint(fmt.Errorf("there is a file already: %s", path), "name a new file for the receipt")
	}
	return file, err
}

// receiptVerifyCmd is "tapline receipt verify".
type receiptVerifyCmd struct {
	File string `arg:"" help:"The receipt: a compact JWS, or - for standard input." placeholder:"FILE"`
	Keys string `required:"" help:"The service's public keys, as served at /.well-known/jwks.json." type:"existingfile" placeholder:"FILE"`
	jsonFlag
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
func (cmd *receiptVerifyCmd) Run(a *app) error {
	keys, err := os.ReadFile(cmd.Keys)
	if err != nil {
		return err
	}
	text, err := cmd.read(a.stdin)
	if err != nil {
		return err
	}
	r, err := consent.VerifyReceipt(keys, strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%s is not a receipt signed with these keys: %w", cmd.File, err)
	}
	fee, taken, test := "", "", ""
	if r.Environment == "test" {
		test = "no money has moved"
	}
	if r.Fee.Minor > 0 {
		fee = r.Fee.String() + ", paid besides"
	}
	if r.PayeeFee.Minor > 0 {
		taken = r.PayeeFee.String() + " of the amount"
	}
	return a.result(cmd.JSON, r,
		pair{"genuine", fmt.Sprintf("signed by %s (%s)", r.Issuer, r.Environment)}, pair{"test", test},
		pair{"payment", string(r.Payment)}, pair{"amount", r.Amount.String()}, pair{"fee", fee}, pair{"fee taken", taken},
		pair{"payee", fmt.Sprintf("%s (%s), account %s", r.PayeeName, r.PayeeHandle, r.PayeeAccount)},
		pair{"card account", r.CardAccount}, pair{"order", r.OrderNumber}, pair{"settled", r.SettledAt.String()},
		pair{"first confirmation", r.FirstDigest}, pair{"second confirmation", r.SecondDigest},
		pair{"took", fmt.Sprintf("%d ms", r.Stages.Total)})
}

func (cmd *receiptVerifyCmd) read(stdin io.Reader) ([]byte, error) {
	if cmd.File == "-" {
		return io.ReadAll(io.LimitReader(stdin, maxReceipt))
	}
	return os.ReadFile(cmd.File)
}
