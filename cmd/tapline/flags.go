package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tapline/consent"
	"tapline/device"
	"tapline/operator"
)

// defaultURL is where `tapline serve` listens if it is not told otherwise.
const defaultURL = "http://127.0.0.1:8480"

// serviceFlags say which service to talk to.
type serviceFlags struct {
	URL      string `name:"url" default:"${url}" env:"TAPLINE_URL" placeholder:"URL" help:"The service's own address (${default})."`
	Insecure bool   `env:"TAPLINE_INSECURE" help:"Allow plain http to another machine. Everybody on the way can read it."`
}

// jsonFlag asks for a result for programs.
type jsonFlag struct {
	JSON bool `name:"json" help:"Write the result as JSON."`
}

// deviceKeyFlag says who this device is.
type deviceKeyFlag struct {
	Key string `env:"TAPLINE_KEY" placeholder:"FILE" help:"This device's key, by default device.pem in tapline's folder of your settings."`
}

// path is the key file.
func (f deviceKeyFlag) path() (string, error) { return settingsFile(f.Key, "device.pem") }

// load reads the key file.
func (f deviceKeyFlag) load() (*consent.DeviceKey, error) {
	path, err := f.path()
	if err != nil {
		return nil, err
	}
	key, err := device.LoadKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, withHint(fmt.Errorf("this device has no key: %w", err), `run "tapline device make", then "tapline device register"`)
	}
	return key, err
}

// deviceFlags are what every command of a device takes.
type deviceFlags struct {
	serviceFlags
	deviceKeyFlag
}

// client is the client of this device.
func (f deviceFlags) client(a *app) (*device.Client, error) {
	key, err := f.load()
	if err != nil {
		return nil, err
	}
	return &device.Client{URL: f.URL, Key: key, Now: a.now, Insecure: f.Insecure}, nil
}

// operatorKeyFlag says who the operator is.
type operatorKeyFlag struct {
	OperatorKey string `env:"TAPLINE_OPERATOR_KEY" placeholder:"FILE" help:"Your key as an operator, by default operator.pem in tapline's folder of your settings."`
}

// path is the key file.
func (f operatorKeyFlag) path() (string, error) { return settingsFile(f.OperatorKey, "operator.pem") }

// load reads the key file.
func (f operatorKeyFlag) load() (*consent.DeviceKey, error) {
	path, err := f.path()
	if err != nil {
		return nil, err
	}
	key, err := device.LoadKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, withHint(fmt.Errorf("you have no operator's key: %w", err), `run "tapline operator enrol --help"`)
	}
	return key, err
}

// operatorFlags are what every command of an operator takes.
type operatorFlags struct {
	serviceFlags
	AdminURL string `name:"admin-url" env:"TAPLINE_ADMIN_URL" placeholder:"URL" help:"Where operators reach the service of --url, if that is elsewhere (serve --admin-listen)."`
	operatorKeyFlag
}

// client is the client of the operator.
func (f operatorFlags) client(a *app) (*operator.Client, error) {
	key, err := f.load()
	if err != nil {
		return nil, err
	}
	return f.as(a, key), nil
}

// as is the client of the operator with a key.
func (f operatorFlags) as(a *app, key *consent.DeviceKey) *operator.Client {
	return &operator.Client{URL: f.URL, AdminURL: f.AdminURL, Key: key, Now: a.now, Insecure: f.Insecure}
}

// writeFlags are what every write of an operator takes.
type writeFlags struct {
	Note           string `placeholder:"TEXT" help:"Why, for the audit log."`
	IdempotencyKey string `placeholder:"KEY" help:"Send again, under the key that was told, what was not answered: it is done once."`
}

// once puts the idempotency key into the app's context, tells it if the write is not answered, and runs the write.
func (f writeFlags) once(a *app, write func(*app) error) error {
	key := f.IdempotencyKey
	if key == "" {
		key = operator.NewIdempotencyKey()
	}
	inner := *a
	inner.ctx = operator.WithIdempotencyKey(a.ctx, key)
	err := write(&inner)
	if errors.Is(err, operator.ErrNoAnswer) {
		return withHint(err, "it may have been done; to make sure, run the same command with --idempotency-key "+key)
	}
	return err
}

// settingsFile is path or, if that is empty, a file in tapline's folder of the user's settings.
func settingsFile(path, name string) (string, error) {
	if path != "" {
		return path, nil
	}
	folder, err := os.UserConfigDir()
	if err != nil {
		return "", withHint(err, "name the file with --key or --operator-key")
	}
	return filepath.Join(folder, "tapline", name), nil
}
