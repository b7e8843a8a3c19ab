package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
)

// deviceCmd is about the key of this device.
type deviceCmd struct {
	Make     deviceMakeCmd     `cmd:"" help:"Make this device's key."`
	Show     deviceShowCmd     `cmd:"" help:"Show this device's id and public key."`
	Register deviceRegisterCmd `cmd:"" help:"Make this device known to the service, or change its label."`
	List     deviceListCmd     `cmd:"" help:"List all devices (operator)."`
	Revoke   deviceRevokeCmd   `cmd:"" help:"Take a lost device's right to act away, for ever (operator)."`
}

// deviceMakeCmd makes a key.
type deviceMakeCmd struct {
	deviceKeyFlag
	jsonFlag
}

// Help explains the key.
func (*deviceMakeCmd) Help() string {
	return `The key is the device: whoever has the file can act as this device. It is made here, stays here, and only you can
read the file. An existing file is never overwritten.

Next: tapline device register --label "my laptop"`
}

// Run makes the key.
func (cmd *deviceMakeCmd) Run(a *app) error {
	path, err := cmd.path()
	if err != nil {
		return err
	}
	key, err := device.MakeKey(path)
	if errors.Is(err, fs.ErrExist) {
		return withHint(fmt.Errorf("there is a key already: %s", path), `show it with "tapline device show", or name another file with --key`)
	}
	if err != nil {
		return err
	}
	if !cmd.JSON {
		named := ""
		if cmd.Key != "" {
			named = " --key " + cmd.Key
		}
		a.say("Next: tapline device register%s --label \"my device\"", named)
	}
	return showKey(a, cmd.JSON, path, key)
}

// deviceShowCmd shows the key.
type deviceShowCmd struct {
	deviceKeyFlag
	jsonFlag
}

// Run shows the public half of the key.
func (cmd *deviceShowCmd) Run(a *app) error {
	path, err := cmd.path()
	if err != nil {
		return err
	}
	key, err := cmd.load()
	if err != nil {
		return err
	}
	return showKey(a, cmd.JSON, path, key)
}

// showKey writes the public half of a key.
func showKey(a *app, asJSON bool, path string, key *consent.DeviceKey) error {
	jwk := key.Public().JWK()
	return a.result(asJSON,
		map[string]any{"id": key.ID(), "file": path, "public_key": json.RawMessage(jwk)},
		pair{"id", string(key.ID())}, pair{"file", path}, pair{"public key", string(jwk)})
}

// deviceRegisterCmd registers the device.
type deviceRegisterCmd struct {
	deviceFlags
	Label string `placeholder:"TEXT" help:"What you call this device. Whoever approves its payments is shown it. The machine's name by default."`
	jsonFlag
}

// Run registers the device.
func (cmd *deviceRegisterCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	label := cmd.Label
	if label == "" {
		if label, err = os.Hostname(); err != nil {
			return withHint(err, "give a name with --label")
		}
	}
	d, err := client.Register(a.ctx, label)
	if err != nil {
		return err
	}
	return a.result(cmd.JSON, d, pair{"id", d.ID}, pair{"label", d.Label}, pair{"registered", when(d.CreatedAt)})
}

// deviceListCmd lists devices.
type deviceListCmd struct {
	operatorFlags
	jsonFlag
}

// Run lists the devices.
func (cmd *deviceListCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	devices, err := client.Devices(a.ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, d := range devices {
		state := "may act"
		if d.RevokedAt != nil {
			state = "revoked " + when(*d.RevokedAt)
		}
		rows = append(rows, []string{d.ID, d.Label, when(d.CreatedAt), state})
	}
	return a.list(cmd.JSON, api.Devices{Devices: devices}, []string{"DEVICE", "LABEL", "REGISTERED", "STATE"}, rows)
}

// deviceRevokeCmd revokes a device.
type deviceRevokeCmd struct {
	operatorFlags
	writeFlags
	Device string `arg:"" help:"The device's id."`
}

// Run revokes the device.
func (cmd *deviceRevokeCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	return cmd.once(a, func(a *app) error {
		if err := client.RevokeDevice(a.ctx, consent.DeviceID(cmd.Device), cmd.Note); err != nil {
			return err
		}
		return a.print("revoked %s", cmd.Device)
	})
}
