package main

import (
	"errors"
	"fmt"
	"strings"

	"tapline/card/sun"
)

// cardVerifySUNCmd checks a SUN message.
type cardVerifySUNCmd struct {
	MetaKey string `env:"TAPLINE_SUN_META_KEY" placeholder:"KEY" help:"The key of encrypted UID and counter (SDMMetaReadKey): 32 hexadecimal digits or, so that other users of this machine do not see it, @FILE with them in it. Not needed for plain mirrors."`
	FileKey string `required:"" env:"TAPLINE_SUN_FILE_KEY" placeholder:"KEY" help:"The card's own key of MAC and file data (SDMFileReadKey), likewise."`
	LRP     bool   `name:"lrp" help:"The card is in LRP mode. Needed for plain mirrors only: encrypted ones show it."`
	MACFrom string `name:"mac-from" placeholder:"PLACE" help:"Where the text that the MAC covers begins (SDMMACInputOffset): a parameter's name for its value, an offset in the URL, or mac for no text. By default the file data, else no text."`
	URL     string `arg:"" name:"url" help:"The URL that the card gave, - for standard input."`
	jsonFlag
}

// Help explains what it proves.
func (*cardVerifySUNCmd) Help() string {
	return `Checks what an NTAG 424 DNA card wrote into its URL at a tap (Secure Unique NFC), in the fragment or the query, and shows
UID, counter and file data. Talks to no service. A message that is genuine was made by the card; whether it was used
before is for whoever keeps the last counter to say. The exit code is 1 if the message is not genuine.

  tapline card verify-sun --meta-key @meta.key --file-key @file.key - < url`
}

// Run checks the message.
func (cmd *cardVerifySUNCmd) Run(a *app) error {
	file, err := a.sunKey("--file-key", cmd.FileKey)
	if err != nil {
		return err
	}
	text := cmd.URL
	if text == "-" {
		if text, err = a.readSecret(text); err != nil {
			return err
		}
	}
	message, err := sun.Format{LRP: cmd.LRP, MACFrom: sun.MACFrom(cmd.MACFrom)}.Parse(text)
	if err != nil {
		return withHint(err, "a card's URL has e and c in it, or picc_data and cmac, or uid, ctr and cmac, or all in one value with an x between")
	}
	var meta sun.Key
	if message.PICC != nil {
		if cmd.MetaKey == "" {
			return withHint(errors.New("UID and counter are encrypted in this URL: --meta-key is missing"),
				"keep the key in a file and give --meta-key @FILE")
		}
		if meta, err = a.sunKey("--meta-key", cmd.MetaKey); err != nil {
			return err
		}
	}
	tap, err := message.Verify(meta, func(sun.UID) sun.Key { return file })
	if errors.Is(err, sun.ErrNotGenuine) {
		return withHint(err, "check the keys, and --mac-from if the card's MAC covers part of the URL")
	}
	if err != nil {
		return err
	}
	return cmd.show(a, tap)
}

// show writes what the message says.
func (cmd *cardVerifySUNCmd) show(a *app, tap sun.Tap) error {
	out := struct {
		Genuine  bool    `json:"genuine"`
		Mode     string  `json:"mode"`
		UID      string  `json:"uid"`
		Counter  *uint32 `json:"counter,omitempty"`
		FileData string  `json:"file_data,omitempty"`
	}{true, string(tap.Mode), tap.UID.String(), nil, fmt.Sprintf("%X", tap.FileData)}
	counter := "none: this message can be replayed for ever"
	if tap.HasCounter {
		out.Counter = &tap.Counter
		counter = fmt.Sprint(tap.Counter)
	}
	return a.result(cmd.JSON, out, pair{"genuine", "yes"}, pair{"mode", out.Mode}, pair{"UID", out.UID},
		pair{"counter", counter}, pair{"file data", out.FileData})
}

// sunKey reads a key: its digits, or @ and the file that they are in. What is wrong with it is told without it.
func (a *app) sunKey(flag, text string) (sun.Key, error) {
	if path, is := strings.CutPrefix(text, "@"); is {
		var err error
		if text, err = a.readSecret(path); err != nil {
			return sun.Key{}, err
		}
	}
	key, err := sun.ParseKey(text)
	if err != nil {
		return sun.Key{}, withHint(fmt.Errorf("%s: %w", flag, err), "keep it in a file and give "+flag+" @FILE")
	}
	return key, nil
}
